"""Goals that are missed for ever: fair cycles, by definition, in both engines, with reductions."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from counterexamples.lasso import why_no_lasso
from counterexamples.replay import run_firings
from engines.explicit import native, native_goals, python_goals
from engines.explicit.beside import Beside
from engines.explicit.explore import Engine, Exploration, Options, Progress, explore
from engines.explicit.library import open_library
from engines.explicit.loops import Edge, fair_loop
from engines.explicit.search import Stopped
from engines.reductions.wanted import NO_REDUCTIONS, Reductions
from engines.result import Lasso
from model.language.machine import BOOL, Const, Dimension, Goal, Machine, Param, Parameter, Type
from tests.explicit.machines import (
    ME,
    Builder,
    binary,
    both,
    counters,
    eq,
    load,
    negate,
    number,
    plus,
    store,
)
from tests.explicit.random_cycles import cyclic_machines
from tests.explicit.reference import search

ENGINES: tuple[Engine, ...] = ("c", "python")
both_engines = pytest.mark.parametrize("engine", ENGINES)
slow_to_draw = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def plain(engine: Engine) -> Options:
    return Options(engine=engine, reductions=NO_REDUCTIONS)


def is_confirmed(machine: Machine, found: Exploration, prop: str = "goal") -> bool:
    """Whether there is a lasso; the interpreter must agree that it is one."""
    lasso = found.goals[prop].lasso
    if lasso is None:
        return False
    firings = (*lasso.stem, *lasso.loop)
    states = run_firings(machine, firings).states
    wrong = why_no_lasso(machine, prop, states, firings, len(lasso.stem))
    assert wrong is None, wrong
    return True


@both_engines
@given(data=st.data())
@slow_to_draw
def test_fair_cycles_are_found_by_definition(engine: Engine, data: st.DataObject) -> None:
    """Guards against a cycle that is missed, and one that keeps somebody waiting."""
    machine = data.draw(cyclic_machines())
    expected = search(machine)
    found = explore(machine, plain(engine))
    for prop in {goal.prop for goal in machine.goals}:
        goals = [at for at, goal in enumerate(machine.goals) if goal.prop == prop]
        missed = any(expected.is_missed_for_ever(machine, at) for at in goals)
        assert is_confirmed(machine, found, prop) == missed


@both_engines
@given(data=st.data())
@slow_to_draw
def test_reductions_keep_fair_cycles(engine: Engine, data: st.DataObject) -> None:
    """Guards against a loop that disappears in a merged step or behind a renaming."""
    machine = data.draw(cyclic_machines())
    whole = explore(machine, plain(engine))
    for reductions in (Reductions(partial_order=False, place_interrupts=False), Reductions()):
        reduced = explore(machine, Options(engine=engine, reductions=reductions))
        for prop in whole.goals:
            assert is_confirmed(machine, reduced, prop) == is_confirmed(machine, whole, prop)


@given(cyclic_machines())
@slow_to_draw
def test_doomed_means_rest_or_a_fair_cycle(machine: Machine) -> None:
    """What goals of one instance rely on, for which doomed states are not looked for."""
    report = explore(machine, plain("python")).goals["goal"]
    assume(report.doomed)
    assert report.failing or report.lasso is not None


# --- by hand -------------------------------------------------------------------------------------


def missed_for_ever(machine: Machine, engine: Engine) -> bool:
    return is_confirmed(machine, explore(machine, Options(engine=engine)))


def goal_of(b: Builder, var: str) -> Machine:
    b.goals.append(Goal("goal", eq(load(var), 1), "it is lost"))
    return b.build()


@both_engines
@pytest.mark.parametrize("needs_nobody_else", [True, False])
def test_a_tick_must_come(engine: Engine, needs_nobody_else: bool) -> None:
    """Who polls does not keep the tick away; a tick that never becomes possible is missed."""
    b = Builder("poll")
    b.var("done")
    b.var("ready", BOOL, initial=int(needs_nobody_else))
    b.process("p", 1, 3)
    b.step("p", 1, 2)
    b.step("p", 2, 0, guard=load("done"))
    b.step("p", 2, 1, guard=negate(load("done")))
    b.action("tick", store("done", Const(1)), guard=both(load("ready"), negate(load("done"))))
    assert missed_for_ever(goal_of(b, "done"), engine) == (not needs_nobody_else)


@both_engines
def test_a_tick_that_is_possible_now_and_then_must_come(engine: Engine) -> None:
    """An interrupt that is pending while a loop turns irqs off and on is taken in the end."""
    b = Builder("now_and_then")
    b.var("done")
    b.process("p", 1, 3)
    b.step("p", 1, 2)
    b.step("p", 2, 1)
    open_ = both(eq(load("p.pc", Const(0)), 1), negate(load("done")))
    b.action("tick", store("done", Const(1)), guard=open_)
    assert not missed_for_ever(goal_of(b, "done"), engine)


@both_engines
def test_a_choice_can_keep_the_tick_impossible(engine: Engine) -> None:
    """The whole component is not fair, as the tick is left out of it; a part of it is."""
    b = Builder("choice")
    b.var("done")
    b.process("p", 1, 4)
    b.local("p", "r")
    choice = Parameter("v", 0, 1, BOOL)
    b.step("p", 1, 2, store("p.r", ME, Param("v")), params=(choice,))
    b.step("p", 2, 1, guard=load("p.r", ME))
    b.step("p", 2, 3, guard=negate(load("p.r", ME)))
    b.step("p", 3, 1)
    here = both(eq(load("p.pc", Const(0)), 3), negate(load("done")))
    b.action("tick", store("done", Const(1)), guard=here)
    machine = goal_of(b, "done")
    found = explore(machine, Options(engine=engine, reductions=NO_REDUCTIONS))
    assert is_confirmed(machine, found)
    lasso = found.goals["goal"].lasso
    assert lasso is not None and 3 not in {firing.transition.pc for firing in lasso.loop}


@both_engines
@pytest.mark.parametrize("environment", [True, False])
def test_nothing_from_outside_must_come(engine: Engine, environment: bool) -> None:
    b = Builder("outside")
    b.var("done")
    b.process("p", 1, 3)
    b.step("p", 1, 2)
    b.step("p", 2, 1)
    b.action("arrives", store("done", Const(1)), environment=environment)
    assert missed_for_ever(goal_of(b, "done"), engine) == environment


@both_engines
def test_two_tasks_that_give_way_to_each_other(engine: Engine) -> None:
    """Each raises its flag, sees the other's and takes it back: in step, neither ever frees."""
    b = Builder("polite")
    dim = b.process("p", 2, 4)
    b.var("wants", BOOL, (dim,))
    b.var("freed")
    other = load("wants", binary("-", Const(1), ME))
    b.step("p", 1, 2, store("wants", ME, Const(1)))
    b.step("p", 2, 3, guard=other)
    b.step("p", 2, 0, store("wants", ME, Const(0)), store("freed", Const(1)), guard=negate(other))
    b.step("p", 3, 1, store("wants", ME, Const(0)))
    found = explore(goal_of(b, "freed"), Options(engine=engine))
    assert is_confirmed(goal_of(b, "freed"), found)
    violation = found.violations["goal"]
    assert (violation.kind, found.goals["goal"].doomed) == ("lasso", 0)
    assert violation.stem is not None
    loop = violation.trace[violation.stem :]
    assert {firing.instance for firing in loop} == {0, 1}
    assert len(loop) == 6


