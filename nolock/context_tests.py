"""How often the code of a design asks which context it is in: counted in its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from model.language.declarations import ROOT, Builtin, ConstDecl, Module, RoutineDecl
from model.language.loader import Loader
from model.literals import Argument, literal

_KERNEL = ROOT / "model" / "kernel"


def context_tests(design: Path, costs: Path, settings: Mapping[str, int]) -> int:
    """Calls of `CONTEXT_TESTS` of the costs file in the design's own routines.

    Own are those of its file, and those that they call in other files, the kernel's parts left
    out. Each routine counts once, however often it is called; a branch that a knob rules out does
    not count.
    """
    loader = Loader()
    root = loader.load(design)
    names = _names(loader.load(costs))
    values = {knob.name: int(knob.default) for knob in loader.knobs.values()} | dict(settings)
    todo = [decl for decl in root.names.values() if isinstance(decl, RoutineDecl)]
    todo = [decl for decl in todo if decl.module is root]
    seen, tests = set(todo), 0
    while todo:
        routine = todo.pop()
        for name in _called(routine.node.body, values):
            decl = routine.module.names.get(name)
            if isinstance(decl, RoutineDecl | Builtin) and decl.name in names:
                tests += 1
            elif isinstance(decl, RoutineDecl) and decl not in seen and _is_own(decl):
                seen.add(decl)
                todo.append(decl)
    return tests


def _names(costs: Module) -> tuple[str, ...]:
    decl = costs.names["CONTEXT_TESTS"]
    assert isinstance(decl, ConstDecl)
    return Argument(literal(costs, decl.node), costs.where(decl.node)).names("a routine")


def _is_own(decl: RoutineDecl) -> bool:
    return not decl.module.path.is_relative_to(_KERNEL)


def _called(body: list[ast.stmt], values: Mapping[str, int]) -> Iterator[str]:
    """The names called in a block, without what constant conditions leave out."""
    for stmt in body:
        if isinstance(stmt, ast.If):
            known = _constant(stmt.test, values)
            if known is None:
                yield from _called([ast.Expr(stmt.test)], values)
                yield from _called(stmt.body, values)
                yield from _called(stmt.orelse, values)
                continue
            taken = stmt.body if known else stmt.orelse
            yield from _called(taken, values)
            if taken and isinstance(taken[-1], ast.Return):
                return
        elif isinstance(stmt, ast.For | ast.While):
            test = [] if isinstance(stmt, ast.For) else [ast.Expr(stmt.test)]
            yield from _called([*test, *stmt.body], values)
        else:
            for node in ast.walk(stmt):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield node.func.id


def _constant(node: ast.expr, values: Mapping[str, int]) -> int | None:
    """The value of a condition on knobs; None if it depends on anything else."""
    match node:
        case ast.Constant(int(value)):
            return value
        case ast.Attribute(ast.Name("cfg"), name):
            return values.get(name)
        case ast.UnaryOp(ast.Not(), operand):
            negated = _constant(operand, values)
            return None if negated is None else int(not negated)
        case ast.BoolOp(op, operands):
            found = [_constant(operand, values) for operand in operands]
            decides = isinstance(op, ast.Or)
            if any(value is not None and bool(value) == decides for value in found):
                return int(decides)
            return None if None in found else int(not decides)
        case ast.Compare(left, [op], [right]):
            a, b = _constant(left, values), _constant(right, values)
            if a is None or b is None:
                return None
            return _compare(op, a, b)
    return None


def _compare(op: ast.cmpop, a: int, b: int) -> int | None:
    match op:
        case ast.Eq():
            return int(a == b)
        case ast.NotEq():
            return int(a != b)
        case ast.Lt():
            return int(a < b)
        case ast.LtE():
            return int(a <= b)
        case ast.Gt():
            return int(a > b)
        case ast.GtE():
            return int(a >= b)
    return None
