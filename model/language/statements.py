"""Statements: control flow, and the dispatch to assignments, choices and calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from model.language.calls import Calls, StartOps
from model.language.declarations import Builtin, RecordDecl, RoutineDecl
from model.language.flow import Edge, Flow, Node
from model.language.fold import TRUE
from model.language.machine import Age, Check, Const, If, Op, Set
from model.language.scope import World
from model.language.turns import independent
from model.language.values import summary


class Lowering(Calls):
    """Lowers routine bodies into a flow graph."""

    def __init__(
        self,
        world: World,
        flow: Flow,
        process: RoutineDecl | None,
        start_ops: StartOps | None = None,
    ) -> None:
        super().__init__(world, flow)
        self.process = process
        self.start_ops = start_ops

    def block(self, body: list[ast.stmt]) -> None:
        """Lower a list of statements; what cannot be reached is left out."""
        for stmt in body:
            if not self.flow.reachable:
                return
            outer, self.call.line = self.call.line, stmt
            self._statement(stmt)
            self.call.line = outer
        if body and self.flow.reachable:
            self.flush(body[-1])

    def _statement(self, stmt: ast.stmt) -> None:
        match stmt:
            case ast.Expr(ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(ast.Call() as call):
                self._call_statement(call)
            case ast.Assign([target], value):
                self.assign(target, value, stmt)
            case ast.AnnAssign(ast.Name(name), annotation, value):
                self.declare(name, annotation, value, stmt)
            case ast.AugAssign(target, op, value):
                self.update(target, op, value, stmt)
            case ast.If(test, body, orelse):
                self._if(test, body, orelse, stmt)
            case ast.While(test, body, []):
                self._while(test, body, stmt)
            case ast.For(ast.Name(name), source, body, []):
                self._for(name, source, body, stmt)
            case ast.For() | ast.While():
                hint = "no else:, and one name that runs"
                self.fail(f"`{summary(stmt)}` is not a loop of the language", stmt, hint)
            case ast.Return(value):
                self._return(value, stmt)
            case ast.Break():
                self._jump(self.call.breaks, stmt)
            case ast.Continue():
                self._jump(self.call.continues, stmt)
            case ast.Expr():
                self.fail("this expression does nothing", stmt, "assign it, or call something")
            case _:
                self.fail(
                    f"`{summary(stmt).split()[0].rstrip(':')}` is not a statement of the language",
                    stmt,
                    "statements: assignment, call, if, while, for, return, break, continue, pass",
                )

    def _call_statement(self, call: ast.Call) -> None:
        found = self.found(call.func.id) if isinstance(call.func, ast.Name) else None
        if isinstance(found, Builtin) and found.name in STATEMENTS:
            if call.keywords:
                self.fail(f"{found.name}() takes no arguments by name", call)
            STATEMENTS[found.name](self, call)
            return
        self.called(call)
        self.flush(call)

    # --- control ------------------------------------------------------------------------------

    def _if(
        self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], stmt: ast.stmt
    ) -> None:
        cond = self.truth(test).expr
        self.flush(stmt)
        if isinstance(cond, Const):
            self.block(body if cond.value else orelse)
            return
        branch = self.emit(Node("branch", self.where(stmt), cond=cond))
        then = self._arm((branch, "next"), body)
        then_edges = self.flow.cut()
        other = self._arm((branch, "other"), orelse)
        other_edges = self.flow.cut()
        if then is not None and other is not None:
            branch.kind, branch.next, branch.other = "local", None, None
            branch.ops = [If(cond, tuple(then), tuple(other))]
            self.flow.latest, self.flow.open = branch, [(branch, "next")]
        else:
            self.flow.open = then_edges + other_edges

    def _arm(self, edge: Edge, body: list[ast.stmt]) -> list[Op] | None:
        """Lower one side; its operations if it is a straight line of local work, else None."""
        jumps = self._jumps()
        self.flow.open, self.flow.latest = [edge], edge[0]
        self.block(body)
        if self._jumps() != jumps or len(self.flow.open) != 1:
            return None
        return self._straight(edge[0].next if edge[1] == "next" else edge[0].other)

    def _straight(self, node: Node | None) -> list[Op] | None:
        """The operations from a node to the end, if they are a straight line of local work."""
        ops: list[Op] = []
        while node is not None:
            if node.kind != "local":
                return None
            ops += node.ops
            node = node.next
        return ops

    def _jumps(self) -> int:
        """How many edges have left the straight line so far."""
        call = self.call
        return len(call.returns) + sum(map(len, call.breaks)) + sum(map(len, call.continues))

    def _while(self, test: ast.expr, body: list[ast.stmt], stmt: ast.stmt) -> None:
        if self.atomic:
            hint = "use for over a range"
            self.fail("an atomic body cannot loop for an unknown time", stmt, hint)
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

    def _for(self, name: str, source: ast.expr, body: list[ast.stmt], stmt: ast.stmt) -> None:
        decl = self.lookup(source.id, source) if isinstance(source, ast.Name) else None
        turns: list[list[Op] | None] = []
        if name in self.call.env:
            self.fail(f"`{name}` is a local already", stmt, "a loop has a name of its own")
        self.call.breaks.append([])
        for item in self.domain(source):
            if not self.flow.reachable:
                break
            self.call.continues.append([])
            self.call.env[name] = item
            turns.append(self._turn(body, stmt))
            self.flow.open += self.call.continues.pop()
        self.flow.open += self.call.breaks.pop()
        self.call.env.pop(name, None)
        if isinstance(decl, RecordDecl):
            straight = [turn for turn in turns if turn is not None]
            if len(straight) < len(turns) or not independent(straight):
                self.world.ordered.add(decl.name)

    def _turn(self, body: list[ast.stmt], stmt: ast.stmt) -> list[Op] | None:
        """One turn of a loop; its operations if they are local work that goes straight on."""
        if not self.atomic:
            self.block(body)
            return None
        first = self.emit(Node("local", self.where(stmt)))
        jumps = self._jumps()
        self.block(body)
        return self._straight(first) if self._jumps() == jumps else None

    def _jump(self, targets: list[list[Edge]], stmt: ast.stmt) -> None:
        if not targets:
            self.fail(f"`{summary(stmt)}` outside a loop", stmt)
        self.flush(stmt)
        targets[-1] += self.flow.cut()

    def _return(self, value: ast.expr | None, stmt: ast.stmt) -> None:
        call = self.call
        name, returns = call.decl.name, call.decl.node.returns
        declared = returns is not None and ast.unparse(returns) != "None"
        if value is None and declared:
            self.fail(f"`{name}` returns a value", stmt, "write what it returns")
        if value is not None:
            if returns is None or not declared:
                self.fail(f"`{name}` is declared to return nothing", stmt, "write `-> Type`")
            self._result(value, returns, stmt)
        self.flush(stmt)
        call.returns += self.flow.cut()

    def _result(self, value: ast.expr, returns: ast.expr, stmt: ast.stmt) -> None:
        call = self.call
        if call.result is None:
            kind = self.annotated(returns, call.decl.module)
            call.result = self.world.local(call.decl.name, kind)
        got = self.assigned(value, call.result.type, stmt)
        self.local([Set(call.result.name, got.expr)], stmt)
        call.returned.append(got)

    # --- statements of the language -----------------------------------------------------------

    def tracepoint(self, node: ast.Call) -> None:
        """tracepoint(): a place where a probe can hit."""
        self.arguments(node, 0)
        self.flush(node)
        self.mark(node)

    def wait_until(self, node: ast.Call) -> None:
        """Block until the condition, which may read several cells at once, is true."""
        (arg,) = self.arguments(node, 1)
        if self.start_ops is not None:
            self.fail("an action does not wait", node, "begin it with require(...)")
        if self.atomic:
            hint = "a step waits before it does anything; an atomic call inside it cannot wait"
            self.fail("wait_until comes first in an atomic body", node, hint)
        with self.predicate():
            cond = self.truth(arg).expr
        self.emit(Node("step", self.where(node), guard=cond))

    def require(self, node: ast.Call) -> None:
        """require(...) belongs to an action's guard, which has been taken out already."""
        self.fail("require() comes first in an action", node)

    def check(self, node: ast.Call) -> None:
        """check("property", condition, "message"): a property's own test, in this step."""
        match node.args:
            case [ast.Constant(str(prop)), cond, ast.Constant(str(message))]:
                pass
            case _:
                self.fail('write check("property", condition, "message")', node)
        if prop not in self.world.properties:
            return
        ghost, self.ghost = self.ghost, True
        with self.predicate():
            value = self.truth(cond).expr
        self.ghost = ghost
        if value != TRUE:
            self.local([Check(prop, value, message, self.where(node))], node)

    def age_cookies(self, node: ast.Call) -> None:
        """A grace period ends: every cookie, shared or in a local, needs one less."""
        self.arguments(node, 0)
        self.local([Age(())], node)


STATEMENTS: Mapping[str, Callable[[Lowering, ast.Call], None]] = {
    "age_cookies": Lowering.age_cookies,
    "call_entry": Lowering.call_entry,
    "check": Lowering.check,
    "event": Lowering.event,
    "require": Lowering.require,
    "start": Lowering.start,
    "tracepoint": Lowering.tracepoint,
    "wait_until": Lowering.wait_until,
}
"""The built-in statements by the names that model files import."""