@both_engines
def test_one_step_that_changes_nothing(engine: Engine) -> None:
    """A node linked to itself: the handler's state is the same after each turn."""
    b = Builder("self_linked")
    b.var("next", number(0, 2), initial=0)
    b.process("h", 1, 3, start=0)
    b.local("h", "node", number(0, 2))
    b.action("link", store("next", Const(1)), guard=eq(load("next"), 0), environment=True)
    came = eq(load("h.pc", Const(0)), 0)
    start = (store("h.node", Const(0), Const(1)), store("h.pc", Const(0), Const(1)))
    b.action("interrupt", *start, guard=both(came, eq(load("next"), 1)), environment=True)
    b.step("h", 1, 1, store("h.node", ME, load("next")), guard=binary("!=", load("h.node", ME), 0))
    b.step("h", 1, 0, guard=eq(load("h.node", ME), 0))
    b.goals.append(Goal("ends", eq(load("h.pc", Const(0)), 0), "it never ends", each="P"))
    found = explore(b.build(), Options(engine=engine))
    assert is_confirmed(b.build(), found, "ends")
    lasso = found.goals["ends"].lasso
    assert lasso is not None and (len(lasso.stem), len(lasso.loop)) == (2, 1)


@both_engines
def test_a_handler_that_waits_in_vain(engine: Engine) -> None:
    """At rest, with the handler still under way: that is no lasso, but a violation."""
    b = Builder("vain")
    b.var("never")
    b.process("h", 1, 2)
    b.step("h", 1, 0, guard=load("never"))
    b.goals.append(Goal("ends", eq(load("h.pc", Const(0)), 0), "it never ends", each="P"))
    found = explore(b.build(), Options(engine=engine))
    assert found.goals["ends"].lasso is None
    assert (found.violations["ends"].kind, found.violations["ends"].trace) == ("goal", ())


