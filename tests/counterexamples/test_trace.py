"""Traces are made of firings that replay, and say in words what happened."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterexamples.explain import explain
from counterexamples.names import names_of
from counterexamples.render_terminal import render_text
from counterexamples.replay import ReplayError, can_fire
from counterexamples.trace import Change, Read, build_trace, fingerprint, lanes_of
from model.language.interpreter import Firing, enabled, fire
from model.language.machine import Const, Machine, Store, Type
from tests.counterexamples.hand_built import locking_nmi, lockless_nmi, lost_update, shortest

MACHINES = [locking_nmi(), lockless_nmi(), lost_update(2, 1)]


def test_kinds_of_violation_are_confirmed() -> None:
    """Guards against a kind that is reported and never checked."""
    kinds = [
        shortest(machine, prop).trace(machine).kind
        for machine, prop in zip(
            MACHINES, ("self_deadlock", "no_lost_objects", "list_integrity"), strict=True
        )
    ]
    assert kinds == ["check", "rest", "invariant"]


def test_steps_say_who_ran_what_changed_and_what_was_found() -> None:
    """Guards against raw numbers and hidden program counters in a trace."""
    machine = lockless_nmi()
    trace = shortest(machine, "no_lost_objects").trace(machine)
    assert lanes_of(trace) == ("cpu 0 task", "cpu 0 NMI", "kworker")
    arrival = next(step for step in trace.steps if step.interrupts)
    assert (arrival.lane, arrival.begins) == ("cpu 0 NMI", ("cpu 0 NMI",))
    assert arrival.interrupts[0].lane == "cpu 0 task"
    assert arrival.interrupts[0].where.text == "krcp.head = obj"
    overwrite = next(
        s for s in trace.steps if s.lane == "cpu 0 task" and s.where.text == "krcp.head = obj"
    )
    assert Change("Krcp[0].head", "object 2", "object 1") in overwrite.changes
    assert Read("Krcp[0].head", "NULL") in trace.steps[2].reads
    assert all("pc" not in change.cell for step in trace.steps for change in step.changes)


def test_a_write_of_the_same_value_is_told() -> None:
    """Guards against a lost update in which the losing write cannot be seen."""
    machine = lost_update()
    trace = shortest(machine, "list_integrity").trace(machine)
    assert Change("counter", "1", "1") in trace.steps[-1].changes


def test_tasks_name_the_cpu_they_run_on() -> None:
    """Guards against losing the `cpu` field of a task's record."""
    machine = lost_update()
    trace = shortest(machine, "list_integrity").trace(machine)
    assert {(step.lane, step.on_cpu) for step in trace.steps} == {("task 1", 0), ("task 2", 0)}


def test_a_firing_that_is_not_enabled_is_named() -> None:
    """Guards against believing an engine's trace."""
    machine = locking_nmi()
    found = shortest(machine, "self_deadlock")
    with pytest.raises(ReplayError, match=r"step 2 .*is not enabled.*not running") as error:
        build_trace(
            machine, found.prop, found.message, "check", (found.firings[0], found.firings[-1])
        )
    assert error.value.step == 2


def test_a_firing_of_another_machine_is_refused() -> None:
    """Guards against a trace of one compilation told with the cells of another."""
    found = shortest(locking_nmi(), "self_deadlock")
    with pytest.raises(ReplayError, match=r"step 4 .* is of another machine"):
        build_trace(lockless_nmi(), found.prop, found.message, "check", found.firings)


@pytest.mark.parametrize(
    ("kind", "prop", "says"),
    [
        ("check", "self_deadlock", "does not violate self_deadlock: it violates nothing"),
        ("rest", "no_lost_objects", "not at rest"),
        ("invariant", "no_lost_objects", "it violates nothing"),
    ],
)
def test_a_trace_that_does_not_violate_is_refused(kind: str, prop: str, says: str) -> None:
    """Guards against reporting a violation that is none."""
    machine = locking_nmi() if prop == "self_deadlock" else lockless_nmi()
    firings = shortest(machine, prop).firings[:5]
    if kind == "check":
        firings = firings[:-2]
    with pytest.raises(ReplayError, match=says):
        build_trace(machine, prop, "message", kind, firings)  # type: ignore[arg-type]  # a str


def test_what_engines_report_is_understood() -> None:
    """Guards against an engine's kind of finding that no trace can be made of."""
    machine = lockless_nmi()
    found = shortest(machine, "no_lost_objects")
    trace = build_trace(machine, found.prop, found.message, "goal", found.firings)
    assert trace.kind == "rest"
    trace = build_trace(machine, found.prop, found.message, "goal", found.firings[:-1])
    assert trace.kind == "unreachable"


