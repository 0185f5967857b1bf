"""What the C engine and the Python engine have in common: limits, progress, and raw results."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from model.language.interpreter import State
from model.language.machine import Check, Invariant

Reason = Literal["complete", "memory", "time", "interrupted"]

FAULT = "model_error"
"""The property of a model that computes an index or a value outside its range."""


@dataclass(frozen=True)
class Limits:
    """When to stop early.

    With `levels` only the states of so many levels are expanded, no steps are merged, and goals are
    judged in states of rest only: such a search looks for short traces.
    """

    memory: int
    seconds: float | None = None
    levels: int | None = None

    def check_time(self, began: float) -> None:
        """Raise Stopped if the time since then is up."""
        if self.seconds is not None and time.monotonic() - began >= self.seconds:
            raise Stopped("time")


@dataclass(frozen=True)
class Storing:
    """How the C engine searches; the Python engine has one thread and stores whole states.

    With `fingerprints` a state is known by 63 bits of hash, so that one may be taken for another.
    If `expected` states fit into memory, the index of a large search is made for them at once.
    """

    threads: int = 1
    fingerprints: bool = False
    expected: int = 0

    @property
    def engine(self) -> str:
        """What to call it in verdicts."""
        return "c, fingerprints" if self.fingerprints else "c"


ALONE = Storing()
"""One thread, whole states."""


class Stopped(Exception):
    """A limit was met while the explored graph was judged."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


@dataclass(frozen=True)
class Progress:
    """How far a running search is."""

    states: int
    frontier: int
    depth: int
    transitions: int
    memory: int
    seconds: float


ProgressFunction = Callable[[Progress], None]


@dataclass(frozen=True)
class Finding:
    """The first state with something wrong: `path` leads there from the initial state.

    A failed check (and a model error in a body) lies in the firing of `transition` that follows the
    path. The states are representatives where symmetry is on.
    """

    prop: str
    what: Check | Invariant | None
    transition: int | None
    path: tuple[State, ...]


@dataclass(frozen=True)
class RawLasso:
    """A fair cycle without a goal: the path to a state on it, and the steps from there back to it.

    Each step is who makes it (see `Actors`) and the state after it. Where symmetry is on, states
    are representatives and actors that are alike have one number.
    """

    stem: tuple[State, ...]
    loop: tuple[tuple[int, State], ...]


@dataclass(frozen=True)
class RawGoal:
    """Rest states without the goal and states that cannot reach it: counts, paths to the first."""

    failing: int
    failing_path: tuple[State, ...]
    doomed: int
    doomed_path: tuple[State, ...]
    lasso: RawLasso | None = None


@dataclass(frozen=True)
class RawSearch:
    """What an engine returns."""

    reason: Reason
    states: int
    transitions: int
    levels: tuple[int, ...]
    fired: tuple[int, ...]
    rest_states: int
    stuck_states: int
    stuck: tuple[State, ...]
    findings: tuple[Finding, ...]
    goals: tuple[RawGoal, ...]
    seconds: float
    compile_seconds: float
    memory: int
    bits: int
    fingerprints: bool = False

    @property
    def miss_probability(self) -> float | None:
        """With which some state is missing, at most; None where states are stored whole.

        If hashes are evenly distributed, each pair of states shares one with probability 2^-63.
        """
        if not self.fingerprints:
            return None
        return min(self.states * (self.states - 1) / 2.0**64, 1.0)
