"""hrtimers (a.6, 0.5): armed under a raw lock, fired in a hardirq, where work can be queued."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe
from model.kernel.hrtimer import Hrtimer, hrtimer_start
from model.kernel.locks import RawSpinlock, raw_spin_lock_irqsave, raw_spin_unlock_irqrestore
from model.kernel.objects import Object
from model.kernel.workqueue import DelayedWork, queue_delayed_work, queue_delayed_work_now
from model.language.syntax import Embed, Range, atomic, embed, record, routine, runs_in

from .answers import answer


@record(single=True)
class Shared:
    lock: Embed[RawSpinlock]
    timer: Embed[Hrtimer] = embed(func=fired)
    work: Embed[DelayedWork] = embed(func=run)
    fired: Range[0, 3]
    ran: Range[0, 3]
    in_hardirq: bool


@atomic
def note() -> None:
    Shared.fired += 1
    Shared.in_hardirq = runs_in(hardirq)


@routine(models="test")
def fired(timer: Hrtimer) -> None:
    note()
    queue_delayed_work_now(Shared.work)


@routine(models="test")
def run(dwork: DelayedWork) -> None:
    Shared.ran += 1


@routine(models="test", entry=(client, hardirq, nmi, probe))
def arm(obj: Object) -> None:
    flags = raw_spin_lock_irqsave(Shared.lock)
    hrtimer_start(Shared.timer)
    raw_spin_unlock_irqrestore(Shared.lock, flags)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def arm_unlocked(obj: Object) -> None:
    hrtimer_start(Shared.timer)


@routine(models="test", entry=(client,))
def queue_now(obj: Object) -> None:
    queued = queue_delayed_work_now(Shared.work)
    answer(obj, queued)


@routine(models="test", entry=(client,))
def queue_later(obj: Object) -> None:
    queue_delayed_work(Shared.work, True)
""" + looked_at("Shared.in_hardirq", "Shared.fired", "Shared.ran")


def system(kernel: Kernel, **config: int) -> Walk:
    bounds = {"cpus": 2, "tasks": 2, "objects": 3, "workers": 1, "nmis": 1, "probes": 1}
    return kernel(SOURCE, "forbidden_call", "self_deadlock", **(bounds | config))


def test_it_fires_in_a_hardirq(kernel: Kernel) -> None:
    """a.6: the hop. Guards against a function that runs where the timer was armed."""
    walk = system(kernel).call("client", "arm")
    assert walk.value("Shared.fired") == 0 and not walk.can("worker_takes_delayed_work")
    walk.happen("hrtimer_expires", cpu=2).go("hardirq", at=2)
    assert (walk.value("Shared.fired"), walk.value("Shared.in_hardirq")) == (1, 1)
    walk.happen("worker_takes_delayed_work", cpu=1).go("kworker")
    assert walk.value("Shared.ran") == 1 and at_rest(walk)


def test_on_rt_it_fires_in_a_thread(kernel: Kernel) -> None:
    """a.6: it is not a hard one. Guards against a function that runs in hardirq on PREEMPT_RT too.

    The thread needs an idle CPU; the base lock is taken with irqs off, the function runs with irqs
    on.
    """
    walk = system(kernel, preempt_rt=1, hardirqs=1).call("client", "arm", 1)
    walk.arrive("client", "arm", 2, cpu=2)
    assert not walk.can("hrtimer_expires")
    assert [walk.can("hrtimer_softirq_expires", cpu=cpu) for cpu in (1, 2)] == [True, False]
    walk.happen("hrtimer_softirq_expires", cpu=1).go("softirq", "remove_hrtimer")
    assert walk.value("Cpu.irqs_off", 1)
    walk.go("softirq", "fired")
    assert not walk.value("Cpu.irqs_off", 1)
    walk.go("softirq")
    assert (walk.value("Shared.fired"), walk.value("Shared.in_hardirq")) == (1, 0)


def test_it_waits_for_irqs_on(kernel: Kernel) -> None:
    """a.6: not under the lock that it was armed under. Guards against a hop that is none."""
    walk = system(kernel, cpus=1, tasks=1).arrive("client", "arm").go("client", "release")
    walk.go("client", "raw_spin_unlock_irqrestore")
    assert not walk.can("hrtimer_expires")
    assert walk.go("client").can("hrtimer_expires")


def test_armed_twice_it_fires_once(kernel: Kernel) -> None:
    """Guards against a timer that is on the base twice."""
    walk = system(kernel).call("client", "arm", 1).call("client", "arm", 2)
    walk.happen("hrtimer_expires", cpu=1).go("hardirq")
    assert walk.value("Shared.fired") == 1 and not walk.can("hrtimer_expires")


@pytest.mark.parametrize(
    ("context", "reported"),
    [
        pytest.param("client", False, id="0.7 task"),
        pytest.param("nmi", True, id="0.7 hrtimer_start in NMI"),
    ],
)
def test_who_may_arm(kernel: Kernel, context: str, reported: bool) -> None:
    """0.7: it takes the base lock. Guards against a call that is only noticed under that lock."""
    walk = system(kernel).call(context, "arm_unlocked")
    assert (walk.violated is not None) is reported


def test_a_probe_at_the_tracepoint(kernel: Kernel) -> None:
    """0.1: hrtimer_start fires inside the caller's raw lock and the base lock."""
    walk = system(kernel).arrive("client", "arm").go("client", "enqueue_hrtimer")
    locks = [walk.ref("Shared.lock"), walk.ref("HrtimerBase.lock")]
    assert [walk.value("RawSpinlock.owner_cpu", lock) for lock in locks] == [1, 1]
    assert walk.can("probe_hits_task", cpu=1)


@pytest.mark.parametrize(
    ("before", "queued"),
    [
        pytest.param("", True, id="0.5 no delay: idle"),
        pytest.param("queue_now", False, id="0.5 no delay: queued already"),
        pytest.param("queue_later", False, id="0.5 no delay: its timer is armed"),
    ],
)
def test_queueing_without_delay(kernel: Kernel, before: str, queued: bool) -> None:
    """0.5: PENDING decides; no timer is armed. Guards against an item that is queued twice."""
    walk = system(kernel)
    if before:
        walk.call("client", before, 1)
    walk.call("client", "queue_now", 2)
    assert walk.said(2) is queued
    assert walk.can("worker_takes_delayed_work") is (before != "queue_later")
    assert walk.can("timer_expires") is (before == "queue_later")


def test_a_probe_under_the_pool_lock(kernel: Kernel) -> None:
    """0.1: the workqueue events fire inside the pool lock."""
    walk = system(kernel).arrive("client", "queue_now").go("client", "insert_delayed_work")
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("Pool.lock")) == 1
    assert walk.can("probe_hits_task", cpu=1)