@pytest.mark.parametrize(
    "fault",
    [
        Store("counter", (), Const(7)),
        Store("Task.scratch", (Const(5),), Const(0)),
    ],
    ids=["value", "index"],
)
def test_a_model_error_is_a_trace(fault: Store) -> None:
    """Guards against a crash where the model leaves a range: that is a finding, too."""
    machine = lost_update()
    first = machine.transitions[0]
    broken = replace(first, body=(*first.body, fault))
    machine = replace(machine, transitions=(broken, *machine.transitions[1:]))
    firing = next(enabled(machine, machine.initial))
    trace = build_trace(machine, "model_error", "out of range", "model_error", (firing,))
    assert trace.kind == "check"
    assert "The model itself is wrong" in explain(machine, trace).paragraph
    assert "model_error is violated" in render_text(trace)


def test_a_goal_that_holds_at_the_end_is_refused() -> None:
    """Guards against a lost object that has been freed."""
    machine = lockless_nmi()
    with pytest.raises(ReplayError, match="the goal of no_lost_objects holds"):
        build_trace(machine, "no_lost_objects", "message", "unreachable", ())


def test_steps_after_a_violation_are_refused() -> None:
    """Guards against expanding a violating state: the body stopped in its middle."""
    machine = locking_nmi()
    found = shortest(machine, "self_deadlock")
    firings = (*found.firings, found.firings[-1])
    with pytest.raises(ReplayError, match="comes after a state that violates self_deadlock"):
        build_trace(machine, found.prop, found.message, "check", firings)


@given(st.integers(0, 2), st.randoms(use_true_random=False))
def test_can_fire_agrees_with_the_interpreter(which: int, random: Random) -> None:
    """Guards against a second opinion on what is enabled."""
    machine = MACHINES[which]
    state = machine.initial
    everything = _all_firings(machine)
    for _ in range(6):
        now = list(enabled(machine, state))
        assert {f for f in everything if can_fire(machine, state, f)} == set(now)
        if not now:
            break
        successor = fire(machine, state, random.choice(now))
        if successor.violated:
            break
        state = successor.state


def _all_firings(machine: Machine) -> list[Firing]:
    found = []
    for transition in machine.transitions:
        instances = machine.process[transition.process].instances if transition.process else 0
        starts: list[tuple[tuple[str, int], ...]] = [(("self", i),) for i in range(instances)]
        starts = starts or [()]
        for start in starts:
            if transition.params:
                found += [Firing(transition, (*start, ("who", v))) for v in (1, 2)]
            else:
                found.append(Firing(transition, start))
    return found


def test_values_in_words() -> None:
    """Guards against numbers where a kernel developer expects words."""
    names = names_of(replace(lost_update(), enums={"Phase": ("QUIET", "BUSY")}))
    assert names.value(Type("bool", 0, 1), 1) == "yes"
    assert names.value(Type("enum", 0, 1, "Phase"), 1) == "BUSY"
    assert names.value(Type("enum", 0, 1, "Unknown"), 1) == "1"
    assert names.value(Type("ref", 0, 2, "Object"), 0) == "NULL"
    assert names.value(Type("ref", 0, 2, "Object"), 2) == "object 2"
    assert names.value(Type("ref", 0, 2, "Cpu"), 2) == "cpu 1"
    assert [names.value(Type("cookie", 0, 2), v) for v in range(3)] == [
        "complete",
        "needs 1 grace period",
        "needs 2 grace periods",
    ]


def test_embedded_records_are_named_by_what_they_are_part_of() -> None:
    """Guards against `RawSpinlock[1]` for the lock of a krcp, also inside an array."""
    names = replace(
        names_of(lockless_nmi()),
        embedded={"Batch": (("Krcp", 0, "krw", 0), ("Krcp", 0, "krw", 1)),
                  "Work": (("Batch", 0, "work", None), ("Batch", 1, "work", None))},
    )  # fmt: skip
    assert names.value(Type("ref", 0, 2, "Work"), 2) == "Krcp[0].krw[1].work"
    assert names.value(Type("ref", 0, 2, "Work"), 0) == "NULL"


def test_the_fingerprint_is_of_the_content() -> None:
    """Guards against a fingerprint that changes when a line moves, or not when a step does."""
    machine = lost_update()
    first = machine.transitions[0]
    moved = replace(first, where=replace(first.where, line=99))
    other = replace(first, body=first.body[:-1])
    rest = machine.transitions[1:]
    assert fingerprint(replace(machine, transitions=(moved, *rest))) == fingerprint(machine)
    assert fingerprint(replace(machine, transitions=(other, *rest))) != fingerprint(machine)
