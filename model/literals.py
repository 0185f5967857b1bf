"""Data in model files: literal values and calls, read from the syntax tree and never executed."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from model.language.declarations import ConstDecl, Module, nearest
from model.language.source import CompileError, Provenance

Literal = str | int | bool | None | tuple["Literal", ...]


@dataclass(frozen=True)
class Argument:
    """The value of one argument and where it stands."""

    value: Literal
    where: Provenance

    def text(self, what: str) -> str:
        """The value as one line of text; runs of white space become one blank."""
        if not isinstance(self.value, str):
            raise CompileError(f"{what} is text in quotes", self.where)
        return " ".join(self.value.split())

    def number(self, what: str) -> int:
        """The value as an int; a bool is 0 or 1."""
        if not isinstance(self.value, int):
            raise CompileError(f"{what} is an int or a bool", self.where)
        return int(self.value)

    def flag(self, what: str) -> bool:
        """The value as a bool."""
        if not isinstance(self.value, bool):
            raise CompileError(f"{what} is True or False", self.where)
        return self.value

    def names(self, what: str) -> tuple[str, ...]:
        """The value as names: one text, or a tuple of them."""
        items = self.value if isinstance(self.value, tuple) else (self.value,)
        found = tuple(item for item in items if isinstance(item, str))
        if not found or len(found) != len(items):
            raise CompileError(f'{what} is a name or a tuple of names, ("a", "b")', self.where)
        return found


@dataclass(frozen=True)
class LiteralCall:
    """`name("first", key=value)` with literal arguments; `args` are taken in order, then by name.

    Every argument must be asked for: `finish` complains about the ones that were not.
    """

    name: str
    where: Provenance
    args: Mapping[str, Argument]

    def take(self, key: str) -> Argument:
        """An argument that must be there."""
        if key not in self.args:
            raise CompileError(f"{self.name}(...) has no `{key}`", self.where, f"add {key}=...")
        return self.args[key]


def literal_call(
    module: Module, node: ast.expr, name: str, positional: tuple[str, ...]
) -> LiteralCall:
    """Read `name(...)`; arguments without a keyword are given the names in `positional`."""
    match node:
        case ast.Call(ast.Name(found), args, keywords) if found == name:
            pass
        case _:
            raise CompileError(f"this is not {name}(...)", module.where(node))
    if len(args) > len(positional):
        text = f"{name}(...) takes {len(positional)} argument(s) without a name"
        raise CompileError(text, module.where(args[len(positional)]), "name it: key=value")
    values: dict[str, Argument] = {}
    pairs: list[tuple[str | None, ast.expr]] = [*zip(positional, args, strict=False)]
    pairs += [(keyword.arg, keyword.value) for keyword in keywords]
    for key, value in pairs:
        if key is None:
            raise CompileError("write the arguments out, one by one", module.where(value))
        if key in values:
            raise CompileError(f"{name}(...) has `{key}` twice", module.where(value))
        values[key] = Argument(literal(module, value), module.where(value))
    return LiteralCall(name, module.where(node), values)


def literal_calls(module: Module, variable: str, call: str) -> Iterator[tuple[Module, ast.expr]]:
    """The elements of `VARIABLE = [call(...), ...]` and the file that each stands in.

    Lists can be joined, and be constants, of this file or imported: `VARIABLE = [...] + SHARED`.
    Nothing where the file has no VARIABLE of its own.
    """
    decl = module.names.get(variable)
    if isinstance(decl, ConstDecl) and decl.module is module:
        wanted = f"write {variable} = [{call}(...), ...]"
        yield from _elements(module, decl.node, wanted, {variable})


def _elements(
    module: Module, node: ast.expr, wanted: str, open_names: Collection[str]
) -> Iterator[tuple[Module, ast.expr]]:
    match node:
        case ast.List(elements) | ast.Tuple(elements):
            yield from ((module, element) for element in elements)
        case ast.BinOp(left, ast.Add(), right):
            yield from _elements(module, left, wanted, open_names)
            yield from _elements(module, right, wanted, open_names)
        case ast.Name(name) if name not in open_names:
            decl = module.names.get(name)
            if not isinstance(decl, ConstDecl):
                raise CompileError(f"no constant `{name}`", module.where(node), wanted)
            yield from _elements(decl.module, decl.node, wanted, {*open_names, name})
        case other:
            raise CompileError(wanted, module.where(other))


def literal(module: Module, node: ast.expr, open_names: Collection[str] = ()) -> Literal:
    """The value of a literal; constants of the file and simple arithmetic on them are folded."""
    match node:
        case ast.Constant(value) if value is None or isinstance(value, str | int):
            return value
        case ast.Tuple(elements) | ast.List(elements):
            return tuple(literal(module, element, open_names) for element in elements)
        case ast.UnaryOp(ast.USub(), operand):
            positive = literal(module, operand, open_names)
            if isinstance(positive, int):
                return -positive
        case ast.BinOp(left, operator, right):
            folded = _folded(
                operator, literal(module, left, open_names), literal(module, right, open_names)
            )
            if folded is not None:
                return folded
        case ast.Name(name):
            decl = module.names.get(name)
            if name in open_names:
                raise CompileError(f"`{name}` is defined by itself", module.where(node))
            if isinstance(decl, ConstDecl):
                return literal(decl.module, decl.node, {*open_names, name})
            known = [n for n, d in module.names.items() if isinstance(d, ConstDecl)]
            raise CompileError(f"no constant `{name}`", module.where(node), nearest(name, known))
    raise CompileError(
        "only literals can stand here",
        module.where(node),
        "text, numbers, True, False, tuples of them, and constants of this file",
    )


def _folded(operator: ast.operator, left: Literal, right: Literal) -> Literal:
    match operator, left, right:
        case ast.Add(), int(), int():
            return left + right
        case ast.Add(), str(), str():
            return left + right
        case ast.Add(), tuple(), tuple():
            return (*left, *right)
        case ast.Sub(), int(), int():
            return left - right
        case ast.Mult(), int(), int():
            return left * right
    return None
