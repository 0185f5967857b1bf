"""What is to be explored: one job for each run of a design, and for each mutant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from engines.reductions.wanted import ALL_REDUCTIONS, Reductions
from model.environments import contradiction
from model.language.declarations import ROOT, Knob, nearest
from model.manifest import Manifest, Run
from nolock.bounds import BOUNDS
from nolock.errors import InputError
from properties.registry import PROPERTIES

DESIGNS = ROOT / "model" / "designs"
MUTANTS = ROOT / "model" / "mutants"
START_ADDRESS = "start_address"
BARRIER = "barrier"
BARRIER_CALLS = "barriers"
"""The property, and the knob that says how often it is called."""
VMALLOC = "vmalloc"
VMALLOC_OBJECTS = "vmallocs"
"""A kind of allocation, and the knob for runs in which some objects are of it and some slab's."""
_BOUNDS_FILE = "model/kernel/bounds.py"
_BUDGETS = (
    "nmis",
    "hardirqs",
    "softirqs",
    "probes",
    "readers",
    "preemptions",
    "other_gps",
    "workers",
    "tasks",
)


@dataclass(frozen=True)
class Search:
    """How to search. `memory` and `seconds` are for each exploration; `keep_c` is a folder."""

    engine: Literal["auto", "c", "python"] = "auto"
    memory: int = 1 << 30
    seconds: float | None = None
    reductions: Reductions = ALL_REDUCTIONS
    keep_c: Path | None = None
    threads: int = 1
    fingerprints: bool = False
    optimise: bool = False
    expected: int = 0


@dataclass(frozen=True)
class OneOff:
    """Bounds and an environment from the command line: they replace those of the runs."""

    knobs: tuple[tuple[str, int], ...] = ()
    env: str = ""

    def __bool__(self) -> bool:
        return bool(self.knobs or self.env)

    @property
    def options(self) -> str:
        """The same as options of the command line."""
        env = f" --env {self.env}" if self.env else ""
        return env + "".join(
            f" --{name} {value}" if name in BOUNDS else f" --knob {name}={value}"
            for name, value in self.knobs
        )


@dataclass(frozen=True)
class Job:
    """One machine to explore.

    `owner` is the design's name, or `mutants/ID`; `place` is how the user names the design, which
    for a file of his own is its path. `options` are the one-off bounds as the user would give them.
    `files` are the design and what it imports.
    """

    owner: str
    place: str
    path: Path
    run: Run
    settings: tuple[tuple[str, int], ...]
    properties: tuple[str, ...]
    recovery: str = ""
    mutant: Path | None = None
    files: tuple[Path, ...] = ()
    search: Search = field(default_factory=Search)
    explained: bool = False
    options: str = ""

    @property
    def key(self) -> str:
        """What it is called in reports and in the ID of a trace."""
        return f"{self.owner}/{self.run.name}" if self.mutant is None else self.owner

    @property
    def weight(self) -> float:
        """A rough guess of how it compares with others in size; the largest are started first."""
        knobs = dict(self.settings)
        size = 4.0 ** _at_most(knobs.get("objects", 2)) * 3.0 ** _at_most(knobs.get("cpus", 2))
        for name in _BUDGETS:
            size *= 2.0 ** _at_most(knobs.get(name, 0))
        return size


def _at_most(bound: int) -> int:
    """Larger bounds need not be told apart, and their powers do not fit into a float."""
    return min(bound, 40)


def properties_of(run: Run, chosen: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The properties to check in a run, in the order of the registry.

    On plain slab objects every recovery is right, so start_address would hold without being tested;
    it is checked where the run has another kind or asks for it. So is the barrier only where the
    run has callers of it.
    """
    tested = {
        START_ADDRESS: bool(run.kind or run.settings.get(VMALLOC_OBJECTS)),
        BARRIER: bool(run.settings.get(BARRIER_CALLS)),
    }
    asked = run.properties or tuple(name for name in PROPERTIES if tested.get(name, True))
    return tuple(name for name in PROPERTIES if name in asked and (not chosen or name in chosen))


def jobs_of(
    manifest: Manifest,
    runs: tuple[Run, ...],
    properties: tuple[str, ...] = (),
    one_off: OneOff = OneOff(),
) -> list[Job]:
    """The jobs of a design; runs that a one-off bound makes alike become one."""
    jobs: list[Job] = []
    for run in runs:
        if one_off.env:
            run = replace(run, env=one_off.env)
        settings = {**run.settings, **dict(one_off.knobs)}
        check_knobs(settings, manifest, run.env)
        job = Job(
            owner=manifest.name,
            place=manifest.name if manifest.path.is_relative_to(DESIGNS) else str(manifest.path),
            path=manifest.path,
            run=run,
            settings=tuple(sorted(settings.items())),
            properties=properties_of(run, properties),
            recovery=manifest.recovery,
            files=manifest.files,
            options=one_off.options,
        )
        alike = [j for j in jobs if (j.settings, j.run.kind) == (job.settings, run.kind)]
        if job.properties and not (one_off and alike):
            jobs.append(job)
    return jobs


def check_knobs(settings: Mapping[str, int], manifest: Manifest, env: str) -> None:
    """Raise InputError for a knob that the design does not have, or knobs that exclude others."""
    for name in settings:
        if name not in manifest.knobs:
            hint = nearest(name, manifest.knobs)
            raise InputError(f"design {manifest.name} has no knob `{name}`", hint)
        if settings[name] < 0:
            raise InputError(f"{name}={settings[name]}: less than nothing", "give 0 or more")
    defaults = {knob.name: knob.default for knob in manifest.knobs.values()}
    if wrong := contradiction(settings, defaults, env):
        raise InputError(f"design {manifest.name}: {wrong}", "give --cpus 1")


def bounds_of(settings: Mapping[str, int], knobs: Mapping[str, Knob]) -> dict[str, int]:
    """What a verdict is limited to: all bounds, and the knobs that differ from their defaults."""
    defaults = {knob.name: int(knob.default) for knob in knobs.values()}
    return {
        name: value
        for name, value in {**defaults, **settings}.items()
        if _is_bound(name, knobs) or value != defaults.get(name)
    }


def bounds_text(bounds: Mapping[str, int], knobs: Mapping[str, Knob]) -> str:
    """The same for a reader, bounds first; one of 0 is left out, it says what cannot happen."""
    shown = [name for name, value in bounds.items() if value or not _is_bound(name, knobs)]
    shown.sort(key=lambda name: not _is_bound(name, knobs))
    return ", ".join(f"{name} {bounds[name]}" for name in shown)


def _is_bound(name: str, knobs: Mapping[str, Knob]) -> bool:
    return name in knobs and knobs[name].where.file == _BOUNDS_FILE
