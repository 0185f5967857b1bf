"""What follows a free call until the object is freed: the fewest steps that it takes.

First the contexts that the call cut into come to their ends. That is waiting for others, and counts
nothing. From then on contexts run one after the other: the system's work (an interrupt that was
raised, a timer, a worker, a grace period) begins where no context can go on, and nothing arrives
from outside. Every step, of a context or of the system, counts one. Of the executions with the
fewest steps the one is taken that queues the object first, then the one with the fewest steps with
irqs off, irq_works and self-IPIs, in this order: so the answer does not depend on the order of the
search.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engines.explicit.python_engine import Packed
from nolock.free_calls import Edge, Walker

_Ended = tuple[Packed, int, bool]
"""A state, how often the object was queued on the way there, and whether it was freed."""


class Rest(NamedTuple):
    """From a state until the object is freed; compared as a tuple, the least is taken.

    `queued` is when the object is queued for the last time: steps before the end, negative, so that
    earlier is less. `queueings` says how often it is at all.
    """

    steps: int = 0
    queued: int = 0
    irqs_off: int = 0
    irq_works: int = 0
    self_ipis: int = 0
    queueings: int = 0

    def before(self, edge: Edge) -> Rest:
        """The same from a step earlier."""
        last_queueing = edge.queued and not self.queueings
        return Rest(
            self.steps + 1,
            -self.steps if last_queueing else self.queued,
            self.irqs_off + edge.irqs_off,
            self.irq_works + edge.irq_work,
            self.self_ipis + edge.self_ipi,
            self.queueings + edge.queued,
        )


def _next(edges: Sequence[Edge]) -> list[Edge]:
    """What comes next: a step of the context that runs, or the system's where none can go on."""
    possible = [edge for edge in edges if edge.system and not edge.violates]
    return [edge for edge in possible if edge.process] or possible


@dataclass
class Aftermath:
    """All that can still happen after some calls."""

    walker: Walker
    _known: dict[tuple[Packed, frozenset[str]], frozenset[Rest | None]] = field(
        default_factory=dict
    )
    _least: dict[Packed, Rest] = field(default_factory=dict)
    _explored: set[Packed] = field(default_factory=set)

    def rests(self, after: Packed, others: frozenset[str]) -> frozenset[Rest | None]:
        """What follows a call, for each way in which the contexts that it cut into end.

        None stands for a way after which the object is not freed without another arrival. It is
        empty where they do not end.
        """
        key = (after, others)
        if key not in self._known:
            self._known[key] = frozenset(self._rests(after, others))
        return self._known[key]

    def _rests(self, after: Packed, others: frozenset[str]) -> Iterator[Rest | None]:
        for state, queueings, freed in self._when_others_ended(after, others):
            if freed:
                yield Rest(queueings=queueings)
            else:
                if state not in self._explored:
                    self._explore(state)
                rest = self._least.get(state)
                if rest is not None and queueings and not rest.queueings:
                    rest = rest._replace(queued=-rest.steps, queueings=queueings)
                yield rest

    def _when_others_ended(self, after: Packed, others: frozenset[str]) -> Iterator[_Ended]:
        """Where those that were cut into come to, with what they did to the object on the way."""
        first = (self.walker.settled(after), 0, False)
        seen, todo = {first}, [first]
        while todo:
            state, queueings, freed = todo.pop()
            left = others & self.walker.under_way(state)
            if not left:
                yield state, queueings, freed
                continue
            for edge in self.walker.edges(state):
                if edge.process in left and not edge.violates:
                    on = (
                        self.walker.settled(edge.after),
                        queueings + edge.queued,
                        freed or edge.freed,
                    )
                    if on not in seen:
                        seen.add(on)
                        todo.append(on)

    def _explore(self, start: Packed) -> None:
        """Follow the system's steps until the object is freed, then go backwards."""
        links: defaultdict[Packed, list[tuple[Packed, Edge]]] = defaultdict(list)
        changed: deque[Packed] = deque()
        todo = [start]
        self._explored.add(start)
        while todo:
            state = todo.pop()
            for edge in _next(self.walker.edges(state)):
                after = self.walker.settled(edge.after)
                links[after].append((state, edge))
                if edge.freed:
                    self._least[after] = Rest()
                elif after not in self._explored:
                    self._explored.add(after)
                    todo.append(after)
                if after in self._least:
                    changed.append(after)
        while changed:
            after = changed.popleft()
            for state, edge in links.get(after, ()):
                rest = self._least[after].before(edge)
                known = self._least.get(state)
                if known is None or rest < known:
                    self._least[state] = rest
                    changed.append(state)
