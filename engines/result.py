"""What an exploration found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from model.language.interpreter import Firing

Trace = tuple[Firing, ...]


@dataclass(frozen=True)
class Violation:
    """A property that does not hold, with a trace that the reference interpreter has replayed.

    The last firing of the trace breaks a check or computes a value outside its range; for an
    invariant or a goal the state after the last firing is the one that violates it. For a lasso the
    firings after the first `stem` ones lead back to where they began and can repeat for ever.
    `shortest`: no trace with fewer firings violates it in this way.
    """

    property: str
    message: str
    kind: Literal["check", "invariant", "goal", "lasso", "model_error"]
    trace: Trace
    stem: int | None = None
    shortest: bool = False


@dataclass(frozen=True)
class Lasso:
    """Firings to a state and firings from there back to it."""

    stem: Trace
    loop: Trace


@dataclass(frozen=True)
class GoalReport:
    """A goal at rest and on the way there; the traces lead to the first failing states.

    `failing` counts states of rest without the goal, `doomed` states from which the system alone
    can no longer reach it. A failing state of rest is also doomed. `lasso` is a fair cycle without
    the goal. Of the goals of one property, the first that is missed in a way tells it.
    """

    failing: int
    at_rest: Trace | None
    doomed: int
    lost: Trace | None
    lasso: Lasso | None = None


@dataclass(frozen=True)
class Exploration:
    """All that a search says. `fired` counts firings by transition id.

    `complete` is false when the search stopped early; `reason` then says why, and all counts are of
    what was covered. With reductions, states and transitions are those of the reduced graph.
    """

    complete: bool
    reason: Literal["complete", "memory", "time", "interrupted"]
    engine: str
    states: int
    transitions: int
    levels: tuple[int, ...]
    seconds: float
    compile_seconds: float
    memory: int
    bits: int
    fired: Mapping[int, int]
    rest_states: int
    stuck_states: int
    stuck: Trace | None
    violations: Mapping[str, Violation]
    goals: Mapping[str, GoalReport]
    reductions: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    miss_probability: float | None = None
    """Of a search that may have missed states; goals were then looked at in states of rest only."""

    @property
    def depth(self) -> int:
        """Steps (merged ones count as one) from the initial state to the last level."""
        return max(len(self.levels) - 1, 0)

    @property
    def bytes_per_state(self) -> float:
        """Memory of the search, per state."""
        return self.memory / max(self.states, 1)


class EngineDisagreement(Exception):
    """The interpreter does not confirm what a fast engine found: a bug in nolock."""

    def __init__(self, what: str, machine: str, engine: str) -> None:
        self.what = what
        super().__init__(
            f"{machine}: the {engine} engine and the reference interpreter disagree: {what}\n"
            "This is a bug in nolock, not in the design. Please report it with the design file and "
            "the configuration; --engine python and switching reductions off may avoid it."
        )
