"""Traces: a counterexample in readable words, made only from firings that replay.

A `Trace` stands on its own: it can be stored, rendered and compared without its machine. Whatever
needs the machine again (simplify, explain) replays it first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal

from counterexamples.influence import influences, written
from counterexamples.lanes import (
    SYSTEM,
    Context,
    begun,
    context_name,
    context_of,
    cpu_of,
    interrupted,
    next_step,
    returned,
)
from counterexamples.names import Names, names_of
from counterexamples.replay import Execution, Found, Kind, confirm, kind_of
from counterexamples.statement import statement_of
from model.language.interpreter import Firing, State
from model.language.machine import Machine, Variable
from model.language.source import Provenance

Scope = Literal["shared", "ghost", "local"]


@dataclass(frozen=True)
class Identity:
    """Which machine a trace belongs to: design, run, bounds, and a fingerprint of the content."""

    design: str
    run: str
    config: tuple[tuple[str, int], ...]
    fingerprint: str


@dataclass(frozen=True)
class Change:
    """A cell that a step wrote, in words; `before` and `after` are equal if it was so already."""

    cell: str
    before: str
    after: str
    scope: Scope = "shared"


@dataclass(frozen=True)
class Read:
    """A shared cell whose value decided what a step did, in words."""

    cell: str
    value: str


@dataclass(frozen=True)
class Interrupted:
    """A context that a step stopped, and the statement it had come to, or was `inside` of."""

    lane: str
    where: Provenance
    inside: bool = False

    def __str__(self) -> str:
        return f"{self.lane} {'inside' if self.inside else 'before'} `{self.where.text}`"


@dataclass(frozen=True)
class TraceStep:
    """One atomic step. `number` counts from 1; `args` are raw, `arguments` in words.

    `where` is the step's own place, `statement` the design's statement that it belongs to.
    `begins` and `returns` name the lanes of the contexts that this step started and ended.
    """

    number: int
    lane: str
    process: str | None
    instance: int | None
    on_cpu: int | None
    transition: str
    where: Provenance
    statement: Provenance
    args: tuple[tuple[str, int], ...]
    arguments: tuple[tuple[str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    reads: tuple[Read, ...] = ()
    begins: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()
    interrupts: tuple[Interrupted, ...] = ()
    environment: bool = False


@dataclass(frozen=True)
class Trace:
    """A confirmed counterexample. Of a lasso, the steps after number `stem` repeat for ever."""

    identity: Identity
    property: str
    message: str
    kind: Kind
    steps: tuple[TraceStep, ...]
    stem: int | None = None


def lanes_of(trace: Trace) -> tuple[str, ...]:
    """The lanes that occur, by the CPU they first ran on and when they first ran; system last."""
    first: dict[str, TraceStep] = {}
    for step in trace.steps:
        if step.lane not in first or (first[step.lane].on_cpu is None and step.on_cpu is not None):
            first[step.lane] = step
    return tuple(sorted(first, key=lambda lane: _lane_order(first[lane])))


def step_text(step: TraceStep) -> str:
    """What a step does, as source: its statement, with the arguments it was taken with."""
    text = step.statement.text or step.transition
    if not step.arguments:
        return text.replace("(...)", "()")
    if text.endswith("(...)"):
        return f"{text[:-5]}({', '.join(map(_argument, step.arguments))})"
    return f"{text}  [{', '.join(f'{name} = {value}' for name, value in step.arguments)}]"


def _argument(argument: tuple[str, str]) -> str:
    """`object 1` tells what it is; `no` or `2` does not."""
    name, value = argument
    return f"{name}={value}" if value in ("yes", "no") or value.isdecimal() else value


def build_trace(
    machine: Machine,
    violation_property: str,
    message: str,
    kind: Found,
    firings: tuple[Firing, ...],
    *,
    run: str = "",
    stem: int | None = None,
) -> Trace:
    """Replay firings on the reference interpreter and tell them in words.

    The arguments are those of an engine's `Violation`; `run` names the environment.
    Raises ReplayError, naming the step, where the firings do not replay or do not violate.
    """
    confirmed = kind_of(machine, kind, firings)
    execution = confirm(machine, violation_property, confirmed, firings, stem)
    return trace_of(execution, violation_property, message, confirmed, run=run)


def trace_of(execution: Execution, prop: str, message: str, kind: Kind, *, run: str = "") -> Trace:
    """The trace of a confirmed execution."""
    machine, names = execution.machine, names_of(execution.machine)
    identity = Identity(
        machine.name, run, tuple(sorted(machine.config.items())), fingerprint(machine)
    )
    steps: list[TraceStep] = []
    latest: dict[str, Provenance] = {}  # the statement a lane is in
    for number, firing in enumerate(execution.firings, start=1):
        before, after = execution.states[number - 1 : number + 1]
        step = _step(names, number, firing, before, after, latest)
        latest[step.lane] = step.statement
        steps.append(step)
    return Trace(identity, prop, message, kind, tuple(steps), execution.stem)


def fingerprint(machine: Machine) -> str:
    """A hash of what the machine does; moved lines and renamed files do not change it."""
    content = (
        machine.variables,
        machine.processes,
        machine.transitions,
        machine.invariants,
        machine.goals,
        machine.enums,
    )
    return hashlib.sha256(_canonical(content).encode()).hexdigest()[:16]


def _canonical(thing: object) -> str:
    """Text that is equal for equal content in every run of Python."""
    match thing:
        case Provenance():
            return ""
        case tuple():
            return "(" + ",".join(_canonical(part) for part in thing) + ")"
        case frozenset():
            return "{" + ",".join(sorted(_canonical(part) for part in thing)) + "}"
        case Mapping():
            return _canonical(tuple(sorted(thing.items())))
    if is_dataclass(thing):
        parts = (_canonical(getattr(thing, field.name)) for field in fields(thing))
        return f"{type(thing).__name__}({','.join(parts)})"
    return repr(thing)


def _step(
    names: Names,
    number: int,
    firing: Firing,
    before: State,
    after: State,
    latest: Mapping[str, Provenance],
) -> TraceStep:
    machine, transition = names.machine, firing.transition
    who = context_of(machine, before, firing, after)
    began = begun(machine, before, after)
    stopped = []
    for context in interrupted(machine, before, after):
        ahead = next_step(machine, before, context)
        if ahead is not None:
            lane, statement = context_name(machine, context), statement_of(ahead.where)
            stopped.append(Interrupted(lane, statement, latest.get(lane) == statement))
    return TraceStep(
        number=number,
        lane=context_name(machine, who) if who else SYSTEM,
        process=who.process if who else None,
        instance=who.instance if who else None,
        on_cpu=cpu_of(machine, after, who) if who else None,
        transition=transition.name,
        where=transition.where,
        statement=statement_of(transition.where),
        args=firing.args,
        arguments=tuple(
            (name, names.argument(transition, name, value))
            for name, value in firing.args
            if name != "self"
        ),
        changes=_changes(names, who, firing, before, after),
        reads=_reads(names, who, firing, before),
        begins=tuple(context_name(machine, c) for c in began),
        returns=tuple(context_name(machine, c) for c in returned(machine, before, after)),
        interrupts=tuple(stopped),
        environment=transition.environment,
    )


def _changes(
    names: Names, who: Context | None, firing: Firing, before: State, after: State
) -> tuple[Change, ...]:
    cells = names.machine.cells
    changed = {at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
    wrote = (at for at in written(names.machine, before, firing) if cells[at][0].role == "shared")
    found = []
    for at in sorted(changed.union(wrote)):
        var = cells[at][0]
        if var.role == "pc":
            continue
        scope: Scope = _scope(var, names.bookkeeping)
        old, new = names.value(var.type, before[at]), names.value(var.type, after[at])
        found.append(Change(names.cell(at, who), old, new, scope))
    return tuple(found)


def _scope(var: Variable, bookkeeping: frozenset[str]) -> Scope:
    if var.role == "local":
        return "local"
    return "ghost" if var.ghost or var.name in bookkeeping else "shared"


def _reads(names: Names, who: Context | None, firing: Firing, before: State) -> tuple[Read, ...]:
    """What the step found in shared cells that decided a local or where to go on."""
    if firing.transition.process is None:
        return ()
    cells = names.machine.cells
    found = []
    for at, decided in influences(names.machine, before, firing).items():
        var = cells[at][0]
        if var.role != "shared" or var.ghost or var.name in names.bookkeeping:
            continue
        if any(c == -1 or cells[c][0].role != "shared" for c in decided):
            found.append(Read(names.cell(at, who), names.value(var.type, before[at])))
    return tuple(found)


def _lane_order(first: TraceStep) -> tuple[bool, bool, int]:
    return first.lane == SYSTEM, first.on_cpu is None, first.on_cpu or 0
