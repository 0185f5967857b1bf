"""Predicates over states: invariants and goals, lists, and which records are interchangeable."""

from __future__ import annotations

import ast
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
                name, exprs = _for_each(world, decl)
                goals += [Goal(prop, expr, message, name) for expr in exprs if expr != TRUE]
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


def _for_each(world: World, decl: RoutineDecl) -> tuple[str, list[Expr]]:
    """A goal with a parameter: the record that it names, and a predicate for each instance."""
    where = decl.module.where(decl.node)
    match decl.node.args.args:
        case [ast.arg(annotation=ast.Name(name))] if isinstance(
            decl.module.names.get(name), RecordDecl
        ):
            pool = world.pools[name]
        case _:
            raise CompileError(f"`{decl.name}` takes one record", where, "def goal(x: Record)")
    kind = pool.ref(nullable=False)
    ones = [Value(Const(instance + 1), kind) for instance in range(pool.size)]
    return name, [_predicate(world, decl, one) for one in ones]


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
    """Records whose instances nothing tells apart: no loop goes through them in order.

    What is declared per instance of such a record, or embedded in one, goes with it.
    """
    told_apart: set[str] = set().union(*(_roots(world, name) for name in world.ordered))
    return tuple(
        name
        for name, pool in world.pools.items()
        if pool.size > 1 and "count" in pool.decl.options and name not in told_apart
    )


def _roots(world: World, name: str) -> set[str]:
    """The records with instances of their own to which the instances of a record belong."""
    pool = world.pools[name]
    owners = [pool.per] if pool.per else [home.owner for home in pool.embeddings]
    return set().union(*(_roots(world, owner) for owner in owners)) if owners else {name}
