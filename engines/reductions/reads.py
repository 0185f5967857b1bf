"""Reads in expressions, and what is said of an access."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from engines.reductions.values import Possible
from model.language.fold import walk
from model.language.machine import Binary, Const, Expr, InSet, Ite, Load, Param, Temp, Unary

DISCIPLINE = "lock_discipline"

Cell = tuple[str, tuple[Expr, ...]]
Fact = tuple[str, tuple[Expr, ...], int]
Place = Literal["guard", "body", "may_run", "invariant", "goal"]


@dataclass(frozen=True)
class Member:
    """A read that only asks whether the value is one of `members`.

    `enables` says that membership can only make the whole guard true, never false.
    """

    members: frozenset[int]
    enables: bool


@dataclass(frozen=True)
class Access:
    """One read or write of a variable.

    `process` is the process that does it (None for actions, invariants and goals). `checked`: a
    check of lock discipline for this variable comes first in the same body; `in_discipline`: the
    read is made by such a check. `member` describes a read that is a mere test, `copied_to` one
    whose value goes to a variable as it is. `facts` are cells known to have had a value when the
    body began, `held` the cells of locks that a check of discipline has looked at before. `at` is
    the index in terms of the state in which the body began.
    """

    kind: Literal["read", "write", "age"]
    var: str
    index: tuple[Expr, ...]
    place: Place
    process: str | None = None
    transition: int | None = None
    value: Expr | None = None
    lockless: bool = False
    checked: bool = False
    in_discipline: bool = False
    copied_to: str | None = None
    member: Member | None = None
    facts: frozenset[Fact] = frozenset()
    held: frozenset[Cell] = frozenset()
    sheltered: bool = False
    at: tuple[Possible, ...] = ()

    def but(self, **changes: Any) -> Access:
        """The same with other fields: `dataclasses.replace`, in a third of its time.

        A machine has tens of thousands of accesses, and each is refined several times. A misspelt
        name is not noticed here.
        """
        new = object.__new__(Access)
        new.__dict__.update(self.__dict__, **changes)
        return new

    @property
    def own(self) -> bool:
        """Whether it touches the cell that belongs to the instance itself."""
        return self.process is not None and self.index[:1] == (Param("self"),)


def conjuncts(expr: Expr) -> Iterator[Expr]:
    """The parts of a conjunction."""
    if isinstance(expr, Binary) and expr.op == "and":
        yield from conjuncts(expr.left)
        yield from conjuncts(expr.right)
    else:
        yield expr


def parameters(expr: Expr) -> set[str]:
    """The names of the parameters that an expression depends on."""
    return {part.name for part in walk(expr) if isinstance(part, Param)}


def is_constant(expr: Expr) -> bool:
    """Whether no state and no parameter decides the value."""
    match expr:
        case Const():
            return True
        case Unary(_, value) | InSet(value, _):
            return is_constant(value)
        case Binary(_, left, right):
            return is_constant(left) and is_constant(right)
        case Ite(cond, then, other):
            return all(is_constant(part) for part in (cond, then, other))
    return False


def reads(expr: Expr, base: Access, truth: bool = False, enables: bool = False) -> Iterator[Access]:
    """Reads in an expression; `truth`: only whether it is 0 matters."""
    match expr:
        case Load(var, index, lockless):
            member = Member(frozenset({0}), False) if truth else None
            yield base.but(var=var, index=index, lockless=lockless, member=member)
            for part in index:
                yield from reads(part, base)
        case Unary("not", value):
            yield from reads(value, base, True)
        case Binary("and" | "or", left, right):
            yield from reads(left, base, True, enables)
            yield from reads(right, base, True, enables)
        case Binary("==" | "!=" as op, Load() as load, Const(value)) | Binary(
            "==" | "!=" as op, Const(value), Load() as load
        ):
            yield from _test(load, frozenset({value}), base, enables and op == "==")
        case InSet(Load() as load, members):
            yield from _test(load, members, base, enables)
        case Ite(cond, then, other):
            yield from reads(cond, base, True)
            yield from reads(then, base, truth, enables)
            yield from reads(other, base, truth, enables)
        case Unary(_, value) | InSet(value, _):
            yield from reads(value, base)
        case Binary(_, left, right):
            yield from reads(left, base)
            yield from reads(right, base)
        case Const() | Param() | Temp():
            pass


def _test(load: Load, members: frozenset[int], base: Access, enables: bool) -> Iterator[Access]:
    for access in reads(load, base):
        if access.var == load.var and access.index == load.index:
            yield access.but(member=Member(members, enables))
        else:
            yield access
