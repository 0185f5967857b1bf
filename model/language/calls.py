"""Calls: inlining, the one step of an atomic call, callbacks, entries, monitors."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from dataclasses import replace

from model.language.choices import Choices
from model.language.declarations import RoutineDecl
from model.language.flow import Edge, Node
from model.language.fold import TRUE, binary
from model.language.machine import Const, Expr, Op, Param, Parameter, Set, Temp, Type
from model.language.scope import Binding, Call, Value
from model.language.source import Frame
from model.language.values import NOTHING, disjoint

StartOps = Callable[[str, Expr, dict[str, Expr]], tuple[Op, ...]]


class Calls(Choices):
    """Expands calls where they stand."""

    start_ops: StartOps | None = None
    """How an action starts a process; None elsewhere."""

    def block(self, body: list[ast.stmt]) -> None:
        """Lower a list of statements: in statements.py, which builds on this class."""
        raise NotImplementedError

    # --- inlining -----------------------------------------------------------------------------

    def inline_call(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> Value:
        """A call of a routine by name."""
        if decl.kind not in ("routine", "inline", "atomic"):
            self.fail(f"a {decl.kind} cannot be called", node)
        if self.pure_depth:
            return super().inline_call(decl, args, node)
        return self.inline(decl, self.bind(decl, args, node), node)

    def inline(self, decl: RoutineDecl, env: dict[str, Binding], node: ast.AST) -> Value:
        """Expand a call here. Returns the result (of type NOTHING if there is none)."""
        if self.atomic and decl.kind != "atomic":
            self.fail(f"`{decl.name}` takes several steps; an atomic body is one", node)
        traceable = decl.kind == "routine" and self._traceable(decl)
        self.flush(node)
        call = self.enter(decl, env, node)
        if traceable:
            self.mark(node)
        self._own_parameters(call)
        outer, opened = self.atomic, self.opened
        body = decl.node.body
        if decl.kind == "atomic" and not outer:
            call.line = decl.node.body[0]
            guards, body = split_guards(body, "wait_until")
            self._open_atomic(decl, guards, node)
        self.block(body)
        self.atomic, self.opened = outer, opened
        if self.flow.reachable and _returns_value(decl):
            text = f"`{decl.name}` can end without returning a value"
            self.fail(text, decl.node, "every path needs a return")
        self.flow.open += call.returns
        self.calls.pop()
        if traceable and self.flow.reachable:
            self.mark(node)
        if call.result is None:
            return Value(Const(0), NOTHING)
        if len(call.returned) == 1 and isinstance(call.returned[0].expr, Const):
            return call.returned[0]
        return Value(Temp(call.result.name), call.result.type)

    def _traceable(self, decl: RoutineDecl) -> bool:
        """Whether the routine's entry and exit are probe points: unless it says otherwise."""
        option = decl.options.get("traceable")
        if option is None:
            return True
        return bool(self.in_module(decl.module, lambda: self.const(option)))

    def _own_parameters(self, call: Call) -> None:
        """Parameters that the body assigns get a cell of their own."""
        assigned = _assigned(call.decl.node)
        for name, bound in call.env.items():
            if name in assigned and isinstance(bound, Value):
                slot = self.world.local(name, self._parameter_type(name, bound))
                self.local([Set(slot.name, bound.expr)], call.decl.node)
                call.env[name] = slot

    def _parameter_type(self, name: str, bound: Value) -> Type:
        decl = self.call.decl
        for param in decl.node.args.args:
            if param.arg == name and param.annotation is not None:
                return self.annotated(param.annotation, decl.module)
        return self.local_type(bound.type)

    def _open_atomic(self, decl: RoutineDecl, guards: list[ast.expr], node: ast.AST) -> None:
        """Begin the step that an atomic call is; leading wait_until conditions are its guard."""
        guard: Expr = TRUE
        with self.predicate():
            for test in guards:
                guard = binary("and", guard, self.truth(test).expr)
        callee = self.calls.pop()
        where = self.where(node)
        self.calls.append(callee)
        frame = Frame(decl.name, decl.module.shown, decl.node.lineno, decl.models)
        where = replace(where, chain=(*where.chain, frame))
        self.opened = self.emit(Node("step", where, guard=guard))
        self.atomic = True

    def mark(self, node: ast.AST) -> None:
        """A probe point: routine entry or exit, or a tracepoint."""
        if self.process is not None and not self.atomic:
            self.emit(Node("mark", self.where(node)))
            self.emit(Node("local", self.where(node)))

    # --- calls through data -------------------------------------------------------------------

    def callback(self, node: ast.Call) -> Value:
        """`x.func(x)`: the routine given where x is embedded, chosen by x's number."""
        assert isinstance(node.func, ast.Attribute)
        if self.pure_depth:
            return super().callback(node)
        base, name = node.func.value, node.func.attr
        if [ast.unparse(arg) for arg in node.args] != [ast.unparse(base)] or node.keywords:
            text = ast.unparse(base)
            self.fail(
                "a callback is given the record it belongs to", node, f"{text}.{name}({text})"
            )
        owner = self.keep(self.record_value(base), node, "target")
        self.not_null(owner, f"`{ast.unparse(base)}`", node)
        pool = self.world.pools[owner.type.name]
        if name not in pool.fields or not pool.fields[name].static:
            self.fail(f"`{pool.decl.name}` has no static field `{name}`", node)
        self.flush(node)
        ends: list[Edge] = []
        homes = [
            home for home in pool.embeddings if home.size and not disjoint(home.type, owner.type)
        ]
        for i, home in enumerate(homes):
            source = home.static.get(name)
            if source is None:
                hint = "embed(func=routine)"
                self.fail(f"{home.owner}.{home.field} gives no `{name}`", node, hint)
            decl = home.module.names.get(source.id) if isinstance(source, ast.Name) else None
            if not isinstance(decl, RoutineDecl) or decl.kind not in (
                "routine",
                "inline",
                "atomic",
            ):
                at = home.module.where(source)
                self.fail(f"`{ast.unparse(source)}` at {at} is not a routine", node)

            def call(decl: RoutineDecl = decl, exact: Type = home.type) -> None:
                self.inline(decl, self._bind_owner(decl, Value(owner.expr, exact), node), node)

            last = i == len(homes) - 1
            cond = None if last else binary("<=", owner.expr, Const(home.base + home.size))
            ends += self._case(cond, call, node)
        self.flow.open += ends
        return Value(Const(0), NOTHING)

    def _case(self, cond: Expr | None, act: Callable[[], None], node: ast.AST) -> list[Edge]:
        """Do something where `cond` holds; what follows is where it does not. None: always."""
        if cond is None:
            act()
            return []
        branch = self.emit(Node("branch", self.where(node), cond=cond))
        act()
        ends = self.flow.cut()
        self.flow.open, self.flow.latest = [(branch, "other")], branch
        return ends

    def _bind_owner(self, decl: RoutineDecl, owner: Value, node: ast.AST) -> dict[str, Binding]:
        params = decl.node.args.args
        if len(params) != 1:
            self.fail(f"callback `{decl.name}` takes {len(params)} parameter(s), not one", node)
        self.fits_parameter(decl, params[0], owner, node)
        return {params[0].arg: owner}

    def call_entry(self, node: ast.Call) -> None:
        """call_entry("context", ...): the design's routine for a context; any one, if several."""
        match node.args:
            case [ast.Constant(str(context)), *args]:
                pass
            case _:
                self.fail('write call_entry("context", arguments...)', node)
        entries = self.world.entries.get(context, [])
        which: Expr = Const(0)
        if len(entries) > 1:
            kind = Type("range", 0, len(entries) - 1)
            slot = self.world.local("entry", kind)
            step = Node("step", self.where(node), ops=[Set(slot.name, Param("choice"))])
            step.params = (Parameter("choice", kind.lo, kind.hi, kind),)
            self.emit(step)
            which = Temp(slot.name)
        ends: list[Edge] = []
        for i, decl in enumerate(entries):

            def call(decl: RoutineDecl = decl) -> None:
                self.inline(decl, self.bind(decl, args, node), node)

            last = i == len(entries) - 1
            ends += self._case(None if last else binary("==", which, Const(i)), call, node)
        self.flow.open += ends

    # --- monitors and processes ---------------------------------------------------------------

    def event(self, node: ast.Call) -> None:
        """event("name", ...): run the monitors of the properties that watch it, in this step."""
        match node.args:
            case [ast.Constant(str(name)), *args]:
                pass
            case _:
                self.fail('write event("name", arguments...)', node)
        for monitor in self.world.monitors.get(name, []):
            atomic, ghost = self.atomic, self.ghost
            self.atomic = self.ghost = True
            env = self.bind(monitor, args, node)
            self.flush(node)
            call = self.enter(monitor, env, node)
            self.block(monitor.node.body)
            self.flow.open += call.returns
            self.calls.pop()
            self.atomic, self.ghost = atomic, ghost

    def start(self, node: ast.Call) -> None:
        """start(process, instance, arguments...): an idle context begins to run."""
        if self.start_ops is None:
            self.fail("only an action starts a process", node)
        if len(node.args) < 2 or node.keywords:
            self.fail("write start(process, instance, arguments...)", node)
        process, ref, *args = node.args
        decl = self.process_named(process)
        if decl.name in self.world.absent:
            hint = "give the action the same when= as the process"
            self.fail(f"this configuration has no process `{decl.name}`", node, hint)
        target = self.keep(self.expr(ref), node)
        wanted = self.process_type(decl)
        if target.type.kind != "ref" or target.type.name != wanted.name:
            self.fail(f"`{decl.name}` belongs to {wanted}, not {target.type}", ref)
        self.not_null(target, f"`{ast.unparse(ref)}`", ref)
        params = decl.node.args.args[1:]
        if len(args) != len(params):
            self.fail(f"`{decl.name}` takes {len(params)} argument(s) besides its instance", node)
        values: dict[str, Expr] = {}
        for param, arg in zip(params, args, strict=True):
            value = self.expr(arg)
            self.fits_parameter(decl, param, value, arg)
            values[param.arg] = self.keep(value, arg).expr
        self.flush(node)
        index = binary("-", target.expr, Const(1))
        self.local(list(self.start_ops(decl.name, index, values)), node)


def split_guards(body: list[ast.stmt], name: str) -> tuple[list[ast.expr], list[ast.stmt]]:
    """The conditions of the calls of `name` that a body begins with, and the rest of the body."""
    guards: list[ast.expr] = []
    for i, stmt in enumerate(body):
        match stmt:
            case ast.Expr(ast.Constant()):
                pass
            case ast.Expr(ast.Call(ast.Name(called), [cond], [])) if called == name:
                guards.append(cond)
            case _:
                return guards, body[i:]
    return guards, []


def _returns_value(decl: RoutineDecl) -> bool:
    returns = decl.node.returns
    return returns is not None and ast.unparse(returns) != "None"


@functools.lru_cache(maxsize=1 << 12)
def _assigned(routine: ast.FunctionDef) -> frozenset[str]:
    """The names that a routine assigns."""
    return frozenset(
        node.id
        for node in ast.walk(routine)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
