"""What the compiler needs to know of types and values, apart from where it is in a file."""

from __future__ import annotations

import ast
import functools

from model.language.fold import binary, ite
from model.language.machine import Const, Expr, Type
from model.language.pools import Embedding
from model.language.scope import Value

NULL = Value(Const(0), Type("ref", 0, 0))
NOTHING = Type("range", 0, 0, "nothing")
"""What a routine without a result gives: no value of any type a field or local can have."""

LARGEST = 2**31 - 1
"""Numbers in a model lie within ±LARGEST, so that the engines' 64-bit arithmetic is exact."""


def constant(value: int) -> Value:
    """An integer literal."""
    return Value(Const(value), Type("range", value, value))


def compatible(wanted: Type, given: Type) -> bool:
    """Whether a value of type `given` can be stored as `wanted` (its range may need a check)."""
    if wanted.kind != given.kind:
        return False
    return not given.name or wanted.name == given.name


def fits(wanted: Type, given: Type) -> bool:
    """Whether every value of `given` lies in `wanted`."""
    return wanted.lo <= given.lo and given.hi <= wanted.hi


def disjoint(a: Type, b: Type) -> bool:
    """Whether no value lies in both."""
    return a.hi < b.lo or b.hi < a.lo


def inside(kind: Type, expr: Expr) -> Expr:
    """The value lies in the type's range."""
    low = binary("<=", Const(kind.lo), expr)
    return binary("and", low, binary("<=", expr, Const(kind.hi)))


def join(a: Type, b: Type) -> Type:
    """A type that has the values of both, which are of one kind."""
    return Type(a.kind, min(a.lo, b.lo), max(a.hi, b.hi), a.name or b.name)


def owner_of(ref: Expr, home: Embedding) -> Expr:
    """The owner's reference, from that of the instance it embeds."""
    if home.length == 1:
        return binary("-", ref, Const(home.base)) if home.base else ref
    result: Expr = Const(home.owners)
    for owner in range(home.owners - 1, 0, -1):
        last = Const(home.base + owner * home.length)
        result = ite(binary("<=", ref, last), Const(owner), result)
    return result


@functools.lru_cache(maxsize=1 << 14)  # a routine is inlined in many places
def summary(stmt: ast.stmt) -> str:
    """A statement on one line; of a compound one its first line."""
    match stmt:
        case ast.If(test):
            return f"if {ast.unparse(test)}:"
        case ast.While(test):
            return f"while {ast.unparse(test)}:"
        case ast.For(target, source):
            return f"for {ast.unparse(target)} in {ast.unparse(source)}:"
        case ast.FunctionDef(name):
            return f"def {name}(...)"
    return " ".join(ast.unparse(stmt).split())
