"""The same search without a compiler: generated Python, one dictionary of states."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engines.explicit.loops import Edge
from engines.explicit.python_goals import GoalJudge, StateGraph
from engines.explicit.python_text import GeneratedPython, generate_python
from engines.explicit.search import (
    FAULT,
    Finding,
    Limits,
    Progress,
    ProgressFunction,
    RawSearch,
    Reason,
)
from engines.reductions.merging import NO_MERGING, Merging
from engines.reductions.representative import Representatives
from engines.reductions.symmetry import Symmetry, renamed
from model.language.actors import Actors
from model.language.interpreter import State
from model.language.machine import Machine

Packed = bytes | tuple[int, ...]

_CHECK_LIMITS_EVERY = 512
_SECONDS_BETWEEN_REPORTS = 0.2
# What a state costs besides its own bytes: an entry of the dictionary, one of the list, a parent.
_BYTES_PER_ENTRY = 33 + 110 + 8 + 4


def search(
    machine: Machine,
    merging: Merging,
    symmetry: Symmetry | None,
    limits: Limits,
    progress: ProgressFunction | None,
) -> RawSearch:
    """Explores all states with generated Python."""
    began = time.monotonic()
    generated = generate_python(machine, merging, symmetry)
    running = _Search(
        machine,
        Steps.load(machine, generated, symmetry),
        generated,
        limits,
        Actors(machine, renamed(symmetry)).instances,
    )
    compiled = time.monotonic()
    reason = running.run(compiled, progress)
    return running.result(reason, compiled - began, compiled)


@dataclass(frozen=True)
class Steps:
    """The generated functions, and how states are stored."""

    machine: Machine
    successors: Callable[[Packed, list[Any]], list[Any]]
    invariants: list[Callable[[Packed], int]]
    goals: list[Callable[[Packed], int]]
    idle: Callable[[Packed], bool]
    fault: type[Exception]
    fired: list[int]
    canonical: Callable[[Packed], Packed]
    freeze: Callable[[Any], Packed]

    @staticmethod
    def load(machine: Machine, generated: GeneratedPython, symmetry: Symmetry | None) -> Steps:
        small = all(var.type.hi - var.type.lo < 256 for var in machine.variables)
        freeze: Callable[[Any], Packed] = bytes if small else tuple
        space: dict[str, Any] = {
            "thaw": bytearray if small else list,
            "freeze": freeze,
            "fired": [0] * len(machine.transitions),
            **generated.tables,
        }
        exec(compile(generated.source, f"<steps of {machine.name}>", "exec"), space)
        return Steps(
            machine,
            space["successors"],
            space["invariants"],
            space["goals"],
            space["idle"],
            space["Fault"],
            space["fired"],
            _canonical(symmetry, freeze),
            freeze,
        )

    def pack(self, state: State) -> Packed:
        """A state as it is stored."""
        lows = (var.type.lo for var, _ in self.machine.cells)
        return self.freeze([value - lo for value, lo in zip(state, lows, strict=True)])

    def unpack(self, packed: Packed) -> State:
        """And back."""
        lows = (var.type.lo for var, _ in self.machine.cells)
        return tuple(int(value) + lo for value, lo in zip(packed, lows, strict=True))


def steps_of(machine: Machine) -> Steps:
    """The generated functions by themselves, for who follows single executions of a machine."""
    return Steps.load(machine, generate_python(machine, NO_MERGING), None)


def _canonical(
    symmetry: Symmetry | None, freeze: Callable[[Any], Packed]
) -> Callable[[Packed], Packed]:
    if symmetry is None:
        return lambda packed: packed
    representatives = Representatives(symmetry)
    return lambda packed: freeze(representatives.of(packed))


@dataclass
class _Search:
    machine: Machine
    steps: Steps
    generated: GeneratedPython
    limits: Limits
    instances: tuple[int, ...]
    states: list[Packed] = field(default_factory=list)
    numbers: dict[Packed, int] = field(default_factory=dict)
    parents: array[int] = field(default_factory=lambda: array("L"))
    levels: list[int] = field(default_factory=list)
    next: int = 0
    transitions: int = 0
    rests: list[int] = field(default_factory=list)
    stuck: int = 0
    first_stuck: int | None = None
    failed: dict[int, tuple[int, int]] = field(default_factory=dict)
    broken: dict[int, int] = field(default_factory=dict)
    fault: tuple[int, int | None] | None = None
    unmet: array[int] = field(default_factory=lambda: array("Q"))
    excused: bytearray = field(default_factory=bytearray)
    loops: set[int] = field(default_factory=set)
    edges: array[int] = field(default_factory=lambda: array("L"))
    first_edge: array[int] = field(default_factory=lambda: array("Q", [0]))

    def run(self, began: float, progress: ProgressFunction | None) -> Reason:
        self._add(self.steps.canonical(self.steps.pack(self.machine.initial)), 0)
        reported = began
        try:
            while self.next < len(self.states) and len(self.levels) != self.limits.levels:
                self.levels.append(len(self.states) - self.next)
                level_end = len(self.states)
                while self.next < level_end:
                    if self.next % _CHECK_LIMITS_EVERY == 0:
                        now = time.monotonic()
                        if self.limits.seconds is not None and now - began >= self.limits.seconds:
                            return "time"
                        if self.memory() > self.limits.memory:
                            return "memory"
                        if progress and now - reported > _SECONDS_BETWEEN_REPORTS:
                            reported = now
                            progress(self._progress(now - began))
                    self._expand(self.next)
                    self.next += 1
        except KeyboardInterrupt:
            # The state that was being expanded counts as not expanded.
            self.edges = self.edges[: self.first_edge[-1]]
            del self.unmet[self.next :]
            del self.excused[self.next :]
            del self.first_edge[self.next + 1 :]
            return "interrupted"
        return "complete"

    def memory(self) -> int:
        """An estimate: CPython does not say."""
        return len(self.states) * (len(self.machine.cells) + _BYTES_PER_ENTRY) + 8 * len(self.edges)

    def _progress(self, seconds: float) -> Progress:
        return Progress(
            len(self.states),
            len(self.states) - self.next,
            max(len(self.levels) - 1, 0),
            self.transitions,
            self.memory(),
            seconds,
        )

    def _add(self, packed: Packed, parent: int) -> int:
        number = self.numbers.setdefault(packed, len(self.states))
        if number == len(self.states):
            self.states.append(packed)
            self.parents.append(parent)
        return number

    def _expand(self, number: int) -> None:
        packed = self.states[number]
        excused = self._expand_good(packed, number)
        if self.machine.goals:
            self.unmet.append(self._unmet(packed))
            self.excused.append(excused)
            self.first_edge.append(len(self.edges))

    def _unmet(self, packed: Packed) -> int:
        """A bit for each goal that does not hold; 0 where one cannot be evaluated."""
        try:
            return sum((not goal(packed)) << at for at, goal in enumerate(self.steps.goals))
        except self.steps.fault:
            return 0

    def _expand_good(self, packed: Packed, number: int) -> bool:
        """Stores the successors; returns whether the state is excused from its goals."""
        steps, found = self.steps, []
        try:
            wrong = [at for at, holds in enumerate(steps.invariants) if not holds(packed)]
            for goal in steps.goals:
                goal(packed)
            for at in wrong:
                self.broken.setdefault(at, number)
            if wrong:
                return True
            found = steps.successors(packed, [])
        except steps.fault:
            self.fault = self.fault or (number, None)
            return True
        system_enabled = excused = False
        self.transitions += len(found)
        for code, transition, actor, successor, _ in found:
            steps.fired[transition] += 1
            system_enabled |= bool(actor)
            if code:
                excused |= bool(actor)
                if code > 0:
                    self.failed.setdefault(code - 1, (number, transition))
                else:
                    self.fault = self.fault or (number, transition)
                continue
            to = self._add(steps.canonical(successor), number)
            if actor and self.machine.goals:
                if to == number:
                    self.loops.add(number)
                else:
                    self.edges.append(to)
        if not system_enabled:
            self.rests.append(number)
            if not steps.idle(packed):
                self.stuck += 1
                self.first_stuck = number if self.first_stuck is None else self.first_stuck
        return excused

    # -- results --

    def result(self, reason: Reason, compile_seconds: float, began: float) -> RawSearch:
        graph = StateGraph(
            len(self.states),
            self.unmet,
            self.excused,
            self.rests,
            self.loops,
            self.edges,
            self.first_edge,
            self._steps_of,
            lambda number: self.steps.unpack(self.states[number]),
            self._path,
        )
        fired = tuple(self.steps.fired)  # before judging, which runs steps again
        judge = GoalJudge(graph, self.machine.goals, self.limits, began, self.memory())
        if self.limits.levels is None:
            reason = judge.judge(reason)
        return RawSearch(
            reason=reason,
            states=len(self.states),
            transitions=self.transitions,
            levels=tuple(self.levels),
            fired=fired,
            rest_states=len(self.rests),
            stuck_states=self.stuck,
            stuck=self._path(self.first_stuck),
            findings=tuple(self._findings()),
            goals=tuple(judge.found()),
            seconds=time.monotonic() - began,
            compile_seconds=compile_seconds,
            memory=self.memory() + judge.memory,
            bits=sum(var.type.bits * var.size for var in self.machine.variables),
        )

    def _findings(self) -> Iterator[Finding]:
        for code, (number, transition) in self.failed.items():
            check = self.generated.checks[code]
            yield Finding(check.prop, check, transition, self._path(number))
        for at, number in self.broken.items():
            invariant = self.machine.invariants[at]
            yield Finding(invariant.prop, invariant, None, self._path(number))
        if self.fault is not None:
            yield Finding(FAULT, None, self.fault[1], self._path(self.fault[0]))

    def _path(self, number: int | None) -> tuple[State, ...]:
        if number is None:
            return ()
        numbers = [number]
        while numbers[-1]:
            numbers.append(self.parents[numbers[-1]])
        return tuple(self.steps.unpack(self.states[at]) for at in reversed(numbers))

    def _steps_of(self, number: int) -> list[Edge]:
        """The system's steps from a state: who makes them, and where they lead."""
        return [
            Edge(
                actor,
                self.numbers[self.steps.canonical(successor)],
                frozenset({actor, *(a for at, a in enumerate(self.instances) if also >> at & 1)}),
            )
            for code, _, actor, successor, also in self.steps.successors(self.states[number], [])
            if actor and not code
        ]
