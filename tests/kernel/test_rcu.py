"""RCU (0.6): what a cookie needs, whom a grace period waits for, and who is a reader."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.interrupts import (
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
)
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.objects import Object
from model.kernel.rcu import get_state_synchronize_rcu, poll_state_synchronize_rcu
from model.language.syntax import Cookie, Embed, embed, record, routine

from .answers import answer


@record(single=True)
class Kept:
    snap: Cookie
    work: Embed[IrqWork] = embed(func=handler, lazy=False, hard=False)
    any: bool


@routine(models="test")
def inside() -> None:
    Kept.any = True


@routine(models="test")
def handler(work: IrqWork) -> None:
    inside()


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def take(obj: Object) -> None:
    snap = get_state_synchronize_rcu()
    Kept.snap = snap


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def look(obj: Object) -> None:
    done = poll_state_synchronize_rcu(Kept.snap)
    answer(obj, done)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def plain(obj: Object) -> None:
    inside()
    Kept.any = False


@routine(models="test", entry=(client, softirq, nmi))
def irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    inside()
    Kept.any = False
    local_irq_restore(flags)


@routine(models="test", entry=(client,))
def preemption_off(obj: Object) -> None:
    preempt_disable()
    inside()
    Kept.any = False
    preempt_enable()


@routine(models="test", entry=(client,))
def queue(obj: Object) -> None:
    irq_work_queue(Kept.work)
"""
EVENTS = {
    "begin": ("others_begin_grace_period", {}),
    "end": ("grace_period_ends", {"another_begins": 0}),
}


def system(kernel: Kernel, **config: int) -> Walk:
    """Two CPUs; grace periods and readers come and go at any time."""
    bounds = {"cpus": 2, "tasks": 2, "objects": 4, "nmis": 1, "hardirqs": 1, "probes": 1}
    bounds |= {"softirqs": 1}
    bounds |= {"rcu_any_time": 1, "other_gps": 3, "readers": 2}
    return kernel(SOURCE, "forbidden_call", **(bounds | config))


def happen(walk: Walk, events: str) -> Walk:
    """Grace periods begin and end; "take" takes a cookie."""
    for event in events.split():
        if event == "take":
            walk.call("client", "take", 1)
        else:
            action, args = EVENTS[event]
            walk.happen(action, **args)
    return walk


# --- cookies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "elapsed"),
    [
        pytest.param("take", False, id="0.6 snap: no grace period yet"),
        pytest.param("take begin", False, id="0.6 snap: the first one runs"),
        pytest.param("take begin end", True, id="0.6 snap: idle at 4n -> 4(n+1): one end"),
        pytest.param("begin end take", False, id="0.6 snap: what ended before does not count"),
        pytest.param("begin take end", False, id="0.6 snap: running at 4n+1: not one end"),
        pytest.param("begin take end begin", False, id="0.6 snap: running: the second one runs"),
        pytest.param("begin take end begin end", True, id="0.6 snap: 4n+1 -> 4(n+2): two ends"),
        pytest.param("take begin end begin end", True, id="0.6 poll: stays true"),
        pytest.param("begin take end begin end begin", True, id="0.6 poll: true while one runs"),
    ],
)
@pytest.mark.parametrize("context", ["client", "softirq", "hardirq", "nmi", "probe"])
def test_cookie(kernel: Kernel, context: str, events: str, elapsed: bool) -> None:
    """Guards against a cookie that the running grace period satisfies, polled in any context."""
    walk = happen(system(kernel), events)
    if context == "probe":
        walk.arrive("client", "plain", 2, cpu=1)
    walk.call(context, "look", 3)
    assert walk.violated is None and walk.said(3) is elapsed


