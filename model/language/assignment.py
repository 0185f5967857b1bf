"""Assignment: to fields, to locals, and the types that locals get."""

from __future__ import annotations

import ast
import functools

from model.language import fold
from model.language.expressions import Expressions
from model.language.fields import Place
from model.language.flow import Flow, Node
from model.language.machine import Const, Expr, Load, Set, Store, Temp, Type
from model.language.scope import Local, Value, World
from model.language.values import compatible, disjoint, fits, inside


class Assignment(Expressions):
    """Lowers assignment statements."""

    flow: Flow

    def __init__(self, world: World, flow: Flow) -> None:
        super().__init__(world, flow, None)
        self.atomic = False

    def declare(
        self, name: str, annotation: ast.expr, value: ast.expr | None, stmt: ast.stmt
    ) -> None:
        """`name: Type = value`."""
        if value is None:
            self.fail(f"`{name}` has no value", stmt, "give it one where it is declared")
        bound = self.call.env.get(name)
        if bound is not None and self.call.declared.get(name) is not stmt:
            self.fail(f"`{name}` is declared twice", stmt)
        self.call.declared[name] = stmt  # an unrolled loop comes here again
        kind = self.annotated(annotation, self.call.module)
        slot = bound if isinstance(bound, Local) else self.world.local(name, kind)
        if is_choice(value):
            self.call.env[name] = slot
            self.choose(name, value, slot, stmt)
            return
        got = self.assigned(value, slot.type, stmt)
        self.call.env[name] = slot
        self.local([Set(slot.name, got.expr)], stmt)

    def choose(self, name: str, value: ast.expr, slot: Local | None, stmt: ast.stmt) -> None:
        """`name = choose(...)`: in choices.py, which builds on this class."""
        raise NotImplementedError

    # --- fields -------------------------------------------------------------------------------

    def assign(self, target: ast.expr, value: ast.expr, stmt: ast.stmt) -> None:
        """`target = value`: the value first, then where it goes."""
        if isinstance(target, ast.Name):
            self._assign_local(target.id, value, stmt)
            return
        self._must_be_field(target, stmt)
        if is_choice(value):
            self.fail("choose() is assigned to a local first", stmt)
        got = self.expr(value)
        if self.splits:
            got = self.keep(got, stmt)
        before = self.emitted()
        place = self._target(target, stmt)
        if not got.stable and self.emitted()[:2] != before[:2]:
            hint = "assign the value to a local first"
            self.fail("the value and its place have an order that matters", stmt, hint)
        self._store(place, got, stmt)

    def update(self, target: ast.expr, op: ast.operator, value: ast.expr, stmt: ast.stmt) -> None:
        """`target op= value`: where, what is there, the value, and the store."""
        if isinstance(target, ast.Name):
            load = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            both = ast.copy_location(ast.BinOp(load, op, value), stmt)
            self._assign_local(target.id, both, stmt)
            return
        self._must_be_field(target, stmt)
        place = self._target(target, stmt)
        left = self.load(place, False, target)
        got = self.computed(*self.both(left, value), op, stmt)
        if self.splits:
            got = self.keep(got, stmt)
        self._store(place, got, stmt)

    def _must_be_field(self, target: ast.expr, stmt: ast.stmt) -> None:
        if not isinstance(target, ast.Attribute | ast.Subscript):
            hint = "one name or field" if isinstance(target, ast.Tuple) else ""
            self.fail(f"cannot assign to `{ast.unparse(target)}`", stmt, hint)
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "cfg":
            self.fail("configuration is constant", stmt, "cfg values are given on the command line")

    def _target(self, target: ast.expr, stmt: ast.stmt) -> Place:
        place = self.place(target)
        if isinstance(place, Value):
            text = f"`{ast.unparse(target)}` is part of the layout and cannot be assigned"
            self.fail(text, stmt)
        return place

    def _store(self, place: Place, got: Value, stmt: ast.stmt) -> None:
        """A cell is written: a step in split code."""
        var = place.var
        if not compatible(var.type, got.type):
            self.fail(f"`{var.name}` is {var.type}, this is {got.type}", stmt)
        self.discipline(place, False, stmt)
        if not fits(var.type, got.type):
            if isinstance(got.expr, Const):
                self.fail(f"{got.expr.value} is outside {var.type} of `{var.name}`", stmt)
            text = f"`{var.name}` leaves {var.type}"
            self.need(inside(var.type, got.expr), "model_error", text, stmt)
        store = Store(var.name, place.index, got.expr)
        if self.atomic:
            self.local([store], stmt)
        else:
            self.emit(Node("step", self.where(stmt), ops=[store]))

    # --- locals -------------------------------------------------------------------------------

    def assigned(self, value: ast.expr, wanted: Type | None, stmt: ast.AST) -> Value:
        """The value of an assignment, checked against the type it must have."""
        got = self.expr(value)
        if wanted is None:
            return got
        if not compatible(wanted, got.type):
            hint = "declare the local where it begins: `x: Record = NULL`"
            untyped = wanted.kind == "ref" and not wanted.name
            text = f"a {got.type} cannot be stored as {wanted}"
            self.fail(text, stmt, hint if untyped else "")
        if not fits(wanted, got.type):
            if isinstance(got.expr, Const):
                self.fail(f"{got.expr.value} is outside {wanted}", stmt)
            cond = inside(wanted, got.expr)
            self.need(cond, "model_error", f"the value leaves {wanted}", stmt)
        return got

    def _assign_local(self, name: str, value: ast.expr, stmt: ast.stmt) -> None:
        bound = self.call.env.get(name)
        if bound is None and name in self.call.module.names:
            self.fail(f"`{name}` is not a local variable", stmt, "constants cannot be written")
        if isinstance(bound, Value) and not _assigned_once(self.call.decl.node, name):
            self.fail(f"`{name}` is a loop variable and cannot be assigned", stmt)
        if is_choice(value):
            self.choose(name, value, bound if isinstance(bound, Local) else None, stmt)
            return
        wanted = bound.type if isinstance(bound, Local) else None
        self.hint = name
        got = self.assigned(value, wanted, stmt)
        self.hint = ""
        if isinstance(bound, Local) and bound.inferred and disjoint(bound.type, got.type):
            text = f"`{name}` is {bound.type} by its first value, and this is {got.type}"
            self.fail(text, stmt, f"declare it where it begins: `{name}: Range[lo, hi] = ...`")
        if not isinstance(bound, Local):
            if _assigned_once(self.call.decl.node, name) and self._fixed(got.expr):
                self.call.env[name] = got  # a name for a value: nothing to copy
                return
            bound = self.world.local(name, self.local_type(got.type), inferred=True)
            self.call.env[name] = bound
        self.local([Set(bound.name, got.expr)], stmt)

    def _fixed(self, expr: Expr) -> bool:
        """Whether nothing can change what the expression means."""
        return not any(
            isinstance(term, Load) or (isinstance(term, Temp) and term.name in self.world.mutable)
            for term in fold.walk(expr)
        )


def is_choice(value: ast.expr) -> bool:
    """Whether this is a call of choose() or choose_or_null()."""
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in ("choose", "choose_or_null")
    )


@functools.lru_cache(maxsize=1 << 12)
def _assigned_once(routine: ast.FunctionDef, name: str) -> bool:
    """Whether the routine assigns the name in one place, and uses it in that block only."""
    nodes = [n for n in ast.walk(routine) if isinstance(n, ast.Name) and n.id == name]
    stores = [n for n in nodes if isinstance(n.ctx, ast.Store)]
    if len(stores) != 1:
        return False
    block = _block_of(stores[0], routine.body)
    inside_block = [n for stmt in block for n in ast.walk(stmt) if n in nodes]
    return len(inside_block) == len(nodes)


def _block_of(node: ast.AST, body: list[ast.stmt]) -> list[ast.stmt]:
    """The innermost list of statements that contains a node."""
    for stmt in body:
        if any(inner is node for inner in ast.walk(stmt)):
            for part in ("body", "orelse"):
                block = getattr(stmt, part, None)
                if isinstance(block, list) and any(
                    inner is node for one in block for inner in ast.walk(one)
                ):
                    return _block_of(node, block)
    return body
