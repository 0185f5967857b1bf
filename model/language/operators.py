"""Operators: comparison, logic, arithmetic, choice between values, quantifiers."""

from __future__ import annotations

import ast

from model.language import fold
from model.language.context import Context
from model.language.declarations import RecordDecl
from model.language.flow import Node
from model.language.fold import FALSE, TRUE, binary, ite, negate
from model.language.machine import BOOL, BinaryOp, Const, Expr, Set, Temp, Type
from model.language.scope import Value
from model.language.values import LARGEST, constant, disjoint, join

MOST_TURNS = 1000
"""Loops are unrolled and quantifiers written out: more turns than this are surely a mistake."""

_COMPARE: dict[type[ast.cmpop], BinaryOp] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "==",
    ast.IsNot: "!=",
}
_ARITHMETIC: dict[type[ast.operator], BinaryOp] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


class Operators(Context):
    """Lowers operators; operands are lowered by `expr`."""

    def truth(self, node: ast.expr) -> Value:
        """An expression used as a condition; it must be a truth value."""
        value = self.expr(node)
        if value.type.kind != "bool":
            hint = "write `!= NULL`" if value.type.kind == "ref" else "write a comparison"
            self.fail(f"a condition must be bool, this is {value.type}", node, hint)
        return value

    def const(self, node: ast.expr) -> int:
        """A constant expression."""
        value = self.expr(node)
        if not isinstance(value.expr, Const):
            self.fail("this must be constant", node, "only literals, cfg values and constants")
        return value.expr.value

    def same_kind(self, a: Value, b: Value, node: ast.AST) -> None:
        """Two values that are compared, or that one of is chosen, are of one kind."""
        kinds = {a.type.kind, b.type.kind}
        names = {t.name for t in (a.type, b.type) if t.name}
        if len(kinds) > 1 or len(names) > 1:
            self.fail(f"{a.type} cannot be compared with {b.type}", node)

    def both(self, a: Value, right: ast.expr) -> tuple[Value, Value]:
        """The right operand, with the left one as it was before the right one did anything."""
        before = self.emitted()
        b = self.expr(right)
        if self.emitted()[:2] != before[:2] and not a.stable:
            self.fail(
                "the operands have an order that matters",
                right,
                "assign the left one to a local first",
            )
        return a, b

    # --- comparison and arithmetic ------------------------------------------------------------

    def compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr, node: ast.expr) -> Value:
        """`left op right`."""
        a = self.expr(left)
        if isinstance(op, ast.In | ast.NotIn):
            found = self._one_of(a, right)
            return Value(negate(found) if isinstance(op, ast.NotIn) else found, BOOL)
        a, b = self.both(a, right)
        self.same_kind(a, b, node)
        name = _COMPARE[type(op)]
        if name not in ("==", "!=") and a.type.kind != "range":
            hint = "only ranges are ordered; references are compared by =="
            self.fail(f"{a.type} has no order", node, hint)
        if name in ("==", "!=") and disjoint(a.type, b.type):
            return Value(FALSE if name == "==" else TRUE, BOOL)
        return Value(binary(name, a.expr, b.expr), BOOL)

    def _one_of(self, a: Value, right: ast.expr) -> Expr:
        if not isinstance(right, ast.Tuple | ast.Set | ast.List):
            self.fail("`in` takes a written-out tuple", right, "write `x in (A, B)`")
        found: Expr = FALSE
        for item in right.elts:
            _, b = self.both(a, item)
            self.same_kind(a, b, item)
            found = binary("or", found, binary("==", a.expr, b.expr))
        return found

    def arithmetic(
        self, left: ast.expr, op: ast.operator, right: ast.expr, node: ast.expr
    ) -> Value:
        """`left op right` on numbers; the range of the result follows from theirs."""
        return self.computed(*self.both(self.expr(left), right), op, node)

    def computed(self, a: Value, b: Value, op: ast.operator, node: ast.AST) -> Value:
        """Arithmetic on values."""
        if type(op) not in _ARITHMETIC:
            self.fail("this operator is not of the language", node, "only + - * on ranges")
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
        if max(abs(value) for value in values) > LARGEST:
            self.fail("this can become too large a number", node, f"the limit is {LARGEST}")
        return Value(binary(name, a.expr, b.expr), Type("range", min(values), max(values)))

    # --- logic --------------------------------------------------------------------------------

    def logic(self, node: ast.BoolOp) -> Value:
        """`and`, `or`: operands are evaluated from the left and only as far as needed."""
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

    def conditional(
        self, test: ast.expr, body: ast.expr, orelse: ast.expr, node: ast.expr
    ) -> Value:
        """`body if test else orelse`: the one that is not chosen is not evaluated."""
        cond = self.truth(test)
        if isinstance(cond.expr, Const):
            return self.expr(body if cond.expr.value else orelse)
        cond = self.keep(cond, test)
        a, b = self._plain(body, orelse, test)
        if a is None or b is None:
            return self._branches(cond.expr, body, orelse, node)
        self.same_kind(a, b, node)
        return Value(ite(cond.expr, a.expr, b.expr), join(a.type, b.type))

    def _plain(
        self, body: ast.expr, orelse: ast.expr, test: ast.expr
    ) -> tuple[Value | None, Value | None]:
        """Both sides, each None if it takes steps or rests on a check."""
        if self.flow is None or self.pure_depth:
            return self.expr(body), self.expr(orelse)
        self.flush(test)
        a = self.speculate(lambda: self.expr(body))
        return a, None if a is None else self.speculate(lambda: self.expr(orelse))

    def _branches(self, cond: Expr, body: ast.expr, orelse: ast.expr, node: ast.expr) -> Value:
        """A conditional expression one of whose sides takes steps or rests on a check."""
        assert self.flow is not None
        branch = self.emit(Node("branch", self.where(node), cond=cond))
        name = self.world.local("choice", BOOL).name
        a = self.expr(body)
        self.local([Set(name, a.expr)], body)
        ends = self.flow.cut()
        self.flow.open, self.flow.latest = [(branch, "other")], branch
        b = self.expr(orelse)
        self.local([Set(name, b.expr)], orelse)
        self.flow.open += ends
        self.same_kind(a, b, node)
        self.world.types[name] = join(a.type, b.type)
        return Value(Temp(name), self.world.types[name])

    # --- over many values ---------------------------------------------------------------------

    def quantifier(self, node: ast.Call, name: str) -> Value:
        """all(p for x in R [if q]), any(...), count(x for x in R if p)."""
        match node.args:
            case [ast.GeneratorExp(elt, [ast.comprehension(ast.Name(var), source, ifs)])]:
                pass
            case _:
                self.fail(f"write `{name}(... for x in Record)`", node)
        if self.splits:
            with self.predicate():
                value = self._over(name, elt, var, source, ifs)
            return self.single_read(value, name, node)
        before = self.emitted()
        value = self._over(name, elt, var, source, ifs)
        if self.emitted()[:2] != before[:2]:
            self.fail(f"`{name}` only looks at the state", node, "call nothing but @pure in it")
        return value

    def _over(
        self, name: str, elt: ast.expr, var: str, source: ast.expr, ifs: list[ast.expr]
    ) -> Value:
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
        kind = BOOL if name != "count" else Type("range", 0, len(values))
        return Value(result, kind)

    def domain(self, node: ast.expr) -> list[Value]:
        """The values of `range(a, b)`, a record's instances, or a written-out tuple."""
        match node:
            case ast.Call(ast.Name("range"), [_, *_] as args, []) if len(args) <= 3:
                ends = [self.const(a) for a in args]
                if len(ends) == 3 and ends[2] == 0:
                    self.fail("a range with step 0", node)
                values = range(*ends)
                if len(values) > MOST_TURNS:
                    hint = f"the limit is {MOST_TURNS}"
                    self.fail(f"{len(values)} turns are too many to write out", node, hint)
                return [constant(v) for v in values]
            case ast.Tuple(items):
                return [self.keep(self.expr(item), item) for item in items]
            case ast.Name(name):
                decl = self.lookup(name, node)
                if isinstance(decl, RecordDecl):
                    pool = self.pool(decl, node)
                    return [Value(Const(i + 1), pool.ref(nullable=False)) for i in range(pool.size)]
        self.fail(
            "a loop runs over range(a, b), a record or a tuple",
            node,
            "loops are unrolled, so their bounds must be constant",
        )