@pytest.mark.parametrize("position", range(6), ids=lambda n: f"0.6 after {n} events")
def test_cookies_as_the_counter_has_them(kernel: Kernel, position: int) -> None:
    """The same with 0.6's absolute counter: 4n idle, 4n+1 running; true once it is reached.

    Guards against a relative cookie that differs from the counter after some number of periods.
    """
    counter, wanted = 0, None
    walk = system(kernel)
    for event in range(7):
        if event == position:
            walk.call("client", "take", 1)
            wanted = 4 * (counter // 4 + (2 if counter % 4 else 1))
        if wanted is not None:
            asked = Walk(walk.machine, walk.state).call("client", "look", 2)
            assert asked.said(2) is (counter >= wanted)
        if event < 6:
            happen(walk, "end" if counter % 4 else "begin")
            counter += 3 if counter % 4 else 1


@pytest.mark.parametrize(
    ("before", "between", "elapsed"),
    [
        pytest.param("", "begin end", True, id="0.6 snap in hand: one end"),
        pytest.param("begin", "end", False, id="0.6 snap in hand: the running one ends"),
        pytest.param("begin", "end begin end", True, id="0.6 snap in hand: two ends"),
    ],
)
def test_cookie_read_and_not_yet_stored(
    kernel: Kernel, before: str, between: str, elapsed: bool
) -> None:
    """It was taken when it was read. Guards against a cookie that is renewed by being stored."""
    walk = happen(system(kernel), before).arrive("client", "take", 1)
    walk.go("client", "get_state_synchronize_rcu").step("client")
    happen(walk, between).go("client").call("client", "look", 2)
    assert walk.said(2) is elapsed


@pytest.mark.parametrize("context", ["client", "softirq", "hardirq", "nmi", "probe"])
def test_taking_a_cookie_starts_nothing(kernel: Kernel, context: str) -> None:
    """0.6: pure loads, legal anywhere. Guards against a cookie that brings its grace period."""
    walk = system(kernel, other_gps=0)
    if context == "probe":
        walk.arrive("client", "plain", 2)
    walk.call(context, "take", 1)
    assert walk.violated is None and not walk.value("Rcu.gp_running")
    assert not any(one.firing.transition.name.startswith("grace_period") for one in walk.options())


# --- whom a grace period waits for --------------------------------------------------------------

REGIONS = [
    pytest.param("client", "irqs_off", True, id="0.1 reader: irqs off"),
    pytest.param("client", "preemption_off", True, id="0.1 reader: preemption off"),
    pytest.param("softirq", "plain", True, id="0.1 reader: a softirq"),
    pytest.param("hardirq", "plain", True, id="0.1 reader: a hardirq handler"),
    pytest.param("nmi", "plain", True, id="0.1 reader: an NMI handler"),
    pytest.param("probe", "plain", True, id="0.1 reader: a probe, as BPF programs run"),
    pytest.param("irq_workd", "", True, id="0.3 reader: a handler in irq_work/N"),
    pytest.param("client", "plain", False, id="0.1 no reader: a preemptible task"),
    pytest.param("idle", "", False, id="0.1 no reader: an idle CPU"),
]


def entered(walk: Walk, context: str, entry: str) -> Walk:
    """CPU 1 is inside the region."""
    if context == "idle":
        return walk
    if context == "irq_workd":
        walk.call("client", "queue", 1).happen("irq_work_interrupts").go("hardirq")
        return walk.happen("irq_workd_runs", cpu=1).go("irq_workd", "inside")
    if context == "probe":
        walk.arrive("client", "plain", 2).go("client", "inside")
    return walk.arrive(context, entry, 1).go(context, "inside")


@pytest.mark.parametrize(("context", "entry", "reader"), REGIONS)
def test_a_grace_period_waits_for_a_region(
    kernel: Kernel, context: str, entry: str, reader: bool
) -> None:
    """Guards against a grace period that ends while a CPU is where it was when it began."""
    walk = entered(system(kernel, preempt_rt=int(context == "irq_workd")), context, entry)
    happen(walk, "begin")
    assert walk.can("grace_period_ends") is not reader
    if context != "idle":
        walk.go(context)
    assert walk.can("grace_period_ends")


@pytest.mark.parametrize(("context", "entry", "reader"), REGIONS)
def test_a_grace_period_does_not_wait_for_a_later_region(
    kernel: Kernel, context: str, entry: str, reader: bool
) -> None:
    """Guards against a grace period that waits for who came after it began, perhaps for ever."""
    walk = system(kernel, preempt_rt=int(context == "irq_workd"))
    entered(happen(walk, "begin"), context, entry)
    assert walk.can("grace_period_ends")
    happen(walk, "end begin")
    assert walk.can("grace_period_ends") is not reader


@pytest.mark.parametrize(
    ("below", "above"),
    [
        pytest.param("irqs_off", "nmi", id="0.1 reader: NMI inside irqs off"),
        pytest.param("preemption_off", "nmi", id="0.1 reader: NMI inside preemption off"),
        pytest.param("preemption_off", "hardirq", id="0.1 reader: hardirq inside preemption off"),
        pytest.param("preemption_off", "softirq", id="0.1 reader: softirq inside preemption off"),
        pytest.param("irqs_off", "probe", id="0.1 reader: probe inside irqs off"),
        pytest.param("preemption_off", "probe", id="0.1 reader: probe inside preemption off"),
    ],
)
def test_the_region_below_is_still_one(kernel: Kernel, below: str, above: str) -> None:
    """Guards against a handler whose return counts as the quiescence of what it interrupted."""
    walk = system(kernel).arrive("client", below, 1).go("client", "inside")
    walk.arrive(above, "plain", 2)
    happen(walk, "begin")
    walk.go(above)
    assert not walk.can("grace_period_ends")
    walk.go("client")
    assert walk.can("grace_period_ends")


def test_irqs_come_on_inside_a_softirq(kernel: Kernel) -> None:
    """Guards against irqs on as a sign of quiescence where a softirq has them on all the time.

    Nor is the return of a hardirq on top of it one.
    """
    walk = happen(system(kernel).arrive("softirq", "irqs_off", 1), "begin")
    walk.go("softirq", "irqs_off_restore").step("softirq")
    assert walk.running("softirq") and not walk.can("grace_period_ends")
    walk.call("hardirq", "plain", 2)
    assert not walk.can("grace_period_ends")
    walk.go("softirq")
    assert walk.can("grace_period_ends")


def test_every_cpu_is_waited_for(kernel: Kernel) -> None:
    """0.6: Guards against a grace period that is over with the first CPU."""
    walk = system(kernel)
    walk.arrive("client", "irqs_off", 1, cpu=1).go("client", "inside")
    walk.arrive("nmi", "plain", 2, cpu=2)
    happen(walk, "begin").go("client")
    assert not walk.can("grace_period_ends")
    walk.go("nmi", at=2)
    assert walk.can("grace_period_ends")


# --- explicit readers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "may_end", "active"),
    [
        pytest.param("enter1 begin", False, [1], id="0.6 reader: existed when it began"),
        pytest.param("enter1 begin leave1", True, [], id="0.6 reader: existed, has ended"),
        pytest.param("enter1 leave1 begin", True, [], id="0.6 reader: ended before"),
        pytest.param("begin enter1", True, [1], id="0.6 reader: came later, is not waited for"),
        pytest.param("enter1 begin enter2 leave1", True, [2], id="0.6 reader: one of each"),
        pytest.param("enter1 begin enter2 leave2", False, [1], id="0.6 reader: the later one ends"),
        pytest.param("begin enter1 end begin", False, [1], id="0.6 reader: the next one waits"),
    ],
)
def test_readers(kernel: Kernel, events: str, may_end: bool, active: list[int]) -> None:
    """Guards against waiting for too few readers or for too many."""
    walk = system(kernel)
    for event in events.split():
        if event in EVENTS:
            happen(walk, event)
        else:
            action = "reader_enters" if event.startswith("enter") else "reader_leaves"
            walk.happen(action, reader=int(event[-1]))
    assert walk.can("grace_period_ends") is may_end
    assert [n for n in (1, 2) if walk.value("Reader.active", n)] == active


