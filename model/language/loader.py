"""Reading model files: a file's syntax tree becomes declarations, and its imports are followed."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from model.language import syntax
from model.language.declarations import (
    ROOT,
    Builtin,
    ConstDecl,
    Declaration,
    EnumDecl,
    Knob,
    Module,
    RecordDecl,
    RoutineDecl,
    nearest,
    shown_path,
)
from model.language.source import CompileError, Provenance

PACKAGES = ("model.kernel.", "model.designs.", "model.mutants.", "properties.")
_SYNTAX = "model.language.syntax"
OPTIONS: Mapping[str, frozenset[str]] = {
    "record": frozenset({"count", "per", "single", "ghost", "when"}),
    "routine": frozenset({"models", "entry", "when", "traceable"}),
    "inline": frozenset({"models", "entry", "when"}),
    "atomic": frozenset({"models", "entry", "when"}),
    "pure": frozenset(),
    "process": frozenset({"per", "may_run", "when"}),
    "action": frozenset({"environment", "when"}),
    "on": frozenset(),
    "invariant": frozenset(),
    "goal": frozenset(),
    "holder_test": frozenset(),
    "free_test": frozenset(),
}
"""The decorators, and the options that each has."""

_IMPORTS = (
    "import names with `from FILE import ...`, where FILE is model.language.syntax, "
    "model.kernel.*, model.designs.*, or `.name` for a file beside it"
)
ROUTINE_KINDS = tuple(kind for kind in OPTIONS if kind != "record")
_TEXTS = {"on": 1, "invariant": 2, "goal": 2}
"""Arguments without a name; the other decorators have none."""

VOCABULARY = frozenset(
    name
    for name in vars(syntax)
    if not name.startswith("_") and name not in ("annotations", "Any", "Callable", "TypeVar", "T")
)
"""What a model file can import from the language."""


class Edit(Protocol):
    """A change of a file's declarations, made as the file is loaded."""

    @property
    def file(self) -> str:
        """The file it is for, as it is shown."""

    @property
    def where(self) -> Provenance:
        """Where the edit is written."""

    def __call__(self, module: Module, loader: Loader) -> bool:
        """Apply it; False if the module is another file."""


