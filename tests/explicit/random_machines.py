"""Random small machines with what real ones have: interrupts, probes, locks, cookies, objects."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from model.language.machine import (
    BOOL,
    Age,
    Binary,
    Const,
    Dimension,
    Expr,
    Goal,
    If,
    InSet,
    Invariant,
    Ite,
    Machine,
    Op,
    Param,
    Parameter,
    Set,
    Temp,
    Type,
)
from tests.explicit.machines import (
    ME,
    Builder,
    binary,
    both,
    check,
    either,
    eq,
    load,
    negate,
    number,
    plus,
    store,
)

REF = Type("ref", 0, 2, "Object")
COOKIE = Type("cookie", 0, 2)
LAST = 4
"""Program counters 1..LAST of each process."""

Draw = Callable[[st.SearchStrategy[int]], int]


@st.composite
def machines(draw: Draw) -> Machine:
    """Two tasks, an interrupt per task, perhaps a probe, and actions."""
    b = Builder("random")
    cpu = Dimension("CPU", 2, "record")
    b.var("budget", number(0, 2), initial=draw(st.integers(0, 2)))
    b.var("probes", number(0, 1), initial=draw(st.integers(0, 1)))
    b.var("x", number(0, 2))
    b.var("y", number(-1, 1), (cpu,))
    b.var("lock", number(0, 5))
    b.var("g", number(0, 2), guard="lock")
    b.var("snap", COOKIE, guard="lock")
    b.var("free_snap", COOKIE)
    marks = frozenset({draw(st.integers(1, LAST)), draw(st.integers(1, LAST))})
    quiet = eq(load("irq.pc", ME), 0)
    b.process("task", 2, LAST + 1, start=1, may_run=quiet, marks=marks)
    b.process("irq", 2, LAST + 1, start=0)
    for name in ("task", "irq"):
        b.local(name, "r", number(0, 2))
        b.local(name, "c", COOKIE)
        for pc in range(1, LAST + 1):
            to = draw(st.integers(0, LAST)) if draw(st.integers(0, 4)) == 0 else pc % LAST + 1
            _step(b, draw, name, pc, 0 if pc == LAST else to)
    _actions(b, draw, marks)
    x = load("x")
    if draw(st.integers(0, 2)) == 0:
        b.invariants.append(Invariant("inv", binary("<", x, draw(st.integers(1, 3))), "x"))
    if draw(st.integers(0, 3)) == 0:
        first = load("task.pc", Const(0))
        b.invariants.append(Invariant("at", negate(both(eq(first, LAST), eq(x, 2))), "pc"))
    if draw(st.integers(0, 1)):
        b.goals.append(Goal("goal", eq(x, draw(st.integers(0, 2))), "x"))
    if draw(st.integers(0, 3)):
        b.properties.add("lock_discipline")
    return b.build()


def _who(name: str) -> Expr:
    return plus(ME, 1 if name == "task" else 3)


def _step(b: Builder, draw: Draw, name: str, pc: int, to: int) -> None:
    """One step of a random kind."""
    r, c = load(f"{name}.r", ME), load(f"{name}.c", ME)
    held = check("lock_discipline", eq(load("lock"), _who(name)), "`g` without lock")
    snap_held = check("lock_discipline", eq(load("lock"), _who(name)), "`snap` without lock")
    wrapped = Ite(eq(r, 2), Const(0), plus(r, 1))
    kinds: list[tuple[Op, ...]] = [
        (store(f"{name}.r", ME, Const(draw(st.integers(0, 2)))),),
        (store(f"{name}.r", ME, wrapped),),
        (store(f"{name}.r", ME, load("x")),),
        (store("x", r),),
        (store("y", ME, plus(r, -1)),),
        (held, store(f"{name}.r", ME, load("g"))),
        (held, store("g", r)),
        (Set("t", load("g", lockless=True)), store(f"{name}.r", ME, Temp("t"))),
        (snap_held, store("snap", c)),
        (snap_held, store(f"{name}.c", ME, load("snap"))),
        (store(f"{name}.c", ME, load("free_snap")),),
        (store("free_snap", Const(2)),),
        (store(f"{name}.c", ME, Const(draw(st.integers(0, 2)))),),
        (store(f"{name}.r", ME, Ite(binary(">", c, 0), Const(1), Const(0))),),
        (If(eq(r, 1), (store(f"{name}.r", ME, Const(2)),), (store("y", ME, Const(1)),)),),
        (check("r_small", binary("<", r, 2), "r"), store(f"{name}.r", ME, Const(0))),
        (store("g", r),),
    ]
    which = draw(st.integers(0, len(kinds) + 3))
    if which < len(kinds):
        b.step(name, pc, to, *kinds[which])
    elif which == len(kinds):
        b.step(name, pc, to, store("lock", _who(name)), guard=eq(load("lock"), 0))
    elif which == len(kinds) + 1:
        release = check("lock_discipline", eq(load("lock"), _who(name)), "released")
        b.step(name, pc, to, release, store("lock", Const(0)))
    elif which == len(kinds) + 2:
        # Branching: two transitions of one program counter.
        b.step(name, pc, to, guard=eq(r, 0))
        b.step(name, pc, 0, store("x", Const(1)), guard=binary(">", r, 0))
    else:
        choice = Parameter("v", 0, 2, number(0, 2))
        b.step(name, pc, to, store(f"{name}.r", ME, Param("v")), params=(choice,))


def _actions(b: Builder, draw: Draw, marks: frozenset[int]) -> None:
    cpu = Parameter("cpu", 0, 1, number(0, 1))
    c = Param("cpu")
    spend = store("budget", plus(load("budget"), -1))
    idle = eq(load("irq.pc", c), 0)
    start = (store("irq.r", c, Const(1)), store("irq.pc", c, Const(1)))
    if draw(st.integers(0, 2)):
        guard = both(binary(">", load("budget"), 0), idle)
        b.action("irq", spend, *start, guard=guard, params=(cpu,), environment=True)
    if draw(st.integers(0, 2)):
        at_mark = InSet(load("task.pc", c), marks)
        guard = both(binary(">", load("probes"), 0), at_mark, idle)
        used = store("probes", plus(load("probes"), -1))
        b.action("probe", used, *start, guard=guard, params=(cpu,), environment=True)
    if draw(st.integers(0, 2)):
        aged = ("snap", "free_snap", "task.c", "irq.c")
        guard = binary(">", load("budget"), 0)
        b.action("grace period", spend, Age(aged), guard=guard)
    if draw(st.integers(0, 3)) == 0:
        b.action("reset", store("x", Const(0)), guard=eq(load("x"), 2), environment=True)


@st.composite
def symmetric_machines(draw: Draw) -> Machine:
    """Objects passed between a head, links and locals; nothing tells one object from another."""
    n = draw(st.integers(2, 4))
    b = Builder("objects")
    ref = Type("ref", 0, n, "Object")
    obj = Dimension("Object", n, "record")
    b.var("state", number(0, 2), (obj,))
    b.var("next", ref, (obj,))
    b.var("head", ref)
    b.var("known", BOOL, (obj, Dimension("slot", 2, "array")))
    b.process("p", 2, 4, start=1)
    b.local("p", "mine", ref)
    mine = load("p.mine", ME)
    which = Parameter("o", 1, n, ref)
    o = binary("-", Param("o"), 1)
    b.step(
        "p", 1, 2,
        store("p.mine", ME, Param("o")),
        store("state", o, Const(1)),
        guard=eq(load("state", o), 0),
        params=(which,),
    )  # fmt: skip
    at = binary("-", mine, 1)
    kinds: list[tuple[Op, ...]] = [
        (store("next", at, load("head")),),
        (store("head", mine),),
        (store("known", at, ME, Const(1)),),
        (check("fresh", eq(load("state", at), 1)), store("state", at, Const(2))),
        (store("known", at, Const(0), Binary("==", load("head"), mine)),),
    ]
    b.step("p", 2, 3, *kinds[draw(st.integers(0, 4))])
    b.step("p", 3, 1, *kinds[draw(st.integers(0, 4))], store("p.mine", ME, Const(0)))
    if draw(st.integers(0, 1)):
        b.action("lose", store("head", Const(0)), guard=binary("!=", load("head"), 0))
    b.symmetric = ("Object",)
    return b.build()


@st.composite
def locked_machines(draw: Draw) -> Machine:
    """Tasks and interrupts with a section under a lock, and one mistake or none."""
    b = Builder("locked")
    mistake = draw(st.integers(0, 5))
    b.var("budget", number(0, 2), initial=draw(st.integers(0, 2)))
    b.var("lock", number(0, 5))
    b.var("g", number(0, 3), guard="lock")
    b.var("h", number(0, 3), guard="lock")
    b.var("snap", COOKIE, guard="lock")
    b.var("out", number(0, 3))
    b.process("task", 2, 7, start=1, may_run=eq(load("irq.pc", ME), 0))
    b.process("irq", 2, 7, start=0)
    for name in ("task", "irq"):
        b.local(name, "r", number(0, 3))
        b.local(name, "c", COOKIE)
        free = eq(load("lock"), 0)
        take = store("lock", _who(name))
        if mistake == 1 and draw(st.integers(0, 1)):
            b.step(name, 1, 2, take)
        elif name == "irq":
            leave = store("irq.pc", ME, Const(0))
            b.step(name, 1, None, If(free, (take, store("irq.pc", ME, Const(2))), (leave,)))
        else:
            b.step(name, 1, 2, take, guard=free)
        for pc in (2, 3, 4):
            _guarded(b, draw, name, pc, mistake)
        release = check("lock_discipline", eq(load("lock"), _who(name)), "released by another")
        freed = (
            () if mistake == 2 and draw(st.integers(0, 1)) else (release, store("lock", Const(0)))
        )
        b.step(name, 5, 6, *freed)
        r, c = f"{name}.r", f"{name}.c"
        b.step(
            name, 6, 0,
            store("out", load(r, ME)), store(r, ME, Const(0)), store(c, ME, Const(0)),
        )  # fmt: skip
    _interrupts(b, draw)
    g, h, out = load("g"), load("h"), load("out")
    kind = draw(st.integers(0, 4))
    if kind == 0:
        quiet = either(negate(eq(load("lock"), 0)), binary("<", Binary("+", g, h), 4))
        shelter = frozenset({"g", "h"}) if draw(st.integers(0, 1)) else frozenset()
        b.invariants.append(Invariant("inv", quiet, "g + h", shelter))
    elif kind == 1:
        b.invariants.append(Invariant("inv", negate(both(eq(g, 2), eq(out, 1))), "g"))
    if draw(st.integers(0, 1)):
        goal = eq(out, draw(st.integers(0, 3)))
        b.goals.append(Goal("goal", goal if draw(st.integers(0, 1)) else eq(h, 1), "out"))
    b.properties.add("lock_discipline")
    return b.build()


def _guarded(b: Builder, draw: Draw, name: str, pc: int, mistake: int) -> None:
    """A step that touches something under the lock."""
    r, c = load(f"{name}.r", ME), load(f"{name}.c", ME)
    checks = {
        var: check("lock_discipline", eq(load("lock"), _who(name)), f"`{var}` without lock")
        for var in ("g", "h", "snap")
    }
    var = ("g", "h")[draw(st.integers(0, 1))]
    wrapped = Ite(eq(load(var), 3), Const(0), plus(load(var), 1))
    kinds: list[tuple[str, tuple[Op, ...]]] = [
        (var, (store(f"{name}.r", ME, load(var)),)),
        (var, (store(var, r),)),
        (var, (store(var, wrapped),)),
        (var, (Set("t", wrapped), store(var, Temp("t")), store(f"{name}.r", ME, Temp("t")))),
        ("snap", (store("snap", c),)),
        ("snap", (store(f"{name}.c", ME, load("snap")),)),
        ("snap", (store("snap", Const(2)),)),
        ("snap", (Set("s", load("snap")), store(f"{name}.c", ME, Temp("s")))),
        (var, (If(eq(load(var), 1), (store(f"{name}.r", ME, Const(2)),)),)),
        (var, (store(f"{name}.r", ME, load(var, lockless=True)),)),
    ]
    which = draw(st.integers(0, len(kinds) - (1 if draw(st.integers(0, 3)) else 0) - 1))
    guarded, ops = kinds[which]
    unchecked = which == len(kinds) - 1 or (mistake == 3 and draw(st.integers(0, 2)) == 0)
    b.step(name, pc, pc + 1, *(() if unchecked else (checks[guarded],)), *ops)


def _interrupts(b: Builder, draw: Draw) -> None:
    cpu = Parameter("cpu", 0, 1, number(0, 1))
    c = Param("cpu")
    spend = store("budget", plus(load("budget"), -1))
    some = binary(">", load("budget"), 0)
    b.action(
        "irq",
        spend,
        store("irq.pc", c, Const(1)),
        guard=both(some, eq(load("irq.pc", c), 0)),
        params=(cpu,),
        environment=True,
    )
    if draw(st.integers(0, 1)):
        b.action("grace period", spend, Age(("snap", "task.c", "irq.c")), guard=some)
    if draw(st.integers(0, 3)) == 0:
        b.action("look", store("out", load("g")), guard=eq(load("out"), 0), environment=True)
