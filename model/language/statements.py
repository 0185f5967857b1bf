"""Statements: control flow, calls, assignment; each shared access becomes a step."""

from __future__ import annotations

import ast
from collections.abc import Callable

from model.language import fold
from model.language.declarations import RecordDecl, RoutineDecl
from model.language.expressions import (
    Expressions,
    compatible,
    fits,
    inside,
    summary,
)
from model.language.flow import Edge, Flow, Node
from model.language.fold import TRUE, binary, negate
from model.language.machine import (
    Age,
    Const,
    Expr,
    If,
    Load,
    Op,
    Param,
    Parameter,
    Set,
    Store,
    Temp,
    Type,
)
from model.language.machine import Check as CheckOp
from model.language.scope import Binding, Call, Local, Value, World
from model.language.source import Frame

StartOps = Callable[[str, Expr, dict[str, Expr]], tuple[Op, ...]]


class Lowering(Expressions):
    """Lowers routine bodies into a flow graph."""

    def __init__(
        self, world: World, flow: Flow, process: RoutineDecl | None, start_ops: StartOps | None = None
    ) -> None:
        super().__init__(world, flow, process)
        self.flow: Flow = flow
        self.atomic = False
        self.opened: Node | None = None
        self.start_ops = start_ops

    # --- statements ---------------------------------------------------------------------------

    def block(self, body: list[ast.stmt]) -> None:
        for stmt in body:
            if not self.flow.reachable:
                return
            outer, self.call.line = self.call.line, stmt
            self.statement(stmt)
            self.call.line = outer

    def statement(self, stmt: ast.stmt) -> None:
        match stmt:
            case ast.Expr(ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(ast.Call() as call):
                self.expr_statement(call)
            case ast.Assign([target], value):
                self.assign(target, value, stmt)
            case ast.AnnAssign(ast.Name(name), annotation, value):
                self.declare(name, annotation, value, stmt)
            case ast.AugAssign(target, op, value):
                load = ast.copy_location(_as_load(target), target)
                both = ast.copy_location(ast.BinOp(load, op, value), stmt)
                self.assign(target, both, stmt)
            case ast.If(test, body, orelse):
                self.if_(test, body, orelse, stmt)
            case ast.While(test, body, []):
                self.while_(test, body, stmt)
            case ast.For(ast.Name(name), source, body, []):
                self.for_(name, source, body, stmt)
            case ast.Return(value):
                self.return_(value, stmt)
            case ast.Break():
                self.jump(self.call.breaks, stmt)
            case ast.Continue():
                self.jump(self.call.continues, stmt)
            case _:
                self.fail(
                    f"`{summary(stmt).split()[0]}` is not a statement of the language",
                    stmt,
                    "statements are assignment, call, if, while, for, return, break, continue, pass",
                )

    def expr_statement(self, call: ast.Call) -> None:
        if isinstance(call.func, ast.Attribute):
            self.callback(call)
            return
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        handler = getattr(self, f"do_{name}", None)
        if handler is not None and name in self.call.module.names:
            handler(call)
            return
        self.expr(call)
        self.flush(call)

    def declare(
        self, name: str, annotation: ast.expr, value: ast.expr | None, stmt: ast.stmt
    ) -> None:
        if value is None:
            self.fail(f"`{name}` has no value", stmt, "give it one where it is declared")
        bound = self.call.env.get(name)
        if bound is not None and self.call.declared.get(name) is not stmt:
            self.fail(f"`{name}` is declared twice", stmt)
        self.call.declared[name] = stmt  # an unrolled loop comes here again
        kind = self.annotated(annotation, self.call.module)
        slot = bound if isinstance(bound, Local) else self.world.local(name, kind)
        got = self.assigned(value, slot.type, stmt)
        self.call.env[name] = slot
        self.local([Set(slot.name, got.expr)], stmt)

    def assigned(self, value: ast.expr, wanted: Type | None, stmt: ast.AST) -> Value:
        """The value of an assignment, checked against the type it must have."""
        got = self.expr(value)
        if wanted is None:
            return got
        if not compatible(wanted, got.type):
            self.fail(f"a {got.type} cannot be stored as {wanted}", stmt)
        if not fits(wanted, got.type):
            if isinstance(got.expr, Const):
                self.fail(f"{got.expr.value} is outside {wanted}", stmt)
            cond = inside(wanted, got.expr)
            self.need(cond, "model_error", f"the value leaves {wanted}", stmt)
        return got

    def assign(self, target: ast.expr, value: ast.expr, stmt: ast.stmt) -> None:
        if isinstance(target, ast.Name):
            self.assign_local(target.id, value, stmt)
            return
        if not isinstance(target, ast.Attribute | ast.Subscript):
            self.fail(f"cannot assign to `{ast.unparse(target)}`", stmt)
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "cfg":
            self.fail("configuration is constant", stmt, "cfg values are given on the command line")
        if isinstance(value, ast.Call) and self._is_choice(value):
            self.fail("choose() is assigned to a local first", stmt)
        got = self.expr(value)
        got = self.keep(got, stmt) if not self.atomic else got
        place = self.place(target)
        if isinstance(place, Value):
            self.fail(f"`{ast.unparse(target)}` is part of the layout and cannot be assigned", stmt)
        var, index, info = place
        if not compatible(var.type, got.type):
            self.fail(f"`{var.name}` is {var.type}, this is {got.type}", stmt)
        self.discipline(var, index, False, stmt)
        if not fits(var.type, got.type):
            if isinstance(got.expr, Const):
                self.fail(f"{got.expr.value} is outside {var.type} of `{var.name}`", stmt)
            cond = inside(var.type, got.expr)
            self.need(cond, "model_error", f"`{var.name}` leaves {var.type}", stmt)
        store = Store(var.name, index, got.expr)
        if self.atomic:
            self.local([store], stmt)
        else:
            self.emit(Node("step", self.where(stmt), ops=[store]))

    def assign_local(self, name: str, value: ast.expr, stmt: ast.stmt) -> None:
        bound = self.call.env.get(name)
        if bound is None and name in self.call.module.names:
            self.fail(f"`{name}` is not a local variable", stmt, "constants cannot be written")
        if isinstance(bound, Value) and not self.assigned_once(name):
            self.fail(f"`{name}` is a loop variable and cannot be assigned", stmt)
        if isinstance(value, ast.Call) and self._is_choice(value):
            self.choose(name, value, bound if isinstance(bound, Local) else None, stmt)
            return
        wanted = bound.type if isinstance(bound, Local) else None
        self.hint = name
        got = self.assigned(value, wanted, stmt)
        self.hint = ""
        if not isinstance(bound, Local):
            if self.assigned_once(name) and self.own(got.expr):
                self.call.env[name] = got  # a name for a value: nothing to copy
                return
            bound = self.world.local(name, self._widened(got.type))
            self.call.env[name] = bound
        self.local([Set(bound.name, got.expr)], stmt)

    def assigned_once(self, name: str) -> bool:
        """Whether the routine assigns the name in one place, and uses it in that block only."""
        routine = self.call.decl.node
        nodes = [n for n in ast.walk(routine) if isinstance(n, ast.Name) and n.id == name]
        stores = [n for n in nodes if isinstance(n.ctx, ast.Store)]
        if len(stores) != 1:
            return False
        block = _block_of(stores[0], routine.body)
        inside_block = [n for stmt in block for n in ast.walk(stmt) if n in nodes]
        return len(inside_block) == len(nodes)

    def own(self, expr: Expr) -> bool:
        """Whether nothing can change what the expression means."""
        return not any(
            isinstance(term, Load) or (isinstance(term, Temp) and term.name in self.world.mutable)
            for term in fold.walk(expr)
        )

    def parameter_type(self, name: str, bound: Value) -> Type:
        for param in self.call.decl.node.args.args:
            if param.arg == name and param.annotation is not None:
                return self.annotated(param.annotation, self.call.decl.module)
        return self._widened(bound.type)

    def _widened(self, kind: Type) -> Type:
        """A local first assigned a reference may later be NULL."""
        return Type(kind.kind, 0, kind.hi, kind.name) if kind.kind == "ref" else kind

    # --- control ------------------------------------------------------------------------------

    def if_(
        self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], stmt: ast.stmt
    ) -> None:
        cond = self.truth(test).expr
        self.flush(stmt)
        if isinstance(cond, Const):
            self.block(body if cond.value else orelse)
            return
        branch = self.emit(Node("branch", self.where(stmt), cond=cond))
        then = self.arm((branch, "next"), body)
        then_edges = self.flow.cut()
        other = self.arm((branch, "other"), orelse)
        other_edges = self.flow.cut()
        if then is not None and other is not None:
            branch.kind, branch.next, branch.other = "local", None, None
            branch.ops = [If(cond, tuple(then), tuple(other))]
            self.flow.latest, self.flow.open = branch, [(branch, "next")]
        else:
            self.flow.open = then_edges + other_edges

    def arm(self, edge: Edge, body: list[ast.stmt]) -> list[Op] | None:
        """Lower one side; its operations if it is a straight line of local work, else None."""
        jumps = self.jumps()
        self.flow.open, self.flow.latest = [edge], edge[0]
        self.block(body)
        if self.jumps() != jumps or len(self.flow.open) != 1:
            return None
        ops: list[Op] = []
        node = getattr(edge[0], edge[1])
        while node is not None:
            if node.kind != "local":
                return None
            ops += node.ops
            node = node.next
        return ops

    def jumps(self) -> int:
        """How many edges have left the straight line so far."""
        call = self.call
        return len(call.returns) + sum(map(len, call.breaks)) + sum(map(len, call.continues))

    def while_(self, test: ast.expr, body: list[ast.stmt], stmt: ast.stmt) -> None:
        if self.atomic:
            self.fail("an atomic body cannot loop for an unknown time", stmt, "use for over a range")
        self.flush(stmt)
        head = self.emit(Node("local", self.where(stmt)))
        cond = self.truth(test).expr
        self.flush(stmt)
        self.call.breaks.append([])
        self.call.continues.append([])
        exits: list[Edge] = []
        if cond != TRUE:
            branch = self.emit(Node("branch", self.where(stmt), cond=cond))
            exits = [(branch, "other")]
        self.block(body)
        self.flow.open += self.call.continues.pop()
        self.flow.to(head)
        self.flow.open = exits + self.call.breaks.pop()

    def for_(self, name: str, source: ast.expr, body: list[ast.stmt], stmt: ast.stmt) -> None:
        if isinstance(source, ast.Name) and not self.atomic:
            decl = self.lookup(source.id, source)
            if isinstance(decl, RecordDecl):
                self.world.ordered.add(decl.name)
        self.call.breaks.append([])
        for item in self.domain(source):
            if not self.flow.reachable:
                break
            self.call.continues.append([])
            self.call.env[name] = item
            self.block(body)
            after = self.call.continues.pop()
            if after:
                self.flow.open += after
        left = self.call.breaks.pop()
        if left:
            self.flow.open += left
        self.call.env.pop(name, None)

    def jump(self, targets: list[list[Edge]], stmt: ast.stmt) -> None:
        if not targets:
            self.fail(f"`{summary(stmt)}` outside a loop", stmt)
        self.flush(stmt)
        targets[-1] += self.flow.cut()

    def return_(self, value: ast.expr | None, stmt: ast.stmt) -> None:
        call = self.call
        if value is not None:
            if call.result is None:
                if call.decl.node.returns is None or ast.unparse(call.decl.node.returns) == "None":
                    self.fail(f"`{call.decl.name}` is declared to return nothing", stmt)
                kind = self.annotated(call.decl.node.returns, call.decl.module)
                call.result = self.world.local(call.decl.name, kind)
            got = self.assigned(value, call.result.type, stmt)
            self.local([Set(call.result.name, got.expr)], stmt)
            call.returned.append(got)
        self.flush(stmt)
        call.returns += self.flow.cut()

    # --- calls --------------------------------------------------------------------------------

    def inline_call(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> Value:
        if decl.kind not in ("routine", "inline", "atomic"):
            self.fail(f"a {decl.kind} cannot be called", node)
        return self.inline(decl, self.bind(decl, args, node), node)

    def inline(self, decl: RoutineDecl, env: dict[str, Binding], node: ast.AST) -> Value:
        """Expand a call here. Returns the result (a meaningless value if there is none)."""
        if any(c.decl is decl for c in self.calls):
            chain = " -> ".join([c.decl.name for c in self.calls] + [decl.name])
            self.fail(f"recursion: {chain}", node, "calls are inlined; write a loop")
        if self.atomic and decl.kind != "atomic":
            self.fail(f"`{decl.name}` takes several steps; an atomic body is one", node)
        traceable = decl.kind == "routine"
        self.flush(node)
        call = self.enter(decl, env, decl.node)
        call.line = None
        if traceable:
            self.mark(node)
        self.own_parameters(call)
        outer = self.atomic
        if decl.kind == "atomic" and not outer:
            call.line = decl.node.body[0]
            self.open_atomic(decl, node)
        self.block(self.after_guards(decl) if decl.kind == "atomic" else decl.node.body)
        self.atomic = outer
        if call.returns:
            self.flow.open += call.returns
        self.calls.pop()
        if traceable and self.flow.reachable:
            self.mark(node)
        if call.result is None:
            return Value(Const(0), Type("range", 0, 0, "nothing"))
        if len(call.returned) == 1 and isinstance(call.returned[0].expr, Const):
            return call.returned[0]
        return Value(Temp(call.result.name), call.result.type)

    def own_parameters(self, call: Call) -> None:
        """Parameters that the body assigns get a cell of their own."""
        assigned = {
            node.id
            for node in ast.walk(call.decl.node)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for name, bound in call.env.items():
            if name in assigned and isinstance(bound, Value):
                slot = self.world.local(name, self.parameter_type(name, bound))
                self.local([Set(slot.name, bound.expr)], call.decl.node)
                call.env[name] = slot

    def after_guards(self, decl: RoutineDecl) -> list[ast.stmt]:
        return [s for s in decl.node.body if not _is_guard(s)]

    def open_atomic(self, decl: RoutineDecl, node: ast.AST) -> None:
        """Begin the step that an atomic call is; leading wait_until conditions are its guard."""
        guard: Expr = TRUE
        self.pure_depth += 1
        for stmt in decl.node.body:
            if _is_guard(stmt):
                assert isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call)
                guard = binary("and", guard, self.truth(stmt.value.args[0]).expr)
        self.pure_depth -= 1
        line, self.calls[-1].line = self.calls[-1].line, None
        callee = self.calls.pop()
        where = self.where(node)
        self.calls.append(callee)
        callee.line = line
        chain = (*where.chain, Frame(decl.name, decl.module.shown, decl.node.lineno, decl.models))
        where = type(where)(where.file, where.line, where.column, where.text, chain)
        self.opened = self.emit(Node("step", where, guard=guard))
        self.atomic = True

    def callback(self, node: ast.Call) -> Value:
        """`x.func(args)`: the routine given where x is embedded, chosen by x's number."""
        assert isinstance(node.func, ast.Attribute)
        owner = self.keep(self.expr_or_record(node.func.value), node, "target")
        homes = self.world.pools[owner.type.name].embeddings
        name = node.func.attr
        ends = []
        for i, home in enumerate(homes):
            if name not in home.static:
                self.fail(f"{home.owner}.{home.field} gives no `{name}`", node, "embed(func=routine)")
            source = home.static[name]
            decl = home.module.names.get(source.id) if isinstance(source, ast.Name) else None
            if not isinstance(decl, RoutineDecl):
                raise_at = home.module.where(source)
                self.fail(f"`{ast.unparse(source)}` at {raise_at} is not a routine", node)
            last = i == len(homes) - 1
            if not last:
                cond = binary("<=", owner.expr, Const(home.base + home.size))
                self.flush(node)
                branch = self.emit(Node("branch", self.where(node), cond=cond))
            exact = Value(owner.expr, Type("ref", home.base + 1, home.base + home.size, owner.type.name))
            env = self.bind_values(decl, [exact], node)
            self.inline(decl, env, node)
            if not last:
                ends += self.flow.cut()
                self.flow.open = [(branch, "other")]
                self.flow.latest = branch
        self.flow.open += ends
        return Value(Const(0), Type("range", 0, 0, "nothing"))

    def bind_values(self, decl: RoutineDecl, values: list[Value], node: ast.AST) -> dict[str, Binding]:
        params = decl.node.args.args
        if len(params) != len(values):
            self.fail(f"callback `{decl.name}` takes {len(params)} parameter(s)", node)
        return {p.arg: v for p, v in zip(params, values, strict=True)}

    def mark(self, node: ast.AST) -> None:
        """A probe point: routine entry or exit, or a tracepoint."""
        if self.process is not None and not self.atomic:
            self.emit(Node("mark", self.where(node)))
            self.emit(Node("local", self.where(node)))

    # --- statements of the language -----------------------------------------------------------

    def do_tracepoint(self, node: ast.Call) -> None:
        self.flush(node)
        self.mark(node)

    def do_wait_until(self, node: ast.Call) -> None:
        """Block until the condition, which may read several cells at once, is true."""
        (arg,) = self.arguments(node, 1)
        if self.atomic:
            self.fail("wait_until comes first in an atomic body", node)
        self.pure_depth += 1
        cond = self.truth(arg).expr
        self.pure_depth -= 1
        self.emit(Node("step", self.where(node), guard=cond))

    def do_require(self, node: ast.Call) -> None:
        self.fail("require() comes first in an action", node)

    def do_check(self, node: ast.Call) -> None:
        """check("property", condition, "message")"""
        match node.args:
            case [ast.Constant(str(prop)), cond, ast.Constant(str(message))]:
                pass
            case _:
                self.fail('write check("property", condition, "message")', node)
        if prop not in self.world.properties:
            return
        self.pure_depth += 1
        ghost, self.ghost = self.ghost, True
        value = self.truth(cond).expr
        self.ghost = ghost
        self.pure_depth -= 1
        if value != TRUE:
            self.local([CheckOp(prop, value, message, self.where(node))], node)

    def do_event(self, node: ast.Call) -> None:
        """event("name", ...): run the monitors of the properties that watch it."""
        match node.args:
            case [ast.Constant(str(name)), *args]:
                pass
            case _:
                self.fail('write event("name", arguments...)', node)
        for monitor in self.world.monitors.get(name, []):
            atomic, ghost = self.atomic, self.ghost
            self.atomic = self.ghost = True
            env = self.bind(monitor, args, node)
            self.inline_monitor(monitor, env, node)
            self.atomic, self.ghost = atomic, ghost

    def inline_monitor(self, decl: RoutineDecl, env: dict[str, Binding], node: ast.AST) -> None:
        self.flush(node)
        call = self.enter(decl, env, decl.node)
        self.block(decl.node.body)
        if call.returns:
            self.flow.open += call.returns
        self.calls.pop()

    def do_age_cookies(self, node: ast.Call) -> None:
        """A grace period ends: every cookie, shared or in a local, needs one less."""
        self.arguments(node, 0)
        self.local([Age(())], node)

    def do_call_entry(self, node: ast.Call) -> None:
        """call_entry("context", arguments...): the design's routine for a context; any, if several."""
        match node.args:
            case [ast.Constant(str(context)), *args]:
                pass
            case _:
                self.fail('write call_entry("context", arguments...)', node)
        entries = self.world.entries.get(context, [])
        if not entries:
            return
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
            branch = None
            if i < len(entries) - 1:
                cond = binary("==", which, Const(i))
                branch = self.emit(Node("branch", self.where(node), cond=cond))
            self.inline(decl, self.bind(decl, args, node), node)
            if branch is not None:
                ends += self.flow.cut()
                self.flow.open = [(branch, "other")]
        self.flow.open += ends

    def do_start(self, node: ast.Call) -> None:
        """start(process, instance, arguments...): an idle context begins to run."""
        if self.start_ops is None:
            self.fail("only an action starts a process", node)
        process, ref, *args = node.args
        decl = self.process_named(process)
        target = self.keep(self.expr(ref), node)
        params = decl.node.args.args[1:]
        if len(args) != len(params):
            self.fail(f"`{decl.name}` takes {len(params)} argument(s) besides its instance", node)
        values: dict[str, Expr] = {}
        for param, arg in zip(params, args, strict=True):
            value = self.expr(arg)
            self.fits_parameter(decl, param, value, arg)
            values[param.arg] = self.keep(value, arg).expr
        index = binary("-", target.expr, Const(1))
        self.flush(node)
        self.local(list(self.start_ops(decl.name, index, values)), node)

    # --- choice -------------------------------------------------------------------------------

    def _is_choice(self, value: ast.Call) -> bool:
        return isinstance(value.func, ast.Name) and value.func.id in ("choose", "choose_or_null")

    def choose(self, name: str, value: ast.Call, slot: Local | None, stmt: ast.stmt) -> None:
        """`x = choose(False, True)`, `choose(range(a, b))`, `choose(x for x in R if p)`."""
        assert isinstance(value.func, ast.Name)
        if self.atomic:
            self.choose_in_step(name, value, stmt)
            return
        or_null = value.func.id == "choose_or_null"
        param = Param("choice")
        guard: Expr = TRUE
        self.flush(stmt)
        match value.args:
            case [ast.GeneratorExp(ast.Name(var), [ast.comprehension(ast.Name(bound), source, ifs)])] if (
                var == bound
            ):
                decl = self.lookup(source.id, source) if isinstance(source, ast.Name) else None
                if not isinstance(decl, RecordDecl):
                    self.fail("choose() from a record: choose(x for x in Record if ...)", stmt)
                pool = self.world.pools[decl.name]
                kind = pool.ref(nullable=or_null)
                candidate = Value(param, pool.ref(nullable=False))
                guard = self.filter(var, candidate, ifs)
                if or_null:
                    guard = binary("or", binary("==", param, Const(0)), guard)
            case [ast.Call(ast.Name("range"))] | [_, _, *_]:
                source = value.args[0] if len(value.args) == 1 else ast.Tuple(value.args, ast.Load())
                items = self.domain(ast.copy_location(source, value))
                numbers = [v.expr.value for v in items if isinstance(v.expr, Const)]
                if numbers != list(range(min(numbers), max(numbers) + 1)):
                    self.fail("choices must be consecutive constants", stmt)
                kind = Type(items[0].type.kind, numbers[0], numbers[-1], items[0].type.name)
            case _:
                self.fail("write choose(False, True), choose(range(a, b)) or a generator", stmt)
        if slot is None:
            slot = self.world.local(name, Type(kind.kind, min(0, kind.lo), kind.hi, kind.name))
            self.call.env[name] = slot
        elif not compatible(slot.type, kind) or not fits(slot.type, kind):
            self.fail(f"a {kind} cannot be stored as {slot.type}", stmt)
        node = Node("step", self.where(stmt), ops=[Set(slot.name, param)], guard=guard)
        node.params = (Parameter("choice", kind.lo, kind.hi, kind),)
        self.emit(node)

    def choose_in_step(self, name: str, value: ast.Call, stmt: ast.stmt) -> None:
        """A choice within an atomic body: the step has one outcome for each value."""
        step = self.opened
        if step is None or step.params or len(value.args) < 2:
            text = "an atomic body makes one choice, among written-out constants"
            self.fail(text, stmt, "choose before the atomic call")
        items = [self.expr(arg) for arg in value.args]
        numbers = [v.expr.value for v in items if isinstance(v.expr, Const)]
        if numbers != list(range(numbers[0], numbers[0] + len(items))):
            self.fail("choices must be consecutive constants", stmt)
        kind = Type(items[0].type.kind, numbers[0], numbers[-1], items[0].type.name)
        step.params = (Parameter("choice", kind.lo, kind.hi, kind),)
        self.call.env[name] = Value(Param("choice"), kind)

    def filter(self, var: str, item: Value, ifs: list[ast.expr]) -> Expr:
        saved = dict(self.call.env)
        self.call.env[var] = item
        self.pure_depth += 1
        cond: Expr = TRUE
        for test in ifs:
            cond = binary("and", cond, self.truth(test).expr)
        self.pure_depth -= 1
        self.call.env = saved
        return cond


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


def _is_guard(stmt: ast.stmt) -> bool:
    match stmt:
        case ast.Expr(ast.Call(ast.Name("wait_until" | "require"))):
            return True
    return False


def _as_load(target: ast.expr) -> ast.expr:
    """The same name or field, as something that is read."""
    return ast.parse(ast.unparse(target), mode="eval").body if not isinstance(
        target, ast.Name
    ) else ast.Name(target.id, ast.Load())

