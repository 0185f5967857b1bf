"""Which variables a transition mentions, and how indexed."""

from __future__ import annotations

from collections.abc import Iterator

from model.language.fold import expressions, flat, loads
from model.language.machine import Expr, Machine, Op, Set, Store, Transition

Access = tuple[str, tuple[Expr, ...]]


def stores(ops: tuple[Op, ...]) -> Iterator[Store]:
    """Every store in a body."""
    return (op for op in flat(ops) if isinstance(op, Store))


def sets(ops: tuple[Op, ...]) -> Iterator[Set]:
    """Every assignment of a temporary in a body."""
    return (op for op in flat(ops) if isinstance(op, Set))


def indexed_accesses(transition: Transition) -> Iterator[Access]:
    """Every access of a transition that has an index."""
    for expr in (transition.guard, *expressions(transition.body)):
        for load in loads(expr):
            if load.index:
                yield load.var, load.index
    for store in stores(transition.body):
        if store.index:
            yield store.var, store.index


def variables_read(transition: Transition) -> frozenset[str]:
    """Names of the variables that a transition's body may read."""
    return frozenset(load.var for expr in expressions(transition.body) for load in loads(expr))


def bookkeeping(machine: Machine) -> frozenset[str]:
    """Shared variables that only the environment's transitions touch: what may still arrive."""
    inside: set[str] = set()
    touched: set[str] = set()
    for transition in machine.transitions:
        names = touched if transition.environment else inside
        names |= variables_read(transition)
        names |= {load.var for load in loads(transition.guard)}
        names |= {store.var for store in stores(transition.body)}
    predicates = [i.expr for i in machine.invariants] + [g.expr for g in machine.goals]
    for expr in (*predicates, *(p.may_run for p in machine.processes)):
        inside |= {load.var for load in loads(expr)}
    return frozenset(touched - inside)
