"""Bodies of transitions, walked in program order: what they touch and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engines.reductions.reads import DISCIPLINE, Access, Fact, conjuncts, is_constant, reads
from engines.reductions.values import Values
from model.language.fold import flat, loads, walk
from model.language.machine import (
    Age,
    Binary,
    Check,
    Const,
    Expr,
    If,
    Load,
    Machine,
    Op,
    Set,
    Store,
    Temp,
    Transition,
    Unary,
)


def effects(
    machine: Machine, at: int, given: Mapping[str, int] = {}
) -> tuple[tuple[Access, ...], Values]:
    """The accesses of one transition's guard and body, and what the body leaves behind.

    `given` are the parameters whose values are known.
    """
    tr = machine.transitions[at]
    base = Access("read", "", (), "guard", tr.process, at)
    guarded = frozenset(var.name for var in machine.variables if var.guard is not None)
    pc = machine.process[tr.process].pc_var if tr.process is not None else ""
    own = own_variables(machine, tr.process)
    pcs = {var.name: var.role == "pc" for var in machine.variables if var.role != "shared"}
    values = Values(own, pc, pcs, given)
    body = _Body(tr, base.but(place="body"), _definitions(tr), guarded, values)
    # Only what a guard asks of the outermost level makes it true: see Member.enables.
    found = list(body.checked(reads(tr.guard, base, truth=True, enables=True), ()))
    found += body.ops(tr.body, body.base.but(facts=body.known(tr.guard)), ())
    return tuple(found), body.values


def own_variables(machine: Machine, process: str | None) -> frozenset[str]:
    """The variables with one cell for each instance of a process."""
    return frozenset(
        var.name
        for var in machine.variables
        if var.role != "shared" and [dim.name for dim in var.dims] == [process]
    )


@dataclass
class _Body:
    """Walks a body in program order and keeps track of what has been written so far."""

    transition: Transition
    base: Access
    definitions: Mapping[str, Expr]
    guarded: frozenset[str]
    values: Values
    stored: set[str] = field(default_factory=set)

    def ops(self, ops: Sequence[Op], base: Access, checks: tuple[str, ...]) -> Iterator[Access]:
        """Accesses of a block; `checks` are the messages of the discipline checks before it."""
        for op in ops:
            match op:
                case Set(name, value):
                    yield from self.checked(self._value(value, base, self._target(name)), checks)
                    self.values.known[name] = self.values.of(value)
                case Store(var, index, value):
                    for part in index:
                        yield from self.checked(reads(part, base), checks)
                    yield from self.checked(self._value(value, base, var), checks)
                    where = self._resolved_index(index)
                    write = base.but(kind="write", var=var, index=where, value=value)
                    yield from self.checked([write], checks)
                    self.stored.add(var)
                    self.values.store(var, index, value)
                    base = _without(base, {var})
                case If(cond, then, other) if (decided := self.values.decides(cond)) is not None:
                    yield from self.ops(then if decided else other, base, checks)
                case If(cond, then, other):
                    yield from self.checked(reads(cond, base, truth=True), checks)
                    before, values = set(self.stored), self.values
                    known = base.but(facts=base.facts | self.known(cond))
                    refuted = base.but(facts=base.facts | self.refuted(cond))
                    self.values = values.copy()
                    yield from self.ops(then, known, checks)
                    after_then, self.stored = self.stored, before
                    then_values, self.values = self.values, values
                    yield from self.ops(other, refuted, checks)
                    self.stored |= after_then
                    self.values.join(then_values)
                    base = _without(base, self.stored)
                case Check(prop, cond, message):
                    inside = prop == DISCIPLINE
                    asks = inside and any(f"`{name}`" in message for name in self.guarded)
                    asked = list(reads(cond, base.but(in_discipline=asks), truth=True))
                    yield from self.checked(asked, checks)
                    base = base.but(facts=base.facts | self.known(cond))
                    if inside and not is_constant(cond):
                        checks = (*checks, message)
                        cells = {(read.var, self._resolved_index(read.index)) for read in asked}
                        base = base.but(held=base.held | cells)
                case Age(variables):
                    for name in variables:
                        yield base.but(kind="age", var=name, index=())

    def checked(self, found: Iterable[Access], checks: tuple[str, ...]) -> Iterator[Access]:
        """Notes which accesses follow a check made for their variable: its message names it."""
        for access in found:
            named = any(f"`{access.var}`" in message for message in checks)
            yield access.but(checked=named, at=self.values.index(access.index))

    def _value(self, value: Expr, base: Access, target: str | None) -> Iterator[Access]:
        """Reads of an assigned value; a bare load is a copy."""
        for access in reads(value, base):
            copied = isinstance(value, Load) and access.var == value.var
            yield access.but(copied_to=target) if copied and target else access

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

    return base.but(
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
