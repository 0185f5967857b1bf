"""list_integrity: linked lists end, and their counts match.

Every list head declared in a model (`field(link=...)`, `guarded(..., link=...)`) is followed
through its link words: it must end within as many nodes as there are objects, and its counter, if
it has one, must equal its length. A list with a lock is looked at while the lock is free, a
lock-free one always.

Violated by: a node linked twice, a link overwritten while it is in use, an update lost between
the head and the counter.
"""

from __future__ import annotations

from model.language.fold import FALSE, TRUE, binary, ite, negate, rewrite
from model.language.machine import (
    Const,
    Expr,
    Invariant,
    LinkedList,
    Load,
    Machine,
    Param,
)

NAME = "list_integrity"


def invariants(machine: Machine) -> tuple[Invariant, ...]:
    """One invariant per list head of the machine."""
    return tuple(
        _invariant(machine, one, index)
        for one in machine.lists
        for index in range(machine.variable[one.head].dims[0].size)
    )


def _invariant(machine: Machine, one: LinkedList, index: int) -> Invariant:
    at: Expr = Load(one.head, (Const(index),))
    nodes: list[Expr] = []
    for _ in range(machine.variable[one.link].size):
        nodes.append(at)
        following = Load(one.link, (binary("-", at, Const(1)),))
        at = ite(binary("==", at, Const(0)), Const(0), following)
    good: Expr = binary("==", at, Const(0))
    sheltered = {one.head}
    if one.count is not None and one.count in machine.variable:
        length: Expr = Const(0)
        for node in nodes:
            length = binary("+", length, ite(binary("!=", node, Const(0)), Const(1), Const(0)))
        counted = Load(one.count, (Const(index),))
        good = binary("and", good, binary("==", length, counted))
        sheltered.add(one.count)
    free = TRUE if one.free is None else rewrite(one.free, lambda e: _at(e, index))
    message = f"{one.head}[{index}] is not a list that ends and matches its count"
    expr = binary("or", negate(free), good) if free != FALSE else TRUE
    return Invariant(
        NAME, expr, message, frozenset(sheltered) if one.free is not None else frozenset()
    )


def _at(expr: Expr, index: int) -> Expr | None:
    return Const(index) if expr == Param("i") else None
