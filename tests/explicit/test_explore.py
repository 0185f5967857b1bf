"""Limits, interruption, odd machines, and what is reported about them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.explicit import explore as explore_module
from engines.explicit import native
from engines.explicit.compiler import Compiler, CompilerError
from engines.explicit.explore import Engine, Options, Progress, explore
from engines.explicit.search import RawSearch
from engines.reductions.wanted import NO_REDUCTIONS
from engines.result import EngineDisagreement
from model.language.interpreter import fire
from model.language.machine import (
    BOOL,
    Const,
    Dimension,
    Goal,
    If,
    Invariant,
    Machine,
    Param,
    Parameter,
)
from tests.explicit.machines import (
    ME,
    Builder,
    binary,
    check,
    counters,
    eq,
    load,
    locked_counter,
    number,
    plus,
    store,
)
from tests.explicit.reference import search

ENGINES: tuple[Engine, ...] = ("c", "python")
both_engines = pytest.mark.parametrize("engine", ENGINES)


def big() -> Machine:
    """Too many states to finish soon."""
    return counters(9, 7)


@both_engines
def test_memory_limit_stops_cleanly(engine: Engine) -> None:
    """A search that runs out of memory says so, and counts what it covered."""
    found = explore(big(), Options(engine=engine, memory=3_000_000))
    assert not found.complete
    assert found.reason == "memory"
    assert found.memory <= 3_300_000
    assert found.states > 1_000


@both_engines
def test_time_limit_stops_cleanly(engine: Engine) -> None:
    found = explore(big(), Options(engine=engine, seconds=0.3, memory=1 << 30))
    assert (found.complete, found.reason) == (False, "time")
    assert found.seconds < 2
    assert sum(found.levels) >= found.states - found.levels[-1] * 20


@both_engines
def test_ctrl_c_ends_with_what_was_covered(engine: Engine) -> None:
    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    found = explore(big(), Options(engine=engine, memory=1 << 30, seconds=20), stop)
    assert (found.complete, found.reason) == (False, "interrupted")
    assert found.states > 1


@both_engines
def test_progress_reports_grow(engine: Engine) -> None:
    seen: list[Progress] = []
    explore(big(), Options(engine=engine, seconds=1, memory=1 << 30), seen.append)
    assert len(seen) >= 2
    assert seen[-1].states > seen[0].states
    assert seen[-1].frontier > 0


def test_two_searches_at_once_do_not_disturb_each_other() -> None:
    """The library's symbols are the same in every model; each must find its own."""
    first, second = counters(5, 4), counters(4, 5)
    results: dict[int, int] = {}

    def run(number_: int, machine: Machine) -> None:
        results[number_] = explore(machine, Options(engine="c", memory=1 << 28)).states

    threads = [threading.Thread(target=run, args=item) for item in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: 5**5, 1: 6**4}


@both_engines
@pytest.mark.parametrize("words", [1, 2, 3, 8, 9, 13])
def test_any_number_of_words(engine: Engine, words: int) -> None:
    """Wide states use code of their own up to 8 words and a loop beyond."""
    b = Builder("wide")
    b.var("wide", number(0, 2**60 - 1), (Dimension("n", words, "array"),))
    which = Parameter("i", 0, words - 1, number(0, words - 1))
    at = load("wide", Param("i"))
    b.action("up", store("wide", Param("i"), plus(at, 2**58)), guard=binary("<", at, 2**58))
    machine = b.build()
    tr = replace(machine.transitions[0], params=(which,))
    machine = replace(machine, transitions=(tr,))
    found = explore(machine, Options(engine=engine, memory=1 << 28))
    assert found.states == 2**words
    assert found.levels == tuple(search(machine).levels)


@both_engines
def test_a_check_ends_the_body(engine: Engine) -> None:
    """What follows a failed check must not happen, and the state reached so far is a leaf."""
    b = Builder("checks")
    b.var("x", number(0, 3))
    b.var("done")
    b.action(
        "up",
        store("x", plus(load("x"), 1)),
        If(eq(load("x"), 2), (check("not_two", eq(load("x"), 1)),)),
        store("done", Const(1)),
        guard=binary("<", load("x"), 3),
    )
    machine = b.build()
    found = explore(machine, Options(engine=engine))
    assert found.states == 2
    trace = found.violations["not_two"].trace
    assert len(trace) == 2
    last = fire(machine, (1, 1), trace[-1])
    assert last.violated is not None and last.state == (2, 1)


@both_engines
def test_every_broken_invariant_is_reported(engine: Engine) -> None:
    b = Builder("invariants")
    b.var("x", number(0, 3))
    b.action("up", store("x", plus(load("x"), 1)), guard=binary("<", load("x"), 3))
    for prop in ("a", "b"):
        b.invariants.append(Invariant(prop, binary("<", load("x"), 2), prop))
    found = explore(b.build(), Options(engine=engine))
    assert {p: len(v.trace) for p, v in found.violations.items()} == {"a": 2, "b": 2}
    assert found.states == 3


