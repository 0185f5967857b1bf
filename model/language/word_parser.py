"""From a word file's syntax tree to checked word routines.

The file is parsed, never executed.  `from package.module import name` makes the routines of
another word file visible; it is found beside the `model` package or beside the importing file.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

from model.language.word_body import BodyParser, constant_value
from model.language.word_error import WordError
from model.language.word_ir import (
    FLAG,
    WORD,
    Expectation,
    Param,
    Primitive,
    RecordType,
    Routine,
    Where,
    WordProgram,
)
from model.language.word_scope import Scope

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = "model.language.words"


@dataclass
class _Loader:
    """Files read so far; one per call of `load_words`."""

    program: WordProgram
    scopes: dict[Path, Scope] = field(default_factory=dict)
    open_files: list[Path] = field(default_factory=list)


def load_words(path: Path | str) -> WordProgram:
    """Read a word file and all that it imports; raise WordError where it is not a word file."""
    start = Path(path).resolve()
    loader = _Loader(WordProgram(str(start), {}, {}, {}, {}, frozenset()))
    _load(loader, start)
    words = {w for scope in loader.scopes.values() for w in scope.layout_words}
    return WordProgram(
        str(start),
        loader.program.routines,
        loader.program.primitives,
        loader.program.records,
        loader.program.constants,
        frozenset(words),
        tuple(loader.scopes[start].expectations),
    )


def routine_named(program: WordProgram, name: str, path: str | None = None) -> Routine:
    """Return the routine `name` that the file itself (or the file `path`) defines."""
    key = f"{path or program.path}::{name}"
    if key in program.routines:
        return program.routines[key]
    own = [k.split("::")[1] for k in program.routines if k.startswith(program.path + "::")]
    raise WordError(
        Where(program.path, 1, 1, ""),
        f"no word routine named {name!r} in this file",
        f"it defines: {', '.join(sorted(own)) or 'none'}",
    )


def _load(loader: _Loader, path: Path) -> Scope:
    if path in loader.scopes:
        return loader.scopes[path]
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        where = Where(str(path), error.lineno or 1, error.offset or 1, (error.text or "").rstrip())
        raise WordError(where, f"not Python: {error.msg}", "correct the syntax") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WordError(
            Where(str(path), 1, 1, ""), f"cannot be read: {error}", "check the path"
        ) from error
    scope = Scope(path=str(path), lines=tuple(source.splitlines()))
    loader.open_files.append(path)
    for node in tree.body:
        _imports(loader, scope, path, node)
    # Declarations first, bodies second: a routine may call one that stands further down.
    functions: list[ast.FunctionDef] = []
    for node in tree.body:
        _declaration(loader, scope, node, functions)
    for function in functions:
        _define(loader, scope, function)
    _no_recursion(loader, scope)
    loader.open_files.pop()
    loader.scopes[path] = scope
    return scope


def _imports(loader: _Loader, scope: Scope, path: Path, node: ast.stmt) -> None:
    if isinstance(node, ast.Import):
        raise WordError(
            scope.where(node),
            "a word file imports names, not modules",
            "write `from model.kernel.addresses import virt_to_slab`",
        )
    if not isinstance(node, ast.ImportFrom) or node.module == "__future__":
        return
    if node.module == VOCABULARY:
        for alias in node.names:
            scope.vocabulary(alias, node)
        return
    relative = Path(*(node.module or "").split(".")).with_suffix(".py")
    found = next((base / relative for base in (ROOT, path.parent) if (base / relative).is_file()),
                 None)  # fmt: skip
    if found is None or node.level:
        raise WordError(
            scope.where(node),
            f"no word file {node.module!r}",
            "import from model.kernel.addresses, or from a file in the same folder",
        )
    found = found.resolve()
    if found in loader.open_files:
        raise WordError(
            scope.where(node), "these files import each other", "move what both need to a third"
        )
    other = _load(loader, found)
    for alias in node.names:
        scope.adopt(alias, node, other)


def _declaration(
    loader: _Loader, scope: Scope, node: ast.stmt, functions: list[ast.FunctionDef]
) -> None:
    if isinstance(node, ast.ImportFrom):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and scope.words.get(node.value.func.id) == "expect"
    ):
        _expectation(scope, node.value)
        return
    if isinstance(node, ast.ClassDef):
        _record(loader, scope, node)
    elif isinstance(node, ast.AnnAssign | ast.Assign):
        _constant(loader, scope, node)
    elif isinstance(node, ast.FunctionDef):
        _signature(loader, scope, node)
        functions.append(node)
    else:
        raise WordError(
            scope.where(node),
            "not supported at the top of a word file",
            "a word file holds imports, constants, Record classes and word routines",
        )


def _expectation(scope: Scope, call: ast.Call) -> None:
    texts = _keywords(scope, call)
    needed = {"property", "where", "verdict", "because"}
    if call.args or not needed <= set(texts) <= needed | {"reported"}:
        raise WordError(
            scope.where(call),
            "an expectation needs property, where, verdict and because, and may say reported",
            'write `expect(property="start_address", where="slab*", verdict="proved", '
            'because="...")`',
        )
    if texts["verdict"] not in ("proved", "violated"):
        raise WordError(
            scope.where(call), f"no such verdict: {texts['verdict']!r}", "use proved or violated"
        )
    scope.expectations.append(
        Expectation(
            texts["property"], texts["where"], texts["verdict"], texts["because"],
            texts.get("reported", ""), scope.where(call),
        )
    )  # fmt: skip


def _record(loader: _Loader, scope: Scope, node: ast.ClassDef) -> None:
    base = node.bases[0] if len(node.bases) == 1 else None
    if not (isinstance(base, ast.Name) and scope.words.get(base.id) == "Record"):
        raise WordError(
            scope.where(node),
            "a class here declares a structure in memory",
            f"write `class {node.name}(Record):` with annotated fields",
        )
    fields: dict[str, str] = {}
    for item in node.body:
        if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
            continue
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            raise WordError(
                scope.where(item), "not a field", "write `name: Word` for each field, no values"
            )
        fields[item.target.id] = scope.type_of(item.annotation)
    key = f"{scope.path}::{node.name}"
    loader.program.records[key] = RecordType(node.name, fields)
    scope.records[node.name] = loader.program.records[key]
    scope.declare(node.name, "record", key, node)


def _constant(loader: _Loader, scope: Scope, node: ast.AnnAssign | ast.Assign) -> None:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    if not isinstance(target, ast.Name) or node.value is None:
        raise WordError(scope.where(node), "not a constant", "write `NAME: Word = value`")
    value = node.value
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and scope.words.get(value.func.id) == "layout_word"
    ):
        scope.layout_words.add(target.id)
        scope.declare(target.id, "layout", target.id, node)
        return
    key = f"{scope.path}::{target.id}"
    loader.program.constants[key] = constant_value(value, scope, loader.program.constants)
    scope.declare(target.id, "constant", key, node)


def _signature(loader: _Loader, scope: Scope, node: ast.FunctionDef) -> None:
    decorator = node.decorator_list[0] if len(node.decorator_list) == 1 else None
    role = ""
    if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name):
        role = scope.words.get(decorator.func.id, "")
    if role not in ("word_routine", "memory_primitive"):
        raise WordError(
            scope.where(node),
            f"{node.name} has no role",
            "put `@word_routine(models=...)` or `@memory_primitive(...)` above it",
        )
    args = node.args
    if args.vararg or args.kwarg or args.kwonlyargs or args.posonlyargs or args.defaults:
        raise WordError(
            scope.where(node),
            "only plain parameters are supported",
            f"write `def {node.name}(head: Word) -> Word:`",
        )
    if node.returns is None or any(arg.annotation is None for arg in args.args):
        raise WordError(
            scope.where(node),
            "parameters and result need a type",
            f"write `def {node.name}(head: Word) -> Word:`; types are Word, Flag and records",
        )
    params = tuple(Param(a.arg, scope.type_of(a.annotation)) for a in args.args if a.annotation)
    result = scope.type_of(node.returns)
    key = f"{scope.path}::{node.name}"
    assert isinstance(decorator, ast.Call)
    words = _keywords(scope, decorator)
    if role == "memory_primitive":
        requires = words.get("requires")
        loader.program.primitives[key] = Primitive(
            node.name, params, result, requires, words.get("says", ""), scope.where(node)
        )
        scope.primitives[node.name] = loader.program.primitives[key]
        scope.declare(node.name, "primitive", key, node)
    else:
        doc = ast.get_docstring(node) or ""
        scope.routines[node.name] = Routine(
            node.name, params, result, (), words.get("models", ""), doc, scope.where(node)
        )
        scope.declare(node.name, "routine", key, node)


def _keywords(scope: Scope, call: ast.Call) -> dict[str, str]:
    found: dict[str, str] = {}
    for keyword in call.keywords:
        value = keyword.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found[keyword.arg or ""] = value.value
        else:
            raise WordError(
                scope.where(value), "a decorator takes texts", 'write name="..." in quotes'
            )
    return found


def _define(loader: _Loader, scope: Scope, node: ast.FunctionDef) -> None:
    key = f"{scope.path}::{node.name}"
    if key in loader.program.primitives:
        primitive = loader.program.primitives[key]
        if primitive.requires is None:
            return
        # The condition is a routine of the same file; keep its full key for the readers.
        known = scope.names.get(primitive.requires)
        test = scope.routines.get(primitive.requires)
        if known is None or test is None or test.result != FLAG or test.params != primitive.params:
            raise WordError(
                scope.where(node),
                f"requires={primitive.requires!r} is not a routine that gives a Flag "
                "for the same parameters",
                f"define `def {primitive.requires}(...) -> Flag:` in this file",
            )
        resolved = Primitive(
            primitive.name, primitive.params, primitive.result, known[1], primitive.says,
            primitive.where,
        )  # fmt: skip
        loader.program.primitives[key] = resolved
        scope.primitives[node.name] = resolved
        return
    signature = scope.routines[node.name]
    body = BodyParser(scope, signature, loader.program.constants)
    decorator = node.decorator_list[0]
    assert isinstance(decorator, ast.Call)
    words = _keywords(scope, decorator)
    equals = body.contract(words.get("equals"), WORD, decorator)
    when = body.contract(words.get("when"), FLAG, decorator)
    routine = Routine(
        node.name, signature.params, signature.result, body.block(node), signature.models,
        signature.says, signature.where, equals, when,
    )  # fmt: skip
    loader.program.routines[key] = routine
    scope.routines[node.name] = routine
    scope.calls[key] = body.called


def _no_recursion(loader: _Loader, scope: Scope) -> None:
    """Calls are inlined, so a routine must not reach itself."""

    def visit(key: str, chain: tuple[str, ...]) -> None:
        if key in chain:
            names = " -> ".join(k.split("::")[1] for k in (*chain[chain.index(key) :], key))
            raise WordError(
                loader.program.routines[key].where,
                f"recursion: {names}",
                "calls are inlined; write the cases out",
            )
        for called in sorted(scope.calls.get(key, ())):
            visit(called, (*chain, key))

    for key in sorted(scope.calls):
        visit(key, ())
