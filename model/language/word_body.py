"""The body of one word routine: statements and expressions, with their types checked."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import NoReturn

from model.language.word_error import WordError
from model.language.word_ir import (
    FLAG,
    WORD,
    Assign,
    Call,
    Choice,
    Const,
    Expr,
    FieldOf,
    If,
    LayoutWord,
    Local,
    Operation,
    Param,
    Return,
    Routine,
    Stmt,
)
from model.language.word_scope import Scope
from model.language.words import HELPERS, MASK

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def constant_value(node: ast.expr, scope: Scope, constants: Mapping[str, int]) -> int:
    """Return the word that a constant expression stands for."""
    parser = BodyParser(scope, Routine("", (), WORD, (), "", "", scope.where(node)), constants)
    expr = parser.expression(node, {})
    return _fold(expr, parser, node)


def _fold(expr: Expr, parser: BodyParser, node: ast.expr) -> int:
    if isinstance(expr, Const):
        return expr.value
    if isinstance(expr, Operation) and len(expr.args) == 2:
        a, b = (_fold(arg, parser, node) for arg in expr.args)
        table = {"+": a + b, "-": a - b, "*": a * b, "|": a | b, "&": a & b}
        if expr.op in table:
            return table[expr.op] & MASK
        if expr.op == "<<" and b < 64:
            return (a << b) & MASK
    raise WordError(
        parser.scope.where(node),
        "not a constant",
        "a constant is made of numbers and earlier constants with + - * & | <<",
    )


class BodyParser:
    """Checks one routine; `called` collects the routines it calls."""

    def __init__(self, scope: Scope, routine: Routine, constants: Mapping[str, int]) -> None:
        self.scope = scope
        self.routine = routine
        self.constants = constants
        self.called: set[str] = set()

    # -- statements ------------------------------------------------------------------------

    def block(self, node: ast.FunctionDef) -> tuple[Stmt, ...]:
        """Return the body; every path of it must return."""
        env = {param.name: param.type for param in self.routine.params}
        body, ends = self._statements(node.body, env)
        if not ends:
            self._fail(
                node.body[-1],
                f"{node.name} can end without a result",
                "end every path with `return ...`",
            )
        return body

    def contract(self, text: str | None, type_: str, node: ast.AST) -> Expr | None:
        """Return a contract expression, given as text over the parameters."""
        if text is None:
            return None
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise WordError(
                self.scope.where(node), f"not an expression: {text!r}", "write a word expression"
            ) from error
        for part in ast.walk(tree):  # report the decorator's place, not one inside the text
            if hasattr(part, "lineno"):
                part.lineno = getattr(node, "lineno", 1)
        env = {param.name: param.type for param in self.routine.params}
        return self._typed(tree, env, type_)

    def _statements(self, nodes: list[ast.stmt], env: dict[str, str]) -> tuple[tuple[Stmt, ...],
                                                                               bool]:  # fmt: skip
        done: list[Stmt] = []
        for position, node in enumerate(nodes):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            statement, ends = self._statement(node, env)
            done.append(statement)
            if ends:
                if position + 1 < len(nodes):
                    self._fail(nodes[position + 1], "never reached", "remove it")
                return tuple(done), True
        return tuple(done), False

    def _statement(self, node: ast.stmt, env: dict[str, str]) -> tuple[Stmt, bool]:
        where = self.scope.where(node)
        if isinstance(node, ast.Return) and node.value is not None:
            return Return(self._typed(node.value, env, self.routine.result), where), True
        if isinstance(node, ast.If):
            return self._if(node, env)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            left = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            both = ast.copy_location(ast.BinOp(left, node.op, node.value), node)
            return self._assign(node.target, both, env), False
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
        ):
            return self._assign(node.targets[0], node.value, env), False
        if isinstance(node, ast.While | ast.For):
            self._fail(node, "loops are not supported in a word routine", "write a closed form")
        if isinstance(node, ast.Assign | ast.AugAssign) and any(
            isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
            for part in ast.walk(node)
        ):
            self._fail(
                node, "a word routine does not write memory", "keep the value in a local and return"
            )
        self._fail(
            node,
            "not a statement of the word language",
            "use `name = value`, `if`, and `return value`",
        )

    def _assign(self, target: ast.Name, value: ast.expr, env: dict[str, str]) -> Stmt:
        if target.id in self.scope.names or target.id in self.scope.words:
            self._fail(target, f"{target.id} is not a local", "choose another name for the local")
        expr = self.expression(value, env)
        known = env.get(target.id, expr.type)
        if known != expr.type:
            self._fail(
                target,
                f"{target.id} was a {known} and would become a {expr.type}",
                "use a second local",
            )
        env[target.id] = expr.type
        return Assign(target.id, expr, self.scope.where(target))

    def _if(self, node: ast.If, env: dict[str, str]) -> tuple[Stmt, bool]:
        condition = self._typed(node.test, env, FLAG)
        then_env, other_env = dict(env), dict(env)
        then, then_ends = self._statements(node.body, then_env)
        other, other_ends = self._statements(node.orelse, other_env)
        # After the `if`, a local is usable where every branch that goes on has set it.
        going_on = [e for e, ends in ((then_env, then_ends), (other_env, other_ends)) if not ends]
        if going_on:
            for name in set.intersection(*(set(e) for e in going_on)):
                if len({e[name] for e in going_on}) == 1:
                    env[name] = going_on[0][name]
        return If(condition, then, other, self.scope.where(node)), not going_on

    # -- expressions -----------------------------------------------------------------------

    def _typed(self, node: ast.expr, env: Mapping[str, str], wanted: str) -> Expr:
        expr = self.expression(node, env)
        if expr.type == wanted:
            return expr
        if isinstance(expr, Const) and expr.value == 0 and wanted in self.scope.records:
            return Const(0, wanted)
        if wanted == FLAG:
            self._fail(node, f"a {expr.type} is not a Flag", "compare it: `... != NULL`, `... > 0`")
        self._fail(
            node,
            f"a {wanted} is needed, this is a {expr.type}",
            "convert a Flag with `1 if flag else 0`" if expr.type == FLAG else f"use a {wanted}",
        )

    def expression(self, node: ast.expr, env: Mapping[str, str]) -> Expr:
        """Return a checked expression."""
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            return self._name(node, env)
        if isinstance(node, ast.BinOp):
            return self._binary(node, env)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node, env)
        if isinstance(node, ast.BoolOp):
            parts = tuple(self._typed(value, env, FLAG) for value in node.values)
            op = "and" if isinstance(node.op, ast.And) else "or"
            return Operation(op, parts, FLAG, self.scope.where(node))
        if isinstance(node, ast.Compare):
            return self._compare(node, env)
        if isinstance(node, ast.IfExp):
            then = self.expression(node.body, env)
            return Choice(
                self._typed(node.test, env, FLAG), then, self._typed(node.orelse, env, then.type),
                then.type,
            )  # fmt: skip
        if isinstance(node, ast.Attribute):
            return self._field(node, env)
        if isinstance(node, ast.Call):
            return self._call(node, env)
        self._fail(node, "not an expression of the word language", "use words, flags and calls")

    def _constant(self, node: ast.Constant) -> Expr:
        if isinstance(node.value, bool):
            return Const(int(node.value), FLAG)
        if isinstance(node.value, int) and 0 <= node.value <= MASK:
            return Const(node.value)
        self._fail(node, "not a 64-bit word", "use a number from 0 to 2**64 - 1")

    def _name(self, node: ast.Name, env: Mapping[str, str]) -> Expr:
        if node.id in env:
            return Local(node.id, env[node.id])
        if self.scope.words.get(node.id) == "NULL":
            return Const(0)
        role, key = self.scope.names.get(node.id, ("", ""))
        if role == "constant":
            return Const(self.constants[key])
        if role == "layout":
            return LayoutWord(node.id)
        self._fail(
            node,
            f"{node.id} has no value here",
            "assign it on every path before, or import it",
        )

    def _binary(self, node: ast.BinOp, env: Mapping[str, str]) -> Expr:
        op = _OPERATORS.get(type(node.op))
        if op is None:
            instead = "words have no fractions: use // (unsigned) or signed_remainder"
            self._fail(node, "operator not supported", instead)
        args = (self._typed(node.left, env, WORD), self._typed(node.right, env, WORD))
        return Operation(op, args, WORD, self.scope.where(node))

    def _unary(self, node: ast.UnaryOp, env: Mapping[str, str]) -> Expr:
        where = self.scope.where(node)
        if isinstance(node.op, ast.Not):
            return Operation("not", (self._typed(node.operand, env, FLAG),), FLAG, where)
        operand = self._typed(node.operand, env, WORD)
        if isinstance(node.op, ast.Invert):
            return Operation("^", (operand, Const(MASK)), WORD, where)
        if isinstance(node.op, ast.USub):
            return Operation("-", (Const(0), operand), WORD, where)
        self._fail(node, "operator not supported", "leave the + out")

    def _compare(self, node: ast.Compare, env: Mapping[str, str]) -> Expr:
        parts: list[Expr] = []
        left = self.expression(node.left, env)
        for sign, right_node in zip(node.ops, node.comparators, strict=True):
            op = _COMPARISONS.get(type(sign))
            if op is None:
                self._fail(node, "comparison not supported", "use == != < <= > >=")
            right = self.expression(right_node, env)
            if isinstance(right, Const) and right.value == 0 and op in ("==", "!="):
                right = Const(0, left.type)
            if right.type != left.type or (left.type != WORD and op not in ("==", "!=")):
                self._fail(
                    node,
                    f"cannot compare a {left.type} with a {right.type} by {op}",
                    "compare words with words, and pointers to records with NULL",
                )
            parts.append(Operation(op, (left, right), FLAG, self.scope.where(node)))
            left = right
        if len(parts) == 1:
            return parts[0]
        return Operation("and", tuple(parts), FLAG, self.scope.where(node))

    def _field(self, node: ast.Attribute, env: Mapping[str, str]) -> Expr:
        base = self.expression(node.value, env)
        record = self.scope.records.get(base.type)
        if record is None:
            self._fail(node, f"a {base.type} has no fields", "read fields of records only")
        if node.attr not in record.fields:
            known = ", ".join(record.fields)
            self._fail(node, f"{record.name} has no field {node.attr}", f"its fields are: {known}")
        return FieldOf(
            base, record.name, node.attr, record.fields[node.attr], self.scope.where(node)
        )

    def _call(self, node: ast.Call, env: Mapping[str, str]) -> Expr:
        if not isinstance(node.func, ast.Name) or node.keywords:
            self._fail(node, "only plain calls are supported", "write `name(a, b)`")
        name = node.func.id
        where = self.scope.where(node)
        if self.scope.words.get(name) in HELPERS:
            _, count, is_flag = HELPERS[name]
            params = tuple(Param(f"argument {i + 1}", WORD) for i in range(count))
            args = self._arguments(node, params, env)
            return Call(name, args, FLAG if is_flag else WORD, where)
        role, key = self.scope.names.get(name, ("", ""))
        target = self.scope.routines.get(name) or self.scope.primitives.get(name)
        if role not in ("routine", "primitive") or target is None:
            self._fail(
                node,
                f"{name} is not a word routine or memory primitive",
                "import it, or define it with @word_routine(...)",
            )
        if role == "routine":
            self.called.add(key)
        return Call(key, self._arguments(node, target.params, env), target.result, where)

    def _arguments(
        self, node: ast.Call, params: tuple[Param, ...], env: Mapping[str, str]
    ) -> tuple[Expr, ...]:
        if len(node.args) != len(params):
            self._fail(
                node,
                f"{len(params)} arguments are needed, {len(node.args)} given",
                f"pass: {', '.join(p.name for p in params)}",
            )
        pairs = zip(node.args, params, strict=True)
        return tuple(self._typed(arg, env, param.type) for arg, param in pairs)

    def _fail(self, node: ast.AST, problem: str, instead: str) -> NoReturn:
        raise WordError(self.scope.where(node), problem, instead)
