"""Runs a search in C: compiles the generated steps with the explorer and calls it in slices."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.explicit.cache import FILE_NAMES, build_cached
from engines.explicit.codegen import Generated, generate, max_successors
from engines.explicit.compiler import Compiler
from engines.explicit.library import MOST_EDGES, NONE, RUNTIME, Counts, open_library
from engines.explicit.native_goals import GoalJudge
from engines.explicit.search import (
    ALONE,
    FAULT,
    Finding,
    Limits,
    Progress,
    ProgressFunction,
    RawSearch,
    Reason,
    Storing,
)
from engines.reductions.merging import Merging
from engines.reductions.symmetry import Symmetry, renamed
from model.language.actors import Actors
from model.language.interpreter import State
from model.language.layout import Layout, layout
from model.language.machine import Check, Machine

SHARED_FROM = 2048
"""States of a level that several threads search together; with less, starting them takes longer."""

_SLICE_NANOSECONDS = 150_000_000

_RUNNING, _COMPLETE, _OUT_OF_MEMORY = range(3)
_REASONS: dict[int, Reason] = {
    _COMPLETE: "complete",
    _OUT_OF_MEMORY: "memory",
}


def search(
    machine: Machine,
    merging: Merging,
    symmetry: Symmetry | None,
    limits: Limits,
    progress: ProgressFunction | None,
    compiler: Compiler,
    keep_c: Path | None = None,
    notes: list[str] | None = None,
    *,
    generated: Generated | None = None,
    storing: Storing = ALONE,
) -> RawSearch:
    """Explores all states with generated C; CompilerError where it does not compile.

    To `notes` is added what the user should know of how it was compiled. `generated` saves
    generating the C of this machine with these reductions. ValueError for a machine that is too
    wide for C.
    """
    began = time.monotonic()
    if machine.goals and max_successors(machine) > MOST_EDGES:
        raise ValueError(f"{machine.name}: a state could have more than {MOST_EDGES:,} successors")
    places = layout(machine)
    generated = generated or generate(machine, places, merging, symmetry)
    if keep_c is not None:
        keep_c.write_text(generated.source, encoding="utf-8", errors=FILE_NAMES)
    library = open_library(build_cached(generated.source, RUNTIME, compiler=compiler, notes=notes))
    compiled = time.monotonic()
    with _Search.start(library, places, limits, storing) as running:
        reason = running.run(compiled, limits, progress)
        if storing.fingerprints:
            checks = len(generated.checks)
            reason = running.find_again(reason, checks, storing, compiled, limits, progress)
        instances = Actors(machine, renamed(symmetry)).instances
        took = compiled - began
        about = (machine, generated.checks, reason, took, compiled, limits, instances)
        return running.result(*about, storing.threads, progress)


def _stored_bytes(places: Layout) -> int:
    """Bytes of a state up to the last that holds something."""
    used = 0
    for field in places.fields.values():
        for cell in range(field.variable.size):
            word, shift = field.place(cell)
            if word == places.words - 1:
                used = max(used, shift + field.bits)
    return 8 * (places.words - 1) + max(-(-used // 8), 1)


class _Search:
    """A search in C and what can be asked of it.

    `_kept` are states that were found again, by number: with fingerprints the others are gone.
    """

    def __init__(self, library: Any, places: Layout, handle: int, fingerprints: bool) -> None:
        self._library = library
        self._places = places
        self._handle = handle
        self._fingerprints = fingerprints
        self._paths: dict[int, tuple[int, ...]] = {}
        self._kept: dict[int, State] = {}

    @classmethod
    @contextmanager
    def start(
        cls, library: Any, places: Layout, limits: Limits, storing: Storing
    ) -> Iterator[_Search]:
        """A search that is freed at the end of the block."""
        words = places.pack(places.machine.initial)
        handle = library.nl_new(
            (ctypes.c_uint64 * len(words))(*words),
            limits.memory,
            _stored_bytes(places),
            storing.threads,
            SHARED_FROM,
            storing.fingerprints,
            limits.levels or 0,
            storing.expected,
        )
        if not handle:
            raise MemoryError(
                f"cannot reserve address space for a search within {limits.memory:,} bytes; "
                "if it is limited (ulimit -v), give the search less memory"
            )
        try:
            yield cls(library, places, handle, storing.fingerprints)
        finally:
            library.nl_free(handle)

    def counts(self) -> Counts:
        values = (ctypes.c_uint64 * 11)()
        self._library.nl_counts(self._handle, values)
        return Counts(*values)

    def run(
        self,
        began: float,
        limits: Limits,
        progress: ProgressFunction | None,
        enough: int | None = None,
    ) -> Reason:
        """Searches slice by slice, so that Ctrl-C and limits are seen between two.

        Where only some states are wanted, it ends with the last of them.
        """
        try:
            while enough is None or self._library.nl_kept_count(self._handle) < enough:
                slice_ = _SLICE_NANOSECONDS
                if limits.seconds is not None:
                    left = began + limits.seconds - time.monotonic()
                    if left <= 0:
                        return "time"
                    slice_ = max(1, int(min(slice_, left * 1e9)))
                status = self._library.nl_slice(self._handle, slice_)
                if status != _RUNNING:
                    return _REASONS[status]
                if progress is not None:
                    progress(self._progress(began))
        except KeyboardInterrupt:
            return "interrupted"
        return "complete"

    def find_again(
        self,
        reason: Reason,
        checks: int,
        storing: Storing,
        began: float,
        limits: Limits,
        progress: ProgressFunction | None,
    ) -> Reason:
        """Search once more for the states of all traces, whose numbers are the same again.

        Returns why there is no more to be known: without its trace nothing is reported.
        """
        firsts = [number for number in self._firsts(checks) if number != NONE]
        self._paths = {number: self._numbers(number) for number in firsts}
        numbers = sorted({at for path in self._paths.values() for at in path})
        if not numbers:
            return reason
        self._library.nl_shed(self._handle)
        wanted = (ctypes.c_uint32 * len(numbers))(*numbers)
        with _Search.start(self._library, self._places, limits, storing) as again:
            if not self._library.nl_want(again._handle, wanted, len(numbers)):
                return "memory"
            second = again.run(began, limits, progress, len(numbers))
            kept = self._library.nl_kept(again._handle)
            size = self._places.words
            for at in range(self._library.nl_kept_count(again._handle)):
                words = kept[at * size : (at + 1) * size]
                self._kept[numbers[at]] = self._places.unpack(words)
        return reason if len(self._kept) == len(numbers) else second

    def _firsts(self, checks: int) -> Iterator[int]:
        """The numbers of all states to which there will be a trace."""
        machine, counts = self._places.machine, self.counts()
        yield from (counts.first_stuck, counts.fault_state)
        failures = self._library.nl_failures(self._handle)
        yield from (failures[at].state for at in range(checks))
        yield from self._library.nl_first_broken(self._handle)[: len(machine.invariants)]
        yield from self._library.nl_first_failing(self._handle)[: len(machine.goals)]

    def _progress(self, began: float) -> Progress:
        counts = self.counts()
        return Progress(
            states=counts.states,
            frontier=counts.states - counts.expanded,
            depth=max(counts.levels - 1, 0),
            transitions=counts.transitions,
            memory=counts.memory,
            seconds=time.monotonic() - began,
        )

    def _pulse(self, began: float, progress: ProgressFunction | None) -> Callable[[], None]:
        """A function that may be called at any time, and tells the progress now and then."""
        told = time.monotonic()

        def pulse() -> None:
            nonlocal told
            now = time.monotonic()
            if progress is not None and now - told >= _SLICE_NANOSECONDS / 1e9:
                told = now
                progress(self._progress(began))

        return pulse

    def result(
        self,
        machine: Machine,
        checks: tuple[Check, ...],
        reason: Reason,
        compile_seconds: float,
        began: float,
        limits: Limits,
        instances: tuple[int, ...],
        threads: int,
        progress: ProgressFunction | None,
    ) -> RawSearch:
        """All that the search found."""
        counts = self.counts()
        judge = GoalJudge(
            self._library,
            self._handle,
            machine.goals,
            instances,
            self._state,
            self._path,
            limits,
            began,
            counts.memory,
            threads,
            self._pulse(began, progress),
        )
        # Else there is no graph, and only states of rest tell.
        if not self._fingerprints and limits.levels is None:
            reason = judge.judge(reason)
        fired = self._library.nl_fired(self._handle)
        levels = self._library.nl_levels(self._handle)
        return RawSearch(
            reason=reason,
            states=counts.states,
            transitions=counts.transitions,
            levels=tuple(levels[at] for at in range(counts.levels)),
            fired=tuple(fired[at] for at in range(len(machine.transitions))),
            rest_states=counts.rests,
            stuck_states=counts.stuck,
            stuck=self._path(counts.first_stuck),
            findings=tuple(self._findings(machine, checks, counts)),
            goals=tuple(judge.found()),
            seconds=time.monotonic() - began,
            compile_seconds=compile_seconds,
            memory=counts.memory + judge.memory,
            bits=self._places.bits,
            fingerprints=self._fingerprints,
        )

    def _findings(
        self, machine: Machine, checks: tuple[Check, ...], counts: Counts
    ) -> Iterator[Finding]:
        failures = self._library.nl_failures(self._handle)
        for at, check in enumerate(checks):
            path = self._path(failures[at].state)
            if path:
                yield Finding(check.prop, check, failures[at].transition, path)
        broken = self._library.nl_first_broken(self._handle)
        for at, invariant in enumerate(machine.invariants):
            path = self._path(broken[at])
            if path:
                yield Finding(invariant.prop, invariant, None, path)
        path = self._path(counts.fault_state)
        if path:
            transition = counts.fault_transition
            yield Finding(FAULT, None, None if transition == NONE else transition, path)

    def _path(self, number: int) -> tuple[State, ...]:
        """The states from the initial one to this one, through first parents."""
        if number == NONE:
            return ()
        if not self._fingerprints:
            return tuple(self._state(at) for at in self._numbers(number))
        path = self._paths[number]
        return tuple(self._kept[at] for at in path) if self._kept.keys() >= set(path) else ()

    def _numbers(self, number: int) -> tuple[int, ...]:
        to = (ctypes.c_uint32 * (self.counts().levels + 1))()
        count = self._library.nl_path(self._handle, number, to)
        return tuple(reversed(to[:count]))

    def _state(self, number: int) -> State:
        words = (ctypes.c_uint64 * self._places.words)()
        self._library.nl_state(self._handle, number, words)
        return self._places.unpack(list(words))
