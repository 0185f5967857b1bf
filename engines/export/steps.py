"""What the languages share in telling a machine's steps and what is exported of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from engines.explicit.search import FAULT
from model.language.fold import flat
from model.language.machine import Check, Machine, Op, Parameter, Process, Set, Transition

WIDTH = 96

Steps = dict[int, tuple[Transition, tuple[int, ...]]]
"""Program counters, with a step and the values of its parameters at each."""


@dataclass(frozen=True)
class Source:
    """Where an exported machine comes from: its name, and the command that writes it again."""

    name: str
    command: str


def about(machine: Machine, source: Source, running: Sequence[str]) -> list[str]:
    """The lines of the comment at the top of the text. `running` says how to run it, verbatim."""
    goals = ", ".join(dict.fromkeys(goal.prop for goal in machine.goals))
    knobs = ", ".join(f"{name} {value}" for name, value in sorted(machine.config.items()) if value)
    said = [
        f"Knobs that are not 0: {knobs or 'none'}.",
        "One atomic step here is one transition there; nothing is reduced. The reachable states "
        "are as many as `nolock verify` counts with --no-reductions, as long as nothing is "
        "violated.",
        f"Checked here: {', '.join(checked_properties(machine))}.",
    ]
    if goals:
        said.append(f"Not exported: what must come true in the end, in {goals}.")
    lines = [line for text in said for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False)]
    return [f"{source.name}, written by", f"    {source.command}", "", *lines, "", *running]


def checked_properties(machine: Machine) -> tuple[str, ...]:
    """What a step or a state can violate; `model_error` is an index or value out of range."""
    checks = [
        op.prop for tr in machine.transitions for op in flat(tr.body) if isinstance(op, Check)
    ]
    return tuple(dict.fromkeys([*checks, *(inv.prop for inv in machine.invariants), FAULT]))


def provenance(tr: Transition) -> str:
    """Which step of which process it is, and the statement that it comes from, in one line."""
    return " ".join(f"{tr.id} {tr.name}: {tr.where}: {tr.where.text}".split())


def temporaries(ops: tuple[Op, ...]) -> tuple[str, ...]:
    """The temporaries that operations assign, in the order of their first assignment."""
    return tuple(dict.fromkeys(op.name for op in flat(ops) if isinstance(op, Set)))


def choices(params: Sequence[Parameter]) -> Iterator[tuple[int, ...]]:
    """All values of the parameters, in the engines' order."""
    return product(*(range(param.lo, param.hi + 1) for param in params))


def turns(machine: Machine, proc: Process) -> list[Steps]:
    """The first choices at all program counters, then the second ones, ...

    A choice is a step or a value of its parameters. What is put together here is looked at
    together by the other tools, which otherwise would ask in each state whether each step of each
    process is possible. No two steps of one turn are possible at the same time.
    """
    found: list[Steps] = []
    for at in range(1, proc.pcs):
        steps = machine.steps_at.get((proc.name, at), ())
        for turn, step in enumerate((tr, v) for tr in steps for v in choices(tr.params)):
            if turn == len(found):
                found.append({})
            found[turn][at] = step
    return found
