"""Machines of a few states that use all that a machine can have."""

from __future__ import annotations

from model.language.machine import (
    BOOL,
    Age,
    Binary,
    Const,
    Dimension,
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
    Unary,
)
from tests.explicit.machines import (
    ME,
    Builder,
    binary,
    both,
    check,
    eq,
    load,
    negate,
    number,
    plus,
    store,
)


def tiny(owners: int = 2) -> Machine:
    """Two tasks take a lock, note a level from -1 up, and leave; cookies age meanwhile.

    With one owner only, a check fails.
    """
    b = Builder("tiny")
    slot = Dimension("slot", 2, "array")
    dim = b.process("task", 2, 5, may_run=binary("<", load("Rcu.ended"), 2))
    b.local("task", "level", number(-1, 1))
    b.var("Lock.owner", number(0, 2))
    b.var("Rcu.ended", number(0, 2))
    b.var("Rcu.snap", Type("cookie", 0, 2), (dim, slot))
    level, owner = load("task.level", ME), load("Lock.owner")
    found = Temp("found")
    taken = store("Lock.owner", plus(ME, 1))
    again = store("task.pc", ME, Const(1))
    go_on = store("task.pc", ME, Const(2))
    b.step("task", 1, None, Set("found", owner), If(eq(found, 0), (taken, go_on), (again,)))
    held = check("lock_discipline", binary("<=", owner, owners), "`owner` is another")
    choice = Parameter("v", -1, 1, number(-1, 1))
    b.step("task", 2, 3, held, store("task.level", ME, Param("v")), params=(choice,))
    high = binary(">", level, 0)
    both_slots = Ite(high, Const(2), Unary("-", Ite(eq(level, -1), Const(-1), Const(0))))
    note = store("Rcu.snap", ME, Ite(high, Const(1), Const(0)), both_slots)
    b.step("task", 3, 4, note, guard=InSet(level, frozenset({-1, 1})))
    b.step("task", 3, 1, guard=eq(level, 0))
    leave = (store("Lock.owner", Const(0)), store("task.level", ME, Const(0)))
    b.step("task", 4, 0, *leave)
    aged = (Age(("Rcu.snap",)), store("Rcu.ended", plus(load("Rcu.ended"), 1)))
    b.action("grace_period_ends", *aged, guard=binary("<", load("Rcu.ended"), 2))
    full = both(*(eq(load("Rcu.snap", Const(0), Const(at)), 2) for at in (0, 1)))
    b.invariants.append(Invariant("list_integrity", negate(full), "both slots are full"))
    b.goals.append(Goal("no_lost_objects", eq(owner, 0), "the lock is held for ever"))
    return b.build()


FAULTS = ("value", "read", "index", "second", "negative")
"""Ways to leave a range; the last two leave one dimension's and stay within the array."""


def faulty(kind: str) -> Machine:
    """A machine that goes out of a range with its third step."""
    b = Builder("faulty")
    one, two = Dimension("one", 2, "array"), Dimension("two", 3, "array")
    start = {"value": 1, "read": 1, "index": 1, "second": 0, "negative": 3}[kind]
    b.var("n", number(-1, 3), initial=start)
    b.var("line", BOOL, (one,))
    b.var("table", BOOL, (one, two))
    n = load("n")
    up, down = store("n", plus(n, 1)), store("n", plus(n, -1))
    seen = If(eq(Temp("x"), 1), (store("line", Const(0), Const(1)),))
    bodies: dict[str, tuple[Op, ...]] = {
        "value": (up,),
        "read": (Set("x", load("line", plus(n, -1))), seen, up),
        "index": (store("line", plus(n, -1), Const(1)), up),
        "second": (store("table", Const(0), plus(n, 1), Const(1)), up),
        "negative": (store("table", Const(1), plus(n, -2), Const(1)), down),
    }
    b.action("step", *bodies[kind])
    return b.build()


def lazy() -> Machine:
    """Reads outside a range stand where they are not evaluated: nothing is violated."""
    b = Builder("lazy")
    b.var("n", number(0, 3))
    b.var("line", BOOL, (Dimension("one", 2, "array"),))
    n = load("n")
    inside = binary("<", n, 2)
    read = load("line", n)
    b.action(
        "step",
        Set("x", Ite(inside, read, Const(0))),
        If(
            Binary("and", inside, eq(read, 0)),
            (store("line", n, Const(1)),),
            (check("odd", Binary("or", negate(inside), eq(read, 1)), "set and not set"),),
        ),
        store("n", Ite(eq(n, 3), Temp("x"), plus(n, 1))),
        guard=Binary("or", negate(inside), binary("<=", read, 1)),
    )
    return b.build()
