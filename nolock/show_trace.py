"""`nolock trace`: a counterexample by its ID or from a file, replayed on today's machine first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from counterexamples.explain import Explanation, explain
from counterexamples.match import replay_on
from counterexamples.replay import ReplayError
from counterexamples.simplify import simplify
from counterexamples.store import TraceFileError, load
from counterexamples.trace import Trace, fingerprint
from model.environments import ENVIRONMENTS
from model.language.machine import Machine
from model.manifest import Manifest, Run
from nolock.catalogue import (
    chosen_names,
    design_named,
    design_paths,
    runs_named,
    unknown,
)
from nolock.check import Asked, refuse_mistakes, refuse_other_runs, runs_asked
from nolock.errors import InputError
from nolock.explored import MODEL_ERROR, Explored, Failure
from nolock.jobs import Job, jobs_of, properties_of
from nolock.mutation import mutant_named
from nolock.progress import ProgressLines
from nolock.schedule import Task, run_tasks
from nolock.trace_cache import recall
from nolock.verdicts import stopped
from nolock.words import counted
from nolock.work import machine_of, run_job, settings_of
from properties.registry import PROPERTIES, build_machine


@dataclass(frozen=True)
class Shown:
    """A trace with its explanation; without one, `missing` says why and `incomplete` if so."""

    trace: Trace | None = None
    explanation: Explanation | None = None
    missing: str = ""
    incomplete: bool = False


def trace_of_id(name: str, asked: Asked) -> Shown:
    """The trace of a verdict: from the cache of earlier searches, or by searching again."""
    job, prop = _job(name, asked)
    settings = settings_of(job)
    if isinstance(settings, Failure):
        return Shown(missing=settings.text, incomplete=True)
    machine = machine_of(job, settings)
    known = recall(fingerprint(machine), prop, job)
    if known is not None:
        try:
            return _explained(machine, simplify(machine, known))
        except ReplayError:
            pass  # the cache is a hint only
    with ProgressLines(1, asked.search.memory, announce=bool(asked.one_off)) as lines:
        result = run_tasks(
            [Task(job.key, run_job, job, seconds=job.search.seconds)],
            1,
            lines.hooks,
            refuse_mistakes,
        )[job.key]
    if isinstance(result, Failure):
        return Shown(missing=f"{job.key}: {result.text}", incomplete=True)
    return _shown(job, prop, result)


def _shown(job: Job, prop: str, result: Explored) -> Shown:
    if prop in result.found:
        found = result.found[prop]
        return Shown(found.trace, found.explanation)
    others = ", ".join(result.found)
    also = f"; violated there: {others}" if others else ""
    if not result.complete:
        return Shown(missing=f"{job.key}: {stopped(result)}{also}", incomplete=True)
    return Shown(
        missing=f"{job.key} does not violate {prop} "
        f"({counted(result.states, 'state')}, complete){also}"
    )


def trace_of_file(path: Path, design: str | None) -> Shown:
    """A stored trace, told anew by today's machine. Raises InputError where it does not replay."""
    try:
        stored = load(path)
    except TraceFileError as error:
        raise InputError(str(error)) from None
    machine = _machine_of_trace(stored, path, design)
    try:
        trace = replay_on(stored, machine)
    except ReplayError as error:
        raise InputError(
            f"{path}: {error}", "record it again with `nolock trace ID --save`"
        ) from None
    return _explained(machine, trace)


def _explained(machine: Machine, trace: Trace) -> Shown:
    return Shown(trace, explain(machine, trace))


# --- which machine -------------------------------------------------------------------------------


def _job(name: str, asked: Asked) -> tuple[Job, str]:
    """The job and the property of an ID: DESIGN/RUN/PROPERTY or mutants/ID/PROPERTY."""
    parts = name.rsplit("/", 2)
    if len(parts) != 3:
        raise InputError(
            f"`{name}` is neither a file nor the ID of a trace",
            "an ID is DESIGN/RUN/PROPERTY, such as nmi_detect/any-context/self_deadlock",
        )
    owner, run, prop = parts
    if prop not in (*PROPERTIES, MODEL_ERROR):
        raise unknown("property", prop, PROPERTIES)
    if owner == "mutants":
        refuse_other_runs(asked)
        job = mutant_named(run)
    else:
        job = _job_of_design(design_named(owner), run, asked)
    if prop not in (*job.properties, MODEL_ERROR):
        raise InputError(
            f"{job.key} does not check {prop}", f"it checks {', '.join(job.properties)}"
        )
    return replace(job, search=asked.search, explained=True), prop


def _job_of_design(manifest: Manifest, run: str, asked: Asked) -> Job:
    envs = chosen_names("environment", asked.envs, ENVIRONMENTS)
    one_off = replace(asked.one_off, env="".join(envs))
    if manifest.runs:
        runs = runs_named(manifest, [run])
    else:
        runs = runs_asked(manifest, replace(asked, one_off=one_off))
    return jobs_of(manifest, runs, (), one_off)[0]


def _machine_of_trace(trace: Trace, path: Path, design: str | None) -> Machine:
    identity = trace.identity
    config = dict(identity.config)
    owner, _, mutant = identity.run.partition("/")
    if owner == "mutants" and design is None:
        return machine_of(mutant_named(mutant), config)
    manifest = design_named(design or _design_path(trace, path))
    run = next((run for run in manifest.runs if run.name == identity.run), None)
    known = {name: value for name, value in config.items() if name in manifest.knobs}
    properties = properties_of(run or Run("", "smp", ""))
    if trace.property in PROPERTIES and trace.property not in properties:
        properties = (*properties, trace.property)
    return build_machine(manifest.path, known, properties)


def _design_path(trace: Trace, path: Path) -> str:
    """A built-in design by name, or the user's own file, which the steps of the trace name."""
    name = trace.identity.design
    if name in design_paths():
        return name
    for step in trace.steps:
        for file in (step.where.file, *(frame.file for frame in step.where.chain)):
            if Path(file).stem == name and Path(file).is_file():
                return file
    raise InputError(
        f"{path}: there is no design `{name}`", "say where it is: --design path/to/file.py"
    )


def print_shown(shown: Shown, console: Console, *, full: bool) -> None:
    """Print a trace that there is."""
    from counterexamples.render_terminal import print_trace

    if shown.trace is not None:
        print_trace(shown.trace, shown.explanation, console=console, full=full)
