"""What is known inside a body: constants in temporaries, and conditions that were tested already.

An inlined routine tests again what its caller has tested, and a parameter is often a constant. What
follows from the steps before, in the same body, is put in place, so that no engine has to carry it.
A body is one step: nobody else changes a cell in between. Conditions are 0 or 1, as `fold` has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from model.language import fold
from model.language.fold import FALSE, TRUE
from model.language.machine import (
    Age,
    Binary,
    Check,
    Const,
    Expr,
    If,
    InSet,
    Load,
    Op,
    Param,
    Set,
    Store,
    Temp,
    Unary,
)


def with_known_values(body: tuple[Op, ...]) -> tuple[Op, ...]:
    """The same body, without tests of what is known there."""
    return _Known().ops(body)


@dataclass(frozen=True)
class _Fact:
    """What a term is equal to, and the temporaries and variables that this rests on."""

    value: Expr
    rests_on: frozenset[str]


@dataclass
class _Known:
    """Terms of which something is known: temporaries and conditions."""

    facts: dict[Expr, _Fact] = field(default_factory=dict)

    def ops(self, ops: tuple[Op, ...]) -> tuple[Op, ...]:
        """Rewrite operations; afterwards `facts` is what is known behind them."""
        out: list[Op] = []
        for op in ops:
            match op:
                case If(cond, then, other):
                    out += self._if(self._reduced(cond), then, other)
                case Set(name, value):
                    out.append(self._set(Temp(name), self._reduced(value)))
                case Store(var, index, value):
                    index = tuple(self._reduced(part) for part in index)
                    out.append(Store(var, index, self._reduced(value)))
                    self._forget(var)
                case Check():
                    check = replace(op, cond=self._reduced(op.cond))
                    if check.cond != TRUE:
                        out.append(check)
                        self._learn(check.cond, True)
                case Age():
                    out.append(op)
                    self.facts = {}
        return tuple(out)

    def _set(self, temp: Temp, value: Expr) -> Op:
        self._forget(temp.name)
        if isinstance(value, Const | Param | Temp) and value != temp:
            self._note(temp, value)
        return Set(temp.name, value)

    def _if(self, cond: Expr, then: tuple[Op, ...], other: tuple[Op, ...]) -> tuple[Op, ...]:
        if isinstance(cond, Const):
            return self.ops(then if cond.value else other)
        if_true, if_false = _Known(dict(self.facts)), _Known(dict(self.facts))
        if_true._learn(cond, True)
        if_false._learn(cond, False)
        branches = if_true.ops(then), if_false.ops(other)
        self.facts = {
            term: fact for term, fact in if_true.facts.items() if if_false.facts.get(term) == fact
        }
        return (If(cond, *branches),)

    def _reduced(self, expr: Expr) -> Expr:
        """Twice: a condition may be known once its temporaries have been replaced."""
        for _ in range(2 if self.facts else 1):
            expr = fold.rewrite(expr, self._value)
        return expr

    def _value(self, term: Expr) -> Expr | None:
        fact = self.facts.get(term)
        return fact.value if fact else None

    def _learn(self, cond: Expr, holds: bool) -> None:
        """A condition has been found to hold, or not to."""
        match cond:
            case Unary("not", inner):
                self._learn(inner, not holds)
            case Binary("and", left, right) if holds:
                self._learn(left, True)
                self._learn(right, True)
            case Binary("or", left, right) if not holds:
                self._learn(left, False)
                self._learn(right, False)
            case Binary("==" | "!=" | "<" | "<=" | ">" | ">=" | "and" | "or") | InSet():
                # Not of any other term: what counts as true need not be 1.
                self._note(cond, TRUE if holds else FALSE)
                self._note(fold.negate(cond), FALSE if holds else TRUE)

    def _note(self, term: Expr, value: Expr) -> None:
        parts = (part for whole in (term, value) for part in fold.walk(whole))
        names = {
            part.name if isinstance(part, Temp) else part.var
            for part in parts
            if isinstance(part, Temp | Load)
        }
        self.facts[term] = _Fact(value, frozenset(names))

    def _forget(self, name: str) -> None:
        """This temporary, or a cell of this variable, is another one now."""
        for term in [term for term, fact in self.facts.items() if name in fact.rests_on]:
            del self.facts[term]
