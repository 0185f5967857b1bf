"""Who reads and writes what, and under which conditions: the raw material of the reductions."""

from __future__ import annotations

from collections.abc import Iterator

from engines.reductions.bodies import effects, own_variables
from engines.reductions.reads import Access, reads
from engines.reductions.values import Values
from model.language.machine import Goal, Invariant, Machine, Process


def accesses(machine: Machine) -> tuple[Access, ...]:
    """Every access of the machine."""
    return tuple(_all(machine))


def _all(machine: Machine) -> Iterator[Access]:
    for proc in machine.processes:
        yield from reads_to_run(machine, proc)
    for at in range(len(machine.transitions)):
        yield from effects(machine, at)[0]
    for invariant in machine.invariants:
        yield from reads_of(invariant)
    for goal in machine.goals:
        yield from reads_of(goal)


def reads_to_run(machine: Machine, proc: Process) -> Iterator[Access]:
    """What is read to find out whether an instance may run."""
    values = Values(own_variables(machine, proc.name))
    for access in reads(proc.may_run, Access("read", "", (), "may_run", proc.name), truth=True):
        yield access.but(at=values.index(access.index))


def reads_of(predicate: Invariant | Goal) -> Iterator[Access]:
    """What an invariant or a goal looks at."""
    if isinstance(predicate, Goal):
        base, sheltered = Access("read", "", (), "goal"), frozenset[str]()
    else:
        base, sheltered = Access("read", "", (), "invariant"), predicate.sheltered
    for access in reads(predicate.expr, base, truth=True):
        at = Values().index(access.index)
        yield access.but(at=at, sheltered=access.var in sheltered)
