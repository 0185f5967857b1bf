"""Reductions change the number of states, never a verdict."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engines.explicit.explore import Engine, Exploration, Options, explore
from engines.reductions.ahead import run_ahead
from engines.reductions.merging import merging
from engines.reductions.symmetry import symmetry
from engines.reductions.wanted import NO_REDUCTIONS, Reductions
from model.language.interpreter import State, broken_invariant, successors
from model.language.machine import Machine
from tests.explicit.machines import locked_counter
from tests.explicit.random_cycles import cyclic_machines
from tests.explicit.random_machines import locked_machines, machines, symmetric_machines
from tests.explicit.random_owners import owner_machines
from tests.explicit.reference import brute_force_classes, search

PLAIN = Options(engine="python", reductions=NO_REDUCTIONS)
ALL_SWITCHES = tuple(Reductions(*on) for on in product((False, True), repeat=5))

any_machine = st.one_of(
    machines(), locked_machines(), symmetric_machines(), owner_machines(), cyclic_machines()
)
moderate = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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


def lengths(found: Exploration) -> dict[str, int]:
    """The steps of the traces that are said to be shortest."""
    return {p: len(one.trace) for p, one in found.violations.items() if one.shortest}


@given(any_machine, st.sampled_from(ALL_SWITCHES))
@moderate
def test_reductions_keep_verdicts(machine: Machine, reductions: Reductions) -> None:
    """A step taken first although somebody could have told would hide a violation.

    Merged steps, and those taken ahead that nobody needed, would make traces longer.
    """
    whole = explore(machine, PLAIN)
    reduced = explore(machine, replace(PLAIN, reductions=reductions))
    assert verdicts(reduced) == verdicts(whole)
    assert lengths(reduced) == lengths(whole)
    assert reduced.states <= whole.states


@given(any_machine, st.sampled_from(ALL_SWITCHES))
@few
def test_reductions_are_the_same_in_c(machine: Machine, reductions: Reductions) -> None:
    options = Options(engine="python", reductions=reductions)
    in_python, in_c = explore(machine, options), explore(machine, replace(options, engine="c"))
    assert in_c.levels == in_python.levels
    assert in_c.transitions == in_python.transitions
    assert in_c.fired == in_python.fired
    assert verdicts(in_c) == verdicts(in_python)
    assert lengths(in_c) == lengths(in_python)


@given(any_machine, st.sampled_from(ALL_SWITCHES))
@moderate
def test_the_states_are_those_of_the_definition(machine: Machine, reductions: Reductions) -> None:
    """The generated code must leave out exactly what the interpreter says can be left out."""
    found = explore(machine, replace(PLAIN, reductions=reductions))
    assume(not any("renamed" in note for note in found.notes))  # else fewer than is asked for
    assert found.states == len(reduced_states(machine, reductions))


def reduced_states(machine: Machine, reductions: Reductions) -> set[State]:
    """The states that are left, by the definitions of the reductions."""
    plan = merging(machine, reductions)
    renaming = symmetry(machine) if reductions.symmetry else None

    def kept(state: State) -> State:
        return state if renaming is None else renaming.canonical(state)

    found = {kept(machine.initial)}
    waiting = list(found)
    while waiting:
        state = waiting.pop()
        if broken_invariant(machine, state):
            continue
        for successor in successors(machine, state):
            if successor.violated is None:
                reached = kept(run_ahead(machine, plan, successor.state)[1])
                if reached not in found:
                    found.add(reached)
                    waiting.append(reached)
    return found


@pytest.mark.parametrize("engine", ["c", "python"])
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_symmetry_counts_classes(engine: Engine, data: st.DataObject) -> None:
    """The quotient by renaming, counted by definition."""
    machine = data.draw(symmetric_machines())
    options = Options(engine=engine, reductions=replace(NO_REDUCTIONS, symmetry=True))
    found = explore(machine, options)
    states = search(machine).states
    if "fresh" in found.violations:
        assert explore(machine, PLAIN).violations.keys() == found.violations.keys()
    assert found.states == brute_force_classes(machine, list(states), "Object")


def test_reductions_have_something_to_do() -> None:
    """Guards against reductions that are sound because they never apply."""
    machine = locked_counter()
    plan = merging(machine)
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
    assert not {machine.transitions[at].pc for at in merging(machine).steps} & {3, 4}