@both_engines
def test_an_initial_state_that_violates(engine: Engine) -> None:
    b = Builder("initial")
    b.var("x", BOOL, initial=1)
    b.invariants.append(Invariant("zero", eq(load("x"), 0), "x"))
    found = explore(b.build(), Options(engine=engine))
    assert found.violations["zero"].trace == ()


def out_of_range(kind: str) -> Machine:
    """A machine that computes an index or a value that does not exist, two steps in."""
    b = Builder(kind)
    b.var("x", number(0, 3))
    b.var("y", number(0, 3), (Dimension("n", 3, "array"),))
    b.action("up", store("x", plus(load("x"), 1)), guard=binary("<", load("x"), 3))
    if kind == "value":
        b.action("bad", store("y", Const(0), binary("*", load("x"), 2)))
    elif kind == "index":
        b.action("bad", store("y", binary("-", load("x"), 2), Const(0)))
    elif kind == "guard":
        b.action("bad", guard=eq(load("y", load("x")), 3))
    else:
        b.invariants.append(Invariant("inv", eq(load("y", load("x")), 0), "y"))
    return b.build()


@both_engines
@pytest.mark.parametrize(
    "kind,length", [("value", 3), ("index", 1), ("guard", 3), ("invariant", 3)]
)
def test_out_of_range_is_a_model_error(engine: Engine, kind: str, length: int) -> None:
    """Never a silent wrap, never a neighbour's bits: the mistake is reported with a trace."""
    found = explore(out_of_range(kind), Options(engine=engine))
    violation = found.violations["model_error"]
    assert violation.kind == "model_error"
    assert len(violation.trace) == length
    assert set(found.violations) == {"model_error"}


@both_engines
def test_operands_that_are_not_evaluated_do_no_harm(engine: Engine) -> None:
    b = Builder("short")
    b.var("x", number(0, 3))
    b.var("y", number(0, 3), (Dimension("n", 3, "array"),))
    inside = binary("and", binary("<", load("x"), 3), eq(load("y", load("x")), 0))
    b.action("up", store("x", plus(load("x"), 1)), guard=inside)
    found = explore(b.build(), Options(engine=engine))
    assert found.states == 4
    assert not found.violations


@both_engines
def test_a_goal_that_gets_lost(engine: Engine) -> None:
    """The trace of the goal leads to rest; that of the loss to where it became inevitable."""
    b = Builder("loss")
    b.var("freed")
    b.var("lost")
    b.process("p", 1, 4)
    b.step("p", 1, 2)
    b.step("p", 1, 3, store("lost", Const(1)))
    b.step("p", 2, 0, store("freed", Const(1)))
    b.step("p", 3, 0)
    b.goals.append(Goal("no_lost_objects", eq(load("freed"), 1), "an object is lost"))
    found = explore(b.build(), Options(engine=engine, reductions=NO_REDUCTIONS))
    report = found.goals["no_lost_objects"]
    assert (report.failing, report.doomed, found.rest_states) == (1, 2, 2)
    assert report.at_rest is not None and report.lost is not None
    assert (len(report.at_rest), len(report.lost)) == (2, 1)
    assert found.violations["no_lost_objects"].trace == report.at_rest


@both_engines
def test_of_several_goals_the_one_that_is_missed_is_named(engine: Engine) -> None:
    """Goals of one property have messages of their own: the first one's would blame the wrong."""
    b = Builder("two goals")
    b.var("a")
    b.process("p", 1, 2)
    b.step("p", 1, 0, store("a", Const(1)))
    b.goals.append(Goal("end", eq(load("a"), 1), "a is unset"))
    b.goals.append(Goal("end", eq(load("a"), 0), "a is set"))
    found = explore(b.build(), Options(engine=engine, reductions=NO_REDUCTIONS))
    assert found.violations["end"].message == "a is set"


@both_engines
def test_stuck_is_told_apart_from_rest(engine: Engine) -> None:
    b = Builder("stuck")
    b.var("key")
    b.process("p", 1, 3)
    b.step("p", 1, 2, store("key", Const(1)))
    b.step("p", 2, 0, guard=eq(load("key"), 0))
    found = explore(b.build(), Options(engine=engine, reductions=NO_REDUCTIONS))
    assert (found.rest_states, found.stuck_states) == (1, 1)
    assert found.stuck is not None and len(found.stuck) == 1


@both_engines
def test_locked_sections_are_merged_and_expanded(engine: Engine) -> None:
    """Merging needs fewer states; traces still show every single step."""
    machine = locked_counter()
    whole = explore(machine, Options(engine=engine, reductions=NO_REDUCTIONS))
    merged = explore(machine, Options(engine=engine))
    assert merged.states < whole.states
    assert merged.reductions == ("merging", "partial order", "interrupt placement")
    assert not merged.violations and not whole.violations
    ended = replace(
        machine, invariants=(Invariant("ended", binary("<", load("p.pc", Const(0)), 5), "end"),)
    )
    trace = explore(ended, Options(engine=engine)).violations["ended"].trace
    assert [firing.transition.pc for firing in trace if firing.instance == 0] == [1, 2, 3, 4]


