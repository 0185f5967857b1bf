"""Free calls one by one: every way through a call, from every state that it can find.

The machine is small: one CPU and two objects. The first object's free goes on by itself, and at each
of its moments the second one is given to a free call, by every context that can arrive there. So
the call finds the CPU idle, or cuts into whatever holds its locks. From then on only the call makes
steps, until it returns; what follows until the object is freed is looked up in the graph of all
that the system can still do (`aftermath.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from engines.explicit.python_engine import Packed, steps_of
from model.language.machine import Machine

Outcome = Literal["straight", "deferred", "left", "wrong"]
"""Of a call: the object is queued once; it is queued again by somebody else; it is not freed
without another arrival; the call violates a property, or never returns."""

_BACKGROUND, _MEASURED = 0, 1
"""The objects: the one whose free is cut into, and the one whose free is measured."""
OBJECTS = 2


@dataclass(frozen=True)
class Edge:
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
    _known: dict[Packed, tuple[Edge, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        machine = self.machine
        self.steps = steps_of(machine)
        gauges = {
            goal.prop: test for goal, test in zip(machine.goals, self.steps.goals, strict=True)
        }
        self.irqs_off = gauges["irqs_off"]
        self.pcs = {proc.name: self._cells(proc.pc_var) for proc in machine.processes}
        self.given = self._cells("Life.given")
        self.queued = self._cells("Life.queued")
        self.freed = self._cells("Life.freed")
        self.irq_work = self._cells("Raised.irq_work")
        self.self_ipi = self._cells("Raised.self_ipi")
        self.lists = [
            (self._cells(one.head), self._cells(one.link))
            for one in machine.lists
            if one.free is None
        ]

    def _cells(self, name: str) -> range:
        """Where a variable is in a state; nowhere if the machine has no use for it."""
        var = self.machine.variable.get(name)
        first = self.machine.offset[name] if var else 0
        return range(first, first + (var.size if var else 0))

    @property
    def initial(self) -> Packed:
        """The initial state."""
        return self.steps.pack(self.machine.initial)

    def edges(self, state: Packed) -> tuple[Edge, ...]:
        """Every step that is possible in a state."""
        found = self._known.get(state)
        if found is None:
            found = self._known[state] = tuple(self._edges(state))
            self.longest = max(self.longest, self._longest(state))
        return found

    def _edges(self, state: Packed) -> Iterator[Edge]:
        irqs_off = bool(self.irqs_off(state))
        for code, number, system, after in self.steps.successors(state, []):

            def raised(cells: range, at: int = 0, after: Packed = after) -> bool:
                return at < len(cells) and state[cells[at]] != after[cells[at]]

            yield Edge(
                transition=number,
                process=self.machine.transitions[number].process or "",
                system=bool(system),
                violates=bool(code),
                after=after,
                irqs_off=irqs_off,
                given=raised(self.given, _MEASURED),
                queued=raised(self.queued, _MEASURED),
                freed=raised(self.freed, _MEASURED),
                irq_work=raised(self.irq_work),
                self_ipi=raised(self.self_ipi),
            )

    def under_way(self, state: Packed) -> frozenset[str]:
        """The processes that have begun and not returned."""
        return frozenset(name for name, cells in self.pcs.items() if any(state[at] for at in cells))

    def _longest(self, state: Packed) -> int:
        return max(
            (_length(state, head, links) for heads, links in self.lists for head in heads),
            default=0,
        )


def _length(state: Packed, head: int, links: range) -> int:
    """Of a list; one that does not end counts as having all objects."""
    at, length = state[head], 0
    while at and length < len(links):
        at, length = state[links[at - 1]], length + 1
    return length


@dataclass(frozen=True)
class Call:
    """One way through a call, from one state. `others` were under way before it.

    `queued_at` counts the call's steps up to the last one that queued the object; `after` is the
    state in which the call has returned, None if it is wrong.
    """

    context: str
    path: tuple[int, ...]
    others: frozenset[str] = frozenset()
    after: Packed | None = None
    steps: int = 0
    irqs_off: int = 0
    irq_works: int = 0
    self_ipis: int = 0
    times_queued: int = 0
    queued_at: int = 0
    freed_at: int | None = None


def calls(walker: Walker, design: str) -> Iterator[Call]:
    """Every call; `design` is the file of the design: steps of a call come from there."""
    of_call = [
        any(frame.file == design for frame in tr.where.chain) for tr in walker.machine.transitions
    ]
    for before, edge in _arrivals(walker):
        others = walker.under_way(before)
        begun = walker.under_way(edge.after) - others
        context = walker.machine.transitions[edge.transition].name
        for process in begun:
            call = Call(context, (), others)
            yield from _ways(walker, of_call, process, edge.after, call, frozenset())


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
                if (edge.transition, edge.after) not in begun:
                    begun.add((edge.transition, edge.after))
                    yield state, edge
            elif edge.after not in seen:
                seen.add(edge.after)
                todo.append(edge.after)


def _ways(
    walker: Walker,
    of_call: list[bool],
    process: str,
    state: Packed,
    call: Call,
    on_the_way: frozenset[Packed],
) -> Iterator[Call]:
    """Every way on of a context that alone makes steps."""
    if process not in walker.under_way(state):
        yield replace(call, after=state)
        return
    edges = [edge for edge in walker.edges(state) if edge.process == process]
    if state in on_the_way or not edges:
        # It spins, or waits for what only others could do: on one CPU, for ever.
        yield call
        return
    for edge in edges:
        mine = of_call[edge.transition]
        on = replace(
            call,
            path=(*call.path, edge.transition),
            steps=call.steps + mine,
            irqs_off=call.irqs_off + (mine and edge.irqs_off),
            irq_works=call.irq_works + edge.irq_work,
            self_ipis=call.self_ipis + edge.self_ipi,
        )
        if edge.queued:
            on = replace(on, times_queued=on.times_queued + 1, queued_at=on.steps)
        if edge.freed:
            on = replace(on, freed_at=on.steps)
        if edge.violates:
            yield on
            continue
        yield from _ways(walker, of_call, process, edge.after, on, on_the_way | {state})
