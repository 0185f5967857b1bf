"""Free calls one by one: every way through a call, from every state that it can find.

The machine is small: one CPU and two objects. The first object's free goes on by itself, and at
each of its moments the second one is given to a free call, by every context that can arrive there.
So the call finds the CPU idle, or cuts into whatever holds its locks. From then on only the call
makes steps, until it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engines.explicit.python_engine import Packed, steps_of
from model.language.fold import expressions, loads
from model.language.machine import Machine

OBJECTS = 2
_MONITORS, _FREED = ("Life.", "Raised."), "Life.freed"
_MEASURED = 1
"""The objects: the free of the first is what can be cut into, that of the second is measured."""


class Edge(NamedTuple):
    """One step, and what was seen of it. `process` is empty for actions."""

    transition: int
    process: str
    system: bool
    violates: bool
    after: Packed
    irqs_off: bool
    given: bool
    queued: bool
    freed: bool
    irq_work: bool
    self_ipi: bool


@dataclass
class Walker:
    """A machine with the monitors of `properties/costs.py`, and what its steps raise.

    `longest` is the length of the longest lock-free list that has been seen.
    """

    machine: Machine
    longest: int = 0

    def __post_init__(self) -> None:
        machine = self.machine
        self.steps = steps_of(machine)
        goals = zip(machine.goals, self.steps.goals, strict=True)
        self.irqs_off = {goal.prop: holds for goal, holds in goals}["irqs_off"]
        self.processes = [tr.process or "" for tr in machine.transitions]
        self.pcs = {proc.name: self._cells(proc.pc_var) for proc in machine.processes}
        self.given = self._cells("Life.given")[_MEASURED:]
        self.queued = self._cells("Life.queued")[_MEASURED:]
        self.freed = self._cells(_FREED)[_MEASURED:]
        self.irq_work = self._cells("Raised.irq_work")
        self.self_ipi = self._cells("Raised.self_ipi")
        self.settled_cells = [
            at
            for var in machine.variables
            if var.name in _forgotten(machine)
            for at in self._cells(var.name)
        ]
        self.lists = [
            (self._cells(one.head), self._cells(one.link))
            for one in machine.lists
            if one.free is None
        ]

    def _cells(self, name: str) -> range:
        """Where a variable is in a state; nowhere if the machine has no use for it."""
        var = self.machine.variable.get(name)
        if var is None:
            return range(0)
        first = self.machine.offset[name]
        return range(first, first + var.size)

    @property
    def initial(self) -> Packed:
        """The initial state."""
        return self.steps.pack(self.machine.initial)

    def edges(self, state: Packed) -> tuple[Edge, ...]:
        """Every step that is possible in a state."""
        self.longest = max(self.longest, self._longest(state))
        return tuple(self._edges(state))

    def _edges(self, state: Packed) -> Iterator[Edge]:
        irqs_off = bool(self.irqs_off(state))
        for code, number, system, after, _ in self.steps.successors(state, []):
            yield Edge(
                number,
                self.processes[number],
                bool(system),
                bool(code),
                after,
                irqs_off,
                _differ(state, after, self.given),
                _differ(state, after, self.queued),
                _differ(state, after, self.freed),
                _differ(state, after, self.irq_work),
                _differ(state, after, self.self_ipi),
            )

    def settled(self, state: Packed) -> Packed:
        """The state without what only arrivals look at: after the last one it tells no more."""
        cells = list(state)
        for at in self.settled_cells:
            cells[at] = 0
        return self.steps.freeze(cells)

    def under_way(self, state: Packed) -> frozenset[str]:
        """The processes that have begun and not returned."""
        return frozenset(name for name, pcs in self.pcs.items() if any(state[at] for at in pcs))

    def _longest(self, state: Packed) -> int:
        lists = ((head, links) for heads, links in self.lists for head in heads)
        return max((_length(state, head, links) for head, links in lists), default=0)


def _forgotten(machine: Machine) -> set[str]:
    """Variables that only arrivals read, and the bits of the monitors, which only change.

    Not the one that says that an object is freed: without it, it could be lost as well.
    """
    exprs = [proc.may_run for proc in machine.processes] + [goal.expr for goal in machine.goals]
    for tr in machine.transitions:
        if not tr.environment:
            exprs += [tr.guard, *expressions(tr.body)]
    read = {load.var for expr in exprs for load in loads(expr)}
    lists = {name for one in machine.lists for name in (one.head, one.link)}
    unread = {var.name for var in machine.variables if var.role != "pc"} - read - lists
    monitors = {var.name for var in machine.variables if var.name.startswith(_MONITORS)}
    return (unread | monitors) - {_FREED}


def _differ(before: Packed, after: Packed, cells: range) -> bool:
    return any(before[at] != after[at] for at in cells)


def _length(state: Packed, head: int, links: range) -> int:
    """Of a list; one that does not end counts as having all objects."""
    at, length = state[head], 0
    while at and length < len(links):
        at, length = state[links[at - 1]], length + 1
    return length


@dataclass(frozen=True)
class Call:
    """One way through a call, from one state. `others` were under way before it.

    `path` are its steps. `queued_at` counts those up to the last one that queued the object, 0 if
    none did; `freed_at` those up to the one that freed it. `after` is the state in which the call
    has returned; None if it violates a property or does not return.
    """

    context: str
    others: frozenset[str]
    path: tuple[int, ...]
    after: Packed | None
    irqs_off: int
    irq_works: int
    self_ipis: int
    queued_at: int
    freed_at: int


def calls(walker: Walker, design: str) -> Iterator[Call]:
    """Every call. Its steps are those that come from the file of the design, or are called there.

    What a context does before and after it is not the call's.
    """
    transitions = walker.machine.transitions
    of_call = [any(frame.file == design for frame in tr.where.chain) for tr in transitions]
    for before, arrival in _arrivals(walker):
        others = walker.under_way(before)
        for process in walker.under_way(arrival.after) - others:
            for way, after in ways(walker, frozenset({process}), arrival.after):
                mine = [edge for edge in way if of_call[edge.transition]]
                if not mine:
                    continue  # the design has no entry for this context
                yield Call(
                    context=transitions[arrival.transition].name,
                    others=others,
                    path=tuple(edge.transition for edge in mine),
                    after=after,
                    irqs_off=sum(edge.irqs_off for edge in mine),
                    irq_works=sum(edge.irq_work for edge in mine),
                    self_ipis=sum(edge.self_ipi for edge in mine),
                    queued_at=_last(edge.queued for edge in mine),
                    freed_at=_last(edge.freed for edge in mine),
                )


def _last(found: Iterator[bool]) -> int:
    """The number, from 1, of the last one that is true."""
    return max((number for number, one in enumerate(found, start=1) if one), default=0)


def _arrivals(walker: Walker) -> Iterator[tuple[Packed, Edge]]:
    """The measured object is given, at each moment of the other one's free."""
    seen, todo = {walker.initial}, [walker.initial]
    begun: set[tuple[int, Packed]] = set()
    while todo:
        state = todo.pop()
        for edge in walker.edges(state):
            if edge.violates:
                continue
            if edge.given:
                edge = edge._replace(after=walker.settled(edge.after))
                if (edge.transition, edge.after) not in begun:
                    begun.add((edge.transition, edge.after))
                    yield state, edge
            elif edge.after not in seen:
                seen.add(edge.after)
                todo.append(edge.after)


def ways(
    walker: Walker, processes: frozenset[str], state: Packed
) -> Iterator[tuple[Sequence[Edge], Packed | None]]:
    """Every way to the end of these contexts if nothing else makes steps, and the state there.

    That is None after a violation, and where they spin, or wait for what only others could do: on
    one CPU, for ever.
    """
    way: list[Edge] = []
    on_the_way: set[Packed] = set()

    def go(state: Packed) -> Iterator[tuple[Sequence[Edge], Packed | None]]:
        left = processes & walker.under_way(state)
        if not left:
            yield tuple(way), state
            return
        edges = [edge for edge in walker.edges(state) if edge.process in left]
        if state in on_the_way or not edges:
            yield tuple(way), None
            return
        on_the_way.add(state)
        for edge in edges:
            way.append(edge)
            if edge.violates:
                yield tuple(way), None
            else:
                yield from go(edge.after)
            way.pop()
        on_the_way.discard(state)

    yield from go(state)
