"""Edits: a mutant is a design with a few named statements replaced, dropped or put elsewhere.

A statement is named by the routine it is in and by its text (compared as syntax, so spacing and
comments do not matter). An edit that finds no such statement, or more than one, is an error: a
mutant must not quietly become the design itself when the design changes.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from model.language.declarations import ROOT, ConstDecl, Module, RecordDecl, RoutineDecl, nearest
from model.language.loader import Loader
from model.language.source import CompileError, Provenance
from model.literals import literal_call
from model.manifest import Run, has_runs, read_run


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

    def __call__(self, module: Module, loader: Loader) -> bool:
        """Apply to a module as it is loaded; other modules are left alone, which is False."""
        if module.shown != self.file:
            return False
        decl = module.names.get(self.routine)
        if isinstance(decl, RecordDecl):
            self._edit_field(decl)
        elif isinstance(decl, RoutineDecl):
            self._edit_routine(module, decl, loader)
        else:
            known = [n for n, d in module.names.items() if isinstance(d, RoutineDecl | RecordDecl)]
            hint = nearest(self.routine, known)
            raise CompileError(f"`{self.file}` has no routine `{self.routine}`", self.where, hint)
        return True

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
                if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.keyword):
                    ast.copy_location(node, old)
                    node.lineno = self.where.line
                    # Module.where() asks for these two; ast.AST has no such attributes.
                    node.source_file = self.where.file  # type: ignore[union-attr]
                    node.source_text = ast.unparse(stmt)  # type: ignore[union-attr]
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


# --- mutants ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A known bug as edits of a design, with a run of its own.

    `violates` are the properties that the search must find violated; empty for a neighbour of a
    bug that is none and must hold.
    """

    id: str
    title: str
    design: str
    run: Run
    edits: tuple[Edit, ...]
    violates: tuple[str, ...]
    because: str
    reported: str
    where: Provenance


def read_mutant(path: Path, properties: Collection[str]) -> Mutant:
    """Read a file of model/mutants. Raises CompileError for mistakes in it."""
    loader = Loader()
    module = loader.load(path)
    decl = module.names.get("MUTANT")
    if not isinstance(decl, ConstDecl) or not isinstance(decl.node, ast.Call):
        raise CompileError(f"{module.shown}: a mutant file holds MUTANT = mutant(...)")
    parts = {k.arg: k.value for k in decl.node.keywords if k.arg in ("run", "edits")}
    rest = ast.Call(
        decl.node.func, decl.node.args, [k for k in decl.node.keywords if k.arg not in parts]
    )
    call = literal_call(module, ast.copy_location(rest, decl.node), "mutant", ("id",))
    for part in ("run", "edits"):
        if part not in parts:
            raise CompileError(f"mutant(...) has no `{part}`", call.where, f"add {part}=...")
    design = call.take("design").text("design")
    design_path = ROOT / "model" / "designs" / f"{design}.py"
    if not has_runs(design_path):
        known = [p.stem for p in design_path.parent.glob("*.py") if has_runs(p)]
        where = call.take("design").where
        raise CompileError(f"no design `{design}`", where, nearest(design, known))
    loader.load(design_path)  # declares the knobs
    violates = call.take("violates")
    reported = call.args.get("reported")
    return Mutant(
        id=call.take("id").text("id"),
        title=call.take("title").text("title"),
        design=design,
        run=read_run(module, parts["run"], loader.knobs, properties),
        edits=tuple(_edit(module, node) for node in _elements(module, parts["edits"])),
        violates=violates.names("violates") if violates.value != () else (),
        because=call.take("because").text("because"),
        reported=reported.text("reported") if reported else "",
        where=call.where,
    )


def _elements(module: Module, node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.List(elements) | ast.Tuple(elements):
            return elements
    raise CompileError("write edits=[replace(...), ...]", module.where(node))


def _edit(module: Module, node: ast.expr) -> Edit:
    call = literal_call(module, node, "replace", ("file", "routine"))
    old, new = call.take("old").value, call.take("new").value
    if not isinstance(old, str) or not isinstance(new, str):
        raise CompileError("old and new are statements in quotes", call.where)
    return Edit(
        call.take("file").text("file"),
        call.take("routine").text("routine"),
        old.strip("\n"),
        new.strip("\n"),
        call.where,
    )
