"""Who reads and writes what, and under which conditions: the raw material of step merging."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from model.language.fold import flat, loads, walk
from model.language.machine import (
    Age,
    Binary,
    Check,
    Const,
    Expr,
    If,
    InSet,
    Ite,
    Load,
    Machine,
    Op,
    Param,
    Set,
    Store,
    Temp,
    Transition,
    Unary,
)

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
    body began, `held` the cells of locks that a check of discipline has looked at before.
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

    @property
    def own(self) -> bool:
        """Whether it touches the cell that belongs to the instance itself."""
        return self.process is not None and self.index[:1] == (Param("self"),)


def accesses(machine: Machine) -> tuple[Access, ...]:
    """Every access of the machine."""
    return tuple(_all(machine))


def _all(machine: Machine) -> Iterator[Access]:
    for proc in machine.processes:
        yield from _reads(proc.may_run, Access("read", "", (), "may_run", proc.name), truth=True)
    for at in range(len(machine.transitions)):
        yield from of_transition(machine, at)
    for invariant in machine.invariants:
        for access in _reads(invariant.expr, Access("read", "", (), "invariant"), truth=True):
            yield replace(access, sheltered=access.var in invariant.sheltered)
    for goal in machine.goals:
        yield from _reads(goal.expr, Access("read", "", (), "goal"), truth=True)


def of_transition(machine: Machine, at: int) -> Iterator[Access]:
    """The accesses of one transition's guard and body."""
    tr = machine.transitions[at]
    base = Access("read", "", (), "guard", tr.process, at)
    # Only what a guard asks of the outermost level makes it true: see Member.enables.
    yield from _reads(tr.guard, base, truth=True, enables=True)
    guarded = frozenset(var.name for var in machine.variables if var.guard is not None)
    body = _Body(tr, replace(base, place="body"), _definitions(tr), guarded)
    yield from body.ops(tr.body, replace(body.base, facts=body.known(tr.guard)), ())


def conjuncts(expr: Expr) -> Iterator[Expr]:
    """The parts of a conjunction."""
    if isinstance(expr, Binary) and expr.op == "and":
        yield from conjuncts(expr.left)
        yield from conjuncts(expr.right)
    else:
        yield expr


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


# --- reads in expressions ----------------------------------------------------------------------


def _reads(
    expr: Expr, base: Access, truth: bool = False, enables: bool = False
) -> Iterator[Access]:
    """Reads in an expression; `truth`: only whether it is 0 matters."""
    match expr:
        case Load(var, index, lockless):
            member = Member(frozenset({0}), False) if truth else None
            yield replace(base, var=var, index=index, lockless=lockless, member=member)
            for part in index:
                yield from _reads(part, base)
        case Unary("not", value):
            yield from _reads(value, base, True)
        case Binary("and" | "or", left, right):
            yield from _reads(left, base, True, enables)
            yield from _reads(right, base, True, enables)
        case Binary("==" | "!=" as op, Load() as load, Const(value)) | Binary(
            "==" | "!=" as op, Const(value), Load() as load
        ):
            yield from _test(load, frozenset({value}), base, enables and op == "==")
        case InSet(Load() as load, members):
            yield from _test(load, members, base, enables)
        case Ite(cond, then, other):
            yield from _reads(cond, base, True)
            yield from _reads(then, base, truth, enables)
            yield from _reads(other, base, truth, enables)
        case Unary(_, value) | InSet(value, _):
            yield from _reads(value, base)
        case Binary(_, left, right):
            yield from _reads(left, base)
            yield from _reads(right, base)
        case Const() | Param() | Temp():
            pass


def _test(load: Load, members: frozenset[int], base: Access, enables: bool) -> Iterator[Access]:
    for access in _reads(load, base):
        if access.var == load.var and access.index == load.index:
            yield replace(access, member=Member(members, enables))
        else:
            yield access


# --- bodies ------------------------------------------------------------------------------------


