"""Shortest traces: what was found with merged steps is looked for once more step by step.

A merged step counts as one, however many it holds, and a step that was taken ahead may not have
been needed. So the trace with the fewest steps of the search need not be the shortest. The second
search merges nothing and goes no deeper than the traces that are known; renaming stays, as it
changes no lengths. It gets little memory, so it takes about a second: where that does not suffice,
the trace of the first search is kept, and nobody says that it is a shortest one.

A goal that is missed for good or for ever is not looked for again.
"""

from __future__ import annotations

from collections.abc import Mapping

from engines.result import GoalReport, Violation

MEMORY = 32 << 20
"""Bytes for the second search: about a million states."""


def worth_shortening(
    known: Mapping[str, Violation], goals: Mapping[str, GoalReport]
) -> dict[str, Violation]:
    """The violations that a search step by step can find, and that may have shorter traces."""
    return {
        prop: violation
        for prop, violation in known.items()
        if not violation.shortest
        and violation.kind != "lasso"
        and (violation.kind != "goal" or goals[prop].at_rest is not None)
    }


def levels(violations: Mapping[str, Violation]) -> int:
    """How many levels of states hold the last states of all traces."""
    return 1 + max(len(violation.trace) for violation in violations.values())


def shortened(
    known: Mapping[str, Violation], found: Mapping[str, Violation]
) -> dict[str, Violation]:
    """What is known, with the traces that the second search found; those are shortest."""
    return {
        prop: found[prop] if prop in found and _alike(violation, found[prop]) else violation
        for prop, violation in known.items()
    }


def _alike(a: Violation, b: Violation) -> bool:
    return (a.kind == "goal") == (b.kind == "goal")
