"""A recorded trace on a changed model: told which step is gone, and what is nearest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from counterexamples.match import replay_on
from counterexamples.replay import ReplayError
from counterexamples.trace import Trace
from model.language.machine import BOOL, Const, Machine, Parameter, Transition
from tests.counterexamples.hand_built import locking_nmi, lockless_nmi, shortest


def recorded() -> Trace:
    machine = lockless_nmi()
    return shortest(machine, "no_lost_objects").trace(machine)


def changed(edit: Callable[[Transition], Transition]) -> Machine:
    machine = lockless_nmi()
    return replace(machine, transitions=tuple(edit(t) for t in machine.transitions))


def test_renumbered_and_moved_steps_are_found_again() -> None:
    """Guards against matching by line or by number, which change with every edit."""
    machine = lockless_nmi()
    moved = tuple(
        replace(t, id=len(machine.transitions) - 1 - t.id, where=replace(t.where, line=1000 + t.id))
        for t in reversed(machine.transitions)
    )
    again = replay_on(recorded(), replace(machine, transitions=moved))
    assert [s.where.text for s in again.steps] == [s.where.text for s in recorded().steps]
    assert again.steps[0].where.line >= 1000


def test_a_reworded_step_is_named_with_the_nearest() -> None:
    """Golden: the message that a maintainer of a design sees most."""

    def reword(t: Transition) -> Transition:
        if t.where.text == "krcp.head = obj" and t.process == "nmi":
            return replace(t, where=replace(t.where, text="krcp.head = object"))
        if t.where.text == "krcp.head = obj":
            return replace(t, where=replace(t.where, text="WRITE_ONCE(krcp.head, obj)"))
        return t

    with pytest.raises(ReplayError) as error:
        replay_on(recorded(), changed(reword))
    assert str(error.value) == (
        "the model has changed since: step 9 `krcp.head = obj` no longer exists "
        "(nearest: `krcp.head = object` at model/designs/sample.py:14)"
    )
    assert error.value.step == 9


def test_a_step_that_is_no_longer_enabled_is_named() -> None:
    """Guards against "cannot replay" without a reason."""

    def block(t: Transition) -> Transition:
        return replace(t, guard=Const(0)) if t.where.text == "if allow_spin:" else t

    with pytest.raises(
        ReplayError,
        match=r"step 6 `if allow_spin:` is still there \(model/designs/sample.py:11\) but not "
        r"enabled: its condition is false",
    ):
        replay_on(recorded(), changed(block))


def test_new_parameters_are_named() -> None:
    """Guards against firing a transition without one of its parameters."""

    def extend(t: Transition) -> Transition:
        if t.process is None and t.where.text == "queue_work":
            return replace(t, params=(Parameter("hurry", 0, 1, BOOL),))
        return t

    with pytest.raises(
        ReplayError, match=r"step 13 `queue_work` has other parameters now .*none; now: hurry"
    ):
        replay_on(recorded(), changed(extend))


def test_a_repair_is_told_as_such() -> None:
    """Guards against a corpus file that passes although its bug is gone."""
    machine = locking_nmi()
    trace = shortest(machine, "self_deadlock").trace(machine)
    repaired = tuple(
        replace(t, body=t.body[1:]) if t.process == "nmi" and t.pc == 1 else t
        for t in machine.transitions
    )
    with pytest.raises(
        ReplayError,
        match=r"its 4 steps can be taken, but step 4, the last, does not violate self_deadlock: "
        r"it violates nothing",
    ):
        replay_on(trace, replace(machine, transitions=repaired))
