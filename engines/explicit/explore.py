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
from engines.explicit.lassos import UnfairRenaming
from engines.explicit.search import (
    ALONE,
    Limits,
    Progress,
    ProgressFunction,
    RawSearch,
    Storing,
)
from engines.explicit.shortest import MEMORY, levels, shortened, worth_shortening
from engines.explicit.traces import Expander
from engines.explicit.violations import goal_findings, goal_reports, violations
from engines.reductions.goals import with_joined_goals
from engines.reductions.merging import NO_MERGING, Merging, merging
from engines.reductions.symmetry import Symmetry, symmetry
from engines.reductions.wanted import ALL_REDUCTIONS, Reductions
from engines.result import Exploration
from model.language.layout import layout
from model.language.machine import Machine

__all__ = ["Exploration", "Options", "Prepared", "Progress", "explore", "prepare", "search"]

Engine = Literal["auto", "c", "python"]


@dataclass(frozen=True)
class Options:
    """How to search. `memory` is in bytes; without it, three quarters of what is available.

    `threads`, `fingerprints` and `expected` are for the C engine (see `Storing`).

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
    expected: int = 0


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
            result = _result(machine, raw, expander, _reductions(plan, renaming))
            return replace(
                searcher.with_short_traces(result, renaming), notes=tuple(dict.fromkeys(notes))
            )
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
        limits = self.limits
        if limits.seconds is not None:
            limits = replace(limits, seconds=limits.seconds - used)
        options = self.options
        storing = Storing(options.threads, options.fingerprints, options.expected)
        return self._search(renaming, limits, storing, self.progress)

    def with_short_traces(self, result: Exploration, renaming: Symmetry | None) -> Exploration:
        """The same with the shortest traces there are, as far as a second search finds them."""
        again = worth_shortening(result.violations, result.goals)
        if not again or result.reason in ("time", "interrupted"):
            return result
        left = self.limits.seconds
        if left is not None:
            left = max(left - result.seconds - result.compile_seconds, 0)
        limits = Limits(min(MEMORY, self.limits.memory), left, levels(again))
        raw, engine = self._search(renaming, limits, ALONE, None)
        expander = Expander(self.prepared.machine, NO_MERGING, renaming, engine)
        found = violations(raw, expander, goal_findings(raw, expander))
        if raw.reason == "complete" and not again.keys() <= found.keys():
            missing = ", ".join(sorted(again.keys() - found.keys()))
            raise expander.disagree(f"{missing} is violated with merged steps only")
        return replace(result, violations={**result.violations, **shortened(again, found)})

    def _search(
        self,
        renaming: Symmetry | None,
        limits: Limits,
        storing: Storing,
        progress: ProgressFunction | None,
    ) -> tuple[RawSearch, str]:
        prepared, plan = self.prepared, self.prepared.plan
        searched = with_joined_goals(prepared.machine, renaming)
        generated = prepared.generated if renaming == prepared.renaming else None
        if self.compiler is not None:
            try:
                about = (searched, plan, renaming, limits, progress, self.compiler)
                how = (self.options.keep_c, self.notes)
                raw = native.search(*about, *how, generated=generated, storing=storing)
                return raw, storing.engine
            except CompilerError as error:
                if self.options.engine == "c":
                    raise
                first = str(error).partition("\n")[0]
                self.notes.append(f"the steps ran as Python, which is much slower, because {first}")
                self.compiler = None
        if storing.fingerprints:
            self.notes.append("the Python engine stores whole states: this search is exact")
        from engines.explicit import python_engine  # with networkx, which takes a while to load

        plan = plan if limits.levels is None else NO_MERGING
        return python_engine.search(searched, plan, renaming, limits, progress), "python"


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
) -> Exploration:
    goals = goal_findings(raw, expander)
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
        violations=violations(raw, expander, goals),
        goals=goal_reports(goals),
        reductions=reductions,
        miss_probability=raw.miss_probability,
    )


def _fired(machine: Machine, raw: RawSearch) -> Mapping[int, int]:
    return {tr.id: count for tr, count in zip(machine.transitions, raw.fired, strict=True)}


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
