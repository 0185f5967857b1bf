"""Threads and fingerprints change what a search costs, never what it finds."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.explicit import native
from engines.explicit.explore import Exploration, Options, Progress, explore
from engines.reductions.wanted import NO_REDUCTIONS
from model.language.machine import Const, Goal, Invariant, Machine, Param, Parameter
from tests.explicit.machines import Builder, binary, counters, eq, load, number, plus, store
from tests.explicit.random_cycles import cyclic_machines
from tests.explicit.random_machines import machines
from tests.explicit.reference import search
from tests.explicit.test_engines_agree import same

PLAIN = Options(engine="c", memory=1 << 30, reductions=NO_REDUCTIONS)
THREADS = (1, 2, 3, 7)
slow_to_draw = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(autouse=True, scope="module")
def _every_level_is_shared() -> Iterator[None]:
    """Small machines would else be searched by one thread, whatever was asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "SHARED_FROM", 1)
        yield


def told(found: Exploration) -> Exploration:
    """All that a user is told, without what it cost."""
    return replace(found, seconds=0, compile_seconds=0, memory=0)


@given(data=st.data())
@slow_to_draw
def test_threads_find_what_the_interpreter_finds(data: st.DataObject) -> None:
    machine = data.draw(machines())
    same(machine, explore(machine, replace(PLAIN, threads=3)), search(machine))


@given(data=st.data())
@slow_to_draw
def test_threads_and_reductions_tell_the_same(data: st.DataObject) -> None:
    """Traces and lassos too: each state has the same number and the same first parent."""
    machine = data.draw(cyclic_machines())
    options = Options(engine="c", memory=1 << 30)
    alone = told(explore(machine, options))
    assert told(explore(machine, replace(options, threads=2))) == alone


def wide() -> Machine:
    """262,144 states in levels of thousands, with a goal and two properties that are violated."""
    machine = counters(6, 7, checked=31)
    top = binary(">=", load("count", Const(0)), 6)
    goal = Goal("goal", eq(load("count", Const(1)), 7), "the second counter")
    never = Invariant("never", binary("or", binary("<", load("count", Const(2)), 5), top), "late")
    return replace(machine, goals=(goal,), invariants=(never,))


@pytest.fixture(scope="module")
def alone() -> Exploration:
    """What one thread finds in the wide machine."""
    return explore(wide(), PLAIN)


@pytest.mark.parametrize("threads", THREADS[1:])
def test_many_rounds_and_a_growing_index(alone: Exploration, threads: int) -> None:
    """Guards against states that two threads both enter, or that get lost while the index moves."""
    assert alone.states > 10_000 and alone.violations.keys() >= {"small", "never"}
    assert told(explore(wide(), replace(PLAIN, threads=threads))) == told(alone)


@pytest.mark.parametrize("fingerprints", [False, True])
@pytest.mark.parametrize("values", [1000, 2500])
def test_states_with_many_successors(values: int, fingerprints: bool) -> None:
    """All states of a level have the same ones; with 2,500 each there is no sharing any more."""
    b = Builder("chosen")
    b.var("turn", number(0, 2))
    b.var("x", number(0, values - 1))
    which = Parameter("p", 0, values - 1, number(0, values - 1))
    b.action(
        "choose",
        store("x", Param("p")),
        store("turn", plus(load("turn"), 1)),
        guard=binary("<", load("turn"), 2),
        params=(which,),
    )
    options = replace(PLAIN, fingerprints=fingerprints)
    one, two = (explore(b.build(), replace(options, threads=n)) for n in (1, 2))
    assert (one.states, one.transitions) == (1 + 2 * values, values + values**2)
    assert told(two) == told(one)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("fingerprints", [False, True])
def test_the_memory_limit_stops_all_at_the_same_state(threads: int, fingerprints: bool) -> None:
    options = replace(PLAIN, memory=1 << 21, fingerprints=fingerprints)
    machine = counters(9, 7)
    one, many = (explore(machine, replace(options, threads=n)) for n in (1, threads))
    assert one.reason == "memory" and one.memory <= 1 << 21
    assert told(many) == told(one)


@pytest.mark.parametrize("threads", (1, 3))
def test_fingerprints_find_the_same(alone: Exploration, threads: int) -> None:
    """The same states and traces; the verdict says that a state could be missing."""
    found = explore(wide(), replace(PLAIN, fingerprints=True, threads=threads))
    assert found.engine == "c, fingerprints" and alone.engine == "c"
    assert alone.miss_probability is None
    assert found.miss_probability == pytest.approx(found.states**2 / 2**64, rel=1e-3)
    assert (found.levels, found.fired) == (alone.levels, alone.fired)
    for prop in ("small", "never"):
        assert found.violations[prop] == alone.violations[prop]


