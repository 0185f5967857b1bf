"""Calls that wait: irq_work_sync (0.3), cancel and flush (0.5), rcu_barrier (0.6).

Each waits for what was there when it was called: long enough, and for nothing that came later.
"""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk

SOURCE = """\
from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.contexts import barrier, client
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add
from model.kernel.objects import Object
from model.kernel.waiting import (
    cancel_delayed_work_sync, flush_rcu_work, irq_work_sync, rcu_barrier,
)
from model.kernel.workqueue import DelayedWork, RcuWork, queue_delayed_work, queue_rcu_work
from model.language.syntax import Embed, Range, embed, record, routine

from .answers import answer


@record(single=True)
class Shared:
    list: Embed[LlistHead]
    soft: Embed[IrqWork] = embed(func=raised, lazy=False, hard=False)
    hard: Embed[IrqWork] = embed(func=raised, lazy=False, hard=True)
    work: Embed[DelayedWork] = embed(func=run)
    batch: Embed[RcuWork] = embed(func=run_batch)
    first: Embed[RcuHead] = embed(func=invoked)
    second: Embed[RcuHead] = embed(func=invoked)
    any: bool


@routine(models="test")
def inside() -> None:
    Shared.any = True
    Shared.any = False


@routine(models="test")
def raised(work: IrqWork) -> None:
    inside()


@routine(models="test")
def run(dwork: DelayedWork) -> None:
    inside()


@routine(models="test")
def run_batch(rwork: RcuWork) -> None:
    inside()


@routine(models="test")
def invoked(head: RcuHead) -> None:
    inside()


@routine(models="test", entry=(client,))
def queue_soft(obj: Object) -> None:
    if llist_add(obj, Shared.list):
        irq_work_queue(Shared.soft)


@routine(models="test", entry=(client,))
def queue_hard(obj: Object) -> None:
    irq_work_queue(Shared.hard)


@routine(models="test", entry=(client,))
def queue_work(obj: Object) -> None:
    queued = queue_delayed_work(Shared.work, True)
    answer(obj, queued)


@routine(models="test", entry=(client,))
def queue_batch(obj: Object) -> None:
    queue_rcu_work(Shared.batch)


@routine(models="test", entry=(client,))
def call_first(obj: Object) -> None:
    call_rcu(Shared.first)


@routine(models="test", entry=(client,))
def call_second(obj: Object) -> None:
    call_rcu(Shared.second)


@routine(models="test", entry=(barrier,))
def sync_soft() -> None:
    irq_work_sync(Shared.soft)


@routine(models="test", entry=(barrier,))
def sync_hard() -> None:
    irq_work_sync(Shared.hard)


@routine(models="test", entry=(barrier,))
def cancel() -> None:
    cancel_delayed_work_sync(Shared.work)


@routine(models="test", entry=(barrier,))
def flush() -> None:
    flush_rcu_work(Shared.batch)


@routine(models="test", entry=(barrier,))
def wait_for_callbacks() -> None:
    rcu_barrier()
"""


def system(kernel: Kernel, **config: int) -> Walk:
    """Three CPUs: 1 for what is waited for, 2 for calls meanwhile, 3 for who waits."""
    checked = ("forbidden_call", "lock_discipline", "self_deadlock")
    bounds = {"cpus": 3, "tasks": 3, "objects": 3, "workers": 1, "rcu_any_time": 1, "barriers": 1}
    return kernel(SOURCE, *checked, **(bounds | config))


def wait(walk: Walk, entry: str, who: int = 1) -> Walk:
    """A task makes a call that may wait, and goes as far as it can."""
    walk.happen("barrier_is_called", who=who, cpu=3).enter("barrier", entry, who)
    returned(walk, who)
    return walk


def returned(walk: Walk, who: int = 1) -> bool:
    """Whether the call of `wait` returns now: the task has gone as far as it can."""
    while walk.running("barrier", who):
        assert walk.violated is None
        if walk.can("barrier_is_switched_in", who=who, cpu=3):
            walk.happen("barrier_is_switched_in", who=who, cpu=3)
        elif walk.can_step("barrier", who):
            walk.step("barrier", who)
        else:
            return False
    return True


def grace_period(walk: Walk) -> Walk:
    """A grace period that a callback asked for, from its beginning to its end."""
    return walk.happen("grace_period_begins_for_callback").happen("grace_period_ends")


