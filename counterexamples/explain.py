"""Explanations in plain English, put together from facts of the trace alone.

Facts are looked for in this order: who interrupted whom, who acted on a value that was no longer
true, which earlier step made the failing predicate false, where the last pointer to a lost object
went, which step lost the good ending. Nothing here knows a design.
"""

from __future__ import annotations

from dataclasses import dataclass

from counterexamples.beliefs import (
    Dependencies,
    StaleUse,
    blind_overwrites,
    dependencies_of,
    last_change,
    outdated_branches,
    stale_uses,
)
from counterexamples.first_wrong import NODES, FirstWrong, first_wrong
from counterexamples.influence import deciding_cells, influences, written
from counterexamples.lanes import SYSTEM, context_name
from counterexamples.match import rematch
from counterexamples.names import Names, names_of
from counterexamples.replay import FAULT, Execution, confirm, unmet_goal
from counterexamples.trace import Trace, step_text
from model.language.machine import Invariant, Machine
from model.language.source import Provenance

_MOST_FACTS = 3


@dataclass(frozen=True)
class Explanation:
    """Why it happened. `first_wrong` only for goals; `key_steps` are the ones the text rests on."""

    facts: tuple[str, ...]
    paragraph: str
    key_steps: tuple[int, ...]
    first_wrong: FirstWrong | None = None


@dataclass(frozen=True)
class _Fact:
    text: str
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Story:
    """What the fact finders look at."""

    trace: Trace
    execution: Execution
    names: Names
    depends: Dependencies

    def who(self, number: int) -> str:
        return self.trace.steps[number - 1].lane

    def text(self, number: int) -> str:
        return f"`{step_text(self.trace.steps[number - 1])}`"

    def value(self, cell: int, value: int) -> str:
        return self.names.value(self.names.machine.cells[cell][0].type, value)


def explain(machine: Machine, trace: Trace, *, limit: int = NODES) -> Explanation:
    """Explain a trace on its machine; `limit` bounds the search for where it went wrong first.

    Raises ReplayError if the trace does not replay on the machine.
    """
    execution = confirm(machine, trace.property, trace.kind, rematch(trace, machine), trace.stem)
    story = _Story(trace, execution, names_of(machine), dependencies_of(execution))
    facts = [*_interruptions(story)]
    lost: FirstWrong | None = None
    turning_point = len(execution.firings)
    if trace.kind in ("rest", "unreachable"):
        lost = first_wrong(execution, trace.property, limit=limit)
        turning_point = lost.step or turning_point
        facts += [*_beliefs(story, turning_point), *_last_pointers(story)]
        facts += _turning(story, lost)
    elif trace.stem is not None:
        facts += [*_acted_on_beliefs(story), *_going_round(story, trace.stem)]
    else:
        facts += [*_beliefs(story, turning_point), *_deciding(story)]
    closing = f"Hence {trace.property} is violated: {trace.message}."
    if trace.property == FAULT:
        closing = f"The model itself is wrong here, not the design: {trace.message}."
    texts = tuple(fact.text for fact in facts)
    return Explanation(
        texts,
        " ".join((*texts, closing)),
        tuple(sorted({step for fact in facts for step in fact.steps})),
        lost,
    )


def _interruptions(story: _Story) -> list[_Fact]:
    found = []
    for step in story.trace.steps:
        for stopped in step.interrupts:
            found.append(
                _Fact(
                    f"At step {step.number} {step.lane} interrupts {stopped} "
                    f"({_place(stopped.where)}).",
                    (step.number,),
                )
            )
    return found[-_MOST_FACTS:]


def _acted_on_beliefs(story: _Story) -> list[_Fact]:
    acted = _distinct(
        (
            *blind_overwrites(story.execution, story.depends),
            *stale_uses(story.execution, story.depends),
        )
    )
    return [_stale_fact(story, use) for use in acted[-2:]]


