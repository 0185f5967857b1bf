"""What one free costs in a design: measured on its model. docs/comparing.md defines each number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model.environments import ENVIRONMENTS
from model.language.compile import compile_machine
from model.language.declarations import shown_path
from model.language.machine import Machine
from model.manifest import Manifest
from nolock.aftermath import Aftermath, Rest
from nolock.bounds import BOUNDS
from nolock.context_tests import context_tests
from nolock.explored import Failure
from nolock.free_calls import OBJECTS, Call, Walker, calls
from nolock.schedule import Hooks, Task, run_tasks
from properties.registry import PROPERTIES, Property

COSTS = Property("costs", monitored=True)
"""Not one of PROPERTIES: nothing must hold, and verify leaves its monitors out."""

Outcome = Literal["straight", "deferred", "left", "wrong"]
OUTCOMES: tuple[Outcome, ...] = ("straight", "deferred", "left", "wrong")

_OF_A_CALL = (
    "no_double_free",
    "self_deadlock",
    "forbidden_call",
    "list_integrity",
    "lock_discipline",
    "start_address",
)
"""Properties that a call violates by what it does, so that it counts as wrong from there."""

_SIZES = {
    "cpus": 1,
    "objects": OBJECTS,
    "tasks": 1,
    "workers": 1,
    "nmis": OBJECTS,
    "hardirqs": OBJECTS,
    "probes": OBJECTS,
    "readers": 0,
    "preemptions": 0,
    "barriers": 0,
    "other_gps": 0,
    "bnodes": 1,
}
"""One CPU; each object can be freed from each context; nobody else does anything."""


@dataclass(frozen=True)
class Spread:
    """The least and the most of something."""

    least: int
    most: int

    @classmethod
    def of(cls, values: Iterable[int]) -> Spread | None:
        """None of nothing."""
        found = list(values)
        return cls(min(found), max(found)) if found else None


@dataclass(frozen=True)
class PathCosts:
    """Costs over some calls: `paths` by outcome, the rest over those whose object is freed."""

    paths: Mapping[Outcome, int]
    irqs_off_in_call: Spread | None
    irqs_off: Spread | None
    irq_works: Spread | None
    self_ipis: Spread | None
    until_queued: Spread | None
    until_freed: Spread | None

    @property
    def combinations(self) -> int:
        """Of context and path."""
        return sum(self.paths.values())


@dataclass(frozen=True)
class Costs:
    """The costs of a design: of all contexts together, and of each arrival by its name."""

    design: str
    environment: str
    config: Mapping[str, int]
    overall: PathCosts
    contexts: Mapping[str, PathCosts]
    longest_llist: int
    context_tests: int


@dataclass(frozen=True)
class NotMeasured:
    """A design whose costs are missing, and why."""

    design: str
    why: str


@dataclass(frozen=True)
class Measurement:
    """What is to be measured."""

    design: str
    path: Path
    environment: str
    settings: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Free:
    """A call and what came of it."""

    context: str
    path: tuple[int, ...]
    outcome: Outcome
    irqs_off_in_call: int
    irqs_off: int = 0
    irq_works: int = 0
    self_ipis: int = 0
    until_queued: int = 0
    until_freed: int = 0


def measurement_of(
    manifest: Manifest, environment: str, knobs: Iterable[tuple[str, int]]
) -> Measurement:
    """The configuration for a design; bounds among the knobs do not change it."""
    wanted = {
        **dict(ENVIRONMENTS[environment].knobs),
        **_SIZES,
        **{name: value for name, value in knobs if name not in BOUNDS},
    }
    settings = {name: value for name, value in wanted.items() if name in manifest.knobs}
    return Measurement(manifest.name, manifest.path, environment, tuple(settings.items()))


def measure_all(
    measurements: Iterable[Measurement], at_once: int
) -> tuple[Costs | NotMeasured, ...]:
    """Each in a process of its own."""
    wanted = {one.design: one for one in measurements}
    tasks = [Task(name, _measure, one) for name, one in wanted.items()]
    results = run_tasks(tasks, at_once, Hooks())
    return tuple(
        NotMeasured(name, result.text) if isinstance(result, Failure) else result
        for name, result in results.items()
    )


def _measure(measurement: Measurement, _report: Any) -> Costs:
    return measure(measurement)


def measure(measurement: Measurement) -> Costs:
    """Measure a design. Raises CompileError for mistakes in its file."""
    machine = measuring_machine(measurement)
    walker = Walker(machine)
    found = list(_frees(walker, shown_path(measurement.path)))
    contexts = sorted({free.context for free in found})
    return Costs(
        design=measurement.design,
        environment=measurement.environment,
        config=dict(machine.config),
        overall=_path_costs(found),
        contexts={name: _path_costs(f for f in found if f.context == name) for name in contexts},
        longest_llist=walker.longest,
        context_tests=context_tests(measurement.path, COSTS.path, dict(measurement.settings)),
    )


def measuring_machine(measurement: Measurement) -> Machine:
    """The machine of a design with the monitors for measuring, and the checks that stop a call."""
    checked = (*(PROPERTIES[name] for name in _OF_A_CALL), COSTS)
    files = {prop.name: prop.path if prop.monitored else None for prop in checked}
    return compile_machine(measurement.path, dict(measurement.settings), files)


def _frees(walker: Walker, design: str) -> Iterator[_Free]:
    aftermath = Aftermath(walker)
    for call in calls(walker, design):
        if call.after is None:
            yield _unfinished(call, "wrong")
        elif call.freed_at:
            yield _finished(call, Rest(steps=call.freed_at - len(call.path)))
        else:
            rests = aftermath.rests(call.after, call.others)
            for rest in rests or {None}:
                yield _unfinished(call, "left") if rest is None else _finished(call, rest)


def _unfinished(call: Call, outcome: Outcome) -> _Free:
    return _Free(call.context, call.path, outcome, call.irqs_off)


def _finished(call: Call, rest: Rest) -> _Free:
    steps = len(call.path) + rest.steps
    until_queued = call.queued_at or call.freed_at or len(call.path)
    if rest.queueings:
        until_queued = steps + rest.queued
    return _Free(
        call.context,
        call.path,
        "deferred" if rest.queueings else "straight",
        call.irqs_off,
        call.irqs_off + rest.irqs_off,
        call.irq_works + rest.irq_works,
        call.self_ipis + rest.self_ipis,
        until_queued,
        steps - until_queued,
    )


def _path_costs(frees: Iterable[_Free]) -> PathCosts:
    found = list(frees)
    different = {(free.context, free.path, free.outcome) for free in found}
    freed = [free for free in found if free.outcome in ("straight", "deferred")]
    return PathCosts(
        paths={name: sum(outcome == name for _, _, outcome in different) for name in OUTCOMES},
        irqs_off_in_call=Spread.of(free.irqs_off_in_call for free in freed),
        irqs_off=Spread.of(free.irqs_off for free in freed),
        irq_works=Spread.of(free.irq_works for free in freed),
        self_ipis=Spread.of(free.self_ipis for free in freed),
        until_queued=Spread.of(free.until_queued for free in freed),
        until_freed=Spread.of(free.until_freed for free in freed),
    )
