"""What follows a free call until the object is freed: the fewest steps that it can take.

A node is a state and who of the contexts that the call has cut into is still under way. Their steps
are waiting for others and count nothing; every other step, of a context or of the system, counts
one. Nothing arrives from outside any more. Of the executions with the fewest steps the one is taken
that queues the object first, then the one with the fewest steps with irqs off, irq_works and
self-IPIs, in this order; so the answer does not depend on the order of the search.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from engines.explicit.python_engine import Packed
from nolock.free_calls import Walker

Node = tuple[Packed, frozenset[str]]


class Rest(NamedTuple):
    """From a node until the object is freed; compared as a tuple, the least is taken.

    `queued_before_end` is how long before the end the object is queued for the last time, negative
    so that earlier is less; `times_queued` says whether it is at all.
    """

    steps: int = 0
    queued_before_end: int = 0
    irqs_off: int = 0
    irq_works: int = 0
    self_ipis: int = 0
    times_queued: int = 0


@dataclass(frozen=True)
class _Link:
    """A step between two nodes, seen from its end."""

    before: Node
    counts: bool
    irqs_off: bool
    irq_work: bool
    self_ipi: bool
    queued: bool

    def earlier(self, rest: Rest) -> Rest:
        """What is left before the step, if `rest` is left after it."""
        queued_before_end = rest.queued_before_end
        if self.queued and not rest.times_queued:
            queued_before_end = -rest.steps
        return Rest(
            rest.steps + self.counts,
            queued_before_end,
            rest.irqs_off + (self.counts and self.irqs_off),
            rest.irq_works + (self.counts and self.irq_work),
            rest.self_ipis + (self.counts and self.self_ipi),
            rest.times_queued + self.queued,
        )


@dataclass
class Aftermath:
    """All that can still happen after some calls."""

    walker: Walker
    rests: dict[Node, Rest] = field(default_factory=dict)

    def explore(self, starts: Iterable[Node]) -> None:
        """Follow the system's steps from the ends of calls until the object is freed."""
        links: defaultdict[Node, list[_Link]] = defaultdict(list)
        todo = list(dict.fromkeys(starts))
        seen, ends = set(todo), deque[Node]()
        while todo:
            node = todo.pop()
            state, others = node
            for edge in self.walker.edges(state):
                if edge.violates or not edge.system:
                    continue
                after = (edge.after, others & self.walker.under_way(edge.after))
                links[after].append(
                    _Link(
                        node,
                        edge.process not in others,
                        edge.irqs_off,
                        edge.irq_work,
                        edge.self_ipi,
                        edge.queued,
                    )
                )
                if edge.freed and after not in self.rests:
                    self.rests[after] = Rest()
                    ends.append(after)
                elif after not in seen and not edge.freed:
                    seen.add(after)
                    todo.append(after)
        self._backwards(links, ends)

    def _backwards(self, links: dict[Node, list[_Link]], ends: deque[Node]) -> None:
        """Better values are handed to earlier nodes until none changes."""
        while ends:
            node = ends.popleft()
            for link in links.get(node, ()):
                rest = link.earlier(self.rests[node])
                known = self.rests.get(link.before)
                if known is None or rest < known:
                    self.rests[link.before] = rest
                    ends.append(link.before)
