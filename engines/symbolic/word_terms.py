"""Word routines as Z3 terms, with the obligations met on the way.

What a word is in Z3 is up to an `Algebra`: `BitVectors` below is the machine's own arithmetic and
gives models that can be witnesses; `word_integers.Integers` is built for proofs.  Both follow one
translation, so that an `if` or an obligation means the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import z3

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
    Return,
    Routine,
    Stmt,
    Where,
    WordProgram,
)
from model.language.words import HELPERS

Word: TypeAlias = z3.BitVecRef | z3.ArithRef
Flag: TypeAlias = z3.BoolRef
Term: TypeAlias = z3.BitVecRef | z3.ArithRef | z3.BoolRef

TRUE = z3.BoolVal(True)


class Algebra(Protocol):
    """Arithmetic on words as Z3 terms; `path` is where the result will be used."""

    def number(self, value: int) -> Word:
        """Return a constant word."""

    def unknown(self, name: str) -> Word:
        """Return a word of which nothing is known."""

    def compare(self, op: str, a: Word, b: Word) -> Flag:
        """Apply a comparison by its Python name, or signed_less."""

    def apply(self, op: str, a: Word, b: Word, path: Flag) -> Word:
        """Apply an operator by its Python name, or signed_remainder, shift_right_signed."""

    def settle(self, term: Word, path: Flag) -> Word:
        """Return a simpler term that is proved equal on this path, or the term itself."""

    def holds(self, path: Flag, claim: Flag) -> bool:
        """Return whether the claim is proved for every case that takes this path."""


class SymbolicMemory(Protocol):
    """What the routines may ask of memory, as terms."""

    def ask(self, primitive: str, args: tuple[Word, ...], path: Flag) -> Word:
        """Answer a memory primitive that is asked on `path`."""

    def read(self, record: str, base: Word, name: str) -> Word:
        """Read a field of the record at address `base`."""


@dataclass(frozen=True)
class Obligation:
    """Something that must hold wherever `path` leads to the place."""

    path: Flag
    must: Flag
    says: str
    where: Where

    def broken(self) -> Flag:
        """Return the term that says that it does not hold."""
        return z3.And(self.path, z3.Not(self.must))


class BitVectors:
    """64-bit vectors with Z3's own operators.  Nothing is assumed, so nothing is proved."""

    def number(self, value: int) -> Word:
        """Return a constant word."""
        return z3.BitVecVal(value, 64)

    def unknown(self, name: str) -> Word:
        """Return a new vector."""
        return z3.FreshConst(z3.BitVecSort(64), name)

    def compare(self, op: str, a: Word, b: Word) -> Flag:
        """Apply a comparison; all but signed_less are unsigned."""
        table = {"<": z3.ULT, "<=": z3.ULE, ">": z3.UGT, ">=": z3.UGE}
        return _flag(table[op](a, b) if op in table else a < b)

    def apply(self, op: str, a: Word, b: Word, path: Flag) -> Word:
        """Apply an operator."""
        del path
        match op:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case "//":
                return _word(z3.UDiv(a, b))
            case "%":
                return _word(z3.URem(a, b))
            case "signed_remainder":
                return _word(z3.SRem(a, b))
            case ">>":
                return _word(z3.LShR(a, b))
        assert isinstance(a, z3.BitVecRef) and isinstance(b, z3.BitVecRef)
        match op:
            case "&":
                return a & b
            case "|":
                return a | b
            case "^":
                return a ^ b
            case "<<":
                return a << b
            case "shift_right_signed":
                return a >> b
        raise AssertionError(f"the parser lets no operator {op!r} through")

    def settle(self, term: Word, path: Flag) -> Word:
        """Return the term itself."""
        del path
        return term

    def holds(self, path: Flag, claim: Flag) -> bool:
        """Return False."""
        del path, claim
        return False


