"""Word routines on plain Python integers: the semantics, and the replay of every Z3 model.

A broken obligation does not stop the run: it is recorded, the memory answers what the real one
might, and the caller sees both what was asked wrongly and what came out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from model.language.word_ir import (
    Assign,
    Call,
    Choice,
    Const,
    Expr,
    FieldOf,
    If,
    LayoutWord,
    Local,
    Operation,
    Routine,
    Stmt,
    Where,
    WordProgram,
)
from model.language.words import HELPERS, MASK


class Memory(Protocol):
    """What the routines may ask of memory."""

    def ask(self, primitive: str, args: tuple[int, ...]) -> int:
        """Answer a memory primitive."""

    def read(self, record: str, base: int, name: str) -> int:
        """Read a field of the record at address `base`."""


@dataclass(frozen=True)
class Broken:
    """An obligation that did not hold."""

    says: str
    where: Where
    args: tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """One statement of the outermost routine as it ran: what it computed."""

    where: Where
    name: str
    value: int


@dataclass(frozen=True)
class Ran:
    """The result of a run."""

    value: int
    broken: tuple[Broken, ...]
    lines: tuple[Line, ...]


@dataclass
class _Run:
    program: WordProgram
    layout: Mapping[str, int]
    memory: Memory
    broken: list[Broken] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def run(
    program: WordProgram,
    routine: Routine,
    args: tuple[int, ...],
    layout: Mapping[str, int],
    memory: Memory,
) -> Ran:
    """Run a routine on concrete words."""
    state = _Run(program, layout, memory)
    value = _routine(state, routine, args, outermost=True)
    return Ran(value, tuple(state.broken), tuple(state.lines))


def _routine(state: _Run, routine: Routine, args: tuple[int, ...], *, outermost: bool) -> int:
    env = {param.name: arg for param, arg in zip(routine.params, args, strict=True)}
    value = _block(state, routine.body, env, outermost=outermost)
    assert value is not None, f"{routine.name}: the parser checked that every path returns"
    return value


def _block(
    state: _Run, body: tuple[Stmt, ...], env: dict[str, int], *, outermost: bool
) -> int | None:
    for statement in body:
        if isinstance(statement, If):
            taken = statement.then if _eval(state, statement.condition, env) else statement.other
            value = _block(state, taken, env, outermost=outermost)
            if value is not None:
                return value
            continue
        value = _eval(state, statement.value, env)
        name = statement.name if isinstance(statement, Assign) else "return"
        if outermost:
            state.lines.append(Line(statement.where, name, value))
        if not isinstance(statement, Assign):
            return value
        env[statement.name] = value
    return None


def _eval(state: _Run, expr: Expr, env: Mapping[str, int]) -> int:
    if isinstance(expr, Const):
        return expr.value
    if isinstance(expr, Local):
        return env[expr.name]
    if isinstance(expr, LayoutWord):
        return state.layout[expr.name]
    if isinstance(expr, Choice):
        return _eval(state, expr.then if _eval(state, expr.condition, env) else expr.other, env)
    if isinstance(expr, FieldOf):
        base = _eval(state, expr.base, env)
        if base == 0:
            state.broken.append(Broken(f"the {expr.record} pointer is not NULL", expr.where, (0,)))
        return state.memory.read(expr.record, base, expr.name)
    if isinstance(expr, Call):
        return _call(state, expr, env)
    return _operation(state, expr, env)


def _operation(state: _Run, expr: Operation, env: Mapping[str, int]) -> int:
    if expr.op == "and":
        return int(all(_eval(state, arg, env) for arg in expr.args))
    if expr.op == "or":
        return int(any(_eval(state, arg, env) for arg in expr.args))
    args = tuple(_eval(state, arg, env) for arg in expr.args)
    if expr.op == "not":
        return 1 - args[0]
    a, b = args
    if expr.op in ("//", "%") and b == 0:
        state.broken.append(Broken("the divisor is not 0", expr.where, args))
    return apply_operator(expr.op, a, b)


def apply_operator(op: str, a: int, b: int) -> int:
    """Apply a binary operator to two words; flags come out as 0 or 1."""
    match op:
        case "+":
            return (a + b) & MASK
        case "-":
            return (a - b) & MASK
        case "*":
            return (a * b) & MASK
        case "//":
            return a // b if b else MASK  # by zero: as Z3's bit-vectors, and an obligation
        case "%":
            return a % b if b else a
        case "&":
            return a & b
        case "|":
            return a | b
        case "^":
            return a ^ b
        case "<<":
            return (a << b) & MASK if b < 64 else 0
        case ">>":
            return a >> b if b < 64 else 0
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
    raise AssertionError(f"the parser lets no operator {op!r} through")


def _call(state: _Run, expr: Call, env: Mapping[str, int]) -> int:
    args = tuple(_eval(state, arg, env) for arg in expr.args)
    if expr.callee in HELPERS:
        if expr.callee == "signed_remainder" and args[1] == 0:
            state.broken.append(Broken("the divisor is not 0", expr.where, args))
        return int(HELPERS[expr.callee][0](*args))
    routine = state.program.routines.get(expr.callee)
    if routine is not None:
        return _routine(state, routine, args, outermost=False)
    primitive = state.program.primitives[expr.callee]
    if primitive.requires is not None:
        test = state.program.routines[primitive.requires]
        if not _routine(state, test, args, outermost=False):
            state.broken.append(Broken(primitive.says, expr.where, args))
    return state.memory.ask(primitive.name, args)
