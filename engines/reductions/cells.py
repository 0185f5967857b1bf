"""Which cells an access can touch, instance by instance, where the state does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from engines.reductions.reads import Access
from model.language.fold import walk
from model.language.interpreter import evaluate
from model.language.machine import Expr, Load, Machine, Temp


@dataclass(frozen=True)
class Touch:
    """One instance (None for an action) and the cell it touches.

    `idle` are the process instances known to be idle when it does.
    """

    instance: int | None
    cell: tuple[int, ...]
    idle: frozenset[tuple[str, int]]


def touches(machine: Machine, access: Access) -> tuple[Touch, ...] | None:
    """All that an access can touch, or None where that depends on the state."""
    if not _is_static(access.index):
        return None
    return tuple(_touches(machine, access))


def _touches(machine: Machine, access: Access) -> Iterator[Touch]:
    ranges: dict[str, range] = {}
    if access.process is not None:
        ranges["self"] = range(machine.process[access.process].instances)
    if access.transition is not None:
        for param in machine.transitions[access.transition].params:
            ranges[param.name] = range(param.lo, param.hi + 1)
    process_of = {proc.pc_var: proc.name for proc in machine.processes}
    for values in product(*ranges.values()):
        args = dict(zip(ranges, values, strict=True))

        def at(index: tuple[Expr, ...], args: dict[str, int] = args) -> tuple[int, ...]:
            return tuple(evaluate(machine, machine.initial, part, args) for part in index)

        idle = frozenset(
            (process_of[var], at(index)[0])
            for var, index, value in access.facts
            if value == 0 and var in process_of and _is_static(index)
        )
        yield Touch(args.get("self"), at(access.index), idle)


def _is_static(index: tuple[Expr, ...]) -> bool:
    return not any(isinstance(inner, Load | Temp) for part in index for inner in walk(part))
