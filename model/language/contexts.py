"""Processes and actions: the contexts of a design as programs, and what happens between them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

from model.language import fold
from model.language.calls import split_guards
from model.language.declarations import RoutineDecl
from model.language.expressions import Expressions
from model.language.flow import Flow, Node
from model.language.fold import TRUE, binary
from model.language.machine import (
    Const,
    Expr,
    If,
    Op,
    Param,
    Parameter,
    Store,
    Transition,
    Type,
)
from model.language.scope import Value, World
from model.language.source import CompileError
from model.language.statements import Lowering
from model.language.steps import MOST_NODES, Program, unset
from model.language.world import begin


def compile_process(world: World, decl: RoutineDecl) -> Program:
    """The steps of a process, with everything that it calls inlined."""
    module = decl.module
    record = world.process_record[decl.name]
    params = decl.node.args.args
    flow = Flow(module.where(decl.node))
    lowering = Lowering(world, flow, decl)
    call = begin(lowering, decl)
    pool = world.pools[record]
    myself = Value(binary("+", Param("self"), Const(1)), pool.ref(nullable=False))
    first = params[0]
    if first.annotation is not None:
        lowering.fits_parameter(decl, first, myself, first.annotation)
    call.env[first.arg] = myself
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
        decl.name, record, pool.size, flow, _may_run(world, decl, myself), world.types, names,
        lambda kind: _group(world, kind),
    )  # fmt: skip
    program.analyse()
    world.marks[decl.name] = program.process().marks
    cookies = _cookies(program, world)
    world.cookie_uses[decl.name] = frozenset(
        tr.pc for tr in program.transitions if _uses_any(tr, cookies)
    )
    return program


def _cookies(program: Program, world: World) -> set[str]:
    """The variables, and stored locals of a process, that hold cookies."""
    found = {name for name, var in world.variables.items() if var.type.kind == "cookie"}
    return found | {name for name, kind in program.slot_types.items() if kind.kind == "cookie"}


def _uses_any(tr: Transition, names: set[str]) -> bool:
    """Whether a step reads one of these, or stores one (other than the 0 of a dead local)."""
    stored = {op.var for op in fold.flat(tr.body) if isinstance(op, Store) and op.value != Const(0)}
    if not names.isdisjoint(stored):
        return True
    return not names.isdisjoint(fold.loaded((tr.guard, *fold.expressions(tr.body))))


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
    call = begin(lowering, test)
    if len(test.node.args.args) != 1:
        lowering.fail(f"`{test.name}` takes one parameter, the instance", test.node)
    lowering.fits_parameter(test, test.node.args.args[0], myself, test.node)
    call.env[test.node.args.args[0].arg] = myself
    value = lowering.pure_body(test.node.body, test)
    if value.type.kind != "bool":
        lowering.fail(f"`{test.name}` must be bool, this is {value.type}", test.node)
    return value.expr


def compile_action(world: World, decl: RoutineDecl, programs: Mapping[str, Program]) -> Transition:
    """An action: one transition whose parameters take every value."""
    flow = Flow(decl.module.where(decl.node))

    def start_ops(process: str, index: Expr, values: dict[str, Expr]) -> tuple[Op, ...]:
        ops = programs[process].start(values)

        def renamed(expr: Expr) -> Expr | None:
            return index if expr == Param("self") else None

        return fold.rewrite_ops(ops, renamed)

    lowering = Lowering(world, flow, None, start_ops)
    lowering.atomic = True
    call = begin(lowering, decl)
    parameters = []
    for param in decl.node.args.args:
        if param.annotation is None:
            raise CompileError(f"`{param.arg}` has no type", decl.module.where(param))
        if param.arg == "self":
            text = "`self` is the running process and cannot name a parameter"
            raise CompileError(text, decl.module.where(param))
        kind = lowering.annotated(param.annotation, decl.module)
        if kind.kind == "ref":
            kind = replace(kind, lo=1)
        call.env[param.arg] = Value(Param(param.arg), kind)
        parameters.append(Parameter(param.arg, kind.lo, kind.hi, kind))
    guard: Expr = TRUE
    conditions, body = split_guards(decl.node.body, "require")
    with lowering.predicate():
        for condition in conditions:
            guard = binary("and", guard, lowering.truth(condition).expr)
    lowering.block(body)
    flow.open += call.returns
    where = lowering.where(decl.node)
    if flow.reachable:
        lowering.emit(Node("end", where))
    where = replace(where, text=f"{decl.name}(...)", chain=(call.frame,))
    environment = decl.options.get("environment")
    outside = isinstance(environment, ast.Constant) and environment.value is True
    ops = _straight(flow.entry, [])
    for name in unset(ops):
        text = f"`{name.split('.')[0]}` may be used before it has a value"
        raise CompileError(text, where, "assign it on every path")
    return Transition(-1, decl.name, None, 0, tuple(parameters), guard, ops, where, outside)


def _straight(node: Node | None, written: list[Node]) -> tuple[Op, ...]:
    """The operations of a graph without steps; `written` collects what has been gone through."""
    if node is None or node.kind == "end":
        return ()
    written.append(node)
    if len(written) > MOST_NODES:
        raise CompileError(
            "this action has too many paths", node.where, "every early return doubles what follows"
        )
    if node.kind == "branch":
        then, other = _straight(node.next, written), _straight(node.other, written)
        return (If(node.cond, then, other),)
    return (*node.ops, *_straight(node.next, written))
