"""Prints the machine's expressions; a language says only how its operators look.

In a machine a truth value is 0 or 1 and any number can be asked whether it is true. The other
languages keep truth values and numbers apart, so an expression is printed either as a truth value
(`truth`) or as a number (`value`), and turned into the other where it stands in its place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from engines.explicit.ranges import Scope
from engines.export.identifiers import Identifiers
from engines.export.steps import Steps
from model.language.machine import (
    Binary,
    Const,
    Expr,
    InSet,
    Ite,
    Load,
    Machine,
    Param,
    Temp,
    Transition,
    Unary,
)

_TRUTHS = ("==", "!=", "<", "<=", ">", ">=", "and", "or")


@dataclass(frozen=True)
class Syntax:
    """How a language writes operators: those that differ from `machine.py`'s, and choices.

    `choice` has the places `cond`, `then` and `other`; it and `negation` (place `value`) are
    self-contained. `constants` are false and true. `reserved` are the language's own words and
    those that the model brings along, in lower case.
    """

    operators: Mapping[str, str]
    constants: tuple[str, str]
    negation: str
    choice: str
    reserved: frozenset[str]


class Expressions(ABC):
    """Prints expressions over one machine; subclasses say how a cell is written."""

    def __init__(self, machine: Machine, syntax: Syntax) -> None:
        self.machine = machine
        self.syntax = syntax
        own = {f"{what}_{tr.id}" for tr in machine.transitions for what in ("can", "step")}
        self.names = Identifiers(syntax.reserved | own)
        for var in machine.variables:
            self.variable(var.name)

    def variable(self, name: str) -> str:
        """The identifier of a variable."""
        return self.names.of("variable", name)

    def parameter(self, name: str) -> str:
        """The identifier of a parameter, or of `self`."""
        return self.names.of("parameter", name)

    @abstractmethod
    def cell(self, var: str, index: tuple[Expr, ...], scope: Scope) -> str:
        """A cell of a variable, to be read."""

    @abstractmethod
    def temporary(self, name: str) -> str:
        """A temporary, to be read."""

    def value(self, expr: Expr, scope: Scope) -> str:
        """An expression as a number."""
        match expr:
            case Const(value):
                return f"({value})" if value < 0 else str(value)
            case Param(name):
                return self.parameter(name)
            case Temp(name):
                return self.temporary(name)
            case Load(var, index):
                return self.cell(var, index, scope)
            case Unary("-", operand):
                return f"(-{self.value(operand, scope)})"
            case Ite(cond, then, other):
                return self.syntax.choice.format(
                    cond=self.truth(cond, scope),
                    then=self.value(then, scope),
                    other=self.value(other, scope),
                )
            case Binary("+" | "-" | "*" as op, left, right):
                return f"({self.value(left, scope)} {op} {self.value(right, scope)})"
            case _:
                return self.syntax.choice.format(cond=self.truth(expr, scope), then=1, other=0)

    def truth(self, expr: Expr, scope: Scope) -> str:
        """An expression as a truth value."""
        match expr:
            case Unary("not", operand):
                return self.syntax.negation.format(value=self.truth(operand, scope))
            case Binary("and" | "or" as op, left, right):
                sides = (self.truth(left, scope), self.truth(right, scope))
                return f"({sides[0]} {self._operator(op)} {sides[1]})"
            case Binary(op, left, right) if op in _TRUTHS:
                sides = (self.value(left, scope), self.value(right, scope))
                return f"({sides[0]} {self._operator(op)} {sides[1]})"
            case InSet(operand, members):
                return self.among(self.value(operand, scope), members)
            case Const(value):
                return self.syntax.constants[bool(value)]
            case _:
                return f"({self.value(expr, scope)} {self._operator('!=')} 0)"

    def among(self, text: str, members: frozenset[int]) -> str:
        """Whether a number is one of some others, which are told as runs of neighbours."""
        le, both = self._operator("<="), self._operator("and")
        parts = []
        for first, last in neighbours(members):
            if first == last:
                parts.append(f"({text} {self._operator('==')} {_number(first)})")
            else:
                bounds = f"{_number(first)} {le} {text} {both} {text} {le} {_number(last)}"
                parts.append(f"({bounds})")
        if len(parts) == 1:
            return parts[0]
        either = f" {self._operator('or')} "
        return f"({either.join(parts)})" if parts else self.syntax.constants[False]

    def at_one_of(self, pc: str, steps: Steps, me: str) -> str:
        """Whether a process is at one of these steps, and the guard of that one is true."""
        free = frozenset(at for at, (tr, _) in steps.items() if tr.guard == Const(1))
        able = [self.among(pc, free)] if free else []
        able += [
            f"({pc} {self._operator('==')} {at} {self._operator('and')} "
            f"{call('can', tr, me, *values)})"
            for at, (tr, values) in steps.items()
            if at not in free
        ]
        either = f" {self._operator('or')} "
        return able[0] if len(able) == 1 else f"({either.join(able)})"

    def _operator(self, op: str) -> str:
        return self.syntax.operators.get(op, op)


def neighbours(members: frozenset[int]) -> list[tuple[int, int]]:
    """A set of numbers as runs `first..last`, in order."""
    runs: list[tuple[int, int]] = []
    for member in sorted(members):
        if runs and runs[-1][1] == member - 1:
            runs[-1] = (runs[-1][0], member)
        else:
            runs.append((member, member))
    return runs


def call(what: str, tr: Transition, *arguments: int | str) -> str:
    """`can_<n>` or `step_<n>` of a transition, with arguments."""
    shown = (_number(value) if isinstance(value, int) else value for value in arguments)
    return f"{what}_{tr.id}({', '.join(shown)})"


def _number(value: int) -> str:
    return f"({value})" if value < 0 else str(value)
