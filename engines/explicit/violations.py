"""What is wrong, as an engine found it, with traces of single steps."""

from __future__ import annotations

from typing import Literal

from engines.explicit.lassos import to_lasso
from engines.explicit.search import FAULT, Finding, RawGoal, RawSearch
from engines.explicit.traces import Expander
from engines.reductions.goals import parts_of, with_joined_goals
from engines.result import GoalReport, Trace, Violation
from model.language.machine import Check, Goal

GoalFindings = list[tuple[Goal, GoalReport]]
"""What became of each goal that was searched for."""


def goal_findings(raw: RawSearch, expander: Expander) -> GoalFindings:
    """What became of the goals, with traces."""
    searched = with_joined_goals(expander.machine, expander.symmetry)
    return [
        (goal, _report(goal, found, expander))
        for goal, found in zip(searched.goals, raw.goals, strict=True)
    ]


def goal_reports(found: GoalFindings) -> dict[str, GoalReport]:
    """The same by property."""
    goals: dict[str, GoalReport] = {}
    for goal, report in found:
        known = goals.get(goal.prop)
        goals[goal.prop] = report if known is None else _joined(known, report)
    return goals


def violations(raw: RawSearch, expander: Expander, goals: GoalFindings) -> dict[str, Violation]:
    """The first violation of each property: the one that the fewest steps lead to.

    Of goals, one that is missed at rest comes first, then one that is missed for good.
    """
    first: dict[str, Finding] = {}
    for finding in raw.findings:
        known = first.get(finding.prop)
        if known is None or _steps(finding) < _steps(known):
            first[finding.prop] = finding
    found = {prop: _violation(finding, expander) for prop, finding in first.items()}
    missed = [_missed(goal, report, expander.steps_apart) for goal, report in goals]
    for _, violation in sorted(filter(None, missed), key=lambda one: (one[0], len(one[1].trace))):
        found.setdefault(violation.property, violation)
    return found


def _steps(finding: Finding) -> int:
    """Steps of the search, the one that violates included."""
    return len(finding.path) - 1 + (finding.transition is not None)


def _violation(finding: Finding, expander: Expander) -> Violation:
    (trace, what), shortest = expander.to_finding(finding), expander.steps_apart
    if what is None:
        message = "an index or a value is outside its range"
        if finding.transition is not None:
            message += f", at {expander.machine.transitions[finding.transition].where}"
        return Violation(FAULT, message, "model_error", trace, shortest=shortest)
    kind: Literal["check", "invariant"] = "check" if isinstance(what, Check) else "invariant"
    return Violation(finding.prop, what.message, kind, trace, shortest=shortest)


# --- goals -----------------------------------------------------------------------------------


def _report(goal: Goal, found: RawGoal, expander: Expander) -> GoalReport:
    at_rest = lost = lasso = None
    if found.failing_path:
        at_rest = expander.confirm_goal(found.failing_path, goal.expr, at_rest=True)
    if found.doomed_path:
        lost = expander.confirm_goal(found.doomed_path, goal.expr, at_rest=False)
    if found.lasso is not None:
        lasso = to_lasso(expander, found.lasso, parts_of(expander.machine, goal))
    return GoalReport(found.failing, at_rest, found.doomed, lost, lasso)


def _joined(a: GoalReport, b: GoalReport) -> GoalReport:
    """Of two goals of one property."""
    return GoalReport(
        max(a.failing, b.failing),
        _shorter(a.at_rest, b.at_rest),
        max(a.doomed, b.doomed),
        _shorter(a.lost, b.lost),
        a.lasso or b.lasso,
    )


def _shorter(a: Trace | None, b: Trace | None) -> Trace | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b, key=len)


def _missed(goal: Goal, report: GoalReport, steps_apart: bool) -> tuple[int, Violation] | None:
    """How the goal is missed, and how soon that is seen: at rest, else for good, else for ever."""
    if report.at_rest is not None:
        trace = report.at_rest
        return 0, Violation(goal.prop, goal.message, "goal", trace, shortest=steps_apart)
    if report.lost is not None:
        return 1, Violation(goal.prop, goal.message, "goal", report.lost)
    if report.lasso is None:
        return None
    stem, loop = report.lasso.stem, report.lasso.loop
    return 2, Violation(goal.prop, goal.message, "lasso", (*stem, *loop), len(stem))
