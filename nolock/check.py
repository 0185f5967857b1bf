"""Puts a verification together: what was asked for, the jobs, the report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from model.edits import Mutant
from model.environments import ENVIRONMENTS
from model.manifest import Manifest, Run
from nolock.catalogue import (
    chosen_names,
    design_named,
    design_paths,
    mutant_paths,
    runs_named,
)
from nolock.errors import InputError
from nolock.explored import Explored, Failure
from nolock.jobs import Job, OneOff, Search, jobs_of
from nolock.mutation import MutantRow, killed_by, mutant_job
from nolock.progress import ProgressLines
from nolock.proofs import ProofTasks
from nolock.schedule import Task, run_tasks
from nolock.sizes import known_sizes, note_sizes, size_of
from nolock.verify import DesignReport, Report, design_report
from nolock.words import counted
from nolock.work import run_job
from properties.registry import PROPERTIES

_NOWHERE_RUN = "given"
_STATES_A_SECOND = 1_000_000
_WITH_ORDER = 400_000
"""States that one core goes through in the runs of the designs, as a rule: without the partial
order, and with it, which is for more than some ten million states."""
_LARGE = 10_000_000


@dataclass(frozen=True)
class Asked:
    """What the command line asked for; empty means all."""

    designs: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    every_run: bool = False
    one_off: OneOff = field(default_factory=OneOff)
    search: Search = field(default_factory=Search)
    at_once: int = 1
    traces: bool = False

    @property
    def narrowed(self) -> bool:
        """Whether a design's runs are not all done as its file states them."""
        return bool(self.runs or self.envs or self.properties or self.one_off)


@dataclass(frozen=True)
class _Plan:
    manifest: Manifest
    jobs: tuple[Job, ...]
    one_off: bool


