"""The last pass over a machine: what nothing reads goes, the rest is numbered."""

from __future__ import annotations

from dataclasses import replace

from model.language import fold
from model.language.fold import TRUE
from model.language.machine import Age, Check, If, Machine, Op, Store


def finish(machine: Machine) -> Machine:
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
