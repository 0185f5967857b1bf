"""A fair loop inside a component of the graph in which everybody who can step does step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Edges = Callable[[int], list[tuple[int, int | None]]]
"""Who can step in a state, and to which state of the component, if it stays inside."""

Step = tuple[int, int]
"""Who steps, and the state it leads to."""


def fair_loop(start: int, edges: Edges) -> list[Step]:
    """Steps from a state back to it in which everybody steps who can step on the way.

    Not the shortest, but short: who is missing is looked for nearest first.
    """
    done: list[Step] = []
    can = {actor for actor, _ in edges(start)}
    while True:
        missing = can - {actor for actor, _ in done}
        here = done[-1][1] if done else start
        if not missing and done and here == start:
            return done
        if missing:
            # Called before `missing` is another one.
            done += _way(here, edges, lambda step: step[0] in missing)  # noqa: B023
        else:
            done += _way(here, edges, lambda step: step[1] == start)
        can |= {actor for _, state in done for actor, _ in edges(state)}


def _way(here: int, edges: Edges, ends: Callable[[Step], bool]) -> list[Step]:
    """The shortest way whose last step is as wanted; the component has one."""
    came: dict[int, tuple[int, Step] | None] = {here: None}
    waiting = deque([here])
    while waiting:
        state = waiting.popleft()
        for actor, to in edges(state):
            if to is None:
                continue
            if ends((actor, to)):
                way = [(actor, to)]
                link = came[state]
                while link is not None:
                    before, step = link
                    way.append(step)
                    link = came[before]
                return way[::-1]
            if to not in came:
                came[to] = (state, (actor, to))
                waiting.append(to)
    raise AssertionError("the component is not strongly connected, or not fair")
