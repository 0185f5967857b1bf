"""Expressions: names, types, ranges, record fields, and the splitting of shared reads into steps."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from model.language import fold
from model.language.declarations import (
    Builtin,
    ConstDecl,
    EnumDecl,
    Module,
    RecordDecl,
    RoutineDecl,
    nearest,
)
from model.language.flow import Flow, Node
from model.language.fold import FALSE, TRUE, binary, ite, negate
from model.language.machine import (
    BOOL,
    BinaryOp,
    Check,
    Const,
    Expr,
    InSet,
    Load,
    Op,
    Param,
    Set,
    Temp,
    Type,
    Variable,
)
from model.language.pools import Embedding, FieldInfo, scalar_type
from model.language.scope import Binding, Call, Local, Value, World
from model.language.source import CompileError, Frame, Provenance

NULL = Value(Const(0), Type("ref", 0, 0))
_COMPARE: dict[type[ast.cmpop], BinaryOp] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "==", ast.IsNot: "!=",
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], BinaryOp] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def constant(value: int) -> Value:
    """An integer literal."""
    return Value(Const(value), Type("range", value, value))


class Expressions:
    """Lowers expressions in one context.

    With a flow and not `atomic`, every shared read becomes a step of its own; inside an atomic
    body reads stay where they are; without a flow (guards, predicates) nothing may be emitted.
    """

    def __init__(self, world: World, flow: Flow | None, process: RoutineDecl | None) -> None:
        self.world = world
        self.flow = flow
        self.process = process
        self.atomic = flow is None
        self.ghost = False
        self.pure_depth = 0
        self.calls: list[Call] = []
        self.pending: list[Op] = []
        self.hint = ""

    # --- where we are -------------------------------------------------------------------------

    @property
    def call(self) -> Call:
        return self.calls[-1]

    def where(self, node: ast.AST) -> Provenance:
        """Position of a node, with the call chain that leads to it."""
        at = self.call.module.where(node)
        chain = tuple(
            replace(c.frame, line=c.line.lineno, text=summary(c.line)) if c.line else c.frame
            for c in self.calls
        )
        text = at.text
        stmt = self.call.line
        if stmt is not None:
            text = summary(stmt)
        return Provenance(at.file, at.line, at.column, text, chain)

    def fail(self, message: str, node: ast.AST, hint: str = "") -> NoReturn:
        raise CompileError(message, self.call.module.where(node), hint)

    # --- emitting -----------------------------------------------------------------------------

    def emit(self, node: Node) -> Node:
        """Append a node, with the checks that wait for one before its own operations."""
        assert self.flow is not None
        node.ops[:0] = self.pending
        self.pending = []
        return self.flow.add(node)

    def local(self, ops: list[Op], node: ast.AST) -> None:
        """Append operations that belong to the running step."""
        assert self.flow is not None
        latest = self.flow.latest
        if latest.kind in ("local", "step") and self.flow.open == [(latest, "next")]:
            latest.ops += [*self.pending, *ops]
            self.pending = []
        else:
            self.emit(Node("local", self.where(node), ops=ops))

    def flush(self, node: ast.AST) -> None:
        """Emit checks that wait, before control divides."""
        if self.pending:
            self.local([], node)

    def need(self, cond: Expr, prop: str, message: str, node: ast.AST) -> None:
        """The next operation rests on `cond`."""
        if cond == TRUE or self.flow is None or self.pure_depth:
            return
        if prop != "model_error" and prop not in self.world.properties:
            return
        self.pending.append(Check(prop, cond, message, self.where(node)))

    def keep(self, value: Value, node: ast.AST, hint: str = "t") -> Value:
        """The value in a form that later steps and stores do not change."""
        if value.stable or self.flow is None or self.pure_depth:
            return value
        name = self.world.fresh(hint, value.type)
        self.local([Set(name, value.expr)], node)
        return Value(Temp(name), value.type)

    # --- expressions --------------------------------------------------------------------------

    def expr(self, node: ast.expr) -> Value:
        """Lower an expression."""
        match node:
            case ast.Constant(bool(v)):
                return Value(Const(int(v)), BOOL)
            case ast.Constant(int(v)):
                return constant(v)
            case ast.Name(name):
                return self.named(name, node)
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
            case ast.UnaryOp(ast.USub(), ast.Constant(int(v))):
                return constant(-v)
            case ast.BinOp(left, op, right):
                return self.arithmetic(left, op, right, node)
            case ast.IfExp(test, body, orelse):
                return self.conditional(test, body, orelse, node)
            case ast.Call():
                return self.call_value(node)
        self.fail(
            f"`{ast.unparse(node)}` is not an expression of the language",
            node,
            "expressions are names, fields, comparisons, and/or/not, + - *, x if c else y and calls",
        )

    def truth(self, node: ast.expr) -> Value:
        """An expression used as a condition; it must be a truth value."""
        value = self.expr(node)
        if value.type.kind != "bool":
            hint = "write `!= NULL`" if value.type.kind == "ref" else "write a comparison"
            self.fail(f"a condition must be bool, this is {value.type}", node, hint)
        return value

    def named(self, name: str, node: ast.expr) -> Value:
        binding = self.lookup(name, node)
        match binding:
            case Value():
                return binding
            case Local(unique, kind):
                return Value(Temp(unique), kind)
            case ConstDecl(_, module, value):
                return self.in_module(module, lambda: self.expr(value))
            case Builtin("NULL"):
                return NULL
            case RecordDecl() if self.world.pools[binding.name].single:
                return Value(Const(1), self.world.pools[binding.name].ref(nullable=False))
        self.fail(f"`{name}` is not a value", node)

    def lookup(self, name: str, node: ast.AST) -> Binding:
        if name in self.call.env:
            return self.call.env[name]
        if name in self.call.module.names:
            return self.call.module.names[name]
        known = [*self.call.env, *self.call.module.names]
        self.fail(f"unknown name `{name}`", node, nearest(name, known))

    def in_module(self, module: Module, act: Callable[[], Value]) -> Value:
        """Evaluate a constant in the file that declares it."""
        call = self.call
        self.calls.append(Call(call.decl, module, {}, call.frame))
        try:
            return act()
        finally:
            self.calls.pop()

    def compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr, node: ast.expr) -> Value:
        a = self.expr(left)
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.Set | ast.List):
                self.fail("`in` takes a written-out tuple", right, "write `x in (A, B)`")
            found: Expr = FALSE
            for item in right.elts:
                b = self.expr(item)
                self.same_kind(a, b, item)
                found = binary("or", found, binary("==", a.expr, b.expr))
            return Value(negate(found) if isinstance(op, ast.NotIn) else found, BOOL)
        a, b = self.both(a, right)
        self.same_kind(a, b, node)
        name = _COMPARE[type(op)]
        if name not in ("==", "!=") and a.type.kind != "range":
            self.fail(
                f"{a.type} has no order", node, "only ranges are ordered; references are compared by =="
            )
        lo, hi, other = a.type.lo, a.type.hi, b.type
        if name in ("==", "!=") and (hi < other.lo or other.hi < lo):
            return Value(FALSE if name == "==" else TRUE, BOOL)
        return Value(binary(name, a.expr, b.expr), BOOL)

    def both(self, a: Value, right: ast.expr) -> tuple[Value, Value]:
        """The right operand, with the left one kept where the right one takes steps."""
        made = self.flow.made if self.flow else 0
        b = self.expr(right)
        if self.flow and self.flow.made != made and not a.stable and list(fold.loads(a.expr)):
            self.fail(
                "the operands have an order that matters", right, "assign the left one to a local first"
            )
        return a, b

    def same_kind(self, a: Value, b: Value, node: ast.AST) -> None:
        kinds = {a.type.kind, b.type.kind}
        names = {t.name for t in (a.type, b.type) if t.name}
        if len(kinds) > 1 or len(names) > 1:
            self.fail(f"{a.type} cannot be compared with {b.type}", node)

    def logic(self, node: ast.BoolOp) -> Value:
        op: BinaryOp = "and" if isinstance(node.op, ast.And) else "or"
        value = self.truth(node.values[0])
        for item in node.values[1:]:
            if value.expr == (FALSE if op == "and" else TRUE):
                return value
            value = self.second(op, value, item)
        return value

    def second(self, op: BinaryOp, left: Value, node: ast.expr) -> Value:
        """The right operand of and/or; one that takes steps is evaluated only when needed."""
        if self.flow is None or self.pure_depth or isinstance(left.expr, Const):
            return Value(binary(op, left.expr, self.truth(node).expr), BOOL)
        slot = self.world.local("cond", BOOL)
        self.flush(node)
        plain = self.speculate(lambda: self.truth(node))
        if plain is not None:
            return Value(binary(op, left.expr, plain.expr), BOOL)
        self.local([Set(slot.name, left.expr)], node)
        cond = Temp(slot.name) if op == "and" else negate(Temp(slot.name))
        branch = self.emit(Node("branch", self.where(node), cond=cond))
        right = self.truth(node)
        self.local([Set(slot.name, right.expr)], node)
        self.flow.open.append((branch, "other"))
        return Value(Temp(slot.name), BOOL)

    def speculate(self, act: Callable[[], Value]) -> Value | None:
        """The value if it can be had without emitting anything, else None and nothing changed."""
        flow, pending = self.flow, self.pending
        trial = Flow(Provenance("", 0, 0, ""))
        self.flow, self.pending = trial, []
        try:
            value = act()
            clean = trial.made == 0 and not trial.entry.ops and not self.pending
        finally:
            self.flow, self.pending = flow, pending
        return value if clean else None

    def arithmetic(
        self, left: ast.expr, op: ast.operator, right: ast.expr, node: ast.expr
    ) -> Value:
        a, b = self.both(self.expr(left), right)
        if type(op) not in _ARITHMETIC:
            self.fail(f"`{ast.unparse(node)}`: only + - * on ranges", node)
        if a.type.kind != "range" or b.type.kind != "range":
            wrong = a.type if a.type.kind != "range" else b.type
            self.fail(f"arithmetic on {wrong}", node, "only ranges are numbers")
        name = _ARITHMETIC[type(op)]
        ends = [
            fold.binary(name, Const(x), Const(y))
            for x in (a.type.lo, a.type.hi)
            for y in (b.type.lo, b.type.hi)
        ]
        values = [end.value for end in ends if isinstance(end, Const)]
        return Value(binary(name, a.expr, b.expr), Type("range", min(values), max(values)))

    def conditional(
        self, test: ast.expr, body: ast.expr, orelse: ast.expr, node: ast.expr
    ) -> Value:
        cond = self.truth(test)
        if isinstance(cond.expr, Const):
            return self.expr(body if cond.expr.value else orelse)
        cond = self.keep(cond, test)
        a, b = self.expr(body), self.expr(orelse)
        self.same_kind(a, b, node)
        return Value(ite(cond.expr, a.expr, b.expr), _join(a.type, b.type))

    def quantifier(self, node: ast.Call, name: str) -> Value:
        """all(p for x in R [if q]), any(...), count(x for x in R if p)."""
        match node.args:
            case [ast.GeneratorExp(elt, [ast.comprehension(ast.Name(var), source, ifs)])]:
                pass
            case _:
                self.fail(f"write `{name}(... for x in Record)`", node)
        result: Expr = {"all": TRUE, "any": FALSE}.get(name, Const(0))
        values = self.domain(source)
        for item in values:
            saved = dict(self.call.env)
            self.call.env[var] = item
            cond: Expr = TRUE
            for test in ifs:
                cond = binary("and", cond, self.truth(test).expr)
            if name == "count":
                result = binary("+", result, ite(cond, Const(1), Const(0)))
            elif name == "all":
                term = binary("or", negate(cond), self.truth(elt).expr)
                result = binary("and", result, term)
            else:
                result = binary("or", result, binary("and", cond, self.truth(elt).expr))
            self.call.env = saved
        kind = BOOL if name != "count" else Type("range", 0, max(len(values), 0))
        return Value(result, kind)

    def domain(self, node: ast.expr) -> list[Value]:
        """The values of `range(a, b)`, a record's instances, or a written-out tuple."""
        match node:
            case ast.Call(ast.Name("range"), args):
                ends = [self.const(a) for a in args]
                return [constant(v) for v in range(*ends)]
            case ast.Tuple(items):
                return [self.expr(item) for item in items]
            case ast.Name(name):
                decl = self.lookup(name, node)
                if isinstance(decl, RecordDecl):
                    pool = self.world.pools[decl.name]
                    return [Value(Const(i + 1), pool.ref(nullable=False)) for i in range(pool.size)]
        self.fail(
            "a loop runs over range(a, b), a record or a tuple",
            node,
            "loops are unrolled, so their bounds must be constant",
        )

    def const(self, node: ast.expr) -> int:
        """A constant expression."""
        value = self.expr(node)
        if not isinstance(value.expr, Const):
            self.fail("this must be constant", node, "only literals, cfg values and constants")
        return value.expr.value

    # --- calls within expressions -------------------------------------------------------------

    def call_value(self, node: ast.Call) -> Value:
        match node.func:
            case ast.Name(name):
                decl = self.lookup(name, node.func) if name not in _PYTHON else Builtin(name)
            case _:
                return self.callback(node)
        if isinstance(decl, RoutineDecl):
            if decl.kind in ("pure", "holder_test", "free_test"):
                return self.pure_call(decl, node.args, node)
            return self.inline_call(decl, node.args, node)
        if isinstance(decl, Builtin):
            method = getattr(self, f"builtin_{decl.name}", None)
            if method is not None:
                result = method(node)
                assert isinstance(result, Value)
                return result
            if decl.name in ("all", "any", "count"):
                return self.quantifier(node, decl.name)
        self.fail(f"`{ast.unparse(node.func)}` cannot be called here", node)

    def callback(self, node: ast.Call) -> Value:
        self.fail("a callback is called as a statement", node)

    def inline_call(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> Value:
        self.fail(f"`{decl.name}` takes steps and cannot be called in a predicate", node, "use @pure")

    def bind(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> dict[str, Binding]:
        """Evaluate arguments against the parameters of a routine."""
        params = decl.node.args.args
        given: dict[str, ast.expr] = dict(zip([p.arg for p in params], args, strict=False))
        for keyword in node.keywords:
            if keyword.arg is not None:
                given[keyword.arg] = keyword.value
        defaults = decl.node.args.defaults
        names = [p.arg for p in params]
        for name, value in zip(names[len(names) - len(defaults) :], defaults, strict=True):
            given.setdefault(name, value)
        if len(args) > len(params) or set(given) != set(names):
            self.fail(f"`{decl.name}` takes ({', '.join(names)})", node)
        env: dict[str, Binding] = {}
        for param in params:
            arg = given[param.arg]
            if isinstance(arg, ast.Name):
                found = self.call.env.get(arg.id) or self.call.module.names.get(arg.id)
                if isinstance(found, RecordDecl) and not self.world.pools[found.name].single:
                    env[param.arg] = found
                    continue
                if isinstance(found, RoutineDecl):
                    env[param.arg] = found
                    continue
            value = self.expr(arg)
            self.fits_parameter(decl, param, value, arg)
            env[param.arg] = self.keep(value, arg, param.arg)
        return env

    def fits_parameter(
        self, decl: RoutineDecl, param: ast.arg, value: Value, arg: ast.expr
    ) -> None:
        if param.annotation is None or ast.unparse(param.annotation) in ("type", "Routine"):
            return
        wanted = self.annotated(param.annotation, decl.module)
        if not compatible(wanted, value.type):
            self.fail(f"`{param.arg}` of `{decl.name}` is {wanted}, this is {value.type}", arg)

    def annotated(self, node: ast.expr, module: Module) -> Type:
        """The type an annotation names, in a module."""
        consts = Expressions(self.world, None, None)

        def const(expr: ast.expr, home: Module) -> int:
            consts.calls = [Call(self.call.decl, home, {}, self.call.frame)]
            return consts.const(expr)

        return scalar_type(node, module, self.world.pools, const)

    def pure_call(self, decl: RoutineDecl, args: list[ast.expr], node: ast.Call) -> Value:
        """Expand a pure function; in split code a shared read in it is a step of its own."""
        env = self.bind(decl, args, node)
        if any(c.decl is decl for c in self.calls):
            self.fail(f"`{decl.name}` calls itself", node, "recursion cannot be unrolled")
        self.enter(decl, env, node)
        self.pure_depth += 1
        try:
            value = self.pure_body(decl.node.body, decl)
        finally:
            self.pure_depth -= 1
            self.calls.pop()
        if self.flow is None or self.atomic or self.pure_depth:
            return value
        reads = {load for load in fold.loads(value.expr)}
        if len(reads) > 1:
            self.fail(
                f"`{decl.name}` reads {len(reads)} shared variables in one step",
                node,
                "the hardware does not; split it into reads, or make it @atomic and say why",
            )
        return self.hoist(value, node) if reads else value

    def enter(self, decl: RoutineDecl, env: dict[str, Binding], node: ast.AST) -> Call:
        frame = Frame(decl.name, decl.module.shown, decl.node.lineno, decl.models)
        call = Call(decl, decl.module, env, frame)
        self.calls.append(call)
        return call

    def pure_body(self, body: list[ast.stmt], decl: RoutineDecl) -> Value:
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
                a = self.pure_body([*then, *rest], decl)
                b = self.pure_body([*orelse, *rest], decl)
                self.same_kind(a, b, test)
                return Value(ite(cond, a.expr, b.expr), _join(a.type, b.type))
        self.fail(
            f"`{decl.name}` is pure: it holds `if`, local names and `return` only",
            body[0] if body else decl.node,
            "every path must return a value",
        )

    # --- fields -------------------------------------------------------------------------------

    def place_value(self, node: ast.expr, lockless: bool = False) -> Value:
        """Read what `node` names: cfg, enum member, field, array element, embedded record."""
        match node:
            case ast.Attribute(ast.Name("cfg"), name):
                return self.knob(name, node)
            case ast.Attribute(ast.Name(base), member):
                decl = self.call.env.get(base) or self.call.module.names.get(base)
                if isinstance(decl, EnumDecl):
                    if member not in decl.members:
                        hint = nearest(member, decl.members)
                        self.fail(f"`{base}` has no member `{member}`", node, hint)
                    kind = Type("enum", 0, len(decl.members) - 1, decl.name)
                    return Value(Const(decl.members[member]), kind)
        place = self.place(node)
        if isinstance(place, Value):
            return place
        var, index, _ = place
        self.discipline(var, index, lockless, node)
        return self.load(var, index, lockless, node)

    def knob(self, name: str, node: ast.AST) -> Value:
        if name not in self.world.config:
            self.fail(f"unknown knob `cfg.{name}`", node, nearest(name, self.world.config))
        value = self.world.config[name]
        declared = self.world.knobs.get(name)
        if declared is not None and isinstance(declared.default, bool):
            return Value(Const(int(value)), BOOL)
        return constant(value)

    def load(self, var: Variable, index: tuple[Expr, ...], lockless: bool, node: ast.AST) -> Value:
        """Read a cell: a step in split code."""
        if var.ghost and not self.ghost:
            self.fail(
                f"`{var.name}` is ghost state", node, "it is for properties; a design cannot read it"
            )
        value = Value(Load(var.name, index, lockless), var.type)
        if self.flow is None or self.atomic or self.pure_depth:
            return value
        return self.hoist(value, node)

    def hoist(self, value: Value, node: ast.AST) -> Value:
        """Make a read a step of its own."""
        name = self.world.fresh(self.hint or "read", value.type)
        self.hint = ""
        self.emit(Node("step", self.where(node), ops=[Set(name, value.expr)]))
        return Value(Temp(name), value.type)

    def place(self, node: ast.expr) -> Value | tuple[Variable, tuple[Expr, ...], FieldInfo]:
        """The cell a field expression names, or the value of an embedded or static field."""
        match node:
            case ast.Attribute(base, name):
                return self.member(self.expr_or_record(base), name, None, node)
            case ast.Subscript(ast.Attribute(base, name), index):
                return self.member(self.expr_or_record(base), name, index, node)
            case ast.Subscript(ast.Name(name), index):
                decl = self.lookup(name, node)
                if isinstance(decl, RecordDecl):
                    self.fail(
                        f"an instance of `{name}` cannot be named by number",
                        node,
                        "use this_cpu, per_cpu, of(), a parameter or a loop",
                    )
        self.fail(f"`{ast.unparse(node)}` is not a field", node)

    def expr_or_record(self, node: ast.expr) -> Value:
        value = self.expr(node)
        if value.type.kind != "ref" or not value.type.name:
            self.fail(f"`{ast.unparse(node)}` is {value.type} and has no fields", node)
        return value

    def member(
        self, owner: Value, name: str, index: ast.expr | None, node: ast.expr
    ) -> Value | tuple[Variable, tuple[Expr, ...], FieldInfo]:
        pool = self.world.pools[owner.type.name]
        info = pool.fields.get(name)
        if info is None:
            self.fail(f"`{pool.decl.name}` has no field `{name}`", node, nearest(name, pool.fields))
        if owner.type.lo == 0:
            what = ast.unparse(node.value if isinstance(node, ast.Attribute) else node)
            self.need(binary("!=", owner.expr, Const(0)), "model_error", f"`{what}` is NULL", node)
        if info.static:
            return self.static(owner, name, node)
        at: list[Expr] = [binary("-", owner.expr, Const(1))]
        if info.array is not None and index is None:
            self.fail(f"`{name}` is an array", node, f"write {name}[i]")
        if index is not None:
            if info.array is None:
                self.fail(f"`{name}` is not an array", node)
            i = self.index(info, self.expr(index), index)
            if i.type.lo < 0 or i.type.hi >= info.array:
                if isinstance(i.expr, Const):
                    self.fail(f"index {i.expr.value} is outside 0..{info.array - 1}", index)
                inside = binary(
                    "and",
                    binary("<=", Const(0), i.expr),
                    binary("<", i.expr, Const(info.array)),
                )
                self.need(inside, "model_error", f"index of `{name}` is out of range", index)
            at.append(i.expr)
        if info.embeds is not None:
            return self.embedded(pool.decl.name, info, owner, at)
        variable = self.world.variables[f"{pool.decl.name}.{name}"]
        return variable, tuple(at), info

    def index(self, info: FieldInfo, value: Value, node: ast.AST) -> Value:
        """The 0-based position an index stands for."""
        if info.by is not None:
            if value.type.name != info.by:
                self.fail(f"`{info.name}` is indexed by {info.by}, this is {value.type}", node)
            if value.type.lo == 0:
                self.need(binary("!=", value.expr, Const(0)), "model_error", "the index is NULL", node)
            last = value.type.hi - 1
            return Value(binary("-", value.expr, Const(1)), Type("range", 0, last))
        if value.type.kind not in ("range", "enum"):
            self.fail(f"an index is a range, this is {value.type}", node)
        return value

    def embedded(self, owner: str, info: FieldInfo, value: Value, at: list[Expr]) -> Value:
        assert info.embeds is not None
        pool = self.world.pools[info.embeds]
        home = next(e for e in pool.embeddings if (e.owner, e.field) == (owner, info.name))
        first = binary("*", at[0], Const(home.length)) if home.length > 1 else at[0]
        if len(at) > 1:
            first = binary("+", first, at[1])
        if home.length == 1:
            number = binary("+", value.expr, Const(home.base)) if home.base else value.expr
        else:
            number = binary("+", first, Const(home.base + 1))
        return Value(number, pool.ref(nullable=False))

    def static(self, owner: Value, name: str, node: ast.AST) -> Value:
        """A static field: it follows from where the record is embedded."""
        result: Value | None = None
        for home in reversed(self.world.pools[owner.type.name].embeddings):
            if name not in home.static:
                self.fail(f"{home.owner}.{home.field} gives no `{name}`", node, "embed(name=...)")
            source = home.static[name]
            value = self.in_module(home.module, lambda source=source: self.expr(source))  # type: ignore[misc]
            if result is None:
                result = value
            else:
                inside = binary("<=", owner.expr, Const(home.base + home.size))
                result = Value(ite(inside, value.expr, result.expr), _join(value.type, result.type))
        if result is None:
            self.fail(f"nothing embeds `{owner.type.name}`", node)
        return result

    def discipline(
        self, var: Variable, index: tuple[Expr, ...], lockless: bool, node: ast.AST
    ) -> None:
        """A guarded field is touched only while its lock is held."""
        if var.guard is None or lockless or self.process is None or self.pure_depth:
            return
        if self.flow is None or "lock_discipline" not in self.world.properties:
            return
        lock = self.guard_lock(var, index, node)
        test = self.world.holder_tests.get(lock.type.name)
        if test is None:
            self.fail(f"no @holder_test for `{lock.type.name}`", node)
        self.enter(test, {test.node.args.args[0].arg: lock}, node)
        self.pure_depth += 1
        try:
            held = self.pure_body(test.node.body, test)
        finally:
            self.pure_depth -= 1
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
            home = next(e for e in self.world.pools[record].embeddings if e.owner == owner)
            ref = owner_of(ref, home)
            record = owner
        info = self.world.pools[record].fields.get(name)
        if info is None or info.embeds is None:
            self.fail(f"`{record}` embeds no lock `{name}`", node)
        value = Value(ref, self.world.pools[record].ref(nullable=False))
        return self.embedded(record, info, value, [binary("-", ref, Const(1))])

    # --- builtins that are values -------------------------------------------------------------

    def builtin_READ_ONCE(self, node: ast.Call) -> Value:
        """A read the kernel makes without the lock, on purpose."""
        (arg,) = self.arguments(node, 1)
        return self.place_value(arg, lockless=True)

    def builtin_me(self, node: ast.Call) -> Value:
        """The instance that the running process belongs to."""
        self.arguments(node, 0)
        if self.process is None:
            self.fail("me() has a meaning in a process only", node)
        pool = self.process_pool(self.process)
        return Value(binary("+", Param("self"), Const(1)), pool)

    def process_pool(self, decl: RoutineDecl) -> Type:
        per = decl.options["per"]
        assert isinstance(per, ast.Name)
        record = decl.module.names[per.id]
        assert isinstance(record, RecordDecl)
        return self.world.pools[record.name].ref(nullable=False)

    def builtin_runs_in(self, node: ast.Call) -> Value:
        """Whether the running code belongs to one of these processes; known when compiling."""
        if self.process is None:
            self.fail("runs_in() has a meaning in a process only", node)
        found = [self.process_named(arg) for arg in node.args]
        return Value(TRUE if self.process in found else FALSE, BOOL)

    def process_named(self, node: ast.expr) -> RoutineDecl:
        name = node.id if isinstance(node, ast.Name) else ast.unparse(node)
        decl = self.world.processes.get(name) or self.world.absent.get(name)
        if decl is None:
            known = [*self.world.processes, *self.world.absent]
            self.fail(f"`{name}` is not a process", node, nearest(name, known))
        return decl

    def builtin_active(self, node: ast.Call) -> Value:
        """active(process, instance): whether that context is running or interrupted."""
        process, ref = self.arguments(node, 2)
        if self.process_named(process).name in self.world.absent:
            return Value(FALSE, BOOL)
        return Value(binary("!=", self.pc_of(process, ref), Const(0)), BOOL)

    def builtin_at_probe_point(self, node: ast.Call) -> Value:
        """at_probe_point(process, instance): whether a probe could hit just now."""
        process, ref = self.arguments(node, 2)
        if self.process_named(process).name in self.world.absent:
            return Value(FALSE, BOOL)
        marks = self.world.marks.get(self.process_named(process).name, frozenset())
        return Value(InSet(self.pc_of(process, ref), marks), BOOL)

    def builtin_before_cookie_use(self, node: ast.Call) -> Value:
        """before_cookie_use(process, instance): its next step takes or looks at a cookie."""
        process, ref = self.arguments(node, 2)
        if self.process_named(process).name in self.world.absent:
            return Value(FALSE, BOOL)
        points = self.world.cookie_uses.get(self.process_named(process).name, frozenset())
        return Value(InSet(self.pc_of(process, ref), points), BOOL)

    def builtin_my(self, node: ast.Call) -> Value:
        """my(name): a start argument of the running process, from a routine that it calls."""
        (arg,) = self.arguments(node, 1)
        bound = self.calls[0].env.get(arg.id) if isinstance(arg, ast.Name) else None
        if self.process is None or not isinstance(bound, Local):
            self.fail("my(name) names a start argument of the process", node)
        return Value(Temp(bound.name), bound.type)

    def pc_of(self, process: ast.expr, ref: ast.expr) -> Expr:
        decl = self.process_named(process)
        value = self.expr(ref)
        if value.type.name != self.process_pool(decl).name:
            self.fail(f"`{decl.name}` belongs to {self.process_pool(decl)}, not {value.type}", ref)
        return Load(f"{decl.name}.pc", (binary("-", value.expr, Const(1)),))

    def builtin_instances(self, node: ast.Call) -> Value:
        """instances(Record): how many there are in this design and configuration."""
        (record,) = self.arguments(node, 1)
        decl = self.lookup(record.id, record) if isinstance(record, ast.Name) else None
        if not isinstance(decl, RecordDecl):
            self.fail("write instances(Record)", node)
        return constant(self.world.pools[decl.name].size)

    def builtin_of(self, node: ast.Call) -> Value:
        """of(Record, x): the instance of a `per` record that belongs to x, or back."""
        record, ref = self.arguments(node, 2)
        assert isinstance(record, ast.Name)
        decl = self.lookup(record.id, record)
        value = self.expr(ref)
        if not isinstance(decl, RecordDecl) or value.type.kind != "ref":
            self.fail("write of(Record, reference)", node)
        if self.base(decl.name) != self.base(value.type.name):
            self.fail(f"`{decl.name}` is not declared per {value.type}", node)
        return Value(value.expr, self.world.pools[decl.name].ref(nullable=value.type.lo == 0))

    def base(self, record: str) -> str:
        per = self.world.pools[record].per
        return self.base(per) if per else record

    def builtin_container_of(self, node: ast.Call) -> Value:
        """container_of(x, Owner.field): the record that embeds x there."""
        ref, member = self.arguments(node, 2)
        value = self.expr(ref)
        match member:
            case ast.Attribute(ast.Name(owner), name):
                pass
            case _:
                self.fail("write container_of(x, Owner.field)", node)
        homes = self.world.pools[value.type.name].embeddings if value.type.name else []
        for home in homes:
            if (home.owner, home.field) == (owner, name):
                if len(homes) > 1:
                    low = binary("<", Const(home.base), value.expr)
                    inside = binary("and", low, binary("<=", value.expr, Const(home.base + home.size)))
                    self.need(inside, "model_error", f"this is no {owner}.{name}", node)
                pool = self.world.pools[owner]
                return Value(owner_of(value.expr, home), pool.ref(nullable=False))
        self.fail(f"`{owner}.{name}` does not embed {value.type}", member)

    def builtin_cookie(self, node: ast.Call) -> Value:
        """A grace-period cookie that needs this many grace periods to end."""
        (arg,) = self.arguments(node, 1)
        value = self.expr(arg)
        if value.type.kind != "range" or value.type.lo < 0 or value.type.hi > 2:
            self.fail("a cookie needs 0, 1 or 2 grace periods", arg)
        return Value(value.expr, Type("cookie", 0, 2))

    def builtin_elapsed(self, node: ast.Call) -> Value:
        """Whether a cookie's grace period has ended."""
        (arg,) = self.arguments(node, 1)
        value = self.expr(arg)
        if value.type.kind != "cookie":
            self.fail(f"elapsed() takes a cookie, this is {value.type}", arg)
        return Value(binary("==", value.expr, Const(0)), BOOL)

    def arguments(self, node: ast.Call, number: int) -> list[ast.expr]:
        if len(node.args) != number or node.keywords:
            self.fail(f"`{ast.unparse(node.func)}` takes {number} argument(s)", node)
        return node.args


_PYTHON = frozenset({"all", "any", "range"})


def owner_of(ref: Expr, home: Embedding) -> Expr:
    """The owner's reference, from that of the instance it embeds."""
    if home.length == 1:
        return binary("-", ref, Const(home.base)) if home.base else ref
    result: Expr = Const(home.owners)
    for owner in range(home.owners - 1, 0, -1):
        result = ite(binary("<=", ref, Const(home.base + owner * home.length)), Const(owner), result)
    return result


def compatible(wanted: Type, given: Type) -> bool:
    """Whether a value of type `given` can be stored as `wanted` (its range may need a check)."""
    if wanted.kind != given.kind:
        return False
    return not given.name or wanted.name == given.name


def fits(wanted: Type, given: Type) -> bool:
    """Whether every value of `given` lies in `wanted`."""
    return wanted.lo <= given.lo and given.hi <= wanted.hi


def inside(kind: Type, expr: Expr) -> Expr:
    """The value lies in the type's range."""
    low = binary("<=", Const(kind.lo), expr)
    return binary("and", low, binary("<=", expr, Const(kind.hi)))


def _join(a: Type, b: Type) -> Type:
    return Type(a.kind, min(a.lo, b.lo), max(a.hi, b.hi), a.name or b.name)


def summary(stmt: ast.stmt) -> str:
    """A statement on one line; of a compound one its first line."""
    match stmt:
        case ast.If(test):
            return f"if {ast.unparse(test)}:"
        case ast.While(test):
            return f"while {ast.unparse(test)}:"
        case ast.For(target, source):
            return f"for {ast.unparse(target)} in {ast.unparse(source)}:"
        case ast.FunctionDef(name):
            return f"def {name}(...)"
    return " ".join(ast.unparse(stmt).split())