@given(data=st.data())
@slow_to_draw
def test_fingerprints_on_random_machines(data: st.DataObject) -> None:
    machine = data.draw(machines())
    whole = explore(machine, PLAIN)
    found = explore(machine, replace(PLAIN, fingerprints=True))
    assert (found.levels, found.fired) == (whole.levels, whole.fired)
    assert (found.rest_states, found.stuck_states, found.stuck) == (
        *(whole.rest_states, whole.stuck_states),
        whole.stuck,
    )
    goals = {goal.prop for goal in machine.goals}
    assert {p: v for p, v in found.violations.items() if p not in goals} == {
        p: v for p, v in whole.violations.items() if p not in goals
    }
    for prop in goals:
        # There is no graph on which more could be decided.
        assert found.goals[prop].at_rest == whole.goals[prop].at_rest
        assert (found.goals[prop].lost, found.goals[prop].lasso) == (None, None)


def test_without_its_trace_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The states of a trace are found by a second search: what if that is interrupted?"""
    monkeypatch.setattr(native, "_SLICE_NANOSECONDS", 1)
    seen = 0

    def stop(progress: Progress) -> None:
        nonlocal seen
        if progress.states < seen:
            raise KeyboardInterrupt
        seen = progress.states

    options = replace(PLAIN, fingerprints=True)
    machine = counters(3, 9, checked=26)
    assert explore(machine, options).violations
    found = explore(machine, options, stop)
    assert (found.reason, dict(found.violations)) == ("interrupted", {})


@functools.cache
def of_two_million(threads: int, fingerprints: bool, expected: int = 0) -> Exploration:
    options = replace(PLAIN, threads=threads, fingerprints=fingerprints, expected=expected)
    return explore(counters(7, 7), replace(options, memory=1 << 30))


@pytest.mark.slow
@pytest.mark.parametrize("expected", [1, 2_097_152, 5_000_000])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("fingerprints", [False, True])
def test_room_for_the_states_that_are_expected(
    threads: int, expected: int, fingerprints: bool
) -> None:
    """More or fewer than there are: the same is found; with the right number, in as many bytes."""
    usual = of_two_million(threads, fingerprints)
    found = of_two_million(threads, fingerprints, expected)
    assert usual.complete and usual.states == 2_097_152 and told(found) == told(usual)
    if expected <= found.states:
        assert found.memory == usual.memory
    elif threads == 1:
        assert found.memory > usual.memory


@pytest.mark.parametrize("expected", [50_000, 10**7, 2**32])
def test_no_room_for_what_is_expected(expected: int) -> None:
    """Guards against a limit that is reached sooner, or passed, for what was expected in vain."""
    options = replace(PLAIN, memory=1 << 21)
    usual = explore(counters(9, 7), options)
    found = explore(counters(9, 7), replace(options, expected=expected))
    assert usual.reason == found.reason == "memory"
    assert (found.states, found.memory) == (usual.states, usual.memory)


def test_bytes_per_state() -> None:
    """Without goals: the state, two bits for its parent, and its place in the index."""
    machine = counters(7, 7)
    assert explore(machine, PLAIN).bytes_per_state <= 3 + 0.25 + 18.1
    # States that were expanded are given back in pieces of 2 MiB, so this holds for large searches.
    assert explore(machine, replace(PLAIN, fingerprints=True)).bytes_per_state <= 14


@pytest.mark.parametrize("bits", range(1, 65, 7))
@pytest.mark.parametrize("words", [1, 2, 3])
def test_the_last_word_is_stored_in_as_many_bytes_as_it_takes(words: int, bits: int) -> None:
    """Guards against a state that overwrites the next, or is compared with part of it."""
    b = Builder("odd")
    most = 2**62 - 1
    b.var("x", number(0, min(2**bits - 1, most)))
    top = min(2**bits - 1, 50)
    b.action("up", store("x", plus(load("x"), 1)), guard=binary("<", load("x"), top))
    for at in range(words - 1):
        b.var(f"y{at}", number(0, most))
        b.action(f"y{at}", store(f"y{at}", Const(most - at)), guard=eq(load(f"y{at}"), 0))
    machine = b.build()
    for threads in (1, 2):
        same(machine, explore(machine, replace(PLAIN, threads=threads)), search(machine))


def test_a_long_trace() -> None:
    """Guards against a slip in the parents, which are bits that are counted from the end."""
    machine = counters(1, 5000, checked=4990)
    for threads in (1, 2):
        found = explore(machine, replace(PLAIN, threads=threads))
        assert len(found.violations["small"].trace) == 4990