@both_engines
def test_each_instance_has_a_goal_of_its_own(engine: Engine) -> None:
    """One handler or the other is always under way, but each of them ends."""
    b = Builder("in_turn")
    dim = b.process("h", 2, 3, start=0)
    b.var("turn", BOOL, (dim,))
    other = binary("-", Const(1), ME)
    b.step("h", 1, 2, store("h.pc", other, Const(1)), guard=eq(load("h.pc", other), 0))
    b.step("h", 2, 0)
    begin = both(*(eq(load("h.pc", Const(me)), 0) for me in (0, 1)))
    b.action("begins", store("h.pc", Const(0), Const(1)), guard=begin, environment=True)
    idle = [eq(load("h.pc", Const(me)), 0) for me in (0, 1)]
    for one in idle:
        b.goals.append(Goal("ends", one, "it never ends", each="P"))
    b.goals.append(Goal("none", both(*idle), "always busy"))
    found = explore(b.build(), Options(engine=engine))
    assert found.goals["ends"].lasso is None
    assert is_confirmed(b.build(), found, "none")


@both_engines
def test_a_loop_that_only_one_can_see_is_not_merged_away(engine: Engine) -> None:
    """A loop over locals runs as part of one edge; it must still be found, and told in one turn."""
    b = Builder("private")
    b.var("freed")
    b.process("p", 1, 6)
    b.local("p", "r", number(0, 2))
    for pc in range(1, 5):
        b.step("p", pc, pc + 1, store("p.r", ME, Const(pc % 3)))
    b.step("p", 5, 3, store("p.r", ME, Const(2)))
    found = explore(goal_of(b, "freed"), Options(engine=engine))
    assert is_confirmed(goal_of(b, "freed"), found)
    assert "merging" in found.reductions
    lasso = found.goals["goal"].lasso
    assert lasso is not None and len(lasso.loop) == 3


def in_turn() -> Machine:
    """Objects are served; the goal is that two different ones are, one after the other."""
    b = Builder("in_turn")
    ref = Type("ref", 0, 2, "Object")
    b.var("latest", ref)
    b.var("seen", BOOL, (Dimension("Object", 2, "record"),))
    b.var("both")
    which = Parameter("o", 1, 2, ref)
    another = both(binary("!=", load("latest"), 0), binary("!=", load("latest"), Param("o")))
    at = binary("-", Param("o"), 1)
    b.action(
        "serve",
        store("both", another),
        store("latest", Param("o")),
        store("seen", at, Const(1)),
        guard=negate(load("both")),
        params=(which,),
    )
    b.symmetric = ("Object",)
    return goal_of(b, "both")


@both_engines
def test_objects_that_look_alike_are_each_served(engine: Engine) -> None:
    """Up to renaming it is fair to serve the same object for ever; in truth it is not."""
    found = explore(in_turn(), Options(engine=engine))
    assert found.goals["goal"].lasso is None
    assert any("fair up to renaming only" in note for note in found.notes)
    assert found.reductions == ()


@both_engines
def test_a_cycle_of_renamed_states_is_unrolled(engine: Engine) -> None:
    """The engine's cycle may come back to a renamed state; what is told comes back to the same."""
    b = Builder("rotating")
    ref = Type("ref", 0, 3, "Object")
    b.var("head", ref, initial=0)
    b.var("marked", BOOL, (Dimension("Object", 3, "record"),))
    b.var("freed")
    b.process("p", 1, 3)
    which = Parameter("o", 1, 3, ref)
    fresh = binary("!=", load("head"), Param("o"))
    b.step("p", 1, 2, store("head", Param("o")), guard=fresh, params=(which,))
    b.step("p", 2, 1)
    b.symmetric = ("Object",)
    machine = goal_of(b, "freed")
    only_symmetry = replace(NO_REDUCTIONS, symmetry=True)
    found = explore(machine, Options(engine=engine, reductions=only_symmetry))
    assert found.reductions == ("symmetry",)
    assert is_confirmed(machine, found)


# --- limits --------------------------------------------------------------------------------------


def mill(size: int) -> Machine:
    """Many states, all of them on cycles that miss the goal, and a tick that ends it all."""
    machine = counters(size, 6)
    b = Builder("mill")
    b.variables += machine.variables
    b.transitions += machine.transitions
    b.var("never")
    return goal_of(b, "never")


