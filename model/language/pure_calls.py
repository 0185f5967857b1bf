"""Arguments, and calls of pure functions: they are expanded to one expression."""

from __future__ import annotations

import ast

from model.language.declarations import Module, RecordDecl, RoutineDecl
from model.language.fold import ite
from model.language.machine import Const, Type
from model.language.operators import Operators
from model.language.pools import scalar_type
from model.language.scope import Binding, Value
from model.language.values import compatible, fits, inside, join

_UNTYPED = ("type", "Routine")
"""Annotations of parameters that stand for a record type or a routine, not for a value."""


class PureCalls(Operators):
    """Binds arguments and expands pure functions."""

    # --- arguments ----------------------------------------------------------------------------

    def bind(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> dict[str, Binding]:
        """Evaluate arguments against the parameters of a routine."""
        given = self._given(decl, args, node)
        env: dict[str, Binding] = {}
        for param in decl.node.args.args:
            arg = given[param.arg]
            if isinstance(arg, ast.Name):
                found = self.found(arg.id)
                if isinstance(found, RecordDecl) and not self.pool(found, arg).single:
                    if not _untyped(param):
                        self.fail(f"`{arg.id}` is a record type, not an instance", arg)
                    env[param.arg] = found
                    continue
                if isinstance(found, RoutineDecl):
                    env[param.arg] = found
                    continue
            value = self.expr(arg)
            self.fits_parameter(decl, param, value, arg)
            env[param.arg] = self.keep(value, arg, param.arg)
        return env

    def _given(
        self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call
    ) -> dict[str, ast.expr]:
        """The argument of each parameter, in the order of the call, then the defaults."""
        names = [p.arg for p in decl.node.args.args]
        given: dict[str, ast.expr] = dict(zip(names, args, strict=False))
        twice = False
        for keyword in node.keywords:
            if keyword.arg is None:
                self.fail("arguments are written out one by one", node)
            twice |= keyword.arg in given
            given[keyword.arg] = keyword.value
        defaults = decl.node.args.defaults
        for name, value in zip(names[len(names) - len(defaults) :], defaults, strict=True):
            given.setdefault(name, value)
        if len(args) > len(names) or set(given) != set(names) or twice:
            self.fail(f"`{decl.name}` takes ({', '.join(names)})", node)
        return given

    def fits_parameter(self, decl: RoutineDecl, param: ast.arg, value: Value, arg: ast.AST) -> None:
        """An argument is of the parameter's type, and in its range."""
        if param.annotation is None or _untyped(param):
            return
        wanted = self.annotated(param.annotation, decl.module)
        what = f"`{param.arg}` of `{decl.name}`"
        if not compatible(wanted, value.type):
            self.fail(f"{what} is {wanted}, this is {value.type}", arg)
        if not fits(wanted, value.type):
            if isinstance(value.expr, Const):
                self.fail(f"{what} is {wanted}, this is {value.type}", arg)
            self.need(inside(wanted, value.expr), "model_error", f"{what} leaves {wanted}", arg)

    def annotated(self, node: ast.expr, module: Module) -> Type:
        """The type an annotation names, in a module."""

        def const(expr: ast.expr, home: Module) -> int:
            with self.predicate():
                return self.in_module(home, lambda: self.const(expr))

        return scalar_type(node, module, self.world.pools, const)

    # --- calls --------------------------------------------------------------------------------

    def pure_call(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> Value:
        """Expand a pure function; in split code a shared read in it is a step of its own."""
        env = self.bind(decl, args, node)
        self.enter(decl, env, node)
        with self.predicate():
            value = self.pure_body(decl.node.body, decl)
        self.calls.pop()
        return self.single_read(value, decl.name, node) if self.splits else value

    def pure_body(self, body: list[ast.stmt], decl: RoutineDecl) -> Value:
        """The one expression that a body of `if`, local names and `return` stands for."""
        match body:
            case [ast.Expr(ast.Constant()), *rest]:
                return self.pure_body(rest, decl)
            case [ast.Return(value), *_] if value is not None:
                return self.expr(value)
            case [ast.Assign([ast.Name(name)], value), *rest]:
                self.call.env[name] = self.expr(value)
                return self.pure_body(rest, decl)
            case [ast.If(test, then, orelse), *rest]:
                cond = self.truth(test).expr
                if isinstance(cond, Const):
                    return self.pure_body([*(then if cond.value else orelse), *rest], decl)
                names = dict(self.call.env)
                a = self.pure_body([*then, *rest], decl)
                self.call.env = names
                b = self.pure_body([*orelse, *rest], decl)
                self.same_kind(a, b, test)
                return Value(ite(cond, a.expr, b.expr), join(a.type, b.type))
        self.fail(
            f"`{decl.name}` is pure: it holds `if`, local names and `return` only",
            body[0] if body else decl.node,
            "every path must return a value",
        )


def _untyped(param: ast.arg) -> bool:
    return isinstance(param.annotation, ast.Name) and param.annotation.id in _UNTYPED
