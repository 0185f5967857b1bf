"""Runs a search in C: compiles the generated steps with the explorer and calls it in slices."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.explicit.cache import FILE_NAMES, build_cached
from engines.explicit.codegen import generate
from engines.explicit.compiler import Compiler
from engines.explicit.search import (
    FAULT,
    Finding,
    Limits,
    Progress,
    ProgressFunction,
    RawGoal,
    RawSearch,
    Reason,
)
from engines.reductions.merging import Merging
from engines.reductions.symmetry import Symmetry
from model.language.interpreter import State
from model.language.layout import Layout, layout
from model.language.machine import Check, Machine

_RUNTIME = tuple(Path(__file__).with_name(name) for name in ("explore.c", "backward.c"))
_SLICE_NANOSECONDS = 150_000_000
_NONE = 0xFFFFFFFF

_RUNNING, _COMPLETE, _OUT_OF_MEMORY = range(3)
_REASONS: dict[int, Reason] = {
    _COMPLETE: "complete",
    _OUT_OF_MEMORY: "memory",
}
# Bits of a state's flags in explore.c.
_REST, _EXCUSED, _FIRST_GOAL = 1, 2, 2


class _First(ctypes.Structure):
    _fields_ = [("state", ctypes.c_uint32), ("transition", ctypes.c_uint32)]


class _Graph(ctypes.Structure):
    _fields_ = [
        ("expanded", ctypes.c_uint64),
        ("edge_count", ctypes.c_uint64),
        ("degrees", ctypes.c_void_p),
        ("edges", ctypes.c_void_p),
        ("flags", ctypes.c_void_p),
    ]


@dataclass(frozen=True)
class _Counts:
    """What nl_counts() writes, in its order."""

    states: int
    expanded: int
    transitions: int
    levels: int
    rests: int
    stuck: int
    first_stuck: int
    edges: int
    memory: int
    fault_state: int
    fault_transition: int


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
    library = _open(build_cached(generated.source, _RUNTIME, compiler=compiler, notes=notes))
    compiled = time.monotonic()
    with _Search.start(library, places, limits.memory) as running:
        reason = running.run(compiled, limits, progress)
        return running.result(machine, generated.checks, reason, compiled - began, compiled)


def _open(path: Path) -> Any:
    library = ctypes.CDLL(str(path))
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "nl_new": (pointer, [pointer, number]),
        "nl_slice": (ctypes.c_int, [pointer, number]),
        "nl_free": (None, [pointer]),
        "nl_counts": (None, [pointer, pointer]),
        "nl_levels": (ctypes.POINTER(number), [pointer]),
        "nl_fired": (ctypes.POINTER(number), [pointer]),
        "nl_failures": (ctypes.POINTER(_First), [pointer]),
        "nl_first_broken": (ctypes.POINTER(ctypes.c_uint32), [pointer]),
        "nl_state": (ctypes.POINTER(number), [pointer, ctypes.c_uint32]),
        "nl_parent": (ctypes.c_uint32, [pointer, ctypes.c_uint32]),
        "nl_graph": (None, [pointer, pointer]),
        "nl_seed": (None, [pointer, pointer, ctypes.c_uint32]),
        "nl_sweep": (number, [pointer, pointer, ctypes.c_int]),
        "nl_doomed": (number, [pointer, pointer, pointer]),
        "nl_select": (number, [pointer, ctypes.c_uint32, ctypes.c_uint32, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


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

    def counts(self) -> _Counts:
        values = (ctypes.c_uint64 * 11)()
        self._library.nl_counts(self._handle, values)
        return _Counts(*values)

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
    ) -> RawSearch:
        """All that the search found."""
        counts = self.counts()
        goals: list[RawGoal] = []
        for at in range(len(machine.goals)):
            try:
                goals.append(self._goal(at, counts, sweep=True))
            except KeyboardInterrupt:
                reason = "interrupted"
                goals.append(self._goal(at, counts, sweep=False))
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
            goals=tuple(goals),
            seconds=time.monotonic() - began,
            compile_seconds=compile_seconds,
            memory=counts.memory,
            bits=self._places.bits,
        )

    def _findings(
        self, machine: Machine, checks: tuple[Check, ...], counts: _Counts
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
            yield Finding(FAULT, None, None if transition == _NONE else transition, path)

    def _path(self, number: int) -> tuple[State, ...]:
        """The states from the initial one to this one, through first parents."""
        if number == _NONE:
            return ()
        numbers = [number]
        while numbers[-1]:
            numbers.append(self._library.nl_parent(self._handle, numbers[-1]))
        return tuple(self._state(at) for at in reversed(numbers))

    def _state(self, number: int) -> State:
        words = self._library.nl_state(self._handle, number)
        return self._places.unpack([words[at] for at in range(self._places.words)])

    def _goal(self, at: int, counts: _Counts, sweep: bool) -> RawGoal:
        """What became of a goal; without `sweep` only in states of rest."""
        graph = _Graph()
        self._library.nl_graph(self._handle, ctypes.byref(graph))
        reached = 1 << (_FIRST_GOAL + at)
        first = ctypes.c_uint64(_NONE)
        doomed = 0
        if sweep:
            good = (ctypes.c_uint8 * max(counts.expanded, 1))()
            self._library.nl_seed(ctypes.byref(graph), good, reached | _EXCUSED)
            forwards = 0
            # A sweep that finds nothing shows that no other state has an edge to a good one.
            while self._library.nl_sweep(ctypes.byref(graph), good, forwards):
                forwards = 1 - forwards
            doomed = self._library.nl_doomed(ctypes.byref(graph), good, ctypes.byref(first))
        first_doomed = first.value
        failing = self._library.nl_select(
            ctypes.byref(graph), _REST, reached | _EXCUSED, ctypes.byref(first)
        )
        return RawGoal(failing, self._path(first.value), doomed, self._path(first_doomed))