# --- irq_work_sync ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "waits"),
    [
        pytest.param("idle", False, id="0.3 sync: idle"),
        pytest.param("llist_add", False, id="0.3 sync: on a llist, the work not queued yet"),
        pytest.param("irq_work_claim", False, id="0.3 sync: about to be claimed"),
        pytest.param("preempt_disable", True, id="0.3 sync: BUSY is set at the claim"),
        pytest.param("irq_work_list_add", True, id="0.3 sync: not yet on a list"),
        pytest.param("queued", True, id="0.3 sync: pending"),
        pytest.param("running", True, id="0.3 sync: running"),
        pytest.param("running, queued", True, id="0.3 sync: claimed again while it runs"),
        pytest.param("done", False, id="0.3 sync: done"),
    ],
)
@pytest.mark.parametrize("rt", [0, 1], ids=["!RT", "RT, hard"])
def test_irq_work_sync(kernel: Kernel, rt: int, what: str, waits: bool) -> None:
    """Spins while BUSY. Guards against a sync that waits only for a running handler.

    It knows nothing of what is on a llist while nobody has queued the work.
    """
    kind = "hard" if rt else "soft"
    walk = system(kernel, preempt_rt=rt)
    if what in ("llist_add", "irq_work_claim", "preempt_disable", "irq_work_list_add"):
        walk.arrive("client", f"queue_{kind}")
        if what != "llist_add" or kind == "soft":
            walk.go("client", "irq_work_claim" if what == "llist_add" else what)
    elif what != "idle":
        walk.call("client", f"queue_{kind}", 1)
        if what != "queued":
            walk.happen("irq_work_interrupts", cpu=1).go("hardirq", "inside")
        if what == "running, queued":
            walk.call("client", "queue_hard" if rt else "queue_soft", 2, cpu=2)
        if what == "done":
            walk.go("hardirq")
    wait(walk, f"sync_{kind}")
    assert returned(walk) is not waits


def test_sync_gives_its_cpu_up_where_a_cpu_goes_offline(kernel: Kernel) -> None:
    """It spins, but can be preempted: the task that takes the CPU offline may need this one.

    Guards against a barrier that keeps the last CPU from draining a dead one.
    """
    for hotplug in (0, 1):
        walk = system(kernel, hotplug=hotplug).call("client", "queue_soft")
        assert not returned(wait(walk, "sync_soft"))
        assert bool(walk.value("Cpu.curr", 3)) is (hotplug == 0)
        walk.happen("irq_work_interrupts", cpu=1).go("hardirq")
        assert returned(walk)


def test_sync_waits_for_the_second_run(kernel: Kernel) -> None:
    """0.3: the first run leaves BUSY to the second. Guards against a sync that is a run short."""
    walk = system(kernel, preempt_rt=1).call("client", "queue_hard", 1)
    walk.happen("irq_work_interrupts", cpu=1).go("hardirq", "inside")
    walk.call("client", "queue_hard", 2, cpu=2)
    wait(walk, "sync_hard")
    walk.go("hardirq")
    assert not returned(walk)
    walk.happen("irq_work_interrupts", cpu=2).go("hardirq", at=2)
    assert returned(walk)


def soft_work_ran(walk: Walk) -> Walk:
    """On RT: the interrupt wakes the thread, the thread runs the work."""
    walk.happen("irq_work_interrupts", cpu=1).go("hardirq")
    return walk.happen("irq_workd_runs", cpu=1).go("irq_workd")


def test_sync_of_a_soft_work_on_rt(kernel: Kernel) -> None:
    """0.3: sleeps until !BUSY, then synchronize_rcu(). Guards against a sync without the latter."""
    walk = system(kernel, preempt_rt=1).call("client", "queue_soft", 1)
    wait(walk, "sync_soft")
    assert not returned(walk) and walk.value("Sleeper.asleep")
    soft_work_ran(walk)
    assert not returned(walk)
    grace_period(walk)
    assert not returned(walk)
    walk.happen("rcu_callback_is_invoked", cpu=1).go("softirq")
    assert returned(walk)


def test_two_syncs_share_one_slot(kernel: Kernel) -> None:
    """0.3: two concurrent sync()ers overwrite each other's wakeup slot; the first sleeps on.

    Guards against a model in which forgetting to serialise them does no harm.
    """
    walk = system(kernel, preempt_rt=1, barriers=2).call("client", "queue_soft", 1)
    wait(walk, "sync_soft", 1)
    wait(walk, "sync_soft", 2)
    soft_work_ran(walk)
    assert not returned(walk, 2)
    grace_period(walk)
    walk.happen("rcu_callback_is_invoked", cpu=1).go("softirq")
    assert [returned(walk, who) for who in (1, 2)] == [False, True]
    assert not any(not one.firing.transition.environment for one in walk.options())


# --- cancel_delayed_work_sync -------------------------------------------------------------------


def with_work(kernel: Kernel, what: str) -> Walk:
    """The delayed work in this state."""
    walk = system(kernel)
    if what != "idle":
        walk.call("client", "queue_work", 1)
    if what in ("queued", "running"):
        walk.happen("timer_expires", cpu=1).go("softirq")
    if what == "running":
        walk.happen("worker_takes_delayed_work", cpu=1).go("kworker", "inside")
    return walk


