"""SPIN, Rumur and TLC count the states of small machines as nolock does, and find what it finds.

They share with nolock the machine and nothing after it: neither the interpreter, nor the search.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.agreement import ask_beyond_errors, found
from model.language.interpreter import evaluate
from model.language.machine import Const, Invariant, Machine
from tests.explicit.machines import (
    Builder,
    check,
    counters,
    eq,
    load,
    locked_counter,
    number,
    peterson,
    store,
)
from tests.explicit.random_machines import locked_machines, machines
from tests.explicit.reference import search
from tests.export.oracles import TOOLS, agree, needs
from tests.export.tiny import FAULTS, faulty, lazy, tiny

few = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "machine", [tiny(), lazy(), locked_counter()], ids=["tiny", "lazy", "locked"]
)
def test_what_holds_has_the_same_states(tool: str, machine: Machine) -> None:
    """Guards against a step that is written wrongly, or is possible too often or too rarely."""
    assert not agree(tool, machine).before


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "machine",
    [tiny(owners=1), counters(3, 4, checked=9), peterson(broken=True)],
    ids=["tiny", "counters", "peterson"],
)
def test_a_violation_is_found_after_as_many_steps(tool: str, machine: Machine) -> None:
    """Guards against checks and invariants that are lost or come at another step."""
    assert agree(tool, machine).before


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("first", ["check", "invariant"])
def test_a_check_fails_beside_an_invariant_a_level_below(tool: str, first: str) -> None:
    """Rumur and TLC see the state that breaks it, or the failing step, whichever comes first."""
    b = Builder("beside")
    b.var("side", number(0, 2))
    b.var("broken")
    for at, what in enumerate(
        ("check", "invariant") if first == "check" else ("invariant", "check")
    ):
        b.action(f"to the {what}", store("side", Const(at + 1)), guard=eq(load("side"), 0))
        here = eq(load("side"), at + 1)
        if what == "check":
            b.action("fail", check("small", Const(0)), guard=here)
        else:
            b.action("break", store("broken", Const(1)), guard=here)
    b.invariants.append(Invariant("whole", eq(load("broken"), 0), "it is broken"))
    assert agree(tool, b.build()).before == {"small": 1, "whole": 2}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", FAULTS)
def test_leaving_a_range_is_an_error(tool: str, kind: str) -> None:
    """Guards against values that are cut, and indices that hit another cell."""
    assert agree(tool, faulty(kind)).before == {"model_error": 2}


@needs("rumur")
@pytest.mark.parametrize(
    "machine", [tiny(owners=1), peterson(broken=True)], ids=["check", "invariant"]
)
def test_rumur_counts_what_is_left_after_violations(machine: Machine) -> None:
    """Guards against states beyond a violation, and against ones that are cut off with it.

    A state that breaks an invariant counts for nolock and does not for Rumur.
    """
    states = search(machine).states
    broken = [
        s for s in states if not all(evaluate(machine, s, i.expr) for i in machine.invariants)
    ]
    other = ask_beyond_errors(machine)
    assert other.violated in found(machine).before
    assert other.states == found(machine).states - len(broken)


@needs("spin")
@needs("rumur")
@given(machine=st.one_of(machines(), locked_machines()))
@few
def test_random_machines(machine: Machine) -> None:
    """Guards against what the machines above happen to leave out."""
    agree("spin", machine)
    agree("rumur", machine)


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
@given(machine=st.one_of(machines(), locked_machines()))
@many
def test_more_random_machines(tool: str, machine: Machine) -> None:
    """The same with TLC too, and more of them."""
    agree(tool, machine)
