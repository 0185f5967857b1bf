"""Random small machines that go round and round: who waits, who starves, who is served in turn."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from model.language.machine import BOOL, Const, Dimension, Goal, Machine, Op, Param, Parameter, Type
from tests.explicit.machines import (
    ME,
    TRUE,
    Builder,
    binary,
    both,
    eq,
    load,
    negate,
    number,
    plus,
    store,
)

LAST = 3
REF = Type("ref", 0, 2, "Object")
Draw = Callable[[st.SearchStrategy[int]], int]


@st.composite
def cyclic_machines(draw: Draw) -> Machine:
    """Two processes that go round, actions of the system, perhaps objects, and a goal or two."""
    b = Builder("cyclic")
    b.var("x", number(0, 2))
    b.var("flag", BOOL, (Dimension("n", 2, "array"),), initial=draw(st.integers(0, 1)))
    b.var("budget", number(0, 1), initial=draw(st.integers(0, 1)))
    runs = negate(load("flag", ME)) if draw(st.integers(0, 3)) == 0 else TRUE
    b.process("p", 2, LAST + 1, may_run=runs)
    b.local("p", "r", number(0, 2))
    for pc in range(1, LAST + 1):
        _step(b, draw, pc, pc % LAST + 1)
    _actions(b, draw)
    if draw(st.integers(0, 1)):
        _objects(b, draw)
    b.goals.append(Goal("goal", eq(load("x"), draw(st.integers(0, 2))), "x"))
    if draw(st.integers(0, 2)) == 0:
        for me in (0, 1):
            idle = eq(load("p.pc", Const(me)), 0)
            b.goals.append(Goal("ends", idle, "never ends", each="P"))
    return b.build()


def _step(b: Builder, draw: Draw, pc: int, to: int) -> None:
    """Most steps lead on, some end the process, some wait, some choose."""
    r, x = load("p.r", ME), load("x")
    kinds: list[tuple[Op, ...]] = [
        (),
        (store("p.r", ME, Const(draw(st.integers(0, 2)))),),
        (store("p.r", ME, x),),
        (store("x", r),),
        (store("x", Const(draw(st.integers(0, 2)))),),
        (store("flag", ME, Const(draw(st.integers(0, 1)))),),
        (store("flag", binary("-", Const(1), ME), Const(draw(st.integers(0, 1)))),),
    ]
    which = draw(st.integers(0, len(kinds) + 3))
    if which < len(kinds):
        b.step("p", pc, to if draw(st.integers(0, 5)) else 0, *kinds[which])
    elif which == len(kinds):
        b.step("p", pc, to, guard=eq(x, draw(st.integers(0, 2))))
    elif which == len(kinds) + 1:
        b.step("p", pc, to, store("flag", ME, Const(0)), guard=load("flag", ME))
    elif which == len(kinds) + 2:
        b.step("p", pc, to, guard=eq(r, 0))
        b.step("p", pc, draw(st.integers(0, LAST)), guard=binary(">", r, 0))
    else:
        choice = Parameter("v", 0, 1, number(0, 1))
        b.step("p", pc, to, store("p.r", ME, Param("v")), params=(choice,))


def _actions(b: Builder, draw: Draw) -> None:
    which = Parameter("i", 0, 1, number(0, 1))
    i, x = Param("i"), load("x")
    if draw(st.integers(0, 1)):
        raised = load("flag", i)
        b.action("deliver", store("flag", i, Const(0)), guard=raised, params=(which,))
    if draw(st.integers(0, 1)):
        value = draw(st.integers(0, 2))
        b.action("tick", store("x", Const(draw(st.integers(0, 2)))), guard=eq(x, value))
    if draw(st.integers(0, 1)):
        spend = store("budget", plus(load("budget"), -1))
        left = binary(">", load("budget"), 0)
        b.action("kick", spend, store("flag", Const(0), TRUE), guard=left, environment=True)
    if draw(st.integers(0, 2)) == 0:
        b.action("noise", store("flag", Const(1), TRUE), environment=True)


def _objects(b: Builder, draw: Draw) -> None:
    """Objects that are served one at a time; whether each gets its turn is up to fairness."""
    obj = Dimension("Object", 2, "record")
    b.var("latest", REF)
    b.var("served", BOOL, (obj,))
    which = Parameter("o", 1, 2, REF)
    at = binary("-", Param("o"), 1)
    another = both(binary("!=", load("latest"), 0), binary("!=", load("latest"), Param("o")))
    effects: list[tuple[Op, ...]] = [
        (store("served", at, negate(load("served", at))),),
        (store("x", binary("*", another, draw(st.integers(1, 2)))),),
        (store("served", at, TRUE),),
    ]
    guard = TRUE if draw(st.integers(0, 1)) else negate(load("served", at))
    effect = effects[draw(st.integers(0, 2))]
    b.action("serve", *effect, store("latest", Param("o")), guard=guard, params=(which,))
    if draw(st.integers(0, 1)):
        b.action("forget", store("latest", Const(0)), guard=binary("!=", load("latest"), 0))
    b.symmetric = ("Object",)
