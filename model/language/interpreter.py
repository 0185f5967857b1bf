"""The reference interpreter: the semantics of `machine.py` as Python, every engine's oracle.

It is short and obvious rather than fast (about 10,000 transitions a second).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from model.language.machine import (
    Age,
    Binary,
    Check,
    Const,
    Expr,
    If,
    InSet,
    Invariant,
    Ite,
    Load,
    Machine,
    Op,
    Param,
    Process,
    Set,
    Store,
    Temp,
    Transition,
    Unary,
)

State = tuple[int, ...]


@dataclass(frozen=True)
class Firing:
    """A transition with its parameters, among them `self` for a process's step."""

    transition: Transition
    args: tuple[tuple[str, int], ...]

    @property
    def instance(self) -> int | None:
        """The process instance that steps, or None for an action."""
        return dict(self.args).get("self")


@dataclass(frozen=True)
class Successor:
    """What a firing leads to; `violated` is the check that failed on the way, if one did."""

    firing: Firing
    state: State
    violated: Check | None = None


class _Failed(Exception):
    def __init__(self, check: Check) -> None:
        self.check = check


class _Run:
    """One evaluation: a copy of the state, the parameters and the temporaries."""

    def __init__(self, machine: Machine, state: State, args: Mapping[str, int]) -> None:
        self.machine = machine
        self.cells = list(state)
        self.args = args
        self.temps: dict[str, int] = {}

    def cell(self, var: str, index: tuple[Expr, ...]) -> int:
        at = 0
        for dim, expr in zip(self.machine.variable[var].dims, index, strict=True):
            i = self.value(expr)
            if not 0 <= i < dim.size:
                raise IndexError(f"{var}: index {i} is outside 0..{dim.size - 1}")
            at = at * dim.size + i
        return self.machine.offset[var] + at

    def value(self, expr: Expr) -> int:
        match expr:
            case Const(value):
                return value
            case Param(name):
                return self.args[name]
            case Temp(name):
                return self.temps[name]
            case Load(var, index):
                return self.cells[self.cell(var, index)]
            case Unary("not", operand):
                return int(not self.value(operand))
            case Unary(_, operand):
                return -self.value(operand)
            case Ite(cond, then, other):
                return self.value(then) if self.value(cond) else self.value(other)
            case InSet(operand, members):
                return int(self.value(operand) in members)
            case Binary("and", left, right):
                return int(bool(self.value(left)) and bool(self.value(right)))
            case Binary("or", left, right):
                return int(bool(self.value(left)) or bool(self.value(right)))
            case Binary(op, left, right):
                return _arithmetic(op, self.value(left), self.value(right))

    def run(self, ops: tuple[Op, ...]) -> None:
        for op in ops:
            match op:
                case Set(name, value):
                    self.temps[name] = self.value(value)
                case Store(var, index, value):
                    self.cells[self.cell(var, index)] = self.value(value)
                case If(cond, then, other):
                    self.run(then if self.value(cond) else other)
                case Age(variables):
                    for name in variables:
                        first = self.machine.offset[name]
                        for at in range(first, first + self.machine.variable[name].size):
                            self.cells[at] -= self.cells[at] > 0
                case Check():
                    if not self.value(op.cond):
                        raise _Failed(op)


def _arithmetic(op: str, a: int, b: int) -> int:
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "==":
            return int(a == b)
        case "!=":
            return int(a != b)
        case "<":
            return int(a < b)
        case "<=":
            return int(a <= b)
        case ">":
            return int(a > b)
        case ">=":
            return int(a >= b)
    raise AssertionError(op)


def evaluate(machine: Machine, state: State, expr: Expr, args: Mapping[str, int] = {}) -> int:
    """The value of an expression in a state."""
    return _Run(machine, state, args).value(expr)


def fire(machine: Machine, state: State, firing: Firing) -> Successor:
    """Execute an enabled firing."""
    run = _Run(machine, state, dict(firing.args))
    try:
        run.run(firing.transition.body)
    except _Failed as failed:
        return Successor(firing, tuple(run.cells), failed.check)
    return Successor(firing, tuple(run.cells))


def enabled(machine: Machine, state: State) -> Iterator[Firing]:
    """Every firing that is enabled, in the engines' order.

    Processes come in declaration order, instances within a process, transitions of a pc by id,
    parameters row-major; then the actions.
    """
    for proc in machine.processes:
        for me in range(proc.instances):
            yield from firings(machine, state, proc, me)
    for tr in machine.actions:
        yield from _firings(machine, state, tr, {})


def firings(machine: Machine, state: State, proc: Process, me: int) -> Iterator[Firing]:
    """Every firing of one instance of a process."""
    pc = state[machine.offset[proc.pc_var] + me]
    if pc and evaluate(machine, state, proc.may_run, {"self": me}):
        for tr in machine.steps_at.get((proc.name, pc), ()):
            yield from _firings(machine, state, tr, {"self": me})


def _firings(
    machine: Machine, state: State, tr: Transition, args: dict[str, int]
) -> Iterator[Firing]:
    for values in product(*(range(p.lo, p.hi + 1) for p in tr.params)):
        bound = args | {p.name: v for p, v in zip(tr.params, values, strict=True)}
        if evaluate(machine, state, tr.guard, bound):
            yield Firing(tr, tuple(bound.items()))


def successors(machine: Machine, state: State) -> list[Successor]:
    """All successors, in the engines' order."""
    return [fire(machine, state, firing) for firing in enabled(machine, state)]


def broken_invariant(machine: Machine, state: State) -> Invariant | None:
    """The first invariant that the state does not satisfy."""
    for invariant in machine.invariants:
        if not evaluate(machine, state, invariant.expr):
            return invariant
    return None
