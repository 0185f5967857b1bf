"""Fields: the cell that a field expression names, reading it, and the lock that guards it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from model.language.declarations import Builtin, EnumDecl, RecordDecl, nearest
from model.language.fold import binary, ite
from model.language.machine import BOOL, Const, Expr, Load, Type, Variable
from model.language.pools import FieldInfo
from model.language.pure_calls import PureCalls
from model.language.scope import Value
from model.language.values import constant, disjoint, join, owner_of


@dataclass(frozen=True)
class Place:
    """A cell that can be read and written."""

    var: Variable
    index: tuple[Expr, ...]
    info: FieldInfo


class Fields(PureCalls):
    """Lowers what has a dot or an index."""

    # --- reading ------------------------------------------------------------------------------

    def place_value(self, node: ast.expr, lockless: bool = False) -> Value:
        """Read what `node` names: cfg, enum member, field, array element, embedded record."""
        match node:
            case ast.Attribute(ast.Name(base), member):
                found = self.found(base)
                if isinstance(found, Builtin) and found.name == "cfg":
                    return self._knob(member, node)
                if isinstance(found, EnumDecl):
                    return self._enum_member(found, base, member, node)
        place = self.place(node)
        if isinstance(place, Value):
            return place
        return self.load(place, lockless, node)

    def load(self, place: Place, lockless: bool, node: ast.AST) -> Value:
        """Read a cell: a step in split code."""
        var = place.var
        self.discipline(place, lockless, node)
        if var.ghost and not self.ghost:
            hint = "it is for properties; a design cannot read it"
            self.fail(f"`{var.name}` is ghost state", node, hint)
        value = Value(Load(var.name, place.index, lockless), var.type)
        return self.hoist(value, node) if self.splits else value

    def _knob(self, name: str, node: ast.AST) -> Value:
        if name not in self.world.config:
            self.fail(f"unknown knob `cfg.{name}`", node, nearest(name, self.world.config))
        value = self.world.config[name]
        declared = self.world.knobs.get(name)
        if declared is not None and isinstance(declared.default, bool):
            return Value(Const(int(value)), BOOL)
        return constant(value)

    def _enum_member(self, decl: EnumDecl, base: str, member: str, node: ast.AST) -> Value:
        if member not in decl.members:
            self.fail(f"`{base}` has no member `{member}`", node, nearest(member, decl.members))
        kind = Type("enum", 0, len(decl.members) - 1, decl.name)
        return Value(Const(decl.members[member]), kind)

    # --- places -------------------------------------------------------------------------------

    def place(self, node: ast.expr) -> Value | Place:
        """The cell a field expression names, or the value of an embedded or static field."""
        match node:
            case ast.Attribute(base, name):
                return self._member(self.record_value(base), name, None, node)
            case ast.Subscript(ast.Attribute(base, name), index):
                return self._member(self.record_value(base), name, index, node)
            case ast.Subscript(ast.Name(name)):
                if isinstance(self.lookup(name, node), RecordDecl):
                    self.fail(
                        f"an instance of `{name}` cannot be named by number",
                        node,
                        "use this_cpu, per_cpu, of(), a parameter or a loop",
                    )
        self.fail(f"`{ast.unparse(node)}` is not a field", node)

    def record_value(self, node: ast.expr) -> Value:
        """An expression that is a reference to a record, or the name of the only instance."""
        value = self.expr(node)
        if value.type.kind != "ref" or not value.type.name:
            self.fail(f"`{ast.unparse(node)}` is {value.type} and has no fields", node)
        return value

    def not_null(self, value: Value, what: str, node: ast.AST) -> None:
        """What follows rests on a reference that is not NULL."""
        if value.type.lo == 0:
            self.need(binary("!=", value.expr, Const(0)), "model_error", f"{what} is NULL", node)

    def _member(
        self, owner: Value, name: str, index: ast.expr | None, node: ast.expr
    ) -> Value | Place:
        pool = self.world.pools[owner.type.name]
        info = pool.fields.get(name)
        if info is None:
            self.fail(f"`{pool.decl.name}` has no field `{name}`", node, nearest(name, pool.fields))
        text = ast.unparse(node.value if isinstance(node, ast.Attribute) else node)
        self.not_null(owner, f"`{text}`", node)
        if info.static:
            if index is not None:
                self.fail(f"`{name}` is not an array", node)
            return self.static(owner, name, node)
        at: list[Expr] = [binary("-", owner.expr, Const(1))]
        if index is not None:
            if info.array is None:
                self.fail(f"`{name}` is not an array", node)
            at.append(self._index(info, info.array, index))
        elif info.array is not None:
            self.fail(f"`{name}` is an array", node, f"write {name}[i]")
        if info.embeds is not None:
            return self.embedded(pool.decl.name, info, owner, at)
        return Place(self.world.variables[f"{pool.decl.name}.{name}"], tuple(at), info)

    def _index(self, info: FieldInfo, length: int, node: ast.expr) -> Expr:
        """The 0-based position that an index stands for; it must lie in the array."""
        i = self._position(info, self.expr(node), node)
        if i.type.lo < 0 or i.type.hi >= length:
            if isinstance(i.expr, Const):
                self.fail(f"index {i.expr.value} is outside 0..{length - 1}", node)
            low = binary("<=", Const(0), i.expr)
            inside = binary("and", low, binary("<", i.expr, Const(length)))
            self.need(inside, "model_error", f"index of `{info.name}` is out of range", node)
        return i.expr

    def _position(self, info: FieldInfo, value: Value, node: ast.AST) -> Value:
        if info.by is not None:
            if value.type.name != info.by:
                self.fail(f"`{info.name}` is indexed by {info.by}, this is {value.type}", node)
            self.not_null(value, "the index", node)
            last = value.type.hi - 1
            return Value(binary("-", value.expr, Const(1)), Type("range", 0, last))
        if value.type.kind not in ("range", "enum"):
            self.fail(f"an index is a range, this is {value.type}", node)
        return value

    # --- embedded records ---------------------------------------------------------------------

    def embedded(self, owner: str, info: FieldInfo, value: Value, at: list[Expr]) -> Value:
        """The instance that `owner.field` (with an index, if it is an array) embeds."""
        assert info.embeds is not None
        home = next(
            e
            for e in self.world.pools[info.embeds].embeddings
            if (e.owner, e.field) == (owner, info.name)
        )
        if home.length == 1 and len(at) == 1:
            number = binary("+", value.expr, Const(home.base)) if home.base else value.expr
            return Value(number, home.type)
        first = binary("*", at[0], Const(home.length)) if home.length > 1 else at[0]
        if len(at) > 1:
            first = binary("+", first, at[1])
        return Value(binary("+", first, Const(home.base + 1)), home.type)

    def static(self, owner: Value, name: str, node: ast.AST) -> Value:
        """A static field: it follows from where the record is embedded."""
        result: Value | None = None
        for home in reversed(self.world.pools[owner.type.name].embeddings):
            if not home.size or disjoint(home.type, owner.type):
                continue
            if name not in home.static:
                self.fail(f"{home.owner}.{home.field} gives no `{name}`", node, "embed(name=...)")
            source = home.static[name]

            def given(source: ast.expr = source) -> Value:
                return self.expr(source)

            value = self.in_module(home.module, given)
            if result is None:
                result = value
            else:
                self.same_kind(value, result, node)
                within = binary("<=", owner.expr, Const(home.base + home.size))
                result = Value(ite(within, value.expr, result.expr), join(value.type, result.type))
        if result is None:
            self.fail(f"nothing embeds `{owner.type.name}`", node)
        return result

    # --- the lock that guards a field ---------------------------------------------------------

    def discipline(self, place: Place, lockless: bool, node: ast.AST) -> None:
        """A guarded field is touched only while its lock is held."""
        var = place.var
        if var.guard is None or lockless or self.process is None or self.pure_depth:
            return
        if self.flow is None or "lock_discipline" not in self.world.properties:
            return
        lock = self.guard_lock(var, place.index, node)
        test = self.world.holder_tests.get(lock.type.name)
        if test is None:
            self.fail(f"no @holder_test for `{lock.type.name}`", node)
        self.enter(test, {test.node.args.args[0].arg: lock}, node)
        with self.predicate():
            held = self.pure_body(test.node.body, test)
        self.calls.pop()
        message = f"`{var.name}` is touched without holding `{var.guard}`"
        self.need(held.expr, "lock_discipline", message, node)

    def guard_lock(self, var: Variable, index: tuple[Expr, ...], node: ast.AST) -> Value:
        """The lock instance that guards a cell."""
        assert var.guard is not None
        record = var.name.split(".")[0]
        owner, _, name = var.guard.rpartition(".")
        ref: Expr = binary("+", index[0], Const(1))
        if owner:
            homes = [e for e in self.world.pools[record].embeddings if e.owner == owner]
            if not homes:
                self.fail(f"`{owner}` does not embed `{record}`", node)
            ref = owner_of(ref, homes[0])
            record = owner
        info = self.world.pools[record].fields.get(name)
        if info is None or info.embeds is None:
            self.fail(f"`{record}` embeds no lock `{name}`", node)
        value = Value(ref, self.world.pools[record].ref(nullable=False))
        return self.embedded(record, info, value, [binary("-", ref, Const(1))])
