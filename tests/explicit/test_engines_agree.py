"""Interpreter, C and Python explore the same states, in the same order, with the same verdicts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.explicit.explore import Engine, Exploration, Options, explore
from engines.reductions.wanted import NO_REDUCTIONS
from model.language.interpreter import broken_invariant, enabled, fire
from model.language.machine import Machine
from tests.explicit.machines import below_zero, counters, peterson
from tests.explicit.random_machines import machines
from tests.explicit.reference import Reference, search

ENGINES = ("c", "python")

slow_to_draw = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def plain(engine: Engine) -> Options:
    """One engine without reductions."""
    return Options(engine=engine, reductions=NO_REDUCTIONS)


def same(machine: Machine, found: Exploration, expected: Reference) -> None:
    """Counts per level, firings, verdicts and shortest lengths."""
    assert found.complete
    assert found.levels == tuple(expected.levels)
    assert found.states == len(expected.states)
    assert found.transitions == expected.transitions
    assert {tr: n for tr, n in found.fired.items() if n} == dict(expected.fired)
    assert found.rest_states == len(expected.rests)
    assert found.stuck_states == len(expected.stuck)
    goals = {goal.prop for goal in machine.goals}
    lengths = {p: len(v.trace) for p, v in found.violations.items() if p not in goals}
    assert lengths == expected.shortest
    for at, goal in enumerate(machine.goals):
        doomed = expected.doomed(machine, at)
        report = found.goals[goal.prop]
        assert report.doomed == len(doomed)
        assert report.failing == len([s for s in expected.rests if s in doomed])
        assert (report.lost is None) == (not doomed)
        assert (report.lasso is not None) == expected.is_missed_for_ever(machine, at)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "machine",
    [
        peterson(),
        peterson(broken=True),
        counters(3, 4),
        counters(3, 4, checked=9),
        below_zero(),
    ],
    ids=["peterson", "broken", "counters", "checked", "below zero"],
)
def test_small_machines(machine: Machine, engine: Engine) -> None:
    same(machine, explore(machine, plain(engine)), search(machine))


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
@slow_to_draw
def test_random_machines(engine: Engine, data: st.DataObject) -> None:
    machine = data.draw(machines())
    same(machine, explore(machine, plain(engine)), search(machine))


@pytest.mark.parametrize("engine", ENGINES)
def test_traces_end_in_the_violation(engine: Engine) -> None:
    machine = peterson(broken=True)
    violation = explore(machine, plain(engine)).violations["mutual_exclusion"]
    state = machine.initial
    for firing in violation.trace:
        assert firing in list(enabled(machine, state))
        state = fire(machine, state, firing).state
    broken = broken_invariant(machine, state)
    assert broken is not None and broken.message == violation.message
