"""Judges the goals of a machine on the graph that the search in Python has stored."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import networkx as nx

from engines.explicit.loops import Edge, fair_loop
from engines.explicit.search import Limits, RawGoal, RawLasso, Reason, Stopped
from model.language.interpreter import State
from model.language.machine import Goal

# About what networkx takes for a state with its edges.
_BYTES_PER_LIVE_STATE = 1000


@dataclass(frozen=True)
class StateGraph:
    """The expanded states and the system's edges between them; what the judge asks for.

    `unmet` has a bit for each goal that a state misses. `excused` states violate something.
    `steps` are the system's steps from a state: who makes them, and where they lead.
    """

    states: int
    unmet: Sequence[int]
    excused: bytearray
    rests: Sequence[int]
    loops: set[int]
    edges: array[int]
    first_edge: array[int]
    steps: Callable[[int], list[Edge]]
    state: Callable[[int], State]
    path: Callable[[int | None], tuple[State, ...]]

    @property
    def expanded(self) -> int:
        """States with known edges: numbers below this."""
        return len(self.unmet)

    def targets(self, number: int) -> array[int]:
        """Where the system's edges lead; edges to the state itself are in `loops`."""
        return self.edges[self.first_edge[number] : self.first_edge[number + 1]]


@dataclass
class GoalJudge:
    """Judges goals one after the other; Ctrl-C and the limits are heeded on the way."""

    graph: StateGraph
    goals: tuple[Goal, ...]
    limits: Limits
    began: float
    used: int
    memory: int = 0
    _doomed: dict[int, list[int]] = field(default_factory=dict)
    _lassos: dict[int, RawLasso] = field(default_factory=dict)

    def judge(self, reason: Reason) -> Reason:
        """Find out all there is to know; returns why the exploration ended."""
        try:
            for at, goal in enumerate(self.goals):
                if not goal.each:
                    self._doomed[at] = self._find_doomed(at)
            found: set[str] = set()
            for at, goal in enumerate(self.goals):
                if reason == "complete" and goal.prop not in found and self._find_cycle(at):
                    found.add(goal.prop)
        except KeyboardInterrupt:
            return "interrupted"
        except Stopped as stopped:
            return stopped.reason
        return reason

    def found(self) -> Iterator[RawGoal]:
        """What became of each goal."""
        path = self.graph.path
        for at in range(len(self.goals)):
            failing = [number for number in self.graph.rests if self._misses(number, at)]
            doomed = self._doomed.get(at, [])
            yield RawGoal(
                len(failing),
                path(failing[0] if failing else None),
                len(doomed),
                path(doomed[0] if doomed else None),
                self._lassos.get(at),
            )

    def _misses(self, number: int, at: int) -> bool:
        return bool(self.graph.unmet[number] >> at & 1) and not self.graph.excused[number]

    def _check_limits(self, live: int = 0) -> None:
        self.limits.check_time(self.began)
        self.memory = max(self.memory, live * _BYTES_PER_LIVE_STATE)
        if self.used + self.memory > self.limits.memory:
            raise Stopped("memory")

    # -- states that can no longer reach a goal --

    def _find_doomed(self, at: int) -> list[int]:
        graph = self.graph
        good = bytearray(not self._misses(number, at) for number in range(graph.expanded))
        # What was never expanded counts as good: nothing is known against it.
        good += b"\1" * (graph.states - graph.expanded)
        order = range(graph.expanded - 1, -1, -1)
        changed = True
        while changed:
            changed = False
            for number in order:
                if not good[number] and any(good[to] for to in graph.targets(number)):
                    good[number] = changed = True
            order = order[::-1]
        return [number for number in range(graph.expanded) if not good[number]]

    # -- fair cycles --

    def _find_cycle(self, at: int) -> bool:
        """Look for a fair cycle without the goal; see liveness.c for the argument."""
        live = {number for number in range(self.graph.expanded) if self._misses(number, at)}
        while live:
            self._trim(live)
            self._check_limits(len(live))
            fair: set[int] | None = None
            following: set[int] = set()
            for component in nx.strongly_connected_components(self._part(live)):
                # A state alone and without a loop is not kept: it can step, but not within itself.
                kept = self._without_unfair(component)
                following |= kept
                if kept == component and (fair is None or min(component) < min(fair)):
                    fair = component
            if fair is not None:
                self._lassos[at] = self._lasso(fair)
                return True
            live = following
        return False

    def _trim(self, live: set[int]) -> None:
        """Leave out what leads to no cycle."""
        order = sorted(live, reverse=True)
        changed = True
        while changed:
            changed = False
            for number in order:
                stays = number in self.graph.loops or number not in live
                if not stays and live.isdisjoint(self.graph.targets(number)):
                    live.remove(number)
                    changed = True
            order.reverse()

    def _part(self, live: set[int]) -> nx.DiGraph:
        part = nx.DiGraph()
        part.add_nodes_from(sorted(live))
        for number in sorted(live):
            part.add_edges_from((number, to) for to in self.graph.targets(number) if to in live)
        return part

    def _without_unfair(self, component: set[int]) -> set[int]:
        """The states in which only those can step who do step inside the component."""
        can = {number: {edge.actor for edge in self.graph.steps(number)} for number in component}
        does = {
            actor
            for number in component
            for edge in self.graph.steps(number)
            if edge.to in component
            for actor in edge.everybody
        }
        return {number for number in component if can[number] <= does}

    def _lasso(self, component: set[int]) -> RawLasso:
        def edges(number: int) -> list[Edge]:
            steps = self.graph.steps(number)
            return [edge if edge.to in component else edge._replace(to=None) for edge in steps]

        start = min(component)
        loop = fair_loop(start, edges)
        steps = tuple((actor, self.graph.state(number)) for actor, number in loop)
        return RawLasso(self.graph.path(start), steps)
