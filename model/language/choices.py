"""Nondeterminism: choose() and choose_or_null()."""

from __future__ import annotations

import ast

from model.language.assignment import Assignment
from model.language.declarations import RecordDecl
from model.language.flow import Node
from model.language.fold import TRUE, binary
from model.language.machine import Const, Expr, Param, Parameter, Set, Type
from model.language.scope import Local, Value
from model.language.values import compatible, fits

_USAGE = "write choose(False, True), choose(range(a, b)) or choose(x for x in Record if ...)"


class Choices(Assignment):
    """Lowers choices: a step that has one outcome for each value."""

    opened: Node | None = None
    """The step of the atomic call that is being expanded."""

    def choose(self, name: str, value: ast.expr, slot: Local | None, stmt: ast.stmt) -> None:
        """`x = choose(False, True)`, `choose(range(a, b))`, `choose(x for x in R if p)`."""
        assert isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
        if value.keywords:
            self.fail(_USAGE, stmt)
        or_null = value.func.id == "choose_or_null"
        self.flush(stmt)
        if self.atomic:
            self._in_step(name, value, slot, stmt)
            return
        guard: Expr = TRUE
        match value.args:
            case [ast.GeneratorExp() as source]:
                kind, guard = self._instances(source, or_null, stmt)
            case [] | [ast.Constant()]:
                self.fail(_USAGE, stmt)
            case _ if or_null:
                self.fail("choose_or_null() is for references", stmt, _USAGE)
            case args:
                kind = self._constants(args, stmt)
        if slot is None:
            slot = self.world.local(name, Type(kind.kind, min(0, kind.lo), kind.hi, kind.name))
            self.call.env[name] = slot
        elif not compatible(slot.type, kind) or not fits(slot.type, kind):
            self.fail(f"a {kind} cannot be stored as {slot.type}", stmt)
        node = Node("step", self.where(stmt), ops=[Set(slot.name, Param("choice"))], guard=guard)
        node.params = (Parameter("choice", kind.lo, kind.hi, kind),)
        self.emit(node)

    def _instances(
        self, source: ast.GeneratorExp, or_null: bool, stmt: ast.stmt
    ) -> tuple[Type, Expr]:
        """The instances of a record that pass a test; the test is the guard of the step."""
        match source:
            case ast.GeneratorExp(
                ast.Name(var), [ast.comprehension(ast.Name(bound), ast.Name(record), ifs)]
            ) if var == bound:
                decl = self.lookup(record, source)
            case _:
                self.fail(_USAGE, stmt)
        if not isinstance(decl, RecordDecl):
            self.fail(f"`{record}` is not a record", stmt, _USAGE)
        pool = self.pool(decl, stmt)
        param = Param("choice")
        guard = self._filter(var, Value(param, pool.ref(nullable=False)), ifs)
        if or_null:
            guard = binary("or", binary("==", param, Const(0)), guard)
        return pool.ref(nullable=or_null), guard

    def _filter(self, var: str, item: Value, ifs: list[ast.expr]) -> Expr:
        saved = dict(self.call.env)
        self.call.env[var] = item
        cond: Expr = TRUE
        with self.predicate():
            for test in ifs:
                cond = binary("and", cond, self.truth(test).expr)
        self.call.env = saved
        return cond

    def _constants(self, args: list[ast.expr], stmt: ast.stmt) -> Type:
        """The type of the values of `range(a, b)` or of written-out constants."""
        source = args[0] if len(args) == 1 else ast.Tuple(args, ast.Load())
        items = self.domain(ast.copy_location(source, args[0]))
        return self._consecutive(items, stmt)

    def _consecutive(self, items: list[Value], stmt: ast.stmt) -> Type:
        numbers = [v.expr.value for v in items if isinstance(v.expr, Const)]
        if not items:
            self.fail("there is nothing to choose from", stmt)
        for item in items:
            self.same_kind(items[0], item, stmt)
        if len(numbers) < len(items) or numbers != list(range(numbers[0], numbers[-1] + 1)):
            self.fail("choices must be consecutive constants", stmt)
        return Type(items[0].type.kind, numbers[0], numbers[-1], items[0].type.name)

    def _in_step(self, name: str, value: ast.Call, slot: Local | None, stmt: ast.stmt) -> None:
        """A choice within an atomic body: the step has one outcome for each value."""
        step = self.opened
        if step is None or step.params or len(value.args) < 2:
            text = "an atomic body makes one choice, among written-out constants"
            self.fail(text, stmt, "choose before the atomic call")
        kind = self._consecutive([self.expr(arg) for arg in value.args], stmt)
        step.params = (Parameter("choice", kind.lo, kind.hi, kind),)
        if slot is None:
            self.call.env[name] = Value(Param("choice"), kind)
            return
        if not compatible(slot.type, kind) or not fits(slot.type, kind):
            self.fail(f"a {kind} cannot be stored as {slot.type}", stmt)
        self.local([Set(slot.name, Param("choice"))], stmt)
