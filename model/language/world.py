"""What the files of a design declare, in one configuration."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import TypeVar

from model.language.declarations import ROOT, EnumDecl, Module, RecordDecl, RoutineDecl, nearest
from model.language.expressions import Expressions
from model.language.loader import Loader
from model.language.pools import build_pools, variables_of
from model.language.scope import Call, World
from model.language.source import CompileError, Frame

PROPERTIES = ROOT / "properties"
T = TypeVar("T", RecordDecl, EnumDecl, RoutineDecl)


def build_world(
    loader: Loader,
    root: Module,
    modules: list[Module],
    config: Mapping[str, int],
    properties: frozenset[str],
) -> World:
    """Collect the declarations of all files; entries are those of the design itself.

    Raises CompileError for declarations that are wrong by themselves.
    """
    values = _settings(loader, config)
    world = World(values, loader.knobs, {}, {}, {}, {}, {}, {}, {}, {}, properties)

    def const(expr: ast.expr, module: Module) -> int:
        return outside(world, module).const(expr)

    enums: set[str] = set()
    for module in modules:
        for enum in own(module, EnumDecl):
            if enum.name in enums:
                raise CompileError(f"enum `{enum.name}` is declared twice, again in {module.shown}")
            enums.add(enum.name)
    world.pools.update(build_pools(modules, const))
    world.variables.update({var.name: var for var in variables_of(world.pools)})
    for module in modules:
        for decl in own(module, RoutineDecl):
            _take(world, decl, module is root)
    _check_calls(world, root, modules)
    return world


def outside(world: World, module: Module) -> Expressions:
    """Expression lowering at the top level of a file."""
    lowering = Expressions(world, None, None)
    body = ast.parse("def top_level(): pass").body[0]
    assert isinstance(body, ast.FunctionDef)
    decl = RoutineDecl("", module, body, "pure", {}, [])
    lowering.calls = [Call(decl, module, {}, Frame("", module.shown, 1))]
    return lowering


def begin(lowering: Expressions, decl: RoutineDecl) -> Call:
    """Stand at the beginning of a routine that nothing calls."""
    frame = Frame(decl.name, decl.module.shown, decl.node.lineno, decl.models)
    call = Call(decl, decl.module, {}, frame)
    lowering.calls.append(call)
    return call


def wanted(world: World, decl: RoutineDecl) -> bool:
    """Whether the configuration has this process, action or entry: its `when=` condition."""
    when = decl.options.get("when")
    return when is None or bool(outside(world, decl.module).const(when))


def own(module: Module, kind: type[T]) -> Iterator[T]:
    """The declarations of a kind that a file makes itself."""
    for decl in module.names.values():
        if isinstance(decl, kind) and decl.module is module:
            yield decl


# --- routines ------------------------------------------------------------------------------------


def _take(world: World, decl: RoutineDecl, in_root: bool) -> None:
    """Note what a routine is for."""
    where = decl.module.where(decl.node)
    if decl.kind == "process":
        if decl.name in world.process_record:
            raise CompileError(f"process `{decl.name}` is declared twice", where)
        world.process_record[decl.name] = _process_record(decl)
        known = world.processes if wanted(world, decl) else world.absent
        known[decl.name] = decl
    elif "entry" in decl.options:
        if in_root and wanted(world, decl):
            for context in _contexts(decl):
                world.entries.setdefault(context, []).append(decl)
    elif "when" in decl.options and decl.kind != "action":
        raise CompileError(
            f"@{decl.kind}(when=...) says when a routine is an entry",
            where,
            "add entry=(client, nmi, ...), or leave when= out",
        )
    elif decl.kind in ("holder_test", "free_test"):
        match [arg.annotation for arg in decl.node.args.args]:
            case [ast.Name(lock)]:
                tests = world.holder_tests if decl.kind == "holder_test" else world.free_tests
                tests[lock] = decl
            case _:
                raise CompileError(f"a @{decl.kind} takes one lock", where)
    elif decl.kind == "on":
        match decl.args:
            case [ast.Constant(str(event))]:
                world.monitors.setdefault(event, []).append(decl)
            case _:
                raise CompileError('write @on("event")', where)


def _process_record(decl: RoutineDecl) -> str:
    """The record whose instances a process belongs to."""
    per = decl.options.get("per")
    record = decl.module.names.get(per.id) if isinstance(per, ast.Name) else None
    if not isinstance(record, RecordDecl):
        where = decl.module.where(decl.node)
        raise CompileError("a process is @process(per=Record, ...)", where)
    if not decl.node.args.args:
        raise CompileError(
            "a process takes its instance first", decl.module.where(decl.node), "def p(who: Record)"
        )
    return record.name


def _contexts(decl: RoutineDecl) -> list[str]:
    """The contexts that a routine with `entry=(client, nmi, ...)` may be called from."""
    match decl.options["entry"]:
        case ast.Tuple(items):
            for item in items:
                found = decl.module.names.get(item.id) if isinstance(item, ast.Name) else None
                if not isinstance(found, RoutineDecl) or found.kind != "process":
                    raise CompileError(
                        f"`{ast.unparse(item)}` is not a process",
                        decl.module.where(item),
                        "import the contexts: from model.kernel.contexts import client, nmi, probe",
                    )
            return [item.id for item in items if isinstance(item, ast.Name)]
        case other:
            raise CompileError("write entry=(client, nmi, ...)", decl.module.where(other))


# --- what is named in quotes ---------------------------------------------------------------------


def _check_calls(world: World, root: Module, modules: list[Module]) -> None:
    """Contexts, properties and events that are named in quotes exist, and something runs."""
    called = [text for module in modules for text, _ in _quoted(module, "call_entry")]
    if not world.processes or (called and not world.entries):
        raise CompileError(
            f"{root.shown}: no context calls this design, so nothing could ever go wrong",
            None,
            "mark a routine with entry=(client, nmi, ...), the contexts of model.kernel.contexts",
        )
    files = {path.stem for path in PROPERTIES.glob("[a-z]*.py")} - {"registry"}
    _check_names(modules, "check", "property", {*world.properties, *files}, {"model_error"})
    _check_names(modules, "call_entry", "process", world.process_record)
    # With a misspelt event every property that watches it would hold, as nothing is ever seen.
    _check_names(modules, "event", "event", {*world.monitors, *_watched_events()})


def _check_names(
    modules: list[Module],
    builtin: str,
    what: str,
    known: Iterable[str],
    unnamed: Set[str] = frozenset(),
) -> None:
    """Raise CompileError where a built-in is given a name that is not known."""
    known = set(known)
    for module in modules:
        for text, node in _quoted(module, builtin):
            if text not in known:
                hint = nearest(text, known - unnamed)
                raise CompileError(f"unknown {what} `{text}`", module.where(node), hint)


@functools.cache
def _watched_events() -> frozenset[str]:
    """The events of all properties; the files of those that are not checked are not loaded."""
    found = set()
    for path in PROPERTIES.glob("[a-z]*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name("on"), [ast.Constant(str(event))]):
                    found.add(event)
    return frozenset(found)


def _quoted(module: Module, name: str) -> Iterator[tuple[str, ast.AST]]:
    """The first arguments, in quotes, of the calls of a built-in in a file."""
    for decl in own(module, RoutineDecl):
        for called, text, node in _calls_with_text(decl.node):
            if called == name:
                yield text, node


@functools.lru_cache(maxsize=1 << 12)
def _calls_with_text(routine: ast.FunctionDef) -> tuple[tuple[str, str, ast.AST], ...]:
    """The calls in a routine whose first argument is in quotes: what is called, and the text."""
    found = []
    for node in ast.walk(routine):
        match node:
            case ast.Call(ast.Name(called), [ast.Constant(str(text)), *_]):
                found.append((called, text, node))
    return tuple(found)


# --- configuration -------------------------------------------------------------------------------


def _settings(loader: Loader, config: Mapping[str, int]) -> dict[str, int]:
    """The value of every knob."""
    for name, value in config.items():
        knob = loader.knobs.get(name)
        if knob is None:
            raise CompileError(f"unknown knob `{name}`", None, nearest(name, loader.knobs))
        if not isinstance(value, int):
            raise CompileError(f"knob `{name}` is {value!r}, not a number")
        if isinstance(knob.default, bool) and value not in (0, 1):
            raise CompileError(f"knob `{name}` is {value}; it is either 0 or 1", None, knob.meaning)
    return {knob.name: int(config.get(knob.name, knob.default)) for knob in loader.knobs.values()}
