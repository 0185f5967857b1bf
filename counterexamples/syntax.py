"""Walks over expressions and bodies: which variables a transition mentions, and how indexed."""

from __future__ import annotations

from collections.abc import Iterator

from model.language.machine import (
    Age,
    Binary,
    Check,
    Expr,
    If,
    InSet,
    Ite,
    Load,
    Machine,
    Op,
    Set,
    Store,
    Transition,
    Unary,
)

Access = tuple[str, tuple[Expr, ...]]


def expressions(ops: tuple[Op, ...]) -> Iterator[Expr]:
    """The outermost expressions of a body, in order, those of indices included."""
    for op in ops:
        match op:
            case Set(_, value):
                yield value
            case Store(_, index, value):
                yield from index
                yield value
            case If(cond, then, other):
                yield cond
                yield from expressions(then)
                yield from expressions(other)
            case Check():
                yield op.cond
            case Age():
                pass


def loads(expr: Expr) -> Iterator[Load]:
    """Every load in an expression."""
    match expr:
        case Load(_, index):
            yield expr
            for part in index:
                yield from loads(part)
        case Unary(_, value) | InSet(value, _):
            yield from loads(value)
        case Binary(_, left, right):
            yield from loads(left)
            yield from loads(right)
        case Ite(cond, then, other):
            yield from loads(cond)
            yield from loads(then)
            yield from loads(other)


def stores(ops: tuple[Op, ...]) -> Iterator[Store]:
    """Every store in a body."""
    for op in ops:
        match op:
            case Store():
                yield op
            case If(_, then, other):
                yield from stores(then)
                yield from stores(other)


def sets(ops: tuple[Op, ...]) -> Iterator[Set]:
    """Every assignment of a temporary in a body."""
    for op in ops:
        match op:
            case Set():
                yield op
            case If(_, then, other):
                yield from sets(then)
                yield from sets(other)


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
