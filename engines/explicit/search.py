"""What the C engine and the Python engine have in common: limits, progress, and raw results."""

from __future__ import annotations

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
    """When to stop early."""

    memory: int
    seconds: float | None = None


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
class RawGoal:
    """Rest states without the goal and states that cannot reach it: counts, paths to the first."""

    failing: int
    failing_path: tuple[State, ...]
    doomed: int
    doomed_path: tuple[State, ...]


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
