"""Model files as declarations: what each name in a file stands for.

A file is read with `ast` and never executed. Names come from the file itself, from other model
files it imports, and from `model.language.syntax`.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from model.language.source import Provenance

ROOT = Path(__file__).resolve().parents[2]


def shown_path(path: Path) -> str:
    """How a file is named in messages and traces: nolock's own from the top of the repository."""
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


@dataclass(eq=False)
class Module:
    """One model file. `names` maps every name it declares or imports to its declaration."""

    path: Path
    shown: str
    lines: list[str]
    names: dict[str, Declaration] = field(default_factory=dict)
    statements: list[ast.stmt] = field(default_factory=list)

    def where(self, node: ast.AST) -> Provenance:
        """Position and text of a node."""
        line = getattr(node, "lineno", 1)
        text = getattr(node, "source_text", None)
        if text is None:
            text = self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
        shown = getattr(node, "source_file", self.shown)
        column = getattr(node, "col_offset", 0)  # in bytes
        if shown == self.shown and 0 < line <= len(self.lines):
            before = self.lines[line - 1].encode()[:column]
            column = len(before.decode(errors="ignore"))
        return Provenance(shown, line, column, text)


@dataclass(eq=False)
class RecordDecl:
    """A record type; `options` are the keywords of `@record`."""

    name: str
    module: Module
    node: ast.ClassDef
    options: dict[str, ast.expr]
    fields: dict[str, ast.AnnAssign]


@dataclass(eq=False)
class EnumDecl:
    """An enumeration: member names to values 0..n-1."""

    name: str
    module: Module
    members: dict[str, int]


@dataclass(eq=False)
class RoutineDecl:
    """A routine of any kind: `kind` is the decorator's name."""

    name: str
    module: Module
    node: ast.FunctionDef
    kind: str
    options: dict[str, ast.expr]
    args: list[ast.expr]

    @property
    def models(self) -> str:
        """The kernel function it stands for, as the file says."""
        value = self.options.get("models")
        return (
            value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
        )


@dataclass(eq=False)
class ConstDecl:
    """A module-level `NAME = expression`."""

    name: str
    module: Module
    node: ast.expr


@dataclass(eq=False)
class Builtin:
    """A name of the language."""

    name: str


Declaration = RecordDecl | EnumDecl | RoutineDecl | ConstDecl | Builtin


@dataclass(frozen=True)
class Knob:
    """A declared configuration value: `cfg.name`."""

    name: str
    default: int
    meaning: str
    where: Provenance


_MOST_NAMED = 40


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known name, or lists them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"known: {', '.join(known[:_MOST_NAMED])}{more}" if known else ""