@pytest.mark.parametrize(
    ("what", "waits"),
    [
        pytest.param("idle", False, id="0.5 cancel: idle"),
        pytest.param("armed", False, id="0.5 cancel: a pending timer is removed"),
        pytest.param("queued", False, id="0.5 cancel: a pending instance is lost"),
        pytest.param("running", True, id="0.5 cancel: a running instance is waited for"),
    ],
)
def test_cancel(kernel: Kernel, what: str, waits: bool) -> None:
    """Afterwards nothing is pending and it can be queued again. Guards against a kept timer."""
    walk = wait(with_work(kernel, what), "cancel")
    assert returned(walk) is not waits
    if waits:
        assert not returned(walk.go("kworker", "end_delayed_work"))
        assert returned(walk.go("kworker"))
    assert not walk.value("DelayedWork.pending")
    assert not walk.can("timer_expires") and not walk.can("worker_takes_delayed_work")
    assert walk.call("client", "queue_work", 2).said(2) is True


def test_queueing_while_cancel_waits(kernel: Kernel) -> None:
    """0.5: attempts during the wait are dropped, PENDING is seen for a moment.

    Guards against a cancel that lets an item in, and against one that stays closed.
    """
    walk = wait(with_work(kernel, "running"), "cancel").arrive("client", "queue_work", 2, cpu=2)
    walk.go("client", "clear_pending_if_disabled", at=2)
    assert walk.value("DelayedWork.pending")
    walk.go("client", at=2)
    assert walk.said(2) is False and not walk.value("DelayedWork.pending")
    assert not walk.can("timer_expires")
    walk.go("kworker")
    assert returned(walk) and walk.call("client", "queue_work", 3).said(3) is True


# --- flush_rcu_work, rcu_barrier ----------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("idle", id="0.5 flush_rcu_work: idle"),
        pytest.param("pending", id="0.5 flush_rcu_work: PENDING, rcu_barrier first"),
        pytest.param("queued", id="0.5 flush_rcu_work: queued"),
        pytest.param("running", id="0.5 flush_rcu_work: running"),
    ],
)
def test_flush_rcu_work(kernel: Kernel, what: str) -> None:
    """Waits to the end of the item. Guards against a flush that overlooks the grace period."""
    order = ["idle", "pending", "queued", "running", "done"]
    walk = system(kernel)

    def advance(to: str) -> None:
        if to == "pending":
            walk.call("client", "queue_batch", 1)
        elif to == "queued":
            grace_period(walk).happen("rcu_callback_is_invoked", cpu=1).go("softirq")
        elif to == "running":
            walk.happen("worker_takes_rcu_work", cpu=1).go("kworker", "inside")
        else:
            walk.go("kworker")

    for state in order[1 : order.index(what) + 1]:
        advance(state)
    wait(walk, "flush")
    assert returned(walk) is (what == "idle")
    for state in order[order.index(what) + 1 :] if what != "idle" else []:
        assert not returned(walk)
        advance(state)
    assert returned(walk)


@pytest.mark.parametrize(
    ("what", "waits"),
    [
        pytest.param("none", False, id="0.6 rcu_barrier: no callback"),
        pytest.param("waiting", True, id="0.6 rcu_barrier: a callback waits"),
        pytest.param("elapsed", True, id="0.6 rcu_barrier: its grace period is over"),
        pytest.param("invoked", True, id="0.6 rcu_barrier: its function runs"),
        pytest.param("done", False, id="0.6 rcu_barrier: it has run"),
    ],
)
@pytest.mark.parametrize("lists", [0, 1], ids=["call_rcu as one step", "callback lists"])
def test_rcu_barrier(kernel: Kernel, lists: int, what: str, waits: bool) -> None:
    """Guards against a barrier that waits for grace periods only."""
    walk = system(kernel, callback_lists=lists)
    if what != "none":
        walk.call("client", "call_first", 1)
    if what in ("elapsed", "invoked", "done"):
        grace_period(walk)
    if what in ("invoked", "done"):
        walk.happen("rcu_callback_is_invoked", cpu=1).go("softirq", "inside")
    if what == "done":
        walk.go("softirq")
    wait(walk, "wait_for_callbacks")
    assert returned(walk) is not waits
    if waits:
        if what == "waiting":
            grace_period(walk)
        if what != "invoked":
            walk.happen("rcu_callback_is_invoked", cpu=1)
        assert not returned(walk)
        assert returned(walk.go("softirq"))


def test_rcu_barrier_does_not_wait_for_later_callbacks(kernel: Kernel) -> None:
    """0.6: only for those whose call_rcu() returned before. Guards against waiting for ever."""
    walk = system(kernel).call("client", "call_first", 1)
    wait(walk, "wait_for_callbacks").call("client", "call_second", 2, cpu=2)
    grace_period(walk).happen("rcu_callback_is_invoked", callback=walk.ref("Shared.first"), cpu=1)
    walk.go("softirq")
    assert returned(walk)
    assert walk.can("rcu_callback_is_invoked", callback=walk.ref("Shared.second"))
