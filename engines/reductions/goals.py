"""Goals of single instances, where instances are renamed.

That a goal of one instance is missed for ever cannot be asked of states that stand for others with
the instances renamed. There the goals of all instances become one: that none is missed. Where that
one is missed in a state of rest, some instance misses its goal. A cycle on which it is missed all
along need not miss the goal of any one instance; who finds one looks at it again (lassos.py).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from engines.reductions.symmetry import Symmetry, renamed
from model.language.fold import binary
from model.language.machine import Expr, Goal, Machine


def with_joined_goals(machine: Machine, symmetry: Symmetry | None) -> Machine:
    """The machine with one goal for all instances of each record that is renamed."""
    found: dict[Hashable, Goal] = {}
    for at, goal in enumerate(machine.goals):
        key: Hashable = _family(goal) if goal.each in renamed(symmetry) else at
        known = found.get(key)
        expr = goal.expr if known is None else binary("and", known.expr, goal.expr)
        found[key] = replace(goal, expr=expr)
    return replace(machine, goals=tuple(found.values()))


def parts_of(machine: Machine, goal: Goal) -> tuple[Expr, ...]:
    """The goals of `machine` of which one is missed all along where this one is missed for ever."""
    if goal in machine.goals:
        return (goal.expr,)
    return tuple(one.expr for one in machine.goals if _family(one) == _family(goal))


def _family(goal: Goal) -> Hashable:
    return goal.prop, goal.message, goal.each
