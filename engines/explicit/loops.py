"""A fair loop inside a component of the graph in which everybody who can step does step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Edge(NamedTuple):
    """Who can step in a state, and to which state of the component: None if it leads out of it.

    `everybody` are also those whose steps are merged with this one.
    """

    actor: int
    to: int | None
    everybody: frozenset[int]


Edges = Callable[[int], list[Edge]]

Step = tuple[int, int]
"""Who steps, and the state it leads to."""


def fair_loop(start: int, edges: Edges) -> list[Step]:
    """Steps from a state back to it in which everybody steps who can step on the way.

    Not the shortest, but short: who is missing is looked for nearest first.
    """
    done: list[Step] = []
    does: set[int] = set()
    can = {edge.actor for edge in edges(start)}
    while True:
        missing = can - does
        here = done[-1][1] if done else start
        if not missing and done and here == start:
            return done
        if missing:
            # Called before `missing` is another one.
            way = _way(here, edges, lambda edge: not missing.isdisjoint(edge.everybody))  # noqa: B023
        else:
            way = _way(here, edges, lambda edge: edge.to == start)
        for edge, to in way:
            done.append((edge.actor, to))
            does |= edge.everybody
            can |= {following.actor for following in edges(to)}


def _way(here: int, edges: Edges, ends: Callable[[Edge], bool]) -> list[tuple[Edge, int]]:
    """The shortest way whose last edge is as wanted; the component has one."""
    came: dict[int, tuple[int, Edge] | None] = {here: None}
    waiting = deque([here])
    while waiting:
        state = waiting.popleft()
        for edge in edges(state):
            if edge.to is None:
                continue
            if ends(edge):
                way = [(edge, edge.to)]
                link = came[state]
                while link is not None:
                    before, step = link
                    assert step.to is not None
                    way.append((step, step.to))
                    link = came[before]
                return way[::-1]
            if edge.to not in came:
                came[edge.to] = (state, edge)
                waiting.append(edge.to)
    raise AssertionError("the component is not strongly connected, or not fair")
