"""`nolock export`: a design's machine in the language of another model checker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import click

from engines.export.murphi import murphi
from engines.export.promela import promela
from engines.export.steps import Source, checked_properties
from engines.export.tla import tla, tla_config
from model.environments import ENVIRONMENTS
from model.language.machine import Machine
from model.manifest import Manifest, Run
from nolock.catalogue import chosen_names, design_named
from nolock.check import Asked, refuse_other_runs, runs_asked
from nolock.console import console_for_stdout
from nolock.errors import EXPECTED, INCOMPLETE, InputError
from nolock.explored import Failure
from nolock.jobs import Job, OneOff, jobs_of
from nolock.mutation import mutant_named
from nolock.options import Given
from nolock.output import check_place, write, write_whole
from nolock.report_text import say
from nolock.work import machine_of, settings_of
from properties.registry import PROPERTIES

_MODULE = re.compile(r"\w*[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """What is to be written: `run` and `env` may be empty, no properties mean all of the run's."""

    design: str
    language: str
    run: str
    env: str
    properties: tuple[str, ...]

    def command(self, job: Job) -> str:
        """The command that writes it again."""
        words = ["nolock export", job.place, "--to", self.language]
        if job.mutant is None:
            words += ["--run", job.run.name]
        words += [word for name in self.properties for word in ("--property", name)]
        return " ".join(words) + job.options


def export_command(wanted: Wanted, given: Given) -> int:
    """Build the machine, write it. Raises InputError and CompileError."""
    check_place(given.output)
    if wanted.language == "tla" and given.output is not None:
        _check_module(given.output)
    job = _job(wanted, given.one_off(wanted.env))
    settings = settings_of(job)
    if isinstance(settings, Failure):
        click.echo(f"nolock: {settings.text}", err=True)
        return INCOMPLETE
    machine = machine_of(job, settings)
    if wanted.properties and not set(wanted.properties) & set(checked_properties(machine)):
        raise InputError(
            f"of {', '.join(wanted.properties)} nothing is exported: it says what must come true",
            "the other checkers are given what a step or a state can violate",
        )
    _write(machine, Source(job.key, wanted.command(job)), wanted.language, given.output)
    return EXPECTED


def _write(machine: Machine, source: Source, language: str, output: Path | None) -> None:
    if language == "tla":
        module = output.stem if output else re.sub(r"\W", "_", machine.name, flags=re.ASCII)
        text, config = tla(machine, source, module), tla_config(machine)
        if output is None:
            text += f"\nTo be saved as {module}.cfg:\n\n{config}"
        else:
            write_whole(output.with_suffix(".cfg"), config)
    else:
        text = promela(machine, source) if language == "promela" else murphi(machine, source)
    write(output, text)
    if output is not None:
        also = f" and {output.with_suffix('.cfg')}" if language == "tla" else ""
        say(console_for_stdout(), f"wrote {output}{also}; its first lines say how to run it")


def _check_module(output: Path) -> None:
    """Raise InputError where TLC could not read the file, or its configuration not be written."""
    if output.suffix != ".tla" or not _MODULE.fullmatch(output.stem):
        raise InputError(
            f"{output}: a TLA+ file is called MODULE.tla",
            "where MODULE has letters, digits and _ only",
        )
    check_place(output.with_suffix(".cfg"))


# --- which machine -------------------------------------------------------------------------------


def _job(wanted: Wanted, one_off: OneOff) -> Job:
    """The one job that is asked for. Raises InputError."""
    chosen_names("property", wanted.properties, PROPERTIES)
    chosen_names("environment", [wanted.env] if wanted.env else [], ENVIRONMENTS)
    asked = Asked(
        runs=(wanted.run,) if wanted.run else (),
        properties=wanted.properties,
        one_off=one_off,
        designs=(wanted.design,),
    )
    owner, _, mutant = wanted.design.partition("/")
    if owner == "mutants" and mutant:
        refuse_other_runs(asked)
        return mutant_named(mutant)
    manifest = design_named(wanted.design)
    run = _run(manifest, asked)
    jobs = jobs_of(manifest, (run,), wanted.properties, one_off)
    if not jobs:
        checked = ", ".join(jobs_of(manifest, (run,), (), one_off)[0].properties)
        raise InputError(
            f"{manifest.name}/{run.name} does not check {' or '.join(wanted.properties)}",
            f"it checks {checked}",
        )
    return jobs[0]


def _run(manifest: Manifest, asked: Asked) -> Run:
    """The run that was named, or the only one."""
    if not asked.runs and len(manifest.runs) > 1:
        names = ", ".join(run.name for run in manifest.runs)
        raise InputError(
            f"{manifest.name} has {len(manifest.runs)} runs, and one model is written",
            f"say which: --run NAME, one of {names}",
        )
    return runs_asked(manifest, asked)[0]