@functools.lru_cache(maxsize=256)
def _parsed(text: str, shown: str) -> ast.Module:
    """The syntax tree of a file; many machines are made from the same files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
        compile(tree, shown, "exec")  # finds what the grammar alone does not; runs nothing
    return tree


class Loader:
    """Reads model files, each once. `edits` change a module's declarations before use."""

    def __init__(self, edits: Iterable[Edit] = ()) -> None:
        self.modules: dict[Path, Module] = {}
        self.knobs: dict[str, Knob] = {}
        self.edits = tuple(edits)
        self.loading: set[Path] = set()
        self.applied: set[int] = set()

    def load(self, path: Path) -> Module:
        """Read a file and everything it imports.

        Raises CompileError for a file that cannot be read or parsed, or declares badly.
        """
        path = path.resolve()
        if path in self.modules:
            return self.modules[path]
        shown = shown_path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise CompileError(f"{shown}: is not a text file in UTF-8") from None
        except OSError as error:
            raise CompileError(f"{shown}: cannot be read: {error.strerror}") from None
        module = Module(path, shown, text.split("\n"))
        try:
            # An edit changes the tree, so that it has to be its own.
            tree = _parsed.__wrapped__(text, shown) if self.edits else _parsed(text, shown)
        except SyntaxError as error:
            at = Provenance(
                shown, error.lineno or 1, (error.offset or 1) - 1, (error.text or "").strip()
            )
            raise CompileError(f"not valid Python: {error.msg}", at) from None
        except ValueError as error:
            raise CompileError(f"{shown}: cannot be parsed: {error}") from None
        except (RecursionError, MemoryError):
            raise CompileError(f"{shown}: cannot be parsed: it is nested too deeply") from None
        self.loading.add(path)
        for stmt in tree.body:
            self._declare(module, stmt)
        self.loading.discard(path)
        self.modules[path] = module
        for number, edit in enumerate(self.edits):
            if edit(module, self):
                self.applied.add(number)
        return module

    def all_applied(self) -> None:
        """Complain about an edit of a file that is not part of the design."""
        for number, edit in enumerate(self.edits):
            if number not in self.applied:
                files = [module.shown for module in self.modules.values()]
                text = f"the design has no file `{edit.file}` to edit"
                raise CompileError(text, edit.where, nearest(edit.file, files))

    def _declare(self, module: Module, stmt: ast.stmt) -> None:
        match stmt:
            case ast.Expr(ast.Constant()):
                pass
            case ast.ImportFrom():
                self.take_names(module, stmt)
            case ast.Import():
                where = module.where(stmt)
                text = f"a model file cannot `{ast.unparse(stmt)}`"
                raise CompileError(text, where, _IMPORTS)
            case ast.ClassDef():
                _take(module, stmt.name, self._class(module, stmt), stmt)
            case ast.AsyncFunctionDef():
                raise CompileError("a routine is `def`", module.where(stmt))
            case ast.FunctionDef():
                decl = self._routine(module, stmt)
                if decl is not None:
                    _take(module, stmt.name, decl, stmt)
            case ast.Assign([ast.Name(name)], value):
                _take(module, name, ConstDecl(name, module, value), stmt)
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
        if any(alias.name == "*" for alias in stmt.names):
            raise CompileError("a model file imports names one by one", module.where(stmt))
        in_properties = module.path.is_relative_to(ROOT / "properties")
        if in_properties and not name.startswith("model.kernel") and name != _SYNTAX:
            return  # what the file's Python half needs
        if name == _SYNTAX:
            for alias in stmt.names:
                if alias.name not in VOCABULARY:
                    raise CompileError(
                        f"the modelling language has no `{alias.name}`",
                        module.where(stmt),
                        nearest(alias.name, VOCABULARY),
                    )
                module.names[alias.asname or alias.name] = Builtin(alias.name)
            return
        path = _imported(module, stmt)
        if not path.exists():
            siblings = [f.stem for f in path.parent.glob("*.py")] if path.parent.is_dir() else []
            raise CompileError(
                f"there is no model file `{name}`", module.where(stmt), nearest(path.stem, siblings)
            )
        if path.resolve() in self.loading:
            raise CompileError(
                "model files import each other",
                module.where(stmt),
                "move what both need to a third",
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
                        value == len(members) and name not in members
                    ):
                        members[name] = value
                    case ast.Expr(ast.Constant()):
                        pass
                    case _:
                        raise CompileError(
                            "an enum member is `NAME = value`, counted from 0 without gaps",
                            module.where(stmt),
                        )
            if not members:
                text = f"enum `{node.name}` has no members"
                raise CompileError(text, module.where(node), "write NAME = 0")
            return EnumDecl(node.name, module, members)
        name, options = "", dict[str, ast.expr]()
        if node.decorator_list:
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
                case ast.AnnAssign(ast.Name(field_name)) if field_name in fields:
                    text = f"`{node.name}` has two fields `{field_name}`"
                    raise CompileError(text, module.where(stmt))
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
                return None  # also Python: its plain functions are not the model's
            raise CompileError(
                f"`{node.name}` has no decorator",
                module.where(node),
                "say what it is: @routine(...), @inline, @atomic, @pure, @process(...), @action()",
            )
        kind, args, options = _decorator(module, node)
        if kind not in ROUTINE_KINDS:
            raise CompileError(
                f"`@{kind}` is not a kind of routine",
                module.where(node),
                nearest(kind, ROUTINE_KINDS),
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
                if name in self.knobs:
                    where = module.where(call)
                    raise CompileError(f"knob `{name}` is declared twice", where, "use set_knob()")
                self.knobs[name] = Knob(name, default, meaning, module.where(call))
            case _:
                raise CompileError(
                    'a knob is knob("name", default, "meaning") with an int or bool default',
                    module.where(call),
                )

    def _set_knob(self, module: Module, call: ast.expr) -> None:
        match call:
            case ast.Call(args=[ast.Constant(str(name)), ast.Constant(value)]) if isinstance(
                value, int
            ):
                known = self.knobs.get(name)
                if known is None:
                    raise CompileError(
                        f"unknown knob `{name}`", module.where(call), nearest(name, self.knobs)
                    )
                self.knobs[name] = replace(known, default=value)
            case _:
                raise CompileError('write set_knob("name", value)', module.where(call))


def _imported(module: Module, stmt: ast.ImportFrom) -> Path:
    """The file that an import names."""
    name = stmt.module or ""
    parts = name.split(".")
    if stmt.level and name and stmt.level <= len(module.path.parents):
        return module.path.parents[stmt.level - 1].joinpath(*parts).with_suffix(".py")
    if not stmt.level and name.startswith(PACKAGES) and "language" not in parts:
        return ROOT.joinpath(*parts).with_suffix(".py")
    raise CompileError(
        f"a model file cannot import `{'.' * stmt.level}{name}`",
        module.where(stmt),
        _IMPORTS,
    )


def _take(module: Module, name: str, decl: Declaration, stmt: ast.stmt) -> None:
    """A file declares a name, once."""
    if name in module.names:
        raise CompileError(f"`{name}` is declared twice", module.where(stmt), "rename one of them")
    module.names[name] = decl


def _options(
    module: Module, kind: str, args: list[ast.expr], keywords: list[ast.keyword]
) -> dict[str, ast.expr]:
    """The options of a decorator, which must be among those it has."""
    known = OPTIONS.get(kind, frozenset())
    for keyword in keywords:
        if kind in OPTIONS and keyword.arg not in known:
            text = f"@{kind} has no option `{keyword.arg or '**'}`"
            hint = nearest(str(keyword.arg), known) or "it takes no options"
            raise CompileError(text, module.where(keyword.value), hint)
    if kind in OPTIONS and len(args) != _TEXTS.get(kind, 0):
        usage = {0: "name=value", 1: '"event"', 2: '"property", "message"'}[_TEXTS.get(kind, 0)]
        text = f"@{kind} takes {_TEXTS.get(kind, 0)} argument(s) without a name"
        raise CompileError(text, module.where(args[0]) if args else None, f"@{kind}({usage})")
    return {k.arg: k.value for k in keywords if k.arg is not None}


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
            return name, args, _options(module, name, args, keywords)
        case other:
            raise CompileError("this decorator is not part of the language", module.where(other))
