"""Edits: a mutant is a design with a few named statements replaced, dropped or put elsewhere.

A statement is named by the routine it is in and by its text (compared as syntax, so spacing and
comments do not matter). An edit that finds no such statement, or more than one, is an error: a
mutant must not quietly become the design itself when the design changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from model.language.declarations import Loader, Module, RecordDecl, RoutineDecl, nearest
from model.language.source import CompileError, Provenance


@dataclass(frozen=True)
class Edit:
    """Replace the statement `old` of a routine (or the field of a record) by `new`, or drop it.

    `file` is the model file the routine is declared in, as it is shown in traces. `new` may be
    several statements, and may import names that the file lacks; empty drops the statement.
    """

    file: str
    routine: str
    old: str
    new: str
    where: Provenance

    def __call__(self, module: Module, loader: Loader) -> None:
        """Apply to a module as it is loaded; other modules are left alone."""
        if module.shown != self.file:
            return
        decl = module.names.get(self.routine)
        if isinstance(decl, RecordDecl):
            self._edit_field(decl)
        elif isinstance(decl, RoutineDecl):
            self._edit_routine(module, decl, loader)
        else:
            known = [n for n, d in module.names.items() if isinstance(d, RoutineDecl | RecordDecl)]
            hint = nearest(self.routine, known)
            raise CompileError(f"`{self.file}` has no routine `{self.routine}`", self.where, hint)

    @property
    def _first_line(self) -> str:
        return self.old.strip().splitlines()[0]

    def _edit_routine(self, module: Module, decl: RoutineDecl, loader: Loader) -> None:
        wanted = _normal(self.old, self.where)
        found = [
            (block, i)
            for block in _blocks(decl.node.body)
            for i, stmt in enumerate(block)
            if ast.unparse(stmt) == wanted
        ]
        if len(found) != 1:
            lines = [ast.unparse(s).splitlines()[0] for b in _blocks(decl.node.body) for s in b]
            raise CompileError(
                f"`{self.routine}` has {len(found)} statements `{self._first_line}`, not one",
                self.where,
                nearest(self.old, lines),
            )
        block, i = found[0]
        old = block[i]
        new: list[ast.stmt] = []
        for stmt in _statements(self.new, self.where):
            if isinstance(stmt, ast.ImportFrom):
                loader.take_names(module, stmt)
            else:
                new.append(stmt)
        new = new or [ast.Pass()]
        for stmt in new:
            for node in ast.walk(stmt):
                if hasattr(node, "lineno") or isinstance(node, ast.stmt | ast.expr):
                    ast.copy_location(node, old)
                    node.source_file = self.where.file  # type: ignore[attr-defined]
                    node.source_text = ast.unparse(stmt)  # type: ignore[attr-defined]
                    node.lineno = self.where.line  # type: ignore[attr-defined]
        block[i : i + 1] = new

    def _edit_field(self, decl: RecordDecl) -> None:
        stmts = _statements(self.new, self.where)
        match stmts:
            case [ast.AnnAssign(ast.Name(name)) as stmt] if name in decl.fields:
                if ast.unparse(decl.fields[name]) != _normal(self.old, self.where):
                    raise CompileError(f"`{self.routine}.{name}` is not `{self.old}`", self.where)
                decl.fields[name] = ast.copy_location(stmt, decl.fields[name])
            case _:
                raise CompileError("a record edit replaces one field", self.where)


def _blocks(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """A list of statements and every list nested in it."""
    yield body
    for stmt in body:
        for part in ("body", "orelse"):
            nested = getattr(stmt, part, None)
            if isinstance(nested, list) and nested:
                yield from _blocks(nested)


def _statements(text: str, where: Provenance) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except SyntaxError as error:
        raise CompileError(f"the edit is not valid Python: {error.msg}", where) from None


def _normal(text: str, where: Provenance) -> str:
    statements = _statements(text, where)
    if len(statements) != 1:
        raise CompileError("an edit names exactly one statement", where)
    return ast.unparse(statements[0])