def _beliefs(story: _Story, turning_point: int) -> list[_Fact]:
    facts = _acted_on_beliefs(story)
    if not facts and turning_point:
        branches = outdated_branches(story.execution, story.depends, turning_point)
        facts = [_branch_fact(story, use) for use in branches[:2]]
    return facts


def _distinct(uses: tuple[StaleUse, ...]) -> list[StaleUse]:
    """One use per belief, the one listed first."""
    first: dict[object, StaleUse] = {}
    for use in uses:
        first.setdefault(use.belief, use)
    return sorted(first.values(), key=lambda use: use.step)


def _stale_fact(story: _Story, use: StaleUse) -> _Fact:
    belief = use.belief
    cell = story.names.cell(belief.cell)
    now = story.value(belief.cell, story.execution.states[use.step - 1][belief.cell])
    believed = story.value(belief.cell, belief.value)
    holder = context_name(story.names.machine, belief.holder)
    act = "overwrites that unseen" if use.overwrites else "acts on the old value"
    return _Fact(
        f"{holder} read {cell} as {believed} at step {belief.step}; "
        f"{story.who(use.untrue_since)} made it {now} at step {use.untrue_since} "
        f"({story.text(use.untrue_since)}), and {story.text(use.step)} at step {use.step} "
        f"{act}.",
        (belief.step, use.untrue_since, use.step),
    )


def _branch_fact(story: _Story, use: StaleUse) -> _Fact:
    belief = use.belief
    now = story.value(belief.cell, story.execution.states[use.step - 1][belief.cell])
    holder = context_name(story.names.machine, belief.holder)
    return _Fact(
        f"{holder} found {story.names.cell(belief.cell)} to be "
        f"{story.value(belief.cell, belief.value)} at step {belief.step} "
        f"({story.text(belief.step)}) and went on accordingly; since step {use.untrue_since} "
        f"({story.who(use.untrue_since)}, {story.text(use.untrue_since)}) it is {now}.",
        (belief.step, use.untrue_since),
    )


def _deciding(story: _Story) -> list[_Fact]:
    """The cells that make the failing predicate false, and who last wrote them."""
    execution, number = story.execution, len(story.execution.firings)
    violated = execution.violated
    cells: tuple[int, ...]
    if isinstance(violated, Invariant) or story.trace.kind == "invariant":
        broken = [i for i in execution.machine.invariants if i.prop == story.trace.property]
        cells = tuple(
            c for i in broken for c in deciding_cells(execution.machine, execution.last, i.expr)
        )
        until = number
    else:
        cells = tuple(c for c, decided in story.depends.decided[-1].items() if -1 in decided)
        until = number - 1
    dated = []
    for cell in dict.fromkeys(cells):
        var = execution.machine.cells[cell][0]
        if var.role != "shared" or var.name in story.names.bookkeeping:
            continue
        dated.append((last_change(execution, cell, until) or 0, cell))
    here = story.who(number) if number else SYSTEM
    # What other contexts did explains more than what the failing one did itself.
    dated.sort(key=lambda item: (not item[0] or story.who(item[0]) == here, -item[0]))
    return [_since(story, cell, step) for step, cell in dated[:_MOST_FACTS]]


def _since(story: _Story, cell: int, step: int) -> _Fact:
    name = story.names.cell(cell)
    value = story.value(cell, story.execution.last[cell])
    if not step:
        return _Fact(f"{name} has been {value} from the start.")
    return _Fact(
        f"{name} is {value} since step {step}, when {story.who(step)} ran {story.text(step)} "
        f"({_place(story.trace.steps[step - 1].statement)}).",
        (step,),
    )


