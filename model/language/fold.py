"""Building expressions: constants fold while they are built; terms can be walked and renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from model.language.machine import (
    Age,
    Binary,
    BinaryOp,
    Check,
    Const,
    Expr,
    If,
    InSet,
    Ite,
    Load,
    Op,
    Set,
    Store,
    Temp,
    Unary,
)

TRUE, FALSE, ZERO = Const(1), Const(0), Const(0)

_FOLD: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
}


def binary(op: BinaryOp, left: Expr, right: Expr) -> Expr:
    """`left op right`, folded where both are constant or one decides."""
    if op in ("and", "or"):
        return _logic(op, left, right)
    if isinstance(left, Const) and isinstance(right, Const):
        return Const(_FOLD[op](left.value, right.value))
    if op in ("+", "-") and right == ZERO:
        return left
    if op == "+" and left == ZERO:
        return right
    if op == "*" and right == Const(1):
        return left
    if op in ("+", "-") and isinstance(right, Const):
        match left:  # (x + a) - b
            case Binary("+" | "-" as inner, term, Const(a)):
                offset = (a if inner == "+" else -a) + (right.value if op == "+" else -right.value)
                if offset == 0:
                    return term
                return Binary("+" if offset > 0 else "-", term, Const(abs(offset)))
    if op == "==" and left == right and not list(loads(left)):
        return TRUE
    return Binary(op, left, right)


def _logic(op: BinaryOp, left: Expr, right: Expr) -> Expr:
    neutral, decides = (TRUE, FALSE) if op == "and" else (FALSE, TRUE)
    if isinstance(left, Const):
        return right if bool(left.value) == bool(neutral.value) else decides
    if isinstance(right, Const) and bool(right.value) == bool(neutral.value):
        return left
    return Binary(op, left, right)


def negate(value: Expr) -> Expr:
    """Logical not."""
    match value:
        case Const(v):
            return Const(int(not v))
        case Unary("not", inner):
            return inner
        case Binary("==", a, b):
            return Binary("!=", a, b)
        case Binary("!=", a, b):
            return Binary("==", a, b)
    return Unary("not", value)


def conjunction(parts: Iterable[Expr]) -> Expr:
    """That all of them hold."""
    whole: Expr = TRUE
    for part in parts:
        whole = binary("and", whole, part)
    return whole


def ite(cond: Expr, then: Expr, other: Expr) -> Expr:
    """Conditional expression."""
    if isinstance(cond, Const):
        return then if cond.value else other
    if then == other:
        return then
    if (then, other) == (TRUE, FALSE):
        return cond
    return Ite(cond, then, other)


def rewrite(expr: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """Replace every subterm for which `change` gives a term; others are rebuilt bottom up."""
    new = change(expr)
    if new is not None:
        return new
    match expr:
        case Load(var, index, lockless):
            return Load(var, tuple(rewrite(i, change) for i in index), lockless)
        case Unary("not", value):
            return negate(rewrite(value, change))
        case Unary(op, value):
            return Unary(op, rewrite(value, change))
        case Binary(op, left, right):
            return binary(op, rewrite(left, change), rewrite(right, change))
        case Ite(cond, then, other):
            return ite(rewrite(cond, change), rewrite(then, change), rewrite(other, change))
        case InSet(value, members):
            return InSet(rewrite(value, change), members)
    return expr


def rewrite_ops(ops: tuple[Op, ...], change: Callable[[Expr], Expr | None]) -> tuple[Op, ...]:
    """`rewrite` in every expression of a body; an `If` on a constant is replaced by its branch."""
    out: list[Op] = []
    for op in ops:
        match op:
            case Set(name, value):
                out.append(Set(name, rewrite(value, change)))
            case Store(var, index, value):
                index = tuple(rewrite(i, change) for i in index)
                out.append(Store(var, index, rewrite(value, change)))
            case If(cond, then, other):
                new = rewrite(cond, change)
                if isinstance(new, Const):
                    out.extend(rewrite_ops(then if new.value else other, change))
                else:
                    out.append(If(new, rewrite_ops(then, change), rewrite_ops(other, change)))
            case Check(prop, cond, message, where, number):
                new = rewrite(cond, change)
                if not (isinstance(new, Const) and new.value):
                    out.append(Check(prop, new, message, where, number))
            case Age():
                out.append(op)
    return tuple(out)


def walk(expr: Expr) -> Iterator[Expr]:
    """Every subterm, outermost first."""
    # With a stack, as most of the time to make a machine would go to generators in generators.
    rest = [expr]
    while rest:
        term = rest.pop()
        yield term
        match term:
            case Load(_, index):
                rest.extend(reversed(index))
            case Unary(_, value) | InSet(value, _):
                rest.append(value)
            case Binary(_, left, right):
                rest += (right, left)
            case Ite(cond, then, other):
                rest += (other, then, cond)


def loads(expr: Expr) -> Iterator[Load]:
    """Every cell an expression may read."""
    return (term for term in walk(expr) if isinstance(term, Load))


def loaded(exprs: Iterable[Expr]) -> set[str]:
    """The variables that these expressions may read."""
    return {term.var for term in _leaves_and_loads(exprs) if isinstance(term, Load)}


def temporaries(exprs: Iterable[Expr]) -> set[str]:
    """The temporaries that these expressions read."""
    return {term.name for term in _leaves_and_loads(exprs) if isinstance(term, Temp)}


def _leaves_and_loads(exprs: Iterable[Expr]) -> list[Expr]:
    """Like `walk`, in any order and in one go: nothing is asked more often of a machine."""
    found: list[Expr] = []
    rest = list(exprs)
    while rest:
        term = rest.pop()
        if isinstance(term, Binary):
            rest += (term.left, term.right)
        elif isinstance(term, Load):
            rest += term.index
            found.append(term)
        elif isinstance(term, Unary | InSet):
            rest.append(term.value)
        elif isinstance(term, Ite):
            rest += (term.cond, term.then, term.other)
        else:
            found.append(term)
    return found


def expressions(ops: tuple[Op, ...]) -> Iterator[Expr]:
    """Every expression of a body."""
    for op in ops:
        match op:
            case Set(_, value):
                yield value
            case Store(_, index, value):
                yield from index
                yield value
            case If(cond, then, other):
                yield cond
                yield from expressions(then)
                yield from expressions(other)
            case Check():
                yield op.cond


def flat(ops: tuple[Op, ...]) -> Iterator[Op]:
    """Every operation of a body, those inside an `If` included."""
    for op in ops:
        yield op
        if isinstance(op, If):
            yield from flat(op.then)
            yield from flat(op.other)


def without_unused(body: tuple[Op, ...]) -> tuple[Op, ...]:
    """Drop assignments to temporaries that nothing reads, and branches that do nothing."""
    used: set[str] = set()
    if any(isinstance(op, Set) for op in flat(body)):
        used = temporaries(expressions(body))

    def keep(ops: tuple[Op, ...]) -> tuple[Op, ...]:
        out: list[Op] = []
        for op in ops:
            if isinstance(op, Set) and op.name not in used:
                continue
            if isinstance(op, If):
                op = If(op.cond, keep(op.then), keep(op.other))
                if not op.then and not op.other:
                    continue
            out.append(op)
        return tuple(out)

    cleaned = keep(body)
    return cleaned if cleaned == body else without_unused(cleaned)
