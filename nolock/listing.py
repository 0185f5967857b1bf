"""`nolock list`: what there is, in words."""

from __future__ import annotations

from rich.console import Console

from model.environments import ENVIRONMENTS
from nolock.catalogue import design_named, design_paths, mutant_paths
from nolock.mutation import mutant_job
from nolock.report_text import say
from properties.registry import PROPERTIES

SECTIONS = ("designs", "properties", "environments", "runs", "mutants")


def print_list(section: str | None, console: Console) -> None:
    """Print one section, or all."""
    for name in (section,) if section else SECTIONS:
        if not section:
            say(console, name, "bold")
        _PRINT[name](console)
        if not section:
            say(console)


def _entry(console: Console, name: str, *words: str) -> None:
    say(console, name, "cyan", indent=2)
    for text in words:
        if text:
            say(console, text, indent=6)


def _designs(console: Console) -> None:
    for name in design_paths():
        manifest = design_named(name)
        _entry(
            console,
            name,
            manifest.title,
            f"runs: {', '.join(run.name for run in manifest.runs)}",
            f"recovery of start addresses: {manifest.recovery}" if manifest.recovery else "",
        )


def _properties(console: Console) -> None:
    for prop in PROPERTIES.values():
        violated_by = f"violated by: {prop.violated_by}" if prop.violated_by else ""
        _entry(console, prop.name, prop.words, violated_by)


def _environments(console: Console) -> None:
    for env in ENVIRONMENTS.values():
        knobs = ", ".join(f"{name} {value}" for name, value in env.knobs)
        _entry(console, env.name, env.words, knobs)


def _runs(console: Console) -> None:
    for name in design_paths():
        for run in design_named(name).runs:
            knobs = ", ".join(f"{knob} {value}" for knob, value in run.knobs)
            kind = f"{run.kind} objects; " if run.kind else ""
            late = "" if run.default else " (only with --all)"
            _entry(console, f"{name}/{run.name}{late}", run.why, f"{run.env}; {kind}{knobs}")


def _mutants(console: Console) -> None:
    for path in mutant_paths().values():
        mutant, _ = mutant_job(path)
        violates = ", ".join(mutant.violates) or "nothing, it is no bug"
        _entry(
            console,
            mutant.id,
            f"{mutant.design}: {mutant.title}",
            f"violates {violates}: {mutant.because}",
        )


_PRINT = {
    "designs": _designs,
    "properties": _properties,
    "environments": _environments,
    "runs": _runs,
    "mutants": _mutants,
}