def check(asked: Asked, *, whole_product: bool) -> Report:
    """Explore and judge. `whole_product`: the mutants and start-address proofs as well.

    Raises InputError and CompileError for mistakes of the user.
    """
    began = time.monotonic()
    chosen_names("property", asked.properties, PROPERTIES)
    chosen_names("environment", asked.envs, ENVIRONMENTS)
    named_mutants = [name for name in asked.designs if _is_mutant(name)]
    designs = [name for name in asked.designs if name not in named_mutants]
    if not asked.designs:
        designs = list(design_paths())
    manifests = [design_named(name) for name in designs]
    _no_two_alike(manifests)
    plans = _plans(manifests, asked)
    if named_mutants:
        refuse_other_runs(asked)
    mutants = _mutants(named_mutants, all_of_them=whole_product)
    if not plans and not mutants:
        hint = "nolock list runs shows them all; not every run can violate every property"
        raise InputError("no run that was asked for checks what was asked for", hint)
    found = [(job, asked.traces) for plan in plans for job in plan.jobs]
    found += [(job, asked.traces and not whole_product) for _, job in mutants]
    at_once = min(asked.at_once, len(found))
    search = replace(asked.search, memory=max(1, asked.search.memory // at_once))
    jobs = [replace(job, search=search, explained=explained) for job, explained in found]
    sizes = known_sizes()
    tasks = [Task(job.key, run_job, job, size_of(job, sizes), search.seconds) for job in jobs]
    proofs = ProofTasks(_recoveries() if whole_product else (), search.seconds)
    tasks += proofs.tasks
    announce = any(plan.one_off for plan in plans)
    how_long = long_text([job.run.long for job, _ in found if job.run.long])
    with ProgressLines(len(tasks), search.memory, announce, how_long) as lines:
        hooks = proofs.hooks(lines.hooks)
        results = run_tasks(tasks, asked.at_once, hooks, stop_at=refuse_mistakes)
    note_sizes(jobs, results)
    rows = tuple(MutantRow(mutant, results[job.key]) for mutant, job in mutants)
    verdicts = proofs.verdicts(results)
    refuted: dict[str, None] = {
        f"recovery {v.recovery}": None for v in verdicts if v.verdict == "violated"
    }
    return Report(
        designs=_with_silence([_report(plan, asked, results) for plan in plans], asked),
        mutants=rows,
        killed_by=killed_by(rows, {"start_address": tuple(refuted)}) if whole_product else None,
        proofs=verdicts,
        failed_proofs=proofs.failed(results),
        interrupted=any(was_interrupted(result) for result in results.values()),
        seconds=time.monotonic() - began,
    )


def refuse_mistakes(result: object) -> None:
    """Raise InputError for what the user must mend first; the other results would not help."""
    if isinstance(result, Failure) and result.kind in ("input", "compiler"):
        raise InputError(result.text)


def refuse_other_runs(asked: Asked) -> None:
    """Raise InputError for what would narrow or change the run of a mutant."""
    if asked.narrowed:
        raise InputError(
            "a mutant is explored in the run that its file states",
            "leave out --run, --env, --property, --knob and bounds, or name designs only",
        )


def was_interrupted(result: object) -> bool:
    """Whether Ctrl-C ended it, or kept it from beginning."""
    if isinstance(result, Failure):
        return result.kind == "interrupted"
    return isinstance(result, Explored) and result.reason == "interrupted"


def long_text(states: Sequence[int]) -> str:
    """What to tell before long runs, given how many states each had when it was measured."""
    if not states:
        return ""
    seconds = sum(s / (_WITH_ORDER if s > _LARGE else _STATES_A_SECOND) for s in states)
    return (
        f"{counted(len(states), 'long run')}: about {sum(states) / 1e6:,.0f} million states, "
        f"{seconds:,.0f} s of one core"
    )


def _report(plan: _Plan, asked: Asked, results: dict[str, Any]) -> DesignReport:
    whole = not asked.narrowed and not plan.one_off
    return design_report(plan.manifest, plan.jobs, results, judged=not plan.one_off, whole=whole)


def _with_silence(designs: Sequence[DesignReport], asked: Asked) -> tuple[DesignReport, ...]:
    """Properties that were asked for and of which no design says anything are a problem."""
    heard = {verdict.property for design in designs for verdict in design.verdicts}
    silent = tuple(
        f"no verdict on {prop}: nothing in these runs could violate it"
        for prop in asked.properties
        if prop not in heard
    )
    return tuple(replace(design, problems=(*design.problems, *silent)) for design in designs)


def _plans(manifests: Sequence[Manifest], asked: Asked) -> list[_Plan]:
    """The jobs of each design. Runs are moved to an environment that none of them is in."""
    one_off = asked.one_off
    known = {run.name for manifest in manifests for run in manifest.runs}
    if asked.runs and not asked.designs:
        chosen_names("run", asked.runs, known)
    chosen = {manifest.name: runs_asked(manifest, asked) for manifest in manifests}
    if asked.envs:
        in_env = {
            manifest.name: tuple(
                run
                for run in chosen[manifest.name]
                if run in manifest.runs and run.env in asked.envs
            )
            for manifest in manifests
        }
        if not any(in_env.values()):
            one_off = replace(one_off, env=_only_one(asked.envs))
        else:
            _nobody_is_left_out(in_env, asked)
            chosen = in_env
    plans = []
    for manifest in manifests:
        jobs = jobs_of(manifest, chosen[manifest.name], asked.properties, one_off)
        if jobs:
            plans.append(_Plan(manifest, tuple(jobs), bool(one_off)))
    return plans


def _only_one(envs: Sequence[str]) -> str:
    if len(envs) > 1:
        raise InputError(
            f"no run that was asked for is in {' or '.join(envs)}",
            "name one of them, and the runs are done in it",
        )
    return envs[0]


def _nobody_is_left_out(in_env: Mapping[str, Sequence[Run]], asked: Asked) -> None:
    """A design that was named is not passed over in silence."""
    left_out = [name for name, runs in in_env.items() if not runs]
    if asked.designs and left_out:
        raise InputError(
            f"no run of {left_out[0]} that was asked for is in {' or '.join(asked.envs)}",
            "check it by itself, and its runs are done in that environment",
        )


def runs_asked(manifest: Manifest, asked: Asked) -> tuple[Run, ...]:
    """The runs of a design that were asked for; bounds alone make one where it has none."""
    if asked.runs and not asked.designs:
        return tuple(run for run in manifest.runs if run.name in asked.runs)
    if asked.runs:
        return runs_named(manifest, asked.runs)
    runs = tuple(run for run in manifest.runs if not run.long or asked.every_run)
    if runs or manifest.runs:
        return runs
    if asked.one_off or asked.envs:
        return (Run(_NOWHERE_RUN, "smp", "bounds of the command line"),)
    raise InputError(
        f"{manifest.path}: the design declares no RUNS",
        'add RUNS = [run("name", env="smp", why="...", nmis=1)], or give bounds: --nmis 1 '
        "(nolock new NAME writes an example)",
    )


def _is_mutant(name: str) -> bool:
    return name == "mutants" or name.startswith("mutants/")


def _mutants(names: Sequence[str], *, all_of_them: bool) -> list[tuple[Mutant, Job]]:
    """All mutants, or those that were named as mutants/ID."""
    if not names and not all_of_them:
        return []
    found = {mutant.id: (mutant, job) for mutant, job in map(mutant_job, mutant_paths().values())}
    if all_of_them or "mutants" in names:
        return list(found.values())
    ids = chosen_names("mutant", [name.partition("/")[2] for name in names], found)
    return [found[name] for name in ids]


def _no_two_alike(manifests: Sequence[Manifest]) -> None:
    names = [manifest.name for manifest in manifests]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two designs are called `{name}`", "give each once; rename a file")


def _recoveries() -> tuple[str, ...]:
    from engines.symbolic.start_address import recovery_names

    return recovery_names()
