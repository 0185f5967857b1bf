"""A body without tests of what is known in it does what it did before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.language.fold import flat
from model.language.interpreter import Firing, fire
from model.language.known import with_known_values
from model.language.machine import (
    Age,
    Binary,
    Check,
    Const,
    Dimension,
    Expr,
    If,
    InSet,
    Ite,
    Machine,
    Op,
    Param,
    Set,
    Store,
    Temp,
    Type,
    Unary,
)
from model.language.source import Provenance
from tests.explicit.machines import Builder, binary, eq, load, negate, number

WHERE = Provenance("", 1, 0, "")
TEMPS = ("a", "b", "c")
ZERO = Const(0)


def machine_of(body: tuple[Op, ...]) -> Machine:
    """One action with a parameter, two cells of `x`, and a cookie."""
    b = Builder("known")
    b.var("x", number(0, 2), (Dimension("CPU", 2, "record"),), initial=1)
    b.var("y", number(0, 2), initial=2)
    b.var("snap", Type("cookie", 0, 2), initial=1)
    b.action("act", *body)
    return b.build()


def outcome(body: tuple[Op, ...], param: int) -> object:
    """The state behind the body, or the check that failed."""
    machine = machine_of(body)
    (transition,) = machine.transitions
    done = fire(machine, machine.initial, Firing(transition, (("p", param),)))
    return done.violated.message if done.violated else done.state


def exprs(known: tuple[str, ...]) -> st.SearchStrategy[Expr]:
    """Terms over temporaries that have a value, the parameter and cells."""
    leaves = st.one_of(
        st.sampled_from([ZERO, Const(1), Param("p")]),
        st.sampled_from([load("x", ZERO), load("x", ZERO), load("snap"), load("x", Const(1))]),
        *([st.sampled_from(known).map(Temp)] if known else []),
    )
    tests = st.one_of(
        st.just(eq(load("x", ZERO), 1)),  # often the same one
        st.builds(Binary, st.sampled_from(["==", "!="]), leaves, st.sampled_from([ZERO, Const(1)])),
        st.builds(InSet, leaves, st.just(frozenset({0, 2}))),
    )
    more = st.one_of(
        tests,
        tests.map(lambda one: Unary("not", one)),
        st.builds(Binary, st.sampled_from(["and", "or"]), tests, tests),
    )
    return st.one_of(leaves, more, st.builds(Ite, more, leaves, leaves))


@st.composite
def bodies(draw: st.DrawFn, depth: int = 2, temps: tuple[str, ...] = ()) -> tuple[Op, ...]:
    """Operations in which a temporary is read only after it was set on every way there."""
    ops: list[Op] = []
    for _ in range(draw(st.integers(1, 6))):
        what = draw(st.sampled_from(["set", "set", "store", "check", "age", "if", "if"]))
        term = draw(exprs(temps))
        if what == "set":
            name = draw(st.sampled_from(TEMPS))
            ops.append(Set(name, term))
            temps = tuple(dict.fromkeys((*temps, name)))
        elif what == "store":
            ops.append(Store("x", (draw(st.sampled_from([ZERO, ZERO, Const(1)])),), term))
        elif what == "check":
            ops.append(Check("p", term, f"{len(ops)} {depth}", WHERE))
        elif what == "age":
            ops.append(Age(("snap",)))
        elif depth:
            then, other = (draw(bodies(depth - 1, temps)) for _ in range(2))
            ops.append(If(term, then, other))
    return tuple(ops)


@given(bodies(), st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_a_body_does_what_it_did(body: tuple[Op, ...], param: int) -> None:
    """The same state, or the same failed check, as the interpreter has it."""
    assert outcome(with_known_values(body), param) == outcome(body, param)


A, B, Y = Temp("a"), Temp("b"), load("y")
HIT, MISS = Store("x", (ZERO,), Const(2)), Store("x", (ZERO,), ZERO)


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        pytest.param((Set("a", ZERO), If(eq(A, 0), (HIT,), (MISS,))), (HIT,), id="constant"),
        pytest.param(
            (Set("a", Y), Set("b", A), If(eq(A, 0), (If(eq(B, 0), (HIT,), (MISS,)),), ())),
            (If(eq(A, 0), (HIT,), ()),),
            id="copy",
        ),
        pytest.param(
            (If(negate(eq(Y, 0)), (), (If(eq(Y, 0), (HIT,), (MISS,)),)),),
            (If(binary("!=", Y, 0), (), (HIT,)),),
            id="tested",
        ),
    ],
)
def test_what_is_known_is_not_tested(body: tuple[Op, ...], rest: tuple[Op, ...]) -> None:
    """Guards against a pass that leaves everything as it is."""
    found = with_known_values(body)
    assert tuple(op for op in found if not isinstance(op, Set)) == rest


@pytest.mark.parametrize(
    "between",
    [
        Store("y", (), Const(1)),
        If(eq(load("snap"), 0), (Store("y", (), Const(1)),), ()),
    ],
)
def test_what_may_have_changed_is_tested(between: Op) -> None:
    """Guards against what was known of a cell before it was stored to."""
    again = If(eq(Y, 0), (HIT,), (MISS,))
    (whole,) = with_known_values((If(eq(Y, 0), (between, again), ()),))
    assert again in list(flat((whole,)))


def test_a_grace_period_changes_cookies() -> None:
    """Guards against what was known of a cookie before a grace period ended."""
    again = If(eq(load("snap"), 1), (HIT,), (MISS,))
    (whole,) = with_known_values((If(eq(load("snap"), 1), (Age(("snap",)), again), ()),))
    assert again in list(flat((whole,)))
