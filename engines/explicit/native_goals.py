"""Judges the goals of a machine on the graph that the search in C has stored."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engines.explicit.beside import Beside
from engines.explicit.library import NONE, Graph
from engines.explicit.loops import Edge, fair_loop
from engines.explicit.search import Limits, RawGoal, RawLasso, Reason, Stopped
from model.language.interpreter import State
from model.language.machine import Goal

_SLICE_NANOSECONDS = 150_000_000
_RUNNING, _NO_CYCLE, _FAIR_CYCLE = range(3)
# A further sweep over the graph pays as long as it leaves out one in so many states.
_WORTH_A_SWEEP = 16
# What is left out for all goals need not be left out for each.
_PATIENCE_FOR_ALL_GOALS = 2
# After a sweep that found less than one in so many states the next one goes the other way.
_FEW = 64


@dataclass
class GoalJudge:
    """Judges goals one after the other; Ctrl-C and the time limit are seen between two calls.

    `pulse` is called between them, and may raise KeyboardInterrupt.
    `instances` are the actors of all processes' instances. `state` gives the state of a number and
    `path` those from the initial one to it. `used` is the memory of the search, `memory` what
    judging took besides.
    """

    library: Any
    handle: int
    goals: tuple[Goal, ...]
    instances: tuple[int, ...]
    state: Callable[[int], State]
    path: Callable[[int], tuple[State, ...]]
    limits: Limits
    began: float
    used: int
    threads: int
    pulse: Callable[[], None]
    memory: int = 0
    _doomed_beside: Beside = field(init=False)
    _graph: Graph = field(default_factory=Graph)
    _doomed: dict[int, tuple[int, int]] = field(default_factory=dict)
    _lassos: dict[int, RawLasso] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._doomed_beside = Beside(lambda: self._find_all_doomed(self._unless_given_up))

    def judge(self, reason: Reason) -> Reason:
        """Find out all there is to know; returns why the exploration ended.

        Fair cycles are looked for only where all states are known: with a part of them, the time
        or the memory is used up already.
        """
        try:
            if not self.library.nl_graph(self.handle, ctypes.byref(self._graph)):
                raise Stopped("memory")
            if reason != "complete":
                # Who has told it to stop still wants to know what was found.
                self._find_all_doomed(lambda: None)
            elif self.goals:
                self._find_all()
        except KeyboardInterrupt:
            return "interrupted"
        except Stopped as stopped:
            return stopped.reason
        return reason

    def _find_all(self) -> None:
        """Doomed states and fair cycles, at the same time where there are threads for both."""
        try:
            if self.threads == 1 or not self._doomed_beside.start():
                self._find_all_doomed(self.pulse)
            self._find_all_cycles()
        except KeyboardInterrupt:
            self._doomed_beside.given_up.set()
            raise
        finally:
            self._doomed_beside.wait(self.pulse)
        self._doomed_beside.raise_error()

    def found(self) -> Iterator[RawGoal]:
        """What became of each goal."""
        failing = self.library.nl_failing(self.handle)
        first_failing = self.library.nl_first_failing(self.handle)
        for at in range(len(self.goals)):
            doomed, first = self._doomed.get(at, (0, NONE))
            path = self.path(first_failing[at])
            yield RawGoal(failing[at], path, doomed, self.path(first), self._lassos.get(at))

    # -- states that can no longer reach a goal --

    def _find_all_doomed(self, pulse: Callable[[], None]) -> None:
        for at, goal in enumerate(self.goals):
            if not goal.each:
                self._doomed[at] = self._find_doomed(at, pulse)

    def _unless_given_up(self) -> None:
        if self._doomed_beside.given_up.is_set():
            raise Stopped("interrupted")

    def _find_doomed(self, at: int, pulse: Callable[[], None]) -> tuple[int, int]:
        """How many there are, and the first."""
        graph, expanded = ctypes.byref(self._graph), self._graph.expanded
        good = (ctypes.c_uint64 * (expanded // 64 + 1))()
        self.library.nl_seed(graph, good, at)
        found, forwards = expanded, False
        # A sweep that finds nothing shows that no other state has an edge to a good one.
        while found:
            pulse()
            found = self.library.nl_sweep(graph, good, forwards)
            forwards = not forwards and found < expanded // _FEW
        first = ctypes.c_uint64(NONE)
        return self.library.nl_doomed(graph, good, ctypes.byref(first)), first.value

    # -- fair cycles --

    def _find_all_cycles(self) -> None:
        with self._cycles() as cycles:
            self._find_cycles(cycles)

    @contextmanager
    def _cycles(self) -> Iterator[int]:
        cycles = self.library.nl_cycles_new(ctypes.byref(self._graph))
        if not cycles:
            raise Stopped("memory")
        try:
            yield cycles
        finally:
            self.memory = self.library.nl_cycles_peak(cycles)
            self.library.nl_cycles_free(cycles)

    def _find_cycles(self, cycles: int) -> None:
        """One for each property that has any."""
        if not self._trim(cycles, 0, self._graph.expanded, _PATIENCE_FOR_ALL_GOALS):
            return
        found: set[str] = set()
        for at, goal in enumerate(self.goals):
            if goal.prop not in found and self._is_missed_for_ever(cycles, at):
                self._lassos[at] = self._lasso(cycles)
                found.add(goal.prop)

    def _go_on(self) -> None:
        """Between two calls."""
        self.pulse()
        self.limits.check_time(self.began)

    def _trim(self, cycles: int, which: int, left: int, patience: int) -> int:
        """Sweeps until so many in a row were not worth it; how many states are left."""
        failures = 0
        while left and failures < patience:
            self._go_on()
            before, left = left, self.library.nl_cycles_trim(cycles, which)
            failures = 0 if before - left > before // _WORTH_A_SWEEP else failures + 1
        return left

    def _is_missed_for_ever(self, cycles: int, at: int) -> bool:
        """Whether there is a fair cycle without the goal."""
        left = self.library.nl_cycles_goal(cycles, at)
        while left:
            left = self._trim(cycles, 1, left, 1)
            if not self.library.nl_cycles_round(cycles, max(self.limits.memory - self.used, 0)):
                raise Stopped("memory")
            status = _RUNNING
            while status == _RUNNING:
                self._go_on()
                status = self.library.nl_cycles_slice(cycles, _SLICE_NANOSECONDS)
            if status == _FAIR_CYCLE:
                return True
            left = self.library.nl_cycles_trim(cycles, 1)
        return False

    def _lasso(self, cycles: int) -> RawLasso:
        most = self.library.nl_most_successors()
        actors, targets = (ctypes.c_uint32 * most)(), (ctypes.c_uint32 * most)()
        also = (ctypes.c_uint64 * most)()

        def edges(number: int) -> list[Edge]:
            count = self.library.nl_cycles_edges(cycles, number, actors, targets, also)
            return [
                Edge(actor, None if to == NONE else to, frozenset({actor, *self._who(bits)}))
                for actor, to, bits in zip(
                    actors[:count], targets[:count], also[:count], strict=True
                )
            ]

        start = self.library.nl_cycles_first(cycles)
        loop = fair_loop(start, edges)
        return RawLasso(
            self.path(start), tuple((actor, self.state(number)) for actor, number in loop)
        )

    def _who(self, bits: int) -> Iterator[int]:
        """The actors of the instances that have a bit."""
        return (actor for at, actor in enumerate(self.instances) if bits >> at & 1)
