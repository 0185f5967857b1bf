"""Runs a search in C: compiles the generated steps with the explorer and calls it in slices."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.explicit.cache import FILE_NAMES, build_cached
from engines.explicit.codegen import generate
from engines.explicit.compiler import Compiler
from engines.explicit.library import NONE, RUNTIME, Counts, open_library
from engines.explicit.native_goals import GoalJudge
from engines.explicit.search import (
    FAULT,
    Finding,
    Limits,
    Progress,
    ProgressFunction,
    RawSearch,
    Reason,
)
from engines.reductions.merging import Merging
from engines.reductions.symmetry import Symmetry
from model.language.interpreter import State
from model.language.layout import Layout, layout
from model.language.machine import Check, Machine

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
) -> RawSearch:
    """Explores all states with generated C; CompilerError where it does not compile.

    To `notes` is added what the user should know of how it was compiled.
    """
    began = time.monotonic()
    places = layout(machine)
    generated = generate(machine, places, merging, symmetry)
    if keep_c is not None:
        keep_c.write_text(generated.source, encoding="utf-8", errors=FILE_NAMES)
    library = open_library(build_cached(generated.source, RUNTIME, compiler=compiler, notes=notes))
    compiled = time.monotonic()
    with _Search.start(library, places, limits.memory) as running:
        reason = running.run(compiled, limits, progress)
        return running.result(machine, generated.checks, reason, compiled - began, compiled, limits)


class _Search:
    """A search in C and what can be asked of it."""

    def __init__(self, library: Any, places: Layout, handle: int) -> None:
        self._library = library
        self._places = places
        self._handle = handle

    @classmethod
    @contextmanager
    def start(cls, library: Any, places: Layout, memory: int) -> Iterator[_Search]:
        """A search that is freed at the end of the block."""
        words = places.pack(places.machine.initial)
        handle = library.nl_new((ctypes.c_uint64 * len(words))(*words), memory)
        if not handle:
            raise MemoryError(
                f"cannot reserve address space for a search within {memory:,} bytes; "
                "if it is limited (ulimit -v), give the search less memory"
            )
        try:
            yield cls(library, places, handle)
        finally:
            library.nl_free(handle)

    def counts(self) -> Counts:
        values = (ctypes.c_uint64 * 11)()
        self._library.nl_counts(self._handle, values)
        return Counts(*values)

    def run(self, began: float, limits: Limits, progress: ProgressFunction | None) -> Reason:
        """Searches slice by slice, so that Ctrl-C and limits are seen between two."""
        try:
            while True:
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

    def result(
        self,
        machine: Machine,
        checks: tuple[Check, ...],
        reason: Reason,
        compile_seconds: float,
        began: float,
        limits: Limits,
    ) -> RawSearch:
        """All that the search found."""
        counts = self.counts()
        judge = GoalJudge(
            self._library,
            self._handle,
            machine.goals,
            self._state,
            self._path,
            limits,
            began,
            counts.memory,
        )
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
        numbers = [number]
        while numbers[-1]:
            numbers.append(self._library.nl_parent(self._handle, numbers[-1]))
        return tuple(self._state(at) for at in reversed(numbers))

    def _state(self, number: int) -> State:
        words = self._library.nl_state(self._handle, number)
        return self._places.unpack([words[at] for at in range(self._places.words)])