@dataclass
class _Body:
    """Walks a body in program order and keeps track of what has been written so far."""

    transition: Transition
    base: Access
    definitions: Mapping[str, Expr]
    guarded: frozenset[str]
    stored: set[str] = field(default_factory=set)

    def ops(self, ops: Sequence[Op], base: Access, checks: tuple[str, ...]) -> Iterator[Access]:
        """Accesses of a block; `checks` are the messages of the discipline checks before it."""
        for op in ops:
            match op:
                case Set(name, value):
                    yield from self._checked(self._value(value, base, self._target(name)), checks)
                case Store(var, index, value):
                    for part in index:
                        yield from self._checked(_reads(part, base), checks)
                    yield from self._checked(self._value(value, base, var), checks)
                    where = self._resolved_index(index)
                    write = replace(base, kind="write", var=var, index=where, value=value)
                    yield from self._checked([write], checks)
                    self.stored.add(var)
                    base = _without(base, {var})
                case If(cond, then, other):
                    yield from self._checked(_reads(cond, base, truth=True), checks)
                    before = set(self.stored)
                    known = replace(base, facts=base.facts | self.known(cond))
                    refuted = replace(base, facts=base.facts | self.refuted(cond))
                    yield from self.ops(then, known, checks)
                    after_then, self.stored = self.stored, before
                    yield from self.ops(other, refuted, checks)
                    self.stored |= after_then
                    base = _without(base, self.stored)
                case Check(prop, cond, message):
                    inside = prop == DISCIPLINE
                    asks = inside and any(f"`{name}`" in message for name in self.guarded)
                    reads = list(_reads(cond, replace(base, in_discipline=asks), truth=True))
                    yield from self._checked(reads, checks)
                    base = replace(base, facts=base.facts | self.known(cond))
                    if inside and not is_constant(cond):
                        checks = (*checks, message)
                        cells = {(read.var, self._resolved_index(read.index)) for read in reads}
                        base = replace(base, held=base.held | cells)
                case Age(variables):
                    for name in variables:
                        yield replace(base, kind="age", var=name, index=())

    def _checked(self, found: Iterable[Access], checks: tuple[str, ...]) -> Iterator[Access]:
        """Notes which accesses follow a check made for their variable: its message names it."""
        for access in found:
            named = any(f"`{access.var}`" in message for message in checks)
            yield replace(access, checked=True) if named else access

    def _value(self, value: Expr, base: Access, target: str | None) -> Iterator[Access]:
        """Reads of an assigned value; a bare load is a copy."""
        for access in _reads(value, base):
            copied = isinstance(value, Load) and access.var == value.var
            yield replace(access, copied_to=target) if copied and target else access

    def _target(self, temp: str) -> str | None:
        """The variable a temporary is copied to, where that is all that happens to it."""
        if temp not in self.definitions:
            return None
        targets = set(_uses(self.transition.body, temp))
        return targets.pop() if len(targets) == 1 else None

    def known(self, cond: Expr) -> frozenset[Fact]:
        """Cells that a true condition shows to have had a certain value when the body began."""
        return self._facts(conjuncts(cond))

    def refuted(self, cond: Expr) -> frozenset[Fact]:
        """The same for a false one."""
        return self._facts(_opposite(part) for part in _disjuncts(cond))

    def _facts(self, parts: Iterable[Expr]) -> frozenset[Fact]:
        return frozenset(
            (var, self._resolved_index(index), value)
            for part in parts
            for var, index, value in _equalities(part)
            if var not in self.stored and not self._unsteady(index)
        )

    def _unsteady(self, index: tuple[Expr, ...]) -> bool:
        """Whether the index may mean another cell than when the body began."""
        for part in index:
            for inner in walk(part):
                if isinstance(inner, Load) and inner.var in self.stored:
                    return True
                if isinstance(inner, Temp) and inner.name not in self.definitions:
                    return True
        return False

    def _resolved_index(self, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """The index with temporaries that are set once, to something stateless, written out."""
        return tuple(self._resolved(part) for part in index)

    def _resolved(self, expr: Expr) -> Expr:
        match expr:
            case Temp(name) if name in self.definitions:
                value = self._resolved(self.definitions[name])
                return expr if any(loads(value)) else value
            case Binary(op, left, right):
                return Binary(op, self._resolved(left), self._resolved(right))
        return expr


def _definitions(tr: Transition) -> dict[str, Expr]:
    """Temporaries that are assigned exactly once, with their value."""
    values: dict[str, list[Expr]] = {}
    for op in flat(tr.body):
        if isinstance(op, Set):
            values.setdefault(op.name, []).append(op.value)
    return {name: value[0] for name, value in values.items() if len(value) == 1}


def holder_checks(machine: Machine, tr: Transition) -> Iterator[Expr]:
    """The conditions of a transition's checks that it holds the lock of a guarded variable."""
    guarded = [var.name for var in machine.variables if var.guard is not None]
    for op in flat(tr.body):
        if not isinstance(op, Check) or op.prop != DISCIPLINE or is_constant(op.cond):
            continue
        if any(f"`{name}`" in op.message for name in guarded):
            yield op.cond


def _uses(ops: tuple[Op, ...], temp: str) -> Iterator[str | None]:
    """Where a temporary goes: the variable it is stored in as it is, or None for other uses."""
    for op in flat(ops):
        match op:
            case Store(var, index, value):
                if value == Temp(temp):
                    yield var
                elif _mentions(value, temp):
                    yield None
                if any(_mentions(part, temp) for part in index):
                    yield None
            case Set(_, value) | If(value) | Check(cond=value):
                if _mentions(value, temp):
                    yield None
            case Age():
                pass


def _mentions(expr: Expr, temp: str) -> bool:
    return any(isinstance(part, Temp) and part.name == temp for part in walk(expr))


def _disjuncts(expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, Binary) and expr.op == "or":
        yield from _disjuncts(expr.left)
        yield from _disjuncts(expr.right)
    else:
        yield expr


def _opposite(expr: Expr) -> Expr:
    match expr:
        case Binary("!=", left, right):
            return Binary("==", left, right)
        case Unary("not", value):
            return value
    return Unary("not", expr)


def _without(base: Access, stored: set[str]) -> Access:
    """Forgets what is said of cells whose index may have changed.

    A fact is about the beginning of the body, so a store to the cell itself leaves it alone.
    """

    def steady(index: tuple[Expr, ...]) -> bool:
        parts = (inner for part in index for inner in walk(part))
        return not any(isinstance(inner, Load) and inner.var in stored for inner in parts)

    return replace(
        base,
        facts=frozenset(fact for fact in base.facts if steady(fact[1])),
        held=frozenset(cell for cell in base.held if steady(cell[1])),
    )


def _equalities(cond: Expr) -> Iterator[Fact]:
    """The cell that a condition compares with a constant."""
    match cond:
        case Binary("==", Load(var, index), Const(value)) | Binary(
            "==", Const(value), Load(var, index)
        ):
            yield var, index, value
        case Unary("not", Load(var, index)):
            yield var, index, 0
        case _:
            pass
