"""Simplified traces still violate, are never longer, and lose what plays no part."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from counterexamples.match import rematch
from counterexamples.replay import confirm
from counterexamples.simplify import cost_of, simplify
from model.language.machine import Machine
from tests.counterexamples.hand_built import (
    locking_nmi,
    lockless_nmi,
    lost_update,
    shortest,
    walk,
)

CASES = [
    (locking_nmi(), "self_deadlock"),
    (lockless_nmi(), "no_lost_objects"),
    (lost_update(3, 2), "list_integrity"),
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CASES), st.randoms(use_true_random=False))
def test_still_violates_and_costs_no_more(case: tuple[Machine, str], random: Random) -> None:
    """Guards against a trace that became simpler by becoming wrong."""
    machine, prop = case
    found = walk(machine, prop, random)
    assume(found is not None)
    assert found is not None
    trace = found.trace(machine)
    simple = simplify(machine, trace)
    before = confirm(machine, prop, trace.kind, rematch(trace, machine))
    after = confirm(machine, prop, simple.kind, rematch(simple, machine))
    assert cost_of(after) <= cost_of(before)
    assert simplify(machine, simple) == simple


def test_a_third_task_is_left_out() -> None:
    """Guards against keeping contexts that play no part."""
    machine = lost_update(3, 2)
    found = next(
        f
        for seed in range(100)
        if (f := walk(machine, "list_integrity", Random(seed))) and len(f.firings) == 15
    )
    simple = simplify(machine, found.trace(machine))
    assert len(simple.steps) == 10
    assert len({step.lane for step in simple.steps}) == 2


def test_steps_of_a_context_stand_together() -> None:
    """Guards against needless switches: here the second task can run between read and write."""
    machine = lost_update(2, 2)
    found = next(
        f for seed in range(100) if (f := walk(machine, "list_integrity", Random(seed))) is not None
    )
    simple = simplify(machine, found.trace(machine))
    execution = confirm(machine, simple.property, simple.kind, rematch(simple, machine))
    steps, switches, _ = cost_of(execution)
    assert (steps, switches) == (10, 2)


@pytest.mark.parametrize(("machine", "prop"), CASES[:2], ids=["check", "rest"])
def test_a_shortest_trace_keeps_its_length(machine: Machine, prop: str) -> None:
    """Guards against dropping what the violation needs."""
    trace = shortest(machine, prop).trace(machine)
    assert len(simplify(machine, trace).steps) == len(trace.steps)


def test_without_a_budget_the_trace_stays() -> None:
    """Guards against an unbounded search on long traces."""
    machine = lost_update(3, 2)
    trace = shortest(machine, "list_integrity").trace(machine)
    assert simplify(machine, trace, replays=0) == trace
