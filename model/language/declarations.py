"""Model files as declarations: what each name in a file stands for.

A file is read with `ast` and never executed. Names come from the file itself, from other model
files it imports, and from `model.language.syntax`.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from model.language import syntax
from model.language.source import CompileError, Provenance

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("model", "properties")
_SYNTAX = "model.language.syntax"
ROUTINE_KINDS = (
    "routine inline atomic pure process action on invariant goal holder_test free_test".split()
)


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
        return Provenance(shown, line, getattr(node, "col_offset", 0), text)


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
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


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


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known name, or lists them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return "known: " + ", ".join(known[:20]) if known else ""


Edit = Callable[[Module, "Loader"], None]


class Loader:
    """Reads model files, each once. `edits` change a module's declarations before use."""

    def __init__(self, edits: Iterable[Edit] = ()) -> None:
        self.modules: dict[Path, Module] = {}
        self.knobs: dict[str, Knob] = {}
        self.edits = tuple(edits)
        self.loading: set[Path] = set()

    def load(self, path: Path) -> Module:
        """Read a file and everything it imports.

        Raises CompileError for a file that cannot be read or parsed, or declares badly.
        """
        path = path.resolve()
        if path in self.modules:
            return self.modules[path]
        shown = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise CompileError(f"{shown}: is not a text file in UTF-8") from None
        except OSError as error:
            raise CompileError(f"{shown}: cannot be read: {error.strerror}") from None
        module = Module(path, shown, text.splitlines())
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            at = Provenance(shown, error.lineno or 1, (error.offset or 1) - 1, (error.text or "").strip())
            raise CompileError(f"not valid Python: {error.msg}", at) from None
        except ValueError as error:
            raise CompileError(f"{shown}: cannot be parsed: {error}") from None
        self.loading.add(path)
        for stmt in tree.body:
            self._declare(module, stmt)
        self.loading.discard(path)
        self.modules[path] = module
        for edit in self.edits:
            edit(module, self)
        return module

    def _declare(self, module: Module, stmt: ast.stmt) -> None:
        match stmt:
            case ast.Expr(ast.Constant()):
                pass
            case ast.ImportFrom():
                self.take_names(module, stmt)
            case ast.ClassDef():
                module.names[stmt.name] = self._class(module, stmt)
            case ast.FunctionDef():
                decl = self._routine(module, stmt)
                if decl is not None:
                    module.names[stmt.name] = decl
            case ast.Assign([ast.Name(name)], value):
                module.names[name] = ConstDecl(name, module, value)
                module.statements.append(stmt)
            case ast.Expr(ast.Call(ast.Name("knob"))):
                self._knob(module, stmt.value)
            case ast.Expr(ast.Call(ast.Name("set_knob"))):
                self._set_knob(module, stmt.value)
            case ast.Expr(ast.Call()):
                module.statements.append(stmt)
            case _:
                raise CompileError(
                    "a model file holds imports, records, enums, routines and constants only",
                    module.where(stmt),
                    "move this into a routine",
                )

    def take_names(self, module: Module, stmt: ast.ImportFrom) -> None:
        """Make the names of an import statement known in a module."""
        name = stmt.module or ""
        if name == "__future__":
            return
        in_properties = module.path.is_relative_to(ROOT / "properties")
        if in_properties and not name.startswith("model.kernel") and name != _SYNTAX:
            return  # what the file's Python half needs
        if name == _SYNTAX:
            for alias in stmt.names:
                if not hasattr(syntax, alias.name):
                    known = [n for n in vars(syntax) if not n.startswith("_")]
                    raise CompileError(
                        f"the modelling language has no `{alias.name}`",
                        module.where(stmt),
                        nearest(alias.name, known),
                    )
                module.names[alias.asname or alias.name] = Builtin(alias.name)
            return
        if stmt.level:
            path = module.path.parents[stmt.level - 1].joinpath(*name.split(".")).with_suffix(".py")
        elif name.split(".")[0] in PACKAGES:
            path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        else:
            raise CompileError(
                f"a model file cannot import `{name}`",
                module.where(stmt),
                "import from model.language.syntax, model.kernel.*, model.designs.*, "
                "or a file beside it with `from .name import ...`",
            )
        if not path.exists():
            siblings = [f.stem for f in path.parent.glob("*.py")] if path.parent.is_dir() else []
            raise CompileError(
                f"there is no model file `{name}`", module.where(stmt), nearest(path.stem, siblings)
            )
        if path.resolve() in self.loading:
            raise CompileError(
                "model files import each other", module.where(stmt), "move what both need to a third"
            )
        other = self.load(path)
        for alias in stmt.names:
            if alias.name not in other.names:
                raise CompileError(
                    f"`{name}` declares no `{alias.name}`",
                    module.where(stmt),
                    nearest(alias.name, other.names),
                )
            module.names[alias.asname or alias.name] = other.names[alias.name]

    def _class(self, module: Module, node: ast.ClassDef) -> Declaration:
        if any(isinstance(base, ast.Name) and base.id == "Enum" for base in node.bases):
            members: dict[str, int] = {}
            for stmt in node.body:
                match stmt:
                    case ast.Assign([ast.Name(name)], ast.Constant(int(value))) if (
                        value == len(members)
                    ):
                        members[name] = value
                    case ast.Expr(ast.Constant()):
                        pass
                    case _:
                        raise CompileError(
                            "an enum member is `NAME = value`, counted from 0 without gaps",
                            module.where(stmt),
                        )
            return EnumDecl(node.name, module, members)
        name, _, options = _decorator(module, node)
        if name != "record":
            raise CompileError(
                f"class `{node.name}` is neither an Enum nor a @record",
                module.where(node),
                "write @record(count=...), @record(per=...), @record(single=True) or @record()",
            )
        fields: dict[str, ast.AnnAssign] = {}
        for stmt in node.body:
            match stmt:
                case ast.AnnAssign(ast.Name(field_name)):
                    fields[field_name] = stmt
                case ast.Expr(ast.Constant()):
                    pass
                case _:
                    raise CompileError(
                        "a record holds fields only: `name: Type = default`", module.where(stmt)
                    )
        return RecordDecl(node.name, module, node, options, fields)

    def _routine(self, module: Module, node: ast.FunctionDef) -> RoutineDecl | None:
        if not node.decorator_list:
            if module.path.is_relative_to(ROOT / "properties"):
                return None  # a property file is also Python: its plain functions are not the model's
            raise CompileError(
                f"`{node.name}` has no decorator",
                module.where(node),
                "say what it is: @routine(...), @inline, @atomic, @pure, @process(...), @action(...)",
            )
        kind, args, options = _decorator(module, node)
        if kind not in ROUTINE_KINDS:
            raise CompileError(
                f"`@{kind}` is not a kind of routine", module.where(node), nearest(kind, ROUTINE_KINDS)
            )
        a = node.args
        if a.vararg or a.kwarg or a.kwonlyargs or a.posonlyargs:
            raise CompileError("a routine has plain parameters only", module.where(node))
        return RoutineDecl(node.name, module, node, kind, options, args)

    def _knob(self, module: Module, call: ast.expr) -> None:
        match call:
            case ast.Call(
                args=[ast.Constant(str(name)), ast.Constant(default), ast.Constant(str(meaning))]
            ) if isinstance(default, int):
                self.knobs[name] = Knob(name, default, meaning, module.where(call))
            case _:
                raise CompileError(
                    'a knob is knob("name", default, "meaning") with an int or bool default',
                    module.where(call),
                )

    def _set_knob(self, module: Module, call: ast.expr) -> None:
        match call:
            case ast.Call(args=[ast.Constant(str(name)), ast.Constant(value)]) if isinstance(value, int):
                known = self.knobs.get(name)
                if known is None:
                    raise CompileError(
                        f"unknown knob `{name}`", module.where(call), nearest(name, self.knobs)
                    )
                self.knobs[name] = replace(known, default=value)
            case _:
                raise CompileError('write set_knob("name", value)', module.where(call))


def _decorator(
    module: Module, node: ast.ClassDef | ast.FunctionDef
) -> tuple[str, list[ast.expr], dict[str, ast.expr]]:
    """Name, arguments and keywords of the only decorator."""
    if len(node.decorator_list) != 1:
        raise CompileError(f"`{node.name}` takes exactly one decorator", module.where(node))
    match node.decorator_list[0]:
        case ast.Name(name):
            return name, [], {}
        case ast.Call(ast.Name(name), args, keywords):
            return name, args, {k.arg: k.value for k in keywords if k.arg is not None}
        case other:
            raise CompileError("this decorator is not part of the language", module.where(other))