def _going_round(story: _Story, stem: int) -> list[_Fact]:
    """What the steps of a loop go by that none of them changes, and who takes them."""
    execution, machine = story.execution, story.names.machine
    read: dict[int, None] = {}
    wrote: set[int] = set()
    for before, firing in zip(execution.states[stem:], execution.firings[stem:], strict=False):
        wrote.update(written(machine, before, firing))
        for cell, decided in influences(machine, before, firing).items():
            if any(c == -1 or machine.cells[c][0].role != "shared" for c in decided):
                read[cell] = None
    dated = []
    for cell in read:
        var = machine.cells[cell][0]
        plain = var.role == "shared" and not var.ghost and var.name not in story.names.bookkeeping
        if plain and cell not in wrote:
            dated.append((last_change(execution, cell, stem) or 0, cell))
    # What changed last is what closed the loop.
    dated.sort(key=lambda item: -item[0])
    facts = [_since(story, cell, step) for step, cell in dated[:_MOST_FACTS] if step]
    last = len(execution.firings)
    lanes = list(dict.fromkeys(story.who(number) for number in range(stem + 1, last + 1)))
    ends = f"Steps {stem + 1}-{last} end in the state in which they began"
    if last == stem + 1:
        ends = f"Step {last} ends in the state in which it began"
    who = f"{', '.join(lanes[:-1])} and {lanes[-1]} take turns" if lanes[1:] else f"{lanes[0]} runs"
    # The loop is fair: whoever can step on the way does.
    text = (
        f"{ends}, and can repeat for ever: {who}, and meanwhile nothing else can happen but what "
        "comes from outside."
    )
    return [*facts, _Fact(text, (stem + 1,))]


def _last_pointers(story: _Story) -> list[_Fact]:
    """For instances that the unmet goal is about: what still points to them, or last did."""
    execution, machine = story.execution, story.names.machine
    goal = unmet_goal(machine, execution.last, story.trace.property)
    if goal is None:
        return []
    instances: dict[tuple[str, int], None] = {}
    for cell in deciding_cells(machine, execution.last, goal.expr):
        var, index = machine.cells[cell]
        if var.dims and var.dims[0].kind == "record":
            instances[(var.dims[0].name, index[0] + 1)] = None
    facts = [
        fact
        for record, reference in instances
        if (fact := _last_pointer(story, record, reference)) is not None
    ]
    return facts[:_MOST_FACTS]


def _last_pointer(story: _Story, record: str, reference: int) -> _Fact | None:
    execution, machine = story.execution, story.names.machine
    name = story.names.reference(record, reference)
    pointers = [
        at
        for at, (var, index) in enumerate(machine.cells)
        if (var.type.kind, var.type.name, var.ghost) == ("ref", record, False)
        and not (var.dims and (var.dims[0].name, index[0] + 1) == (record, reference))
    ]
    for at in pointers:
        if execution.last[at] == reference:
            since = last_change(execution, at, len(execution.firings)) or 0
            return _Fact(
                f"At the end {name} is still in {story.names.cell(at)}, since step {since}, and "
                "nothing takes it from there.",
                (since,),
            )
    for number in range(len(execution.firings), 0, -1):
        before = execution.states[number - 1]
        if any(before[at] == reference for at in pointers):
            return _Fact(
                f"Since step {number} ({story.who(number)}, {story.text(number)}) "
                f"nothing points to {name} any more.",
                (number,),
            )
    return None


def _turning(story: _Story, lost: FirstWrong) -> list[_Fact]:
    if lost.step is None:
        if lost.exact:
            return [_Fact("No step is to blame: the good ending could not be reached at all.")]
        return [
            _Fact(
                f"Where the good ending was lost is not known: the search stopped at its limit "
                f"after {lost.explored:,} states."
            )
        ]
    step = f"step {lost.step} ({story.who(lost.step)}, {story.text(lost.step)})"
    if lost.exact:
        until = f"Up to step {lost.step - 1}" if lost.step > 1 else "At the start"
        return [
            _Fact(
                f"{until} a good ending could still be reached; "
                f"once {step} has happened, none can.",
                (lost.step,),
            )
        ]
    return [
        _Fact(
            f"After {step} a good ending can no longer be reached; it may have been lost before "
            f"that: the search stopped at its limit after {lost.explored:,} states.",
            (lost.step,),
        )
    ]


def _quote(where: Provenance) -> str:
    return f"`{where.text}`"


def _place(where: Provenance) -> str:
    return f"{where.file.rpartition('/')[2]}:{where.line}"
