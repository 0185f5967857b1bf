"""What comes back from an exploration: plain data that crosses process borders."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass

from counterexamples.explain import Explanation
from counterexamples.trace import Trace

MODEL_ERROR = "model_error"


@dataclass(frozen=True)
class Step:
    """A source statement of the machine and how often it was taken.

    `process` is empty for actions, and for statements of the kernel's parts, which count as reached
    whoever runs them.
    """

    process: str
    file: str
    line: int
    routine: str
    text: str
    fired: int

    @property
    def place(self) -> tuple[str, str, int]:
        """What makes it one statement."""
        return self.process, self.file, self.line


@dataclass(frozen=True)
class Found:
    """A violation. `trace` is simplified where there is an `explanation`.

    `length` counts the steps before that; `shortest`: fewer do not violate it in this way.
    """

    property: str
    message: str
    kind: str
    length: int
    shortest: bool
    trace: Trace | None = None
    explanation: Explanation | None = None

    @builtins.property
    def simplified_length(self) -> int | None:
        """Steps of the simplified trace, where it was made."""
        return None if self.trace is None else len(self.trace.steps)


@dataclass(frozen=True)
class Explored:
    """What an exploration covered and found. `reason` says why it ended.

    `tested` are the properties that some step, invariant or goal could have violated; `acted` the
    processes and actions that took a step.
    """

    config: Mapping[str, int]
    reason: str
    engine: str
    states: int
    transitions: int
    depth: int
    seconds: float
    compile_seconds: float
    bits: int
    bytes_per_state: float
    rest_states: int
    stuck_states: int
    found: Mapping[str, Found]
    cutting: tuple[str, ...]
    reductions: tuple[str, ...]
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    tested: frozenset[str]
    acted: frozenset[str]
    lossy: float | None = None
    """The probability that a state was missed, at most; None for an exact search."""
    undecided: frozenset[str] = frozenset()
    """Properties of which a lossy search has seen the states of rest only."""

    @property
    def complete(self) -> bool:
        """Whether all reachable states were covered."""
        return self.reason == "complete"


@dataclass(frozen=True)
class Failure:
    """A job without a result: a mistake in a model, no compiler, a crash, or never begun.

    `detail` is a Python traceback, for crashes only.
    """

    kind: str
    text: str
    detail: str = ""


Result = Explored | Failure