@both_engines
def test_judging_keeps_to_the_memory_limit(engine: Engine) -> None:
    """All of these states are live: what Tarjan's algorithm takes for them counts."""
    machine = mill(6 if engine == "c" else 4)
    whole = explore(machine, Options(engine=engine, memory=1 << 30))
    assert whole.complete and whole.goals["goal"].lasso is not None
    judged = {"c": 12, "python": 1000}[engine] * whole.states
    assert whole.memory > judged
    short = explore(machine, Options(engine=engine, memory=whole.memory - judged // 2))
    assert (short.reason, short.states) == ("memory", whole.states)
    assert short.goals["goal"].lasso is None


@pytest.mark.parametrize(("engine", "threads"), [("c", 1), ("c", 2), ("python", 1)])
@pytest.mark.parametrize("what", ["time", "interrupted"])
def test_judging_can_be_stopped(
    engine: Engine, threads: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C and the time limit end it with what the search has covered, and never as complete."""
    module = native_goals if engine == "c" else python_goals
    judged: list[int] = []

    def stop(*_: object) -> None:
        judged.append(1)
        raise KeyboardInterrupt if what == "interrupted" else module.Stopped("time")

    monkeypatch.setattr(module.GoalJudge, "_trim", stop)
    found = explore(mill(3), Options(engine=engine, threads=threads))
    assert judged
    assert (found.complete, found.reason, found.states) == (False, what, 7**3)


class SlowSweeps:
    """A library whose sweeps never seem to be the last; `begun` and `ended` count them."""

    most = 50

    def __init__(self, library: Any) -> None:
        self.library = library
        self.begun = self.ended = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def nl_sweep(self, *arguments: Any) -> int:
        self.begun += 1
        time.sleep(0.3 if self.begun == 1 else 0.02)
        self.library.nl_sweep(*arguments)
        self.ended += 1
        return int(self.begun < self.most)


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[SlowSweeps]:
    """The libraries that are opened."""
    opened: list[SlowSweeps] = []

    def open_slowly(path: Path) -> SlowSweeps:
        opened.append(SlowSweeps(open_library(path)))
        return opened[-1]

    monkeypatch.setattr(native, "open_library", open_slowly)
    return opened


@pytest.mark.parametrize("where", ["in the cycles", "while it waits", "twice"])
def test_ctrl_c_ends_the_thread_beside(
    where: str, sweeps: list[SlowSweeps], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works on memory that is freed afterwards, and what it has not finished is not told."""

    def press() -> None:
        for _ in range(2 if where == "twice" else 1):
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

    def find_cycles(_: object) -> None:
        while not sweeps[0].begun:
            time.sleep(0.001)
        if where == "in the cycles":
            raise KeyboardInterrupt
        Thread(target=press).start()

    monkeypatch.setattr(native_goals.GoalJudge, "_find_all_cycles", find_cycles)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        found = explore(mill(3), Options(engine="c", threads=2))
    finally:
        signal.signal(signal.SIGINT, usual)
    assert found.reason == "interrupted"
    assert found.goals["goal"].doomed == 0
    assert 0 < sweeps[0].begun == sweeps[0].ended < SlowSweeps.most


@pytest.mark.parametrize("threads", [1, 2])
def test_who_watches_can_end_the_judging(threads: int, sweeps: list[SlowSweeps]) -> None:
    """A process that ignores Ctrl-C hears of it when it tells its progress."""

    def watch(_: Progress) -> None:
        if sweeps[0].begun:
            raise KeyboardInterrupt

    found = explore(mill(3), Options(engine="c", threads=threads), watch)
    assert found.reason == "interrupted"
    assert 0 < sweeps[0].begun == sweeps[0].ended < SlowSweeps.most


def test_no_thread_beside_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no more threads, one judges alone."""

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    alone = explore(mill(3), Options(engine="c"))
    monkeypatch.setattr(Thread, "start", refuse)
    found = explore(mill(3), Options(engine="c", threads=2))
    assert found.complete and found.goals == alone.goals


def test_what_beside_raises_is_raised() -> None:
    def fail() -> None:
        raise Stopped("memory")

    beside = Beside(fail)
    assert beside.start()
    beside.wait(lambda: None)
    with pytest.raises(Stopped):
        beside.raise_error()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("why", ["time", "interrupted"])
def test_doomed_states_are_told_by_a_search_that_is_stopped(threads: int, why: str) -> None:
    """A loop that keeps the goal away is found early, beside millions of states that do not."""

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    large = counters(9, 7)
    b = Builder("timed")
    b.variables += large.variables
    for name, kind in (("mode", number(0, 2)), ("ticks", BOOL), ("won", BOOL)):
        b.var(name, kind)
    for transition in large.transitions:
        guard = both(transition.guard, eq(load("mode"), 2))
        b.transitions.append(replace(transition, id=len(b.transitions), guard=guard))
    b.action("lose", store("mode", Const(1)), guard=eq(load("mode"), 0))
    b.action("go", store("mode", Const(2)), guard=eq(load("mode"), 0))
    b.action("tick", store("ticks", negate(load("ticks"))), guard=eq(load("mode"), 1))
    b.action("win", store("won", Const(1)), guard=both(eq(load("mode"), 2), negate(load("won"))))
    machine = goal_of(b, "won")
    options = Options(engine="c", threads=threads, seconds=0.2 if why == "time" else None)
    found = explore(machine, options, stop if why == "interrupted" else None)
    assert (found.reason, found.goals["goal"].doomed) == (why, 2)
    assert "goal" in found.violations


@both_engines
@pytest.mark.parametrize("goals", [8, 9, 17, 64])
def test_many_goals(engine: Engine, goals: int) -> None:
    """Each state says which it misses: at the end one, for ever the last one, in a loop."""
    b = Builder("many goals")
    b.var("count", number(0, 3))
    b.process("p", 1, 3)
    b.step("p", 1, 0, guard=eq(load("count"), 3))
    b.step("p", 1, 2)
    b.step("p", 2, 1)
    b.action("up", store("count", plus(load("count"), 1)), guard=binary("<", load("count"), 3))
    never, at_first = binary(">", load("count"), 3), binary("<", load("count"), 3)
    conditions = {0: at_first, goals - 1: never}
    for at in range(goals):
        b.goals.append(Goal(f"goal{at}", conditions.get(at, binary(">=", load("count"), 0)), "no"))
    machine = b.build()
    expected, found = search(machine), explore(machine, plain(engine))
    for at, goal in enumerate(machine.goals):
        report = found.goals[goal.prop]
        assert report.doomed == len(expected.doomed(machine, at))
        assert is_confirmed(machine, found, goal.prop) == expected.is_missed_for_ever(machine, at)
        assert report.failing == (at in conditions)
    assert is_confirmed(machine, found, f"goal{goals - 1}")


def test_many_states_on_cycles() -> None:
    """Guards against recursion, and against work that grows faster than the graph."""
    found = explore(mill(7), Options(engine="c", memory=1 << 30))
    assert found.states == 7**7
    assert found.goals["goal"].lasso is not None
    assert found.seconds < 20


def test_a_loop_goes_where_everybody_steps() -> None:
    def edge(actor: int, to: int | None, *also: int) -> Edge:
        return Edge(actor, to, frozenset({actor, *also}))

    graph = {0: [edge(1, 1)], 1: [edge(1, 0), edge(2, 2)], 2: [edge(2, None), edge(1, 0)]}
    assert fair_loop(0, lambda at: graph[at]) == [(1, 1), (2, 2), (1, 0)]
    # Whose step is merged with another's has stepped.
    graph[1] = [edge(1, 0, 2), edge(2, 2)]
    assert fair_loop(0, lambda at: graph[at]) == [(1, 1), (1, 0)]


def test_a_lasso_that_is_none_is_refused() -> None:
    """The judge of all counterexamples must see through each way of being wrong."""
    b = Builder("judge")
    b.var("x", number(0, 2))
    b.var("done")
    b.process("p", 1, 3)
    b.step("p", 1, 2)
    b.step("p", 2, 1)
    b.action("up", store("x", plus(load("x"), 1)), guard=eq(load("x"), 0))
    b.action("kick", store("x", Const(2)), guard=eq(load("x"), 2), environment=True)
    machine = goal_of(b, "done")
    found = explore(machine, Options(engine="python", reductions=NO_REDUCTIONS)).goals["goal"].lasso
    assert isinstance(found, Lasso)

    def wrong(stem: int | None, *firings: int, prop: str = "goal") -> str:
        steps = tuple(([*found.stem, *found.loop])[at] for at in firings)
        states = run_firings(machine, steps).states
        return str(why_no_lasso(machine, prop, states, steps, stem))

    names = [firing.transition.name for firing in (*found.stem, *found.loop)]
    assert names == ["up", "p@1", "p@2"]
    assert wrong(1, 0, 1, 2) == "None"
    assert "at least one step" in wrong(None, 0, 1, 2)
    assert "at least one step" in wrong(3, 0, 1, 2)
    assert "do not lead back" in wrong(0, 0, 1, 2)
    assert "`up` can step in it and never does" in wrong(0, 1, 2)
    assert "holds somewhere" in wrong(1, 0, 1, 2, prop="another")