@dataclass
class TermBuilder:
    """Translates routines and collects the obligations met."""

    layout: Mapping[str, Word]
    memory: SymbolicMemory
    algebra: Algebra
    obligations: list[Obligation] = field(default_factory=list)
    use_contracts: bool = True
    contracts_used: set[str] = field(default_factory=set)

    def call(
        self, program: WordProgram, routine: Routine, args: tuple[Term, ...], path: Flag = TRUE
    ) -> Term:
        """Return the routine's result as a term."""
        return _Translation(self, program).routine(routine, args, path)


class _Translation:
    """One walk over a routine and all that it calls."""

    def __init__(self, builder: TermBuilder, program: WordProgram) -> None:
        self.builder = builder
        self.algebra = builder.algebra
        self.program = program

    def routine(self, routine: Routine, args: tuple[Term, ...], path: Flag) -> Term:
        env = {param.name: arg for param, arg in zip(routine.params, args, strict=True)}
        if routine.equals is not None and self.builder.use_contracts:
            return self.contract(routine, routine.equals, env, path)
        result = self.block(routine.body, env, path)
        if isinstance(result, z3.BoolRef):
            return result
        return self.algebra.settle(_word(z3.simplify(result)), path)

    def contract(self, routine: Routine, equals: Expr, env: dict[str, Term], path: Flag) -> Term:
        """Return what the contract says; anything at all where its condition does not hold."""
        self.builder.contracts_used.add(f"{routine.where.file}::{routine.name}")
        if routine.when is None:
            return self.expression(equals, env, path)
        when = _flag(self.expression(routine.when, env, path))
        value = self.expression(equals, env, z3.And(path, when))
        if self.algebra.holds(path, when):
            return value
        return _if(when, value, self.algebra.unknown(f"{routine.name}_outside_contract"))

    def block(self, body: tuple[Stmt, ...], env: dict[str, Term], path: Flag) -> Term:
        """Return the result of the statements: at an `if`, each side takes the rest with it."""
        for position, statement in enumerate(body):
            if isinstance(statement, Return):
                return self.expression(statement.value, env, path)
            if isinstance(statement, Assign):
                env[statement.name] = self.expression(statement.value, env, path)
                continue
            rest = body[position + 1 :]
            return self.branch(statement, rest, env, path)
        raise AssertionError("the parser checked that every path returns")

    def branch(
        self, statement: If, rest: tuple[Stmt, ...], env: dict[str, Term], path: Flag
    ) -> Term:
        condition = z3.simplify(_flag(self.expression(statement.condition, env, path)))
        assert isinstance(condition, z3.BoolRef)
        then = statement.then if _ends(statement.then) else statement.then + rest
        other = statement.other if _ends(statement.other) else statement.other + rest
        if z3.is_true(condition) or self.algebra.holds(path, condition):
            return self.block(then, dict(env), path)
        if z3.is_false(condition) or self.algebra.holds(path, z3.Not(condition)):
            return self.block(other, dict(env), path)
        return _if(
            condition,
            self.block(then, dict(env), z3.And(path, condition)),
            self.block(other, dict(env), z3.And(path, z3.Not(condition))),
        )

    def expression(self, expr: Expr, env: Mapping[str, Term], path: Flag) -> Term:
        if isinstance(expr, Const):
            is_flag = expr.type == "Flag"
            return z3.BoolVal(expr.value == 1) if is_flag else self.algebra.number(expr.value)
        if isinstance(expr, Local):
            return env[expr.name]
        if isinstance(expr, LayoutWord):
            return self.builder.layout[expr.name]
        if isinstance(expr, Choice):
            condition = _flag(self.expression(expr.condition, env, path))
            then = self.expression(expr.then, env, z3.And(path, condition))
            other = self.expression(expr.other, env, z3.And(path, z3.Not(condition)))
            return _if(condition, then, other)
        if isinstance(expr, FieldOf):
            base = _word(self.expression(expr.base, env, path))
            self.oblige(path, base != 0, f"the {expr.record} pointer is not NULL", expr.where)
            return self.builder.memory.read(expr.record, base, expr.name)
        if isinstance(expr, Call):
            return self.call(expr, env, path)
        return self.operation(expr, env, path)

    def call(self, expr: Call, env: Mapping[str, Term], path: Flag) -> Term:
        args = tuple(self.expression(arg, env, path) for arg in expr.args)
        if expr.callee in HELPERS:
            return self.helper(expr, tuple(_word(arg) for arg in args), path)
        routine = self.program.routines.get(expr.callee)
        if routine is not None:
            return self.routine(routine, args, path)
        primitive = self.program.primitives[expr.callee]
        if primitive.requires is not None:
            test = self.program.routines[primitive.requires]
            must = _flag(self.routine(test, args, path))
            self.oblige(path, must, primitive.says, expr.where)
        words = tuple(_word(arg) for arg in args)
        return self.builder.memory.ask(primitive.name, words, path)

    def helper(self, expr: Call, args: tuple[Word, ...], path: Flag) -> Term:
        if expr.callee == "bit_length":
            result = self.algebra.number(0)
            for bit in range(64):
                set_ = self.algebra.compare(">=", args[0], self.algebra.number(1 << bit))
                result = _word(z3.If(set_, self.algebra.number(bit + 1), result))
            return result
        a, b = args
        if expr.callee == "signed_less":
            return self.algebra.compare("signed_less", a, b)
        if expr.callee == "signed_remainder":
            self.oblige(path, b != 0, "the divisor is not 0", expr.where)
        return self.algebra.apply(expr.callee, a, b, path)

    def operation(self, expr: Operation, env: Mapping[str, Term], path: Flag) -> Term:
        if expr.op in ("and", "or"):
            return self.junction(expr, env, path)
        args = tuple(self.expression(arg, env, path) for arg in expr.args)
        if expr.op == "not":
            return z3.Not(_flag(args[0]))
        if expr.op in ("==", "!="):
            same = args[0] == args[1]
            assert isinstance(same, z3.BoolRef)
            return same if expr.op == "==" else z3.Not(same)
        return self.arithmetic(expr, _word(args[0]), _word(args[1]), path)

    def junction(self, expr: Operation, env: Mapping[str, Term], path: Flag) -> Term:
        """`and` and `or`: each part is reached only where those before it did not decide."""
        parts: list[Flag] = []
        for arg in expr.args:
            part = _flag(self.expression(arg, env, path))
            parts.append(part)
            path = z3.And(path, part if expr.op == "and" else z3.Not(part))
        return z3.And(*parts) if expr.op == "and" else z3.Or(*parts)

    def arithmetic(self, expr: Operation, a: Word, b: Word, path: Flag) -> Term:
        if expr.op in ("<", "<=", ">", ">="):
            return self.algebra.compare(expr.op, a, b)
        if expr.op in ("//", "%"):
            self.oblige(path, b != 0, "the divisor is not 0", expr.where)
        return self.algebra.apply(expr.op, a, b, path)

    def oblige(self, path: Flag, must: Flag, says: str, where: Where) -> None:
        if not z3.is_true(z3.simplify(must)) and not self.algebra.holds(path, must):
            self.builder.obligations.append(Obligation(path, must, says, where))


def _ends(body: tuple[Stmt, ...]) -> bool:
    """Return whether every path through the statements returns."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, If):
        return _ends(last.then) and _ends(last.other)
    return isinstance(last, Return)


def _if(condition: Flag, then: Term, other: Term) -> Term:
    merged = z3.If(condition, then, other)
    assert isinstance(merged, z3.BitVecRef | z3.ArithRef | z3.BoolRef)
    return merged


def _flag(term: object) -> Flag:
    assert isinstance(term, z3.BoolRef)
    return term


def _word(term: object) -> Word:
    assert isinstance(term, z3.BitVecRef | z3.ArithRef)
    return term
