"""Expressions: names, literals, and the dispatch to operators, fields and calls."""

from __future__ import annotations

import ast

from model.language.builtin_values import BUILTINS, Builtins
from model.language.declarations import Builtin, ConstDecl, RecordDecl, RoutineDecl
from model.language.fold import negate
from model.language.machine import BOOL, Const, Temp
from model.language.scope import Local, Value
from model.language.values import LARGEST, NOTHING, NULL, constant

_PYTHON = frozenset({"all", "any"})
"""Functions of the language that need no import because Python has them."""


class Expressions(Builtins):
    """Lowers any expression. Without a flow it serves for constants, guards and predicates."""

    def expr(self, node: ast.expr) -> Value:
        """Lower an expression."""
        match node:
            case ast.Constant(bool(v)):
                return Value(Const(int(v)), BOOL)
            case ast.Constant(int(v)) | ast.UnaryOp(ast.USub(), ast.Constant(int(v))):
                if v > LARGEST:
                    self.fail("this number is too large", node, f"the limit is {LARGEST}")
                return constant(v if isinstance(node, ast.Constant) else -v)
            case ast.Name(name):
                return self._named(name, node)
            case ast.Attribute() | ast.Subscript():
                return self.place_value(node)
            case ast.Compare(left, [op], [right]):
                return self.compare(left, op, right, node)
            case ast.Compare():
                self.fail("chained comparison", node, "write `a < b and b < c`")
            case ast.BoolOp():
                return self.logic(node)
            case ast.UnaryOp(ast.Not(), operand):
                return Value(negate(self.truth(operand).expr), BOOL)
            case ast.BinOp(left, op, right):
                return self.arithmetic(left, op, right, node)
            case ast.IfExp(test, body, orelse):
                return self.conditional(test, body, orelse, node)
            case ast.Call():
                value = self.called(node)
                if value.type == NOTHING:
                    hint = "it is called as a statement"
                    self.fail(f"`{_short(node)}` has no value", node, hint)
                return value
        self.fail(
            f"`{_short(node)}` is not an expression of the language",
            node,
            "expressions: names, fields, comparisons, and/or/not, + - *, x if c else y, calls",
        )

    def _named(self, name: str, node: ast.expr) -> Value:
        binding = self.lookup(name, node)
        match binding:
            case Value():
                return binding
            case Local(name=unique, type=kind):
                return Value(Temp(unique), kind)
            case ConstDecl():
                return self._constant(binding, node)
            case Builtin("NULL"):
                return NULL
            case RecordDecl() if self.pool(binding, node).single:
                if self.pool(binding, node).size == 0:
                    self.fail(f"`{name}` does not exist in this configuration", node)
                return Value(Const(1), self.pool(binding, node).ref(nullable=False))
        self.fail(f"`{name}` is not a value", node)

    def _constant(self, decl: ConstDecl, node: ast.expr) -> Value:
        if decl in self.world.open_constants:
            self.fail(f"`{decl.name}` is defined by itself", node)
        self.world.open_constants.append(decl)
        try:
            return self.in_module(decl.module, lambda: self.expr(decl.node))
        finally:
            self.world.open_constants.pop()

    def called(self, node: ast.Call) -> Value:
        """Lower a call; the value is of type NOTHING if it gives none."""
        if isinstance(node.func, ast.Attribute):
            return self.callback(node)
        if not isinstance(node.func, ast.Name):
            self.fail(f"`{_short(node.func)}` cannot be called", node)
        name = node.func.id
        decl = self.found(name)
        if decl is None and name in _PYTHON:
            decl = Builtin(name)
        decl = decl or self.lookup(name, node.func)
        if isinstance(decl, RoutineDecl):
            if decl.kind in ("pure", "holder_test", "free_test"):
                return self.pure_call(decl, node.args, node)
            return self.inline_call(decl, node.args, node)
        if isinstance(decl, Builtin):
            if decl.name in BUILTINS:
                return BUILTINS[decl.name](self, node)
            if decl.name in ("choose", "choose_or_null"):
                text = f"write `x = {name}(...)` and use x"
                self.fail(f"{name}() is assigned to a local first", node, text)
        self.fail(f"`{name}` cannot be called here", node)

    def inline_call(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> Value:
        """A call that takes steps: there is no place for it in a predicate."""
        text = f"`{decl.name}` takes steps and cannot be called in a predicate"
        self.fail(text, node, "use @pure")

    def callback(self, node: ast.Call) -> Value:
        """`x.func(x)`: it has no value."""
        self.fail("a callback is called as a statement", node)


def _short(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."
