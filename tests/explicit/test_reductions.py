"""Reductions change the number of states, never a verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.explicit.explore import Engine, Exploration, Options, explore
from engines.reductions.merging import merging
from engines.reductions.symmetry import symmetry, transpositions
from model.language.machine import Machine
from tests.explicit.machines import locked_counter
from tests.explicit.random_machines import locked_machines, machines, symmetric_machines
from tests.explicit.reference import brute_force_classes, search

PLAIN = Options(engine="python", merge_local=False, merge_locks=False, symmetry=False)

moderate = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def verdicts(found: Exploration) -> object:
    """What must not depend on reductions."""
    return (
        set(found.violations),
        {
            prop: (bool(goal.failing), bool(goal.doomed), goal.lasso is not None)
            for prop, goal in found.goals.items()
        },
        bool(found.stuck_states),
        # Past a violation merged steps may still fire, so coverage is compared where there is none.
        {tr for tr, count in found.fired.items() if count} if not found.violations else None,
    )


@given(st.one_of(machines(), locked_machines()))
@moderate
def test_merging_keeps_verdicts(machine: Machine) -> None:
    """A step merged although somebody could have told the difference would hide a violation."""
    whole = explore(machine, PLAIN)
    local = explore(machine, replace(PLAIN, merge_local=True))
    locked = explore(machine, replace(PLAIN, merge_local=True, merge_locks=True))
    assert verdicts(local) == verdicts(whole)
    assert verdicts(locked) == verdicts(whole)
    assert locked.states <= local.states <= whole.states


@given(st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_merging_is_the_same_in_c(data: st.DataObject) -> None:
    machine = data.draw(machines())
    options = replace(PLAIN, merge_local=True, merge_locks=True)
    in_python, in_c = explore(machine, options), explore(machine, replace(options, engine="c"))
    assert in_c.levels == in_python.levels
    assert in_c.transitions == in_python.transitions
    assert in_c.fired == in_python.fired
    assert verdicts(in_c) == verdicts(in_python)


@pytest.mark.parametrize("engine", ["c", "python"])
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_symmetry_counts_classes(engine: Engine, data: st.DataObject) -> None:
    """The quotient by renaming, counted by definition."""
    machine = data.draw(symmetric_machines())
    options = replace(PLAIN, engine=engine, symmetry=True)
    found = explore(machine, options)
    states = search(machine).states
    if "fresh" in found.violations:
        assert explore(machine, PLAIN).violations.keys() == found.violations.keys()
    assert found.states == brute_force_classes(machine, list(states), "Object")


def test_transpositions_visit_every_permutation() -> None:
    for size in (1, 2, 3, 4, 5):
        now = list(range(size))
        seen = {tuple(now)}
        for a, b in transpositions(size):
            now[a], now[b] = now[b], now[a]
            assert tuple(now) not in seen
            seen.add(tuple(now))
        assert len(seen) == [1, 1, 2, 6, 24, 120][size]


def test_reductions_have_something_to_do() -> None:
    """Guards against reductions that are sound because they never apply."""
    machine = locked_counter()
    plan = merging(machine, locks=True)
    assert plan.steps
    assert symmetry(machine) is None


def test_a_check_of_a_lock_that_is_none_is_not_merged() -> None:
    """Reading what nobody writes is harmless; a check that others can falsify is not."""
    machine = locked_counter(up=True)
    silent = tuple(
        replace(tr, body=tuple(op for op in tr.body if getattr(op, "var", "") != "count"))
        for tr in machine.transitions
    )
    machine = replace(machine, transitions=silent)
    assert not {machine.transitions[at].pc for at in merging(machine, locks=True).steps} & {3, 4}
