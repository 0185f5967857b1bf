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
    needed |= _read_outside(machine)
    transitions = tuple(replace(tr, body=fold.without_unused(tr.body)) for tr in transitions)
    loads = [_read(tr) for tr in transitions]
    while True:
        read = needed.union(*loads)
        slimmer = tuple(_slimmer(tr, read) for tr in transitions)
        changed = [at for at, tr in enumerate(slimmer) if tr is not transitions[at]]
        if not changed:
            break
        transitions = slimmer
        for at in changed:
            loads[at] = _read(transitions[at])
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

    def rewritten(tr: Transition) -> Transition:
        if empty.isdisjoint(_read(tr)):
            return tr
        guard, body = fold.rewrite(tr.guard, nothing), fold.rewrite_ops(tr.body, nothing)
        return replace(tr, guard=guard, body=body)

    return tuple(rewritten(tr) for tr in transitions) if empty else transitions


def _slimmer(tr: Transition, read: set[str]) -> Transition:
    """Without stores to what nothing reads; the same one if there are none."""
    if read.issuperset(_stored(tr.body)):
        return tr
    return replace(tr, body=fold.without_unused(_without_stores(tr.body, read)))


def _read(tr: Transition) -> set[str]:
    return fold.loaded((tr.guard, *fold.expressions(tr.body)))


def _read_outside(machine: Machine) -> set[str]:
    """What invariants, goals and schedulers read, and where each process is."""
    rest = [inv.expr for inv in machine.invariants] + [goal.expr for goal in machine.goals]
    found = fold.loaded(rest + [proc.may_run for proc in machine.processes])
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
