"""What follows a free call until the object is freed: the fewest steps that it takes.

First the contexts that the call cut into come to their ends. That is waiting for others, and counts
nothing. From then on every step, of a context or of the system, counts one, and nothing arrives
from outside any more. Of the executions with the fewest steps the one is taken that queues the
object first, then the one with the fewest steps with irqs off, irq_works and self-IPIs, in this
order: so the answer does not depend on the order of the search.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from engines.explicit.python_engine import Packed
from nolock.free_calls import Edge, Walker, ways


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

        None stands for a way after which the object is not freed without another arrival.
        """
        key = (after, others)
        if key not in self._known:
            self._known[key] = frozenset(self._rests(after, others))
        return self._known[key]

    def _rests(self, after: Packed, others: frozenset[str]) -> Iterator[Rest | None]:
        for way, state in _ends(self.walker, others, after):
            if state is None:
                yield None
            elif way.freed:
                yield Rest(queueings=way.queued)
            else:
                if state not in self._explored:
                    self._explore(state)
                rest = self._least.get(state)
                yield rest and rest._replace(queueings=rest.queueings + way.queued)

    def _explore(self, start: Packed) -> None:
        """Follow the system's steps until the object is freed, then go backwards."""
        links: defaultdict[Packed, list[tuple[Packed, Edge]]] = defaultdict(list)
        changed: deque[Packed] = deque()
        todo = [start]
        self._explored.add(start)
        while todo:
            state = todo.pop()
            for edge in self.walker.edges(state):
                if edge.violates or not edge.system:
                    continue
                links[edge.after].append((state, edge))
                if edge.freed:
                    self._least[edge.after] = Rest()
                elif edge.after not in self._explored:
                    self._explored.add(edge.after)
                    todo.append(edge.after)
                if edge.after in self._least:
                    changed.append(edge.after)
        while changed:
            after = changed.popleft()
            for state, edge in links.get(after, ()):
                rest = self._least[after].before(edge)
                known = self._least.get(state)
                if known is None or rest < known:
                    self._least[state] = rest
                    changed.append(state)
