"""Whether the turns of a loop over a record's instances can come in any order.

A loop in an atomic body goes through the instances in the order of their numbers. If no turn looks
at what another one writes, the numbers do not matter, and instances may be renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from model.language import fold
from model.language.machine import Age, Check, Const, Load, Op, Set, Store, Temp

Cell = tuple[str, tuple[int | None, ...]]
"""A variable and an index; None where it is not constant. Of a temporary there is one."""


def independent(turns: Sequence[Sequence[Op]]) -> bool:
    """Whether no turn touches what another one writes.

    The first check that fails ends the body; if all checks are of one property, it does not matter
    which that is.
    """
    checks = (op for turn in turns for op in fold.flat(tuple(turn)) if isinstance(op, Check))
    if len({check.prop for check in checks}) > 1:
        return False
    touched = [(set(_written(turn)), set(_read(turn))) for turn in turns]
    return not any(
        _meet(a[0], b[0] | b[1]) or _meet(b[0], a[0] | a[1]) for a, b in combinations(touched, 2)
    )


def _written(ops: Sequence[Op]) -> Iterator[Cell]:
    for op in fold.flat(tuple(ops)):
        match op:
            case Set(name):
                yield name, ()
            case Store(var, index):
                yield var, tuple(part.value if isinstance(part, Const) else None for part in index)
            case Age(variables):
                yield from ((name, (None,)) for name in variables)


def _read(ops: Sequence[Op]) -> Iterator[Cell]:
    for expr in fold.expressions(tuple(ops)):
        for term in fold.walk(expr):
            match term:
                case Temp(name):
                    yield name, ()
                case Load(var, index):
                    known = (part.value if isinstance(part, Const) else None for part in index)
                    yield var, tuple(known)


def _meet(written: set[Cell], touched: set[Cell]) -> bool:
    return any(
        name == other
        and all(i is None or j is None or i == j for i, j in zip(at, index, strict=False))
        for name, at in written
        for other, index in touched
    )
