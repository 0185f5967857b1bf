"""Which values an expression can have: so that engines check only what could go wrong.

The bounds come from types, parameters and constants alone, so they hold in every state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from model.language.machine import (
    Binary,
    Const,
    Expr,
    If,
    InSet,
    Ite,
    Load,
    Machine,
    Op,
    Param,
    Process,
    Set,
    Temp,
    Transition,
    Unary,
)

Interval = tuple[int, int]
TRUTH: Interval = (0, 1)


@dataclass(frozen=True)
class Scope:
    """What is known where an expression stands: the bounds of parameters and temporaries."""

    machine: Machine
    params: Mapping[str, Interval] = field(default_factory=dict)
    temps: Mapping[str, Interval] = field(default_factory=dict)

    def interval(self, expr: Expr) -> Interval:
        """Bounds of the expression's value."""
        match expr:
            case Const(value):
                return (value, value)
            case Param(name):
                return self.params[name]
            case Temp(name):
                return self.temps[name]
            case Load(var, _):
                kind = self.machine.variable[var].type
                return (kind.lo, kind.hi)
            case Unary("-", operand):
                lo, hi = self.interval(operand)
                return (-hi, -lo)
            case Ite(_, then, other):
                return _join(self.interval(then), self.interval(other))
            case Binary("+" | "-" | "*" as op, left, right):
                return _arithmetic(op, self.interval(left), self.interval(right))
            case Unary() | Binary() | InSet():
                return TRUTH

    def fits(self, expr: Expr, lo: int, hi: int) -> bool:
        """Whether the value is certainly in `lo..hi`."""
        least, most = self.interval(expr)
        return lo <= least and most <= hi

    def is_truth(self, expr: Expr) -> bool:
        """Whether the value is certainly 0 or 1."""
        return self.fits(expr, 0, 1)


def process_scope(machine: Machine, proc: Process) -> Scope:
    """The scope of `may_run`."""
    return Scope(machine, {"self": (0, proc.instances - 1)})


def guard_scope(machine: Machine, tr: Transition) -> Scope:
    """The scope of a transition's guard."""
    params = {param.name: (param.lo, param.hi) for param in tr.params}
    if tr.process is not None:
        params["self"] = (0, machine.process[tr.process].instances - 1)
    return Scope(machine, params)


def body_scope(machine: Machine, tr: Transition) -> Scope:
    """The scope of a transition's body: the guard's, and its temporaries."""
    return _with_temps(guard_scope(machine, tr), tr.body)


def _with_temps(scope: Scope, ops: Sequence[Op]) -> Scope:
    """Adds what the operations assign, in program order; a body has no loops."""
    for op in ops:
        match op:
            case Set(name, value):
                bounds = scope.interval(value)
                known = scope.temps.get(name)
                joined = bounds if known is None else _join(known, bounds)
                scope = replace(scope, temps={**scope.temps, name: joined})
            case If(_, then, other):
                scope = _with_temps(_with_temps(scope, then), other)
            case _:
                pass
    return scope


def _join(a: Interval, b: Interval) -> Interval:
    return (min(a[0], b[0]), max(a[1], b[1]))


def _arithmetic(op: str, a: Interval, b: Interval) -> Interval:
    if op == "+":
        return (a[0] + b[0], a[1] + b[1])
    if op == "-":
        return (a[0] - b[1], a[1] - b[0])
    corners = [x * y for x in a for y in b]
    return (min(corners), max(corners))