def one_step_matters() -> Machine:
    """After the first of five steps of `p`, which are merged, `q` fails."""
    b = Builder("one step matters")
    b.var("x")
    b.process("p", 1, 6)
    local = b.local("p", "n", number(0, 4))
    b.step("p", 1, 2, store("x", Const(1)))
    for pc in range(2, 6):
        b.step("p", pc, (pc + 1) % 6, store(local, ME, Const(pc - 1)))
    b.process("q", 1, 2)
    b.step("q", 1, 0, check("unset", eq(load("x"), 0)))
    return b.build()


@both_engines
def test_a_trace_has_no_more_steps_than_without_merging(engine: Engine) -> None:
    """Merged steps that the violation does not need would be in the way of the reader."""
    found = explore(one_step_matters(), Options(engine=engine))
    assert "merging" in found.reductions
    violation = found.violations["unset"]
    assert [firing.transition.name for firing in violation.trace] == ["p@1", "q@1"]
    assert violation.shortest


@both_engines
def test_a_trace_that_may_not_be_shortest_is_not_called_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second search has little memory; what the first has found stays then."""
    monkeypatch.setattr(explore_module, "MEMORY", 1)
    violation = explore(one_step_matters(), Options(engine=engine)).violations["unset"]
    assert len(violation.trace) > 2
    assert not violation.shortest


@both_engines
def test_without_exclusion_nothing_is_merged_under_locks(engine: Engine) -> None:
    """On UP a spinlock is no lock: merging under it would hide what an NMI does in between."""
    machine = locked_counter(up=True)
    whole = explore(machine, Options(engine=engine, reductions=NO_REDUCTIONS))
    merged = explore(machine, Options(engine=engine))
    assert any("not merged" in note for note in merged.notes)
    assert merged.violations.keys() == whole.violations.keys()
    assert "lock_discipline" in whole.violations


def test_without_a_compiler_python_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_module, "find_compiler", lambda: None)
    found = explore(counters(3, 4))
    assert (found.engine, found.states) == ("python", 125)
    assert any("no C compiler" in note for note in found.notes)
    with pytest.raises(CompilerError, match="no C compiler"):
        explore(counters(3, 4), Options(engine="c"))


def test_a_compiler_that_fails_is_said(tmp_path: Path) -> None:
    """Slow without saying why would be a mystery."""
    broken = Compiler(("/bin/false",), "none")
    found = explore(counters(4, 2), Options(compiler=broken))
    assert (found.engine, found.states) == ("python", 81)
    assert any("the C compiler failed" in note for note in found.notes)
    with pytest.raises(CompilerError):
        explore(counters(4, 2), Options(engine="c", compiler=broken))


def test_a_tiny_memory_limit_is_no_crash() -> None:
    found = explore(counters(4, 2), Options(engine="c", memory=1000))
    assert (found.reason, found.states) == ("memory", 1)


def test_keep_c_writes_the_steps(tmp_path: Path) -> None:
    kept = tmp_path / "steps.c"
    explore(counters(3, 4), Options(engine="c", keep_c=kept))
    assert "/* 0 up: toy.py:1: toy */" in kept.read_text()


def test_a_wrong_engine_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict that the interpreter does not confirm is never handed on."""
    real = native.search
    honest = Invariant("all", Const(1), "true")
    machine = replace(counters(2, 2), invariants=(honest,))

    def lying(_: Machine, *rest: Any, **_options: Any) -> RawSearch:
        broken = replace(machine, invariants=(Invariant("all", Const(0), "false"),))
        found = real(broken, *rest)
        return replace(found, findings=(replace(found.findings[0], what=honest),))

    monkeypatch.setattr(native, "search", lying)
    with pytest.raises(EngineDisagreement, match="report it"):
        explore(machine, Options(engine="c"))


def test_names_that_are_not_c_names() -> None:
    """Two names that differ only in what C does not allow must stay two."""
    b = Builder("names")
    for name in ("a.b", "a_b", "a|b", "int"):
        b.var(name, number(0, 1))
        b.action(f"set */ {name}", store(name, Const(1)))
    b.process("while", 1, 2)
    b.step("while", 1, 1, store("int", ME))
    assert explore(b.build(), Options(engine="c")).states == 16


@both_engines
def test_as_many_invariants_as_a_word_has_bits(engine: Engine) -> None:
    """A sixty-fifth is refused elsewhere."""
    b = Builder("many invariants")
    b.var("count", number(0, 1))
    b.action("up", store("count", Const(1)), guard=eq(load("count"), 0))
    for at in range(64):
        b.invariants.append(Invariant(f"none{at}", eq(load("count"), 0), "too many"))
    found = explore(b.build(), Options(engine=engine, reductions=NO_REDUCTIONS))
    assert found.violations.keys() == {f"none{at}" for at in range(64)}
