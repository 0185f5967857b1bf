"""The compiler: a design file and a configuration in, a machine out."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from model.language import fold
from model.language.declarations import (
    Edit,
    EnumDecl,
    Loader,
    Module,
    RecordDecl,
    RoutineDecl,
    nearest,
)
from model.language.expressions import Expressions
from model.language.flow import Flow, Node
from model.language.fold import TRUE, binary
from model.language.machine import (
    Age,
    Check,
    Const,
    Expr,
    Goal,
    Home,
    If,
    Invariant,
    LinkedList,
    Machine,
    Op,
    Param,
    Parameter,
    Store,
    Transition,
    Type,
    Variable,
)
from model.language.pools import Pool, build_pools, variables_of
from model.language.scope import Call, Value, World
from model.language.source import CompileError, Frame, Provenance
from model.language.statements import Lowering
from model.language.steps import Program

ALWAYS = frozenset({"model_error"})
"""Checks that the compiler itself inserts: NULL dereference, a value out of range."""


def compile_machine(
    design: Path,
    config: Mapping[str, int],
    properties: Mapping[str, Path | None],
    edits: Iterable[Edit] = (),
) -> Machine:
    """Compile a design file with its knobs and bounds set by `config`.

    `properties` maps the names of the properties to check to the files that define their
    monitors and goals, if they have any; what only other properties need does not become part of the machine.
    Raises CompileError for every mistake in a model file or a configuration value.
    """
    loader = Loader(edits)
    root = loader.load(design)
    files = [path for path in properties.values() if path is not None]
    for path in files:
        loader.load(path)
    modules = list(loader.modules.values())
    world = _world(loader, root, modules, config, frozenset(properties) | ALWAYS)
    if not world.processes or not world.entries:
        raise CompileError(
            f"{root.shown}: no context calls this design, so nothing could ever go wrong",
            None,
            "mark a routine with entry=(client, nmi, ...), the contexts of model.kernel.contexts",
        )
    programs = [_program(world, decl) for decl in world.processes.values()]
    start = {program.name: program for program in programs}
    transitions = [tr for program in programs for tr in program.transitions()]
    for module in modules:
        for decl in module.names.values():
            if isinstance(decl, RoutineDecl) and decl.kind == "action" and decl.module is module:
                if _wanted(world, decl):
                    transitions.append(_action(world, decl, start))
    invariants, goals = _predicates(world, modules, set(files))
    machine = Machine(
        name=design.stem,
        config=dict(world.config),
        variables=(*world.variables.values(), *(v for p in programs for v in p.variables())),
        processes=tuple(program.process() for program in programs),
        transitions=tuple(transitions),
        invariants=invariants,
        goals=goals,
        lists=_lists(world),
        symmetric=_symmetric(world),
        properties=world.properties,
        enums={
            decl.name: tuple(decl.members)
            for module in modules
            for decl in module.names.values()
            if isinstance(decl, EnumDecl)
        },
        embedded={name: tuple(_homes(pool)) for name, pool in world.pools.items() if pool.embeddings},
        per={name: pool.per for name, pool in world.pools.items() if pool.per},
    )
    return _finish(machine)


# --- the world ---------------------------------------------------------------------------------


def _world(
    loader: Loader,
    root: Module,
    modules: list[Module],
    config: Mapping[str, int],
    properties: frozenset[str],
) -> World:
    for name in config:
        if name not in loader.knobs:
            raise CompileError(f"unknown knob `{name}`", None, nearest(name, loader.knobs))
    values = {knob.name: int(config.get(knob.name, knob.default)) for knob in loader.knobs.values()}
    world = World(values, loader.knobs, {}, {}, {}, {}, {}, {}, {}, {}, properties)

    def const(expr: ast.expr, module: Module) -> int:
        return _outside(world, module).const(expr)

    world.pools.update(build_pools(modules, const))
    world.variables.update({var.name: var for var in variables_of(world.pools)})
    for module in modules:
        for decl in module.names.values():
            if not isinstance(decl, RoutineDecl) or decl.module is not module:
                continue
            if decl.kind == "process":
                known = world.processes if _wanted(world, decl) else world.absent
                known[decl.name] = decl
            elif "entry" in decl.options and module is root:
                for context in _names(decl):
                    world.entries.setdefault(context, []).append(decl)
            elif decl.kind in ("holder_test", "free_test"):
                match [arg.annotation for arg in decl.node.args.args]:
                    case [ast.Name(lock)]:
                        tests = {"holder_test": world.holder_tests, "free_test": world.free_tests}
                        tests[decl.kind][lock] = decl
                    case _:
                        text = f"a @{decl.kind} takes one lock"
                        raise CompileError(text, module.where(decl.node))
            elif decl.kind == "on":
                match decl.args:
                    case [ast.Constant(str(event))]:
                        world.monitors.setdefault(event, []).append(decl)
                    case _:
                        raise CompileError('write @on("event")', module.where(decl.node))
    return world


def _homes(pool: Pool) -> Iterator[Home]:
    for home in pool.embeddings:
        for owner in range(home.owners):
            for element in range(home.length):
                yield home.owner, owner, home.field, element if home.length > 1 else None


def _outside(world: World, module: Module) -> Expressions:
    """Expression lowering at the top level of a file."""
    lowering = Expressions(world, None, None)
    body = ast.parse("def top_level(): pass").body[0]
    assert isinstance(body, ast.FunctionDef)
    decl = RoutineDecl("", module, body, "pure", {}, [])
    lowering.calls = [Call(decl, module, {}, Frame("", module.shown, 1))]
    return lowering


def _begin(lowering: Expressions, decl: RoutineDecl) -> Call:
    frame = Frame(decl.name, decl.module.shown, decl.node.lineno, decl.models)
    call = Call(decl, decl.module, {}, frame)
    lowering.calls.append(call)
    return call


def _wanted(world: World, decl: RoutineDecl) -> bool:
    """Whether the configuration has this process or action: its `when=` condition."""
    when = decl.options.get("when")
    return when is None or bool(_outside(world, decl.module).const(when))


def _names(decl: RoutineDecl) -> list[str]:
    """The contexts that a routine with `entry=("task", ...)` may be called from."""
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


# --- processes and actions ---------------------------------------------------------------------


def _program(world: World, decl: RoutineDecl) -> Program:
    module = decl.module
    per = decl.options.get("per")
    record = module.names.get(per.id) if isinstance(per, ast.Name) else None
    if not isinstance(record, RecordDecl):
        raise CompileError("a process is @process(per=Record, ...)", module.where(decl.node))
    params = decl.node.args.args
    if not params:
        raise CompileError("a process takes its instance first", module.where(decl.node))
    flow = Flow(module.where(decl.node))
    lowering = Lowering(world, flow, decl)
    call = _begin(lowering, decl)
    pool = world.pools[record.name]
    myself = Value(binary("+", Param("self"), Const(1)), pool.ref(nullable=False))
    call.env[params[0].arg] = myself
    names: dict[str, str] = {}
    for param in params[1:]:
        if param.annotation is None:
            raise CompileError(f"`{param.arg}` has no type", module.where(param))
        local = world.local(param.arg, lowering.annotated(param.annotation, module))
        call.env[param.arg] = local
        names[param.arg] = local.name
    lowering.block(decl.node.body)
    flow.open += call.returns
    if flow.reachable:
        lowering.emit(Node("end", lowering.where(decl.node)))
    program = Program(
        decl.name, record.name, pool.size, flow, _may_run(world, decl, myself), world.types, names,
        lambda kind: _group(world, kind),
    )  # fmt: skip
    program.analyse()
    world.marks[decl.name] = program.process().marks
    world.cookie_uses[decl.name] = frozenset(
        tr.pc for tr in program.transitions() if _uses_cookie(program, world, tr)
    )
    return program


def _uses_cookie(program: Program, world: World, tr: Transition) -> bool:
    """Whether a step reads a cookie or stores one (other than the 0 of a dead local)."""
    kinds = {name: var.type.kind for name, var in world.variables.items()}
    kinds |= {name: kind.kind for name, kind in program.slot_types.items()}
    exprs = (tr.guard, *fold.expressions(tr.body))
    read = {load.var for expr in exprs for load in fold.loads(expr)}
    stored = {
        op.var for op in fold.flat(tr.body) if isinstance(op, Store) and op.value != Const(0)
    }
    return any(kinds.get(name) == "cookie" for name in read | stored)


def _group(world: World, kind: Type) -> str:
    """Locals of one group may share a cell: what is renamed or aged together stays together."""
    if kind.kind == "cookie":
        return "cookie"
    if kind.kind != "ref":
        return "number"
    name = kind.name
    while world.pools[name].per is not None:
        name = str(world.pools[name].per)
    return name


def _may_run(world: World, decl: RoutineDecl, myself: Value) -> Expr:
    source = decl.options.get("may_run")
    if source is None:
        return TRUE
    test = decl.module.names.get(source.id) if isinstance(source, ast.Name) else None
    if not isinstance(test, RoutineDecl) or test.kind != "pure":
        raise CompileError("may_run= names a @pure function", decl.module.where(source))
    lowering = Expressions(world, None, decl)
    call = _begin(lowering, test)
    call.env[test.node.args.args[0].arg] = myself
    return lowering.pure_body(test.node.body, test).expr


def _action(world: World, decl: RoutineDecl, programs: dict[str, Program]) -> Transition:
    flow = Flow(decl.module.where(decl.node))

    def start_ops(process: str, index: Expr, values: dict[str, Expr]) -> tuple[Op, ...]:
        ops = programs[process].start(values)

        def renamed(expr: Expr) -> Expr | None:
            return index if expr == Param("self") else None

        return fold.rewrite_ops(ops, renamed)

    lowering = Lowering(world, flow, None, start_ops)
    lowering.atomic = True
    call = _begin(lowering, decl)
    parameters = []
    for param in decl.node.args.args:
        if param.annotation is None:
            raise CompileError(f"`{param.arg}` has no type", decl.module.where(param))
        kind = lowering.annotated(param.annotation, decl.module)
        if kind.kind == "ref":
            kind = replace(kind, lo=1)
        call.env[param.arg] = Value(Param(param.arg), kind)
        parameters.append(Parameter(param.arg, kind.lo, kind.hi, kind))
    guard: Expr = TRUE
    body = decl.node.body
    lowering.pure_depth += 1
    for stmt in body:
        match stmt:
            case ast.Expr(ast.Call(ast.Name("require"), [cond])):
                guard = binary("and", guard, lowering.truth(cond).expr)
    lowering.pure_depth -= 1
    rest = [s for s in body if not _is_require(s)]
    lowering.block(rest)
    flow.open += call.returns
    where = lowering.where(decl.node)
    if flow.reachable:
        lowering.emit(Node("end", where))
    where = replace(where, text=f"{decl.name}(...)", chain=(call.frame,))
    environment = decl.options.get("environment")
    outside = isinstance(environment, ast.Constant) and environment.value is True
    ops = _straight(flow.entry)
    return Transition(-1, decl.name, None, 0, tuple(parameters), guard, ops, where, outside)


def _is_require(stmt: ast.stmt) -> bool:
    match stmt:
        case ast.Expr(ast.Call(ast.Name("require"))):
            return True
    return False


def _straight(node: Node | None) -> tuple[Op, ...]:
    """The operations of a graph that has no steps."""
    if node is None or node.kind == "end":
        return ()
    if node.kind == "branch":
        return (If(node.cond, _straight(node.next), _straight(node.other)),)
    return (*node.ops, *_straight(node.next))


# --- predicates, lists, symmetry ---------------------------------------------------------------


def _predicates(
    world: World, modules: list[Module], files: set[Path]
) -> tuple[tuple[Invariant, ...], tuple[Goal, ...]]:
    invariants: list[Invariant] = []
    goals: list[Goal] = []
    chosen = {path.resolve() for path in files}
    for module in modules:
        for decl in module.names.values():
            if not isinstance(decl, RoutineDecl) or decl.module is not module:
                continue
            if decl.kind in ("invariant", "goal"):
                if module.path.is_relative_to(_PROPERTIES) and module.path not in chosen:
                    continue
                match decl.args:
                    case [ast.Constant(str(prop)), ast.Constant(str(message))]:
                        pass
                    case _:
                        text = f'write @{decl.kind}("property", "message")'
                        raise CompileError(text, module.where(decl.node))
                lowering = Expressions(world, None, None)
                lowering.ghost = True
                _begin(lowering, decl)
                expr = lowering.pure_body(decl.node.body, decl).expr
                if decl.kind == "goal":
                    goals.append(Goal(prop, expr, message))
                else:
                    invariants.append(Invariant(prop, expr, message))
    return tuple(invariants), tuple(goals)


_PROPERTIES = Path(__file__).resolve().parents[2] / "properties"


def _lists(world: World) -> tuple[LinkedList, ...]:
    """Fields that are heads of linked lists, with the condition under which their lock is free."""
    lists = []
    for pool in world.pools.values():
        for info in pool.fields.values():
            if info.link is None or info.type is None or pool.size == 0:
                continue
            var = world.variables[f"{pool.decl.name}.{info.name}"]
            link = info.link if "." in info.link else f"{info.type.name}.{info.link}"
            count = f"{pool.decl.name}.{info.count}" if info.count else None
            lists.append(LinkedList(var.name, link, count, _free(world, var, info.node, pool.decl)))
    return tuple(lists)


def _free(world: World, var: Variable, node: ast.AST, record: RecordDecl) -> Expr | None:
    if var.guard is None:
        return None
    lowering = _outside(world, record.module)
    lock = lowering.guard_lock(var, (Param("i"),), node)
    decl = world.free_tests.get(lock.type.name)
    if decl is None:
        return None
    lowering.enter(decl, {decl.node.args.args[0].arg: lock}, node)
    return lowering.pure_body(decl.node.body, decl).expr


def _symmetric(world: World) -> tuple[str, ...]:
    """Records whose instances nothing tells apart: no per-instance layout, no order, no process."""
    owned = {info.embeds for pool in world.pools.values() for info in pool.fields.values()}
    owners = {p.decl.name for p in world.pools.values() if any(i.embeds for i in p.fields.values())}
    based = {pool.per for pool in world.pools.values()} | {
        pool.decl.name for pool in world.pools.values() if pool.per
    }
    processes = set()
    for decl in world.processes.values():
        per = decl.options["per"]
        if isinstance(per, ast.Name):
            processes.add(per.id)
    return tuple(
        name
        for name, pool in world.pools.items()
        if pool.size > 1
        and "count" in pool.decl.options
        and name not in owned | owners | based | processes | world.ordered
    )


# --- finishing ---------------------------------------------------------------------------------


def _finish(machine: Machine) -> Machine:
    """Drop what nothing reads, list the cookies that age, and number transitions and checks."""
    transitions = machine.transitions
    needed: set[str] = set()
    if "list_integrity" in machine.properties:  # it looks at lists after the machine is made
        for one in machine.lists:
            needed |= {name for name in (one.head, one.link, one.count) if name}
            needed |= {load.var for load in fold.loads(one.free or TRUE)}
    while True:
        read = needed | _read(replace(machine, transitions=transitions))
        slimmer = tuple(
            replace(tr, body=fold.without_unused(_without_stores(tr.body, read))) for tr in transitions
        )
        if slimmer == transitions:
            break
        transitions = slimmer
    pcs = {proc.pc_var for proc in machine.processes}
    variables = tuple(v for v in machine.variables if v.name in read | pcs and v.size)
    cookies = tuple(v.name for v in variables if v.type.kind == "cookie")
    checks: list[Check] = []
    numbered = tuple(
        replace(tr, id=i, body=_numbered(tr.body, cookies, checks)) for i, tr in enumerate(transitions)
    )
    names = {v.name for v in variables}
    lists = tuple(one for one in machine.lists if one.head in names)
    return replace(
        machine, transitions=numbered, variables=variables, checks=tuple(checks), lists=lists
    )


def _read(machine: Machine) -> set[str]:
    found = set()
    for tr in machine.transitions:
        exprs = (tr.guard, *fold.expressions(tr.body))
        found |= {load.var for expr in exprs for load in fold.loads(expr)}
    rest = [inv.expr for inv in machine.invariants] + [goal.expr for goal in machine.goals]
    for expr in rest + [proc.may_run for proc in machine.processes]:
        found |= {load.var for load in fold.loads(expr)}
    return found | {proc.pc_var for proc in machine.processes}


def _without_stores(ops: tuple[Op, ...], read: set[str]) -> tuple[Op, ...]:
    out: list[Op] = []
    for op in ops:
        match op:
            case Store(var) if var not in read:
                continue
            case If(cond, then, other):
                op = If(cond, _without_stores(then, read), _without_stores(other, read))
        out.append(op)
    return tuple(out)


def _numbered(ops: tuple[Op, ...], cookies: tuple[str, ...], checks: list[Check]) -> tuple[Op, ...]:
    out: list[Op] = []
    for op in ops:
        match op:
            case If(cond, then, other):
                op = If(cond, _numbered(then, cookies, checks), _numbered(other, cookies, checks))
            case Check():
                op = replace(op, id=len(checks))
                checks.append(op)
            case Age():
                op = Age(cookies)
        out.append(op)
    return tuple(out)


__all__ = ["Provenance", "compile_machine"]
