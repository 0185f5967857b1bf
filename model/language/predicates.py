"""Predicates over states: invariants and goals, lists, and which records are interchangeable."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from model.language.declarations import Module, RecordDecl, RoutineDecl
from model.language.expressions import Expressions
from model.language.fold import TRUE
from model.language.machine import Const, Expr, Goal, Invariant, LinkedList, Param, Variable
from model.language.scope import Value, World
from model.language.source import CompileError
from model.language.world import PROPERTIES, begin, outside, own


def predicates(
    world: World, modules: list[Module], files: set[Path]
) -> tuple[tuple[Invariant, ...], tuple[Goal, ...]]:
    """The invariants and goals of all files, of property files only those that were chosen."""
    invariants: list[Invariant] = []
    goals: list[Goal] = []
    chosen = {path.resolve() for path in files}
    for module in modules:
        if module.path.is_relative_to(PROPERTIES) and module.path not in chosen:
            continue
        for decl in own(module, RoutineDecl):
            if decl.kind not in ("invariant", "goal"):
                continue
            match decl.args:
                case [ast.Constant(str(prop)), ast.Constant(str(message))]:
                    pass
                case _:
                    text = f'write @{decl.kind}("property", "message")'
                    raise CompileError(text, module.where(decl.node))
            if decl.kind == "invariant":
                # One that is true by itself says nothing here: what it speaks of is not there.
                expr = _predicate(world, decl)
                if expr != TRUE and prop in world.properties:
                    invariants.append(Invariant(prop, expr, message))
            elif decl.node.args.args:
                exprs = _for_each(world, decl)
                goals += [Goal(prop, expr, message, each=True) for expr in exprs if expr != TRUE]
            else:
                goals.append(Goal(prop, _predicate(world, decl), message))
    return tuple(invariants), tuple(goals)


def _predicate(world: World, decl: RoutineDecl, *arguments: Value) -> Expr:
    lowering = Expressions(world, None, None)
    lowering.ghost = True
    call = begin(lowering, decl)
    if len(decl.node.args.args) != len(arguments):
        lowering.fail(f"`{decl.name}` takes no parameters", decl.node, "use all(...) or any(...)")
    call.env.update(zip((arg.arg for arg in decl.node.args.args), arguments, strict=True))
    value = lowering.pure_body(decl.node.body, decl)
    if value.type.kind != "bool":
        lowering.fail(f"`{decl.name}` must be bool, this is {value.type}", decl.node)
    return value.expr


def _for_each(world: World, decl: RoutineDecl) -> Iterator[Expr]:
    """A goal with a parameter: one predicate for each instance of the record that it names."""
    where = decl.module.where(decl.node)
    match decl.node.args.args:
        case [ast.arg(annotation=ast.Name(name))] if isinstance(
            decl.module.names.get(name), RecordDecl
        ):
            pool = world.pools[name]
        case _:
            raise CompileError(f"`{decl.name}` takes one record", where, "def goal(x: Record)")
    # Each instance has a goal of its own, so they are not interchangeable.
    world.ordered.add(name)
    for instance in range(pool.size):
        yield _predicate(world, decl, Value(Const(instance + 1), pool.ref(nullable=False)))


def linked_lists(world: World) -> tuple[LinkedList, ...]:
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
    lowering = outside(world, record.module)
    lock = lowering.guard_lock(var, (Param("i"),), node)
    decl = world.free_tests.get(lock.type.name)
    if decl is None:
        return None
    lowering.enter(decl, {decl.node.args.args[0].arg: lock}, node)
    return lowering.pure_body(decl.node.body, decl).expr


def symmetric(world: World) -> tuple[str, ...]:
    """Records whose instances nothing tells apart: no per-instance layout, no order, no process."""
    owned = {info.embeds for pool in world.pools.values() for info in pool.fields.values()}
    owners = {p.decl.name for p in world.pools.values() if any(i.embeds for i in p.fields.values())}
    based = {pool.per for pool in world.pools.values()} | {
        pool.decl.name for pool in world.pools.values() if pool.per
    }
    processes = {world.process_record[name] for name in world.processes}
    return tuple(
        name
        for name, pool in world.pools.items()
        if pool.size > 1
        and "count" in pool.decl.options
        and name not in owned | owners | based | processes | world.ordered
    )
