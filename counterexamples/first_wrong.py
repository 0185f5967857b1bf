"""Where things went wrong first: the last state from which the good ending was still reachable.

A forward search on the reference interpreter from the states of the trace, the last one first, so
that each search knows the dead ends of those before. It stops at a limit and then says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from counterexamples.replay import Execution, unmet_goal
from model.language.interpreter import State, broken_invariant, enabled, fire
from model.language.machine import Machine

NODES = 10_000


@dataclass(frozen=True)
class FirstWrong:
    """The step that lost the good ending, as far as the search could tell.

    `exact`: before `step` the good ending could be reached, after it it cannot. Otherwise the limit
    was hit: after `step` it is lost, but it may have been lost before. `step` is None where nothing
    is known. `explored` counts states.
    """

    step: int | None
    exact: bool
    explored: int


def first_wrong(execution: Execution, prop: str, *, limit: int = NODES) -> FirstWrong:
    """Find the step that lost the good ending: a state in which the property's goals hold.

    The environment may not help to get there: the question is what the system does by itself.
    """
    search = _Search(execution.machine, prop, limit)
    lost_after: int | None = None
    for at in range(len(execution.states) - 1, -1, -1):
        reached = search.from_state(execution.states[at])
        if reached is None:
            return FirstWrong(lost_after, False, search.explored)
        if reached:
            return FirstWrong(lost_after, True, search.explored)
        lost_after = at if at else None
    return FirstWrong(None, True, search.explored)


@dataclass
class _Search:
    machine: Machine
    prop: str
    limit: int
    dead: set[State] = field(default_factory=set)
    explored: int = 0

    def from_state(self, start: State) -> bool | None:
        """Whether the good ending can be reached; None where the limit came first."""
        seen = {start}
        stack = [start]
        while stack:
            state = stack.pop()
            if state in self.dead:
                continue
            self.explored += 1
            if self.explored > self.limit:
                return None
            if unmet_goal(self.machine, state, self.prop) is None:
                return True
            for firing in enabled(self.machine, state):
                if firing.transition.environment:
                    continue
                successor = fire(self.machine, state, firing)
                if successor.violated is not None or successor.state in seen:
                    continue
                if broken_invariant(self.machine, successor.state) is None:
                    seen.add(successor.state)
                    stack.append(successor.state)
        self.dead |= seen
        return False
