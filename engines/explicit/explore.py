"""Explores all states of a machine and says which properties hold in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engines.explicit import native
from engines.explicit.codegen import Generated, generate
from engines.explicit.compiler import Compiler, CompilerError, find_compiler, no_compiler
from engines.explicit.lassos import UnfairRenaming, to_lasso
from engines.explicit.search import (
    FAULT,
    Finding,
    Limits,
    Progress,
    ProgressFunction,
    RawGoal,
    RawSearch,
    Storing,
)
from engines.explicit.traces import Expander
from engines.reductions.goals import parts_of, with_joined_goals
from engines.reductions.merging import Merging, merging
from engines.reductions.symmetry import Symmetry, symmetry
from engines.reductions.wanted import ALL_REDUCTIONS, Reductions
from engines.result import Exploration, GoalReport, Trace, Violation
from model.language.layout import layout
from model.language.machine import Check, Goal, Machine

__all__ = ["Exploration", "Options", "Prepared", "Progress", "explore", "prepare", "search"]

Engine = Literal["auto", "c", "python"]


@dataclass(frozen=True)
class Options:
    """How to search. `memory` is in bytes; without it, three quarters of what is available.

    `threads` and `fingerprints` are for the C engine (see `Storing`).

    `auto` takes C where there is a compiler.
    `keep_c` is where the generated C is written to. `compiler` is what `find_compiler()` found;
    `explore` asks it where there is none.
    """

    engine: Engine = "auto"
    memory: int | None = None
    seconds: float | None = None
    reductions: Reductions = ALL_REDUCTIONS
    keep_c: Path | None = None
    compiler: Compiler | None = None
    threads: int = 1
    fingerprints: bool = False


@dataclass(frozen=True)
class Prepared:
    """A machine and what its search needs, made from it and from the options only.

    `generated` is the C of its steps, where there is a compiler for it.
    """

    machine: Machine
    plan: Merging
    renaming: Symmetry | None
    generated: Generated | None = None


def prepare(machine: Machine, options: Options = Options()) -> Prepared:
    """Everything before a search that does not depend on limits or on a compiler."""
    plan = merging(machine, options.reductions)
    renaming = symmetry(machine) if options.reductions.symmetry else None
    generated = None
    if options.engine != "python" and options.compiler is not None:
        searched = with_joined_goals(machine, renaming)
        generated = generate(searched, layout(searched), plan, renaming)
    return Prepared(machine, plan, renaming, generated)


def explore(
    machine: Machine, options: Options = Options(), progress: ProgressFunction | None = None
) -> Exploration:
    """Prepare and search; see `search`."""
    if options.engine != "python" and options.compiler is None:
        options = replace(options, compiler=find_compiler())
    return search(prepare(machine, options), options, progress)


def search(
    prepared: Prepared, options: Options = Options(), progress: ProgressFunction | None = None
) -> Exploration:
    """Search all reachable states of a machine that was prepared with the same options.

    `progress` is called a few times a second. Ctrl-C ends the search with what was covered. Raises
    CompilerError when C was asked for and cannot be had, EngineDisagreement when the reference
    interpreter does not confirm a violation.
    """
    machine, plan, renaming = prepared.machine, prepared.plan, prepared.renaming
    limits = Limits(options.memory or available_memory() * 3 // 4, options.seconds)
    compiler = None if options.engine == "python" else options.compiler
    notes = list(plan.notes)
    if compiler is None and options.engine == "c":
        raise no_compiler()
    if compiler is None and options.engine == "auto":
        first = str(no_compiler()).partition("\n")[0]
        notes.append(f"the steps ran as Python, which is much slower: {first}")
    searcher = _Searcher(prepared, limits, progress, compiler, options, notes)
    used = 0.0
    while True:
        raw, engine = searcher.run(renaming, used)
        expander = Expander(machine, plan, renaming, engine)
        try:
            return _result(machine, raw, expander, _reductions(plan, renaming), tuple(notes))
        except UnfairRenaming:
            # Whether the cycle is fair depends on which of those that look alike get their turn.
            used += raw.seconds + raw.compile_seconds
            renaming = renaming and renaming.of_fewer_records()
            kept = " and ".join(name for name, _ in renaming.records) if renaming else "nothing"
            notes.append(f"a cycle was fair up to renaming only; {kept} is renamed")


@dataclass
class _Searcher:
    """Searches with the engine that was asked for; `notes` says where it is another one."""

    prepared: Prepared
    limits: Limits
    progress: ProgressFunction | None
    compiler: Compiler | None
    options: Options
    notes: list[str]

    def run(self, renaming: Symmetry | None, used: float = 0) -> tuple[RawSearch, str]:
        """What is found within the limits, of whose time some seconds are used, and by which."""
        limits, options = self.limits, self.options
        if limits.seconds is not None:
            limits = replace(limits, seconds=limits.seconds - used)
        prepared = self.prepared
        searched = with_joined_goals(prepared.machine, renaming)
        about = (searched, prepared.plan, renaming, limits, self.progress)
        generated = prepared.generated if renaming == prepared.renaming else None
        if self.compiler is not None:
            try:
                storing = Storing(options.threads, options.fingerprints)
                how = (self.compiler, options.keep_c, self.notes)
                raw = native.search(*about, *how, generated=generated, storing=storing)
                return raw, storing.engine
            except CompilerError as error:
                if options.engine == "c":
                    raise
                first = str(error).partition("\n")[0]
                self.notes.append(f"the steps ran as Python, which is much slower, because {first}")
                self.compiler = None
        if options.fingerprints:
            self.notes.append("the Python engine stores whole states: this search is exact")
        from engines.explicit import python_engine  # with networkx, which takes a while to load

        return python_engine.search(*about), "python"


def _reductions(plan: Merging, renaming: Symmetry | None) -> tuple[str, ...]:
    """The reductions that had something to do."""
    named = []
    if plan.steps:
        named.append("merging")
    if plan.independent is not None and plan.independent.steps:
        named += ["partial order"] if plan.independent.order else []
        named += ["interrupt placement"] if plan.independent.arrivals else []
    if renaming is not None and renaming.records:
        named.append("symmetry")
    return tuple(named)


def _result(
    machine: Machine,
    raw: RawSearch,
    expander: Expander,
    reductions: tuple[str, ...],
    notes: tuple[str, ...],
) -> Exploration:
    goals: dict[str, GoalReport] = {}
    violations = _violations(raw, expander)
    searched = with_joined_goals(machine, expander.symmetry)
    for goal, found in zip(searched.goals, raw.goals, strict=True):
        report = _report(goal, found, expander)
        known = goals.get(goal.prop)
        goals[goal.prop] = report if known is None else _joined(known, report)
    for goal in machine.goals:
        if goal.prop not in violations:
            missed = _missed(goal, goals[goal.prop])
            if missed is not None:
                violations[goal.prop] = missed
    return Exploration(
        complete=raw.reason == "complete",
        reason=raw.reason,
        engine=expander.engine,
        states=raw.states,
        transitions=raw.transitions,
        levels=raw.levels,
        seconds=raw.seconds,
        compile_seconds=raw.compile_seconds,
        memory=raw.memory,
        bits=raw.bits,
        fired=_fired(machine, raw),
        rest_states=raw.rest_states,
        stuck_states=raw.stuck_states,
        stuck=expander.confirm_rest(raw.stuck) if raw.stuck else None,
        violations=violations,
        goals=goals,
        reductions=reductions,
        notes=notes,
        miss_probability=raw.miss_probability,
    )


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
        a.at_rest if a.at_rest is not None else b.at_rest,
        max(a.doomed, b.doomed),
        a.lost if a.lost is not None else b.lost,
        a.lasso or b.lasso,
    )


def _missed(goal: Goal, report: GoalReport) -> Violation | None:
    """How the goal is missed: at rest, else for good, else for ever."""
    trace = report.lost if report.at_rest is None else report.at_rest
    if trace is not None:
        return Violation(goal.prop, goal.message, "goal", trace)
    if report.lasso is None:
        return None
    stem, loop = report.lasso.stem, report.lasso.loop
    return Violation(goal.prop, goal.message, "lasso", (*stem, *loop), len(stem))


def _fired(machine: Machine, raw: RawSearch) -> Mapping[int, int]:
    return {tr.id: count for tr, count in zip(machine.transitions, raw.fired, strict=True)}


def _violations(raw: RawSearch, expander: Expander) -> dict[str, Violation]:
    """The first violation of each property: the one that the fewest steps lead to."""
    first: dict[str, Finding] = {}
    for finding in raw.findings:
        known = first.get(finding.prop)
        if known is None or _steps(finding) < _steps(known):
            first[finding.prop] = finding
    return {prop: _violation(finding, expander) for prop, finding in first.items()}


def _steps(finding: Finding) -> int:
    """Steps of the search, the one that violates included."""
    return len(finding.path) - 1 + (finding.transition is not None)


def _violation(finding: Finding, expander: Expander) -> Violation:
    trace: Trace = expander.to_finding(finding)
    if finding.what is None:
        message = "an index or a value is outside its range"
        if finding.transition is not None:
            message += f", at {expander.machine.transitions[finding.transition].where}"
        return Violation(FAULT, message, "model_error", trace)
    kind: Literal["check", "invariant"] = (
        "check" if isinstance(finding.what, Check) else "invariant"
    )
    return Violation(finding.prop, finding.what.message, kind, trace)


def available_memory() -> int:
    """Bytes that can be used without swapping, as far as the system says."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError):
        return 4 << 30
