"""`nolock list`: what there is, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from model.environments import ENVIRONMENTS
from model.kernel.kinds import KINDS
from model.language.declarations import Knob
from model.manifest import Manifest
from nolock.catalogue import design_named, design_paths, mutant_paths
from nolock.errors import InputError
from nolock.jobs import bounds_of, bounds_text
from nolock.mutation import mutant_job
from nolock.report_text import say
from properties.registry import PROPERTIES


def print_list(section: str | None, design: str | None, console: Console) -> None:
    """Print one section, or all. A design chooses among its knobs or runs; raises InputError."""
    if design is not None and section not in _OF_A_DESIGN:
        sections = " and ".join(f"`nolock list {name}`" for name in _OF_A_DESIGN)
        raise InputError(f"nolock list {section} takes no design", f"{sections} do")
    manifests = [design_named(name) for name in ([design] if design else design_paths())]
    for name in (section,) if section else (*_PRINT, *_OF_A_DESIGN):
        if not section:
            say(console, name, "bold")
        if name in _OF_A_DESIGN:
            _OF_A_DESIGN[name](manifests, console)
        else:
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
            manifest.title.removeprefix(f"{name}: "),
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


def _kinds(console: Console) -> None:
    for kind in KINDS:
        pointers = "tagged pointers, arm64 only" if kind.tagged else ""
        _entry(console, kind.name, kind.says, pointers)


def _knobs(manifests: Sequence[Manifest], console: Console) -> None:
    """Each knob once; a design may have a default of its own for a knob of a file it imports."""
    owners: dict[str, list[tuple[str, Knob]]] = {}
    for manifest in manifests:
        for knob in manifest.knobs.values():
            owners.setdefault(f"{knob.name} {knob.where}", []).append((manifest.name, knob))
    for found in owners.values():
        knob = found[0][1]
        usual = Counter(int(knob.default) for _, knob in found).most_common(1)[0][0]
        others = [f"{int(knob.default)} in {name}" for name, knob in found if knob.default != usual]
        default = ", ".join([f"default {usual}", *others])
        _entry(console, knob.name, knob.meaning, f"{default}; {knob.where}")


def _runs(manifests: Sequence[Manifest], console: Console) -> None:
    for manifest in manifests:
        name = manifest.name
        for run in manifest.runs:
            knobs = bounds_text(bounds_of(run.settings, manifest.knobs), manifest.knobs)
            kind = f"{run.kind} objects; " if run.kind else ""
            late = f" (only with --all: {run.long:,} states)" if run.long else ""
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
    "kinds": _kinds,
    "mutants": _mutants,
}
_OF_A_DESIGN = {"runs": _runs, "knobs": _knobs}
