"""The names of the language that have a value: `READ_ONCE`, `me`, `active`, `container_of`, ..."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from model.language.declarations import RecordDecl, RoutineDecl, nearest
from model.language.fields import Fields
from model.language.fold import FALSE, TRUE, binary
from model.language.machine import BOOL, Const, Expr, InSet, Load, Param, Temp, Type
from model.language.scope import Local, Value
from model.language.values import constant, fits, inside, owner_of


class Builtins(Fields):
    """Lowers calls of built-in functions; `BUILTINS` says which method does which."""

    def arguments(self, node: ast.Call, number: int) -> list[ast.expr]:
        """The arguments of a built-in, which has none by name."""
        if len(node.args) != number or node.keywords:
            self.fail(f"`{ast.unparse(node.func)}` takes {number} argument(s)", node)
        return node.args

    def read_once(self, node: ast.Call) -> Value:
        """READ_ONCE(field): a read the kernel makes without the lock, on purpose."""
        (arg,) = self.arguments(node, 1)
        return self.place_value(arg, lockless=True)

    # --- the running context ------------------------------------------------------------------

    def me(self, node: ast.Call) -> Value:
        """me(): the instance that the running process belongs to."""
        self.arguments(node, 0)
        if self.process is None:
            self.fail("me() has a meaning in a process only", node)
        return Value(binary("+", Param("self"), Const(1)), self.process_type(self.process))

    def my(self, node: ast.Call) -> Value:
        """my(name): a start argument of the running process, from a routine that it calls."""
        (arg,) = self.arguments(node, 1)
        bound = self.calls[0].env.get(arg.id) if isinstance(arg, ast.Name) else None
        if self.process is None or not isinstance(bound, Local):
            self.fail("my(name) names a start argument of the process", node)
        return Value(Temp(bound.name), bound.type)

    def runs_in(self, node: ast.Call) -> Value:
        """runs_in(process, ...): whether the running code belongs to one; known when compiling."""
        if self.process is None:
            self.fail("runs_in() has a meaning in a process only", node)
        found = [self.process_named(arg) for arg in node.args]
        return Value(TRUE if self.process in found else FALSE, BOOL)

    # --- other contexts -----------------------------------------------------------------------

    def process_named(self, node: ast.expr) -> RoutineDecl:
        """The process that a name stands for, whether or not the configuration has it."""
        name = node.id if isinstance(node, ast.Name) else ast.unparse(node)
        decl = self.world.processes.get(name) or self.world.absent.get(name)
        if decl is None:
            known = [*self.world.processes, *self.world.absent]
            self.fail(f"`{name}` is not a process", node, nearest(name, known))
        return decl

    def process_type(self, decl: RoutineDecl) -> Type:
        """References to the instances a process belongs to."""
        return self.world.pools[self.world.process_record[decl.name]].ref(nullable=False)

    def active(self, node: ast.Call) -> Value:
        """active(process, instance): whether that context is running or interrupted."""
        pc = self._pc_of(node)
        return Value(FALSE if pc is None else binary("!=", pc, Const(0)), BOOL)

    def at_probe_point(self, node: ast.Call) -> Value:
        """at_probe_point(process, instance): whether a probe could hit just now."""
        return self._pc_among(node, self.world.marks)

    def before_cookie_use(self, node: ast.Call) -> Value:
        """before_cookie_use(process, instance): its next step takes or looks at a cookie."""
        return self._pc_among(node, self.world.cookie_uses)

    def _pc_among(self, node: ast.Call, points: Mapping[str, frozenset[int]]) -> Value:
        pc = self._pc_of(node)
        if pc is None:
            return Value(FALSE, BOOL)
        name = self.process_named(node.args[0]).name
        if name not in points:
            hint = "it depends on how the processes are compiled"
            self.fail("only an action, an invariant or a goal can ask for this", node, hint)
        return Value(InSet(pc, points[name]), BOOL)

    def _pc_of(self, node: ast.Call) -> Expr | None:
        """The program counter of a process's instance; None if this configuration lacks it."""
        process, ref = self.arguments(node, 2)
        decl = self.process_named(process)
        if decl.name in self.world.absent:
            return None
        value = self.expr(ref)
        wanted = self.process_type(decl)
        if value.type.name != wanted.name:
            self.fail(f"`{decl.name}` belongs to {wanted}, not {value.type}", ref)
        self.not_null(value, f"`{ast.unparse(ref)}`", ref)
        return Load(f"{decl.name}.pc", (binary("-", value.expr, Const(1)),))

    # --- records ------------------------------------------------------------------------------

    def instances(self, node: ast.Call) -> Value:
        """instances(Record): how many there are in this design and configuration."""
        (record,) = self.arguments(node, 1)
        decl = self._record(record, "instances(Record)")
        return constant(self.pool(decl, record).size)

    def of(self, node: ast.Call) -> Value:
        """of(Record, x): the instance of a `per` record that belongs to x, or back."""
        record, ref = self.arguments(node, 2)
        decl = self._record(record, "of(Record, reference)")
        value = self.record_value(ref)
        if self._base(decl.name) != self._base(value.type.name):
            self.fail(f"`{decl.name}` is not declared per {value.type}", node)
        return Value(value.expr, self.pool(decl, record).ref(nullable=value.type.lo == 0))

    def container_of(self, node: ast.Call) -> Value:
        """container_of(x, Owner.field): the record that embeds x there."""
        ref, member = self.arguments(node, 2)
        value = self.record_value(ref)
        match member:
            case ast.Attribute(ast.Name() as owner, name):
                record = self._record(owner, "container_of(x, Owner.field)").name
            case _:
                self.fail("write container_of(x, Owner.field)", node)
        homes = self.world.pools[value.type.name].embeddings
        for home in homes:
            if (home.owner, home.field) == (record, name):
                if not fits(home.type, value.type):
                    text = f"this is no {record}.{name}"
                    self.need(inside(home.type, value.expr), "model_error", text, node)
                pool = self.world.pools[record]
                return Value(owner_of(value.expr, home), pool.ref(nullable=False))
        self.fail(f"`{record}.{name}` does not embed {value.type}", member)

    def _record(self, node: ast.expr, usage: str) -> RecordDecl:
        decl = self.lookup(node.id, node) if isinstance(node, ast.Name) else None
        if not isinstance(decl, RecordDecl):
            self.fail(f"write {usage}", node)
        return decl

    def _base(self, record: str) -> str:
        per = self.world.pools[record].per
        return self._base(per) if per else record

    # --- cookies and quantifiers --------------------------------------------------------------

    def cookie(self, node: ast.Call) -> Value:
        """cookie(n): a grace-period cookie that needs n grace periods to end."""
        (arg,) = self.arguments(node, 1)
        value = self.expr(arg)
        if value.type.kind != "range" or value.type.lo < 0 or value.type.hi > 2:
            self.fail("a cookie needs 0, 1 or 2 grace periods", arg)
        return Value(value.expr, Type("cookie", 0, 2))

    def elapsed(self, node: ast.Call) -> Value:
        """elapsed(cookie): whether its grace period has ended."""
        (arg,) = self.arguments(node, 1)
        value = self.expr(arg)
        if value.type.kind != "cookie":
            self.fail(f"elapsed() takes a cookie, this is {value.type}", arg)
        return Value(binary("==", value.expr, Const(0)), BOOL)

    def all(self, node: ast.Call) -> Value:
        """all(p for x in Record if q)."""
        return self.quantifier(node, "all")

    def any(self, node: ast.Call) -> Value:
        """any(p for x in Record if q)."""
        return self.quantifier(node, "any")

    def count(self, node: ast.Call) -> Value:
        """count(x for x in Record if q)."""
        return self.quantifier(node, "count")


BUILTINS: Mapping[str, Callable[[Builtins, ast.Call], Value]] = {
    "READ_ONCE": Builtins.read_once,
    "me": Builtins.me,
    "my": Builtins.my,
    "runs_in": Builtins.runs_in,
    "active": Builtins.active,
    "at_probe_point": Builtins.at_probe_point,
    "before_cookie_use": Builtins.before_cookie_use,
    "instances": Builtins.instances,
    "of": Builtins.of,
    "container_of": Builtins.container_of,
    "cookie": Builtins.cookie,
    "elapsed": Builtins.elapsed,
    "all": Builtins.all,
    "any": Builtins.any,
    "count": Builtins.count,
}
"""The built-in functions by the names that model files import."""
