"""A trace as rows to show: the parts of one statement together, with what a reader needs beside.

The renderers lay these rows out; none of them looks at steps again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from counterexamples.explain import Explanation
from counterexamples.statement import inner_routine
from counterexamples.trace import Change, Trace, TraceStep, step_text
from model.language.source import Provenance

DetailKind = Literal["context", "inner", "read", "change", "local"]


@dataclass(frozen=True)
class Detail:
    """One thing to know about a row."""

    kind: DetailKind
    text: str


@dataclass(frozen=True)
class Row:
    """Consecutive steps of one statement in one lane.

    `heading` is the routine, where the lane has come into another one. `running` are the lanes
    that have begun and not returned, as the row's first step finds or leaves them. `loops`: what is
    repeated for ever begins with this row.
    """

    first: int
    last: int
    lane: str
    heading: str
    text: str
    place: str
    details: tuple[Detail, ...]
    running: frozenset[str]
    failing: bool = False
    key: bool = False
    loops: bool = False

    @property
    def numbers(self) -> str:
        """`7` or `7-8`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def rows_of(
    trace: Trace, explanation: Explanation | None = None, *, full: bool = False
) -> list[Row]:
    """The rows of a trace. `full` adds locals, ghost state, calls and kernel functions."""
    rows: list[Row] = []
    running: set[str] = set()
    routine: dict[str, str] = {}
    cpu: dict[str, int | None] = {}
    key = set(explanation.key_steps) if explanation else set()
    fails_at = len(trace.steps) if trace.kind in ("check", "invariant") else 0
    loop = None if trace.stem is None else trace.stem + 1
    groups = list(_statements(trace.steps, loop))
    broken = _broken_up(groups)
    foreign = _writers(trace.steps)
    for number, group in enumerate(groups):
        first, last = group[0], group[-1]
        running |= {lane for step in group for lane in step.begins}
        returned = [lane for step in group for lane in step.returns]
        failing = last.number == fails_at
        inner = full or failing or number in broken
        details = (
            *_context_details(group, cpu),
            *(_inner(group if full else group[-1:]) if inner else ()),
            *_reads(group, None if full or failing else foreign),
            *_changes(group, None if full else foreign),
            *_returns(returned, first.lane),
        )
        heading = _heading(first, full) if _of_process(first) and not first.begins else ""
        rows.append(
            Row(
                first=first.number,
                last=last.number,
                lane=first.lane,
                heading=heading if heading != routine.get(first.lane) else "",
                text=clean(step_text(first)),
                place=clean(_place(first.statement)),
                details=details,
                running=frozenset(running),
                failing=failing,
                key=any(step.number in key for step in group),
                loops=first.number == loop,
            )
        )
        routine[first.lane] = heading
        for lane in returned:
            routine.pop(lane, None)
        running -= set(returned)
    return rows


def clean(text: str) -> str:
    """Text without control characters: a trace file must not be able to steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _statements(steps: Sequence[TraceStep], loop: int | None) -> Iterator[list[TraceStep]]:
    """The parts of one statement together; a new row begins where the loop does."""
    group: list[TraceStep] = []
    for step in steps:
        if group and not (
            (group[-1].lane, group[-1].statement) == (step.lane, step.statement)
            and _continues(group[-1], step)
            and step.number != loop
        ):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _broken_up(groups: Sequence[Sequence[TraceStep]]) -> set[int]:
    """The rows whose statement goes on, or began, in another row of the same lane."""
    found: set[int] = set()
    latest: dict[str, int] = {}
    for number, group in enumerate(groups):
        step = group[0]
        last = groups[latest[step.lane]][-1] if step.lane in latest else None
        if last and last.statement == step.statement and _continues(last, step):
            found |= {latest[step.lane], number}
        latest[step.lane] = number
    return found


def _inner(group: Sequence[TraceStep]) -> Iterator[Detail]:
    """Where in the kernel's parts a statement of the design has come to."""
    for step in group:
        routines = inner_routine(step.where, step.statement)
        if routines:
            yield Detail("inner", clean(f"in {routines}: {step.where.text} ({_place(step.where)})"))


def _place(where: Provenance) -> str:
    return f"{where.file.rpartition('/')[2]}:{where.line}"


def _continues(before: TraceStep, step: TraceStep) -> bool:
    """Whether a step belongs to the statement before it; two equal calls in a row do not."""
    return _of_process(before) and _of_process(step) and not before.returns


def _of_process(step: TraceStep) -> bool:
    """Not an action: those belong to no process, even where they start one."""
    return "self" in dict(step.args)


def _heading(step: TraceStep, full: bool) -> str:
    chain = step.statement.chain
    if not chain:
        return ""
    if not full:
        return clean(chain[-1].routine)
    models = f"  ({chain[-1].models})" if chain[-1].models else ""
    return clean(" > ".join(frame.routine for frame in chain) + models)


def _context_details(group: Sequence[TraceStep], cpu: dict[str, int | None]) -> Iterator[Detail]:
    for step in group:
        told = []
        for stopped in step.interrupts:
            told.append(f"interrupts {stopped}")
        for lane in step.begins:
            if lane != step.lane:
                told.append(f"{lane} begins")
            elif not told:
                told.append("begins")
        if not step.lane.startswith("cpu ") and step.on_cpu is not None:
            if cpu.get(step.lane) != step.on_cpu:
                told.append(f"on cpu {step.on_cpu}")
            cpu[step.lane] = step.on_cpu
        if told:
            yield Detail("context", clean("; ".join(told)))


def _returns(lanes: Sequence[str], own: str) -> Iterator[Detail]:
    for lane in lanes:
        yield Detail("context", clean("returns" if lane == own else f"{lane} returns"))


def _writers(steps: Sequence[TraceStep]) -> dict[str, set[str]]:
    """The lanes that change each cell."""
    found: dict[str, set[str]] = {}
    for step in steps:
        for change in step.changes:
            if change.before != change.after:
                found.setdefault(change.cell, set()).add(step.lane)
    return found


def _reads(group: Sequence[TraceStep], writers: Mapping[str, set[str]] | None) -> Iterator[Detail]:
    """What the steps found; with `writers` only where another lane writes the cell, ever."""
    changed = {change.cell for step in group for change in step.changes}
    lane = {group[0].lane}
    for cell, value in dict.fromkeys((r.cell, r.value) for step in group for r in step.reads):
        if cell in changed:  # a change tells the value before
            continue
        if writers is None or writers.get(cell, set()) - lane:
            yield Detail("read", clean(f"found {cell} = {value}"))


def _changes(
    group: Sequence[TraceStep], writers: Mapping[str, set[str]] | None
) -> Iterator[Detail]:
    """What the steps changed; without `writers` locals, ghost state and vain writes too."""
    merged: dict[str, Change] = {}
    moved: set[str] = set()
    for step in group:
        for change in step.changes:
            earlier = merged.get(change.cell, change)
            merged[change.cell] = Change(change.cell, earlier.before, change.after, change.scope)
            if change.before != change.after:
                moved.add(change.cell)
    lane = {group[0].lane}
    for change in merged.values():
        if writers is not None and change.scope != "shared":
            continue
        if change.before != change.after:
            told = f"{change.cell}: {change.before} → {change.after}"
        elif writers is None or (
            change.cell not in moved and writers.get(change.cell, set()) - lane
        ):
            told = f"{change.cell}: stays {change.after}"
        else:
            continue
        yield Detail("change" if change.scope == "shared" else "local", clean(told))
