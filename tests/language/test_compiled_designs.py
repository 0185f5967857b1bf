"""The real designs, compiled, in the smallest configurations: engines, RCU modes and reductions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest

from engines.explicit.compiler import find_compiler
from engines.explicit.explore import Exploration, Options, explore
from engines.reductions.wanted import ALL_REDUCTIONS, NO_REDUCTIONS, Reductions
from model.edits import Edit, read_mutant
from model.language.interpreter import State, broken_invariant, successors
from model.language.machine import Machine
from model.language.source import Provenance
from properties.registry import PROPERTIES, build_machine

ROOT = Path(__file__).resolve().parents[2]
DESIGNS = ("mainline", "rcu_ptr", "allow_spin", "nmi_detect")
TINY = {"cpus": 1, "tasks": 1, "objects": 2, "bnodes": 0, "readers": 1, "other_gps": 1}

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C compiler")


def design(name: str, config: dict[str, int], edits: Iterable[Edit] = ()) -> Machine:
    return build_machine(ROOT / "model" / "designs" / f"{name}.py", config, edits=edits)


def explored(machine: Machine, reductions: Reductions = ALL_REDUCTIONS) -> Exploration:
    found = explore(machine, Options(reductions=reductions))
    assert found.complete
    return found


# --- engines ------------------------------------------------------------------------------------


def levels(machine: Machine) -> list[int]:
    """States per level, from the interpreter; a state that violates is not expanded."""
    seen: set[State] = {machine.initial}
    level = [machine.initial]
    counts = []
    while level:
        counts.append(len(level))
        after: dict[State, None] = {}
        for state in level:
            if broken_invariant(machine, state) is None:
                for one in successors(machine, state):
                    if one.violated is None and one.state not in seen:
                        seen.add(one.state)
                        after[one.state] = None
        level = list(after)
    return counts


@needs_compiler
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("arrival", ["tasks", "nmis"])
def test_the_interpreter_counts_what_the_engine_counts(name: str, arrival: str) -> None:
    config = {"cpus": 1, "tasks": 1, "objects": 1, "bnodes": 1, "other_gps": 0, arrival: 1}
    machine = design(name, config)
    found = explored(machine, NO_REDUCTIONS)
    assert list(found.levels) == levels(machine)


# --- the two ways in which readers and grace periods come and go ----------------------------------


def violated(name: str, config: dict[str, int], edits: Iterable[Edit] = ()) -> set[str]:
    return set(explored(design(name, config, edits)).violations)


def both_ways(name: str, config: dict[str, int], edits: Iterable[Edit] = ()) -> set[str]:
    """The violated properties, which must not depend on when RCU events are considered."""
    some = violated(name, {**TINY, **config, "rcu_any_time": 0}, edits)
    every = violated(name, {**TINY, **config, "rcu_any_time": 1}, edits)
    assert some == every
    return some


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize(
    "config",
    [{}, {"tasks": 2}, {"nmis": 1, "other_gps": 0}, {"hardirqs": 1}],
    ids=["one task", "two tasks", "nmi", "hardirq"],
)
def test_rcu_events_at_chosen_moments_lose_no_verdict(name: str, config: dict[str, int]) -> None:
    """Guards the argument in model/kernel/rcu.py: each event is moved to where more can follow."""
    both_ways(name, config)


@needs_compiler
@pytest.mark.slow
def test_rcu_events_with_pages_of_records() -> None:
    both_ways("mainline", {"bnodes": 1})


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("config", [{}, {"cpus": 2}], ids=["1 CPU", "2 CPUs"])
def test_both_ways_find_the_cookie_that_is_not_renewed(config: dict[str, int]) -> None:
    path = ROOT / "model" / "mutants" / "k_5_cookie_not_renewed.py"
    assert both_ways("mainline", config, read_mutant(path, PROPERTIES).edits) == {"grace_period"}


SHORT = Edit(
    "model/kernel/rcu.py",
    "get_state_synchronize_rcu",
    "snapshot = cookie(2)",
    "snapshot = cookie(1)",
    Provenance("mutant", 1, 0, ""),
)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_both_ways_find_a_cookie_that_is_too_short(name: str) -> None:
    """The grace period that is running does not count; a cookie that counts it is one too short."""
    assert both_ways(name, {}, [SHORT]) == {"grace_period"}


# --- reductions ---------------------------------------------------------------------------------


COUNT = len(fields(Reductions))
SWITCHES = sorted(on for on in product((False, True), repeat=COUNT) if sum(on) in (1, COUNT))
"""Each reduction alone, and all; tests/explicit/test_designs.py has all but one, random machines
every combination."""


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("arrival", ["nmis", "probes"])
def test_reductions_keep_the_verdicts(name: str, arrival: str) -> None:
    machine = design(name, {**TINY, "other_gps": 0, arrival: 1})
    plain = explored(machine, NO_REDUCTIONS)
    for on in SWITCHES:
        reduced = explored(machine, Reductions(*on))
        assert set(reduced.violations) == set(plain.violations)
        assert reduced.states <= plain.states