def test_readers_that_end_with_the_grace_period(kernel: Kernel) -> None:
    """0.6, without `rcu_any_time`: only those that existed when it began end with it.

    Guards against a reader that came later and is taken away too, which would hide a free that is
    too early.
    """
    walk = system(kernel, rcu_any_time=0, other_gps=2)
    happen(walk, "begin")
    walk.happen("client_frees", who=1, cpu=1, obj=1, reader=1).enter("client", "take")
    assert walk.value("Reader.active") == 1
    walk.happen("grace_period_ends", another_begins=1)
    assert walk.value("Reader.active") == 1
    walk.happen("grace_period_ends", another_begins=0)
    assert walk.value("Reader.active") == 0


# --- the automaton ------------------------------------------------------------------------------


def test_grace_periods_of_others(kernel: Kernel) -> None:
    """0.6: they start on their own account, one at a time, and their end needs nobody.

    Guards against a grace period that only ever runs for a callback.
    """
    walk = system(kernel)
    assert walk.can("others_begin_grace_period") and not walk.can("grace_period_ends")
    happen(walk, "begin")
    assert not walk.can("others_begin_grace_period")
    (end,) = [one for one in walk.options() if one.firing.transition.name == "grace_period_ends"]
    assert not end.firing.transition.environment
    happen(walk, "end")
    assert walk.can("others_begin_grace_period")
