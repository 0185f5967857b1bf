"""The last pass over a machine: what nothing reads goes, the rest is numbered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from model.language import fold
from model.language.fold import TRUE
from model.language.known import with_known_values
from model.language.machine import Age, Check, Const, Expr, If, Load, Machine, Op, Store, Transition


def finish(machine: Machine) -> Machine:
    """Drop what cannot run and what nothing reads; number transitions and checks, list cookies."""
    processes = tuple(proc for proc in machine.processes if proc.instances)
    present = {proc.name for proc in processes} | {None}
    transitions = tuple(
        tr for tr in machine.transitions if tr.process in present and _has_values(tr)
    )
    transitions = _without_empty(machine, transitions)
    transitions = tuple(replace(tr, body=with_known_values(tr.body)) for tr in transitions)
    machine = replace(machine, processes=processes)
    needed: set[str] = set()
    if "list_integrity" in machine.properties:  # it looks at lists after the machine is made
        stored = {name for tr in transitions for name in _stored(tr.body)}
        for one in machine.lists:
            if not machine.variable[one.link].size or one.head not in stored:
                continue  # nothing to link, or nothing is ever put there
            needed |= {name for name in (one.head, one.link, one.count) if name}
            needed |= {load.var for load in fold.loads(one.free or TRUE)}
    while True:
        read = needed | _read(replace(machine, transitions=transitions))
        slimmer = tuple(
            replace(tr, body=fold.without_unused(_without_stores(tr.body, read)))
            for tr in transitions
        )
        if slimmer == transitions:
            break
        transitions = slimmer
    pcs = {proc.pc_var for proc in machine.processes}
    variables = tuple(v for v in machine.variables if v.name in read | pcs and v.size)
    cookies = tuple(v.name for v in variables if v.type.kind == "cookie")
    checks: list[Check] = []
    numbered = tuple(
        replace(tr, id=i, body=_numbered(tr.body, cookies, checks))
        for i, tr in enumerate(transitions)
    )
    names = {v.name for v in variables}
    lists = tuple(one for one in machine.lists if {one.head, one.link} <= names)
    return replace(
        machine, transitions=numbered, variables=variables, checks=tuple(checks), lists=lists
    )


def _has_values(tr: Transition) -> bool:
    """Whether each parameter has a value: none has that ranges over a record without instances."""
    return all(param.lo <= param.hi for param in tr.params)


def _without_empty(machine: Machine, transitions: tuple[Transition, ...]) -> tuple[Transition, ...]:
    """Nothing refers to a cell of a record without instances.

    Only NULL can stand where an instance is expected, and a check for that comes first; what the
    access would give does not matter.
    """
    empty = {var.name for var in machine.variables if not var.size}

    def nothing(expr: Expr) -> Expr | None:
        return Const(0) if isinstance(expr, Load) and expr.var in empty else None

    return tuple(
        replace(tr, guard=fold.rewrite(tr.guard, nothing), body=fold.rewrite_ops(tr.body, nothing))
        for tr in transitions
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


def _stored(ops: tuple[Op, ...]) -> Iterator[str]:
    for op in ops:
        match op:
            case Store(var):
                yield var
            case If(_, then, other):
                yield from _stored(then)
                yield from _stored(other)


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
