"""The search in its plainest form, on the reference interpreter: what the engines must find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, permutations

import networkx as nx

from model.language.interpreter import Firing, State, enabled, evaluate, fire
from model.language.machine import Machine, Variable

Actor = tuple[str | int, ...]


@dataclass
class Reference:
    """Counts, verdicts and the graph of system steps."""

    levels: list[int] = field(default_factory=list)
    states: dict[State, int] = field(default_factory=dict)
    transitions: int = 0
    fired: Counter[int] = field(default_factory=Counter)
    shortest: dict[str, int] = field(default_factory=dict)
    rests: list[State] = field(default_factory=list)
    stuck: list[State] = field(default_factory=list)
    excused: set[State] = field(default_factory=set)
    graph: nx.DiGraph = field(default_factory=nx.DiGraph)
    can_step: dict[State, set[Actor]] = field(default_factory=dict)

    def doomed(self, machine: Machine, goal: int) -> set[State]:
        """States from which the system alone cannot reach the goal."""
        expr = machine.goals[goal].expr
        good = {s for s in self.states if evaluate(machine, s, expr)} | self.excused
        reachers = set(good)
        for state in good:
            reachers |= nx.ancestors(self.graph, state)
        return set(self.states) - reachers

    def is_missed_for_ever(self, machine: Machine, goal: int) -> bool:
        """Whether a fair run exists that never reaches the goal again, by definition.

        Those who step again and again are some set of actors. Then nobody else can step in any of
        the states that are visited again and again, and each of them steps between two of those.
        """
        expr = machine.goals[goal].expr
        bad = {s for s in self.states if not evaluate(machine, s, expr)} - self.excused
        everybody = set().union(*(self.can_step.get(s, set()) for s in bad))
        return any(self._goes_on(bad, set(some)) for some in _subsets(sorted(everybody)))

    def _goes_on(self, bad: set[State], actors: set[Actor]) -> bool:
        visited = {state for state in bad if self.can_step.get(state, set()) <= actors}
        for component in nx.strongly_connected_components(self.graph.subgraph(visited)):
            inside = self.graph.subgraph(component).edges(data="actors")
            if inside and set().union(*(who for _, _, who in inside)) == actors:
                return True
        return False


def _subsets(actors: list[Actor]) -> Iterator[tuple[Actor, ...]]:
    return chain.from_iterable(combinations(actors, size) for size in range(1, len(actors) + 1))


def search(machine: Machine) -> Reference:
    """Breadth first, level by level."""
    found = Reference()
    found.states[machine.initial] = 0
    level = [machine.initial]
    while level:
        found.levels.append(len(level))
        depth = len(found.levels) - 1
        following: list[State] = []
        for state in level:
            found.graph.add_node(state)
            broken = [inv for inv in machine.invariants if not evaluate(machine, state, inv.expr)]
            for inv in broken:
                found.shortest.setdefault(inv.prop, depth)
            if broken:
                found.excused.add(state)
                continue
            _expand(machine, state, depth, found, following)
        level = following
    return found


def _expand(
    machine: Machine, state: State, depth: int, found: Reference, following: list[State]
) -> None:
    system = False
    for firing in enabled(machine, state):
        mine = not firing.transition.environment
        if mine:
            found.can_step.setdefault(state, set()).add(_actor(firing))
        system |= mine
        found.transitions += 1
        found.fired[firing.transition.id] += 1
        successor = fire(machine, state, firing)
        if successor.violated is not None:
            found.shortest.setdefault(successor.violated.prop, depth + 1)
            if mine:
                found.excused.add(state)
            continue
        if mine:
            if not found.graph.has_edge(state, successor.state):
                found.graph.add_edge(state, successor.state, actors=set())
            found.graph.edges[state, successor.state]["actors"].add(_actor(firing))
        if successor.state not in found.states:
            found.states[successor.state] = len(found.states)
            following.append(successor.state)
    if not system:
        found.rests.append(state)
        pcs = [at for at, (var, _) in enumerate(machine.cells) if var.role == "pc"]
        if any(state[at] for at in pcs):
            found.stuck.append(state)


def _actor(firing: Firing) -> Actor:
    """A process's instance, or an action with its parameters."""
    tr = firing.transition
    if tr.process is not None:
        return (tr.process, firing.instance or 0)
    return (str(tr.id), *(value for _, value in firing.args))


def brute_force_classes(machine: Machine, states: list[State], record: str) -> int:
    """How many classes the states form when instances of a record are renamed, by definition."""
    size = max(dim.size for var in machine.variables for dim in var.dims if dim.name == record)
    seen: set[State] = set()
    classes = 0
    for state in states:
        if state in seen:
            continue
        classes += 1
        for to in permutations(range(size)):
            seen.add(_renamed(machine, state, record, to))
    return classes


def _renamed(machine: Machine, state: State, record: str, to: tuple[int, ...]) -> State:
    new = list(state)
    for at, (var, index) in enumerate(machine.cells):
        place = tuple(
            to[i] if dim.kind == "record" and dim.name == record else i
            for dim, i in zip(var.dims, index, strict=True)
        )
        new[_cell(machine, var, place)] = _value(var, state[at], record, to)
    return tuple(new)


def _value(var: Variable, value: int, record: str, to: tuple[int, ...]) -> int:
    if var.type.kind == "ref" and var.type.name == record and value:
        return to[value - 1] + 1
    return value


def _cell(machine: Machine, var: Variable, index: tuple[int, ...]) -> int:
    return machine.offset[var.name] + list(var.indices()).index(index)
