"""Softirqs (0.1): when they come, what interrupts them, and their threads on PREEMPT_RT."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at

SOURCE = """\
from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.objects import Object
from model.kernel.sleeping_locks import spin_lock
from model.kernel.locks import RawSpinlock, raw_spin_lock, raw_spin_unlock
from model.kernel.workqueue import DelayedWork, RcuWork, queue_delayed_work, queue_rcu_work
from model.language.syntax import Embed, Range, atomic, embed, record, routine


@record(single=True)
class Shared:
    head: Embed[RcuHead] = embed(func=callback)
    work: Embed[DelayedWork] = embed(func=run)
    rwork: Embed[RcuWork] = embed(func=run_rcu)
    lock: Embed[RawSpinlock]
    a: Range[0, 1]
    ran: Range[0, 3]


@routine(models="test")
def callback(head: RcuHead) -> None:
    Shared.a = 1
    Shared.a = 0


@atomic
def run(dwork: DelayedWork) -> None:
    Shared.ran += 1


@atomic
def run_rcu(rwork: RcuWork) -> None:
    Shared.ran += 1


@routine(models="test", entry=(client,))
def set_up_callback(obj: Object) -> None:
    call_rcu(Shared.head)


@routine(models="test", entry=(client,))
def set_up_timer(obj: Object) -> None:
    queue_delayed_work(Shared.work, True)


@routine(models="test", entry=(client,))
def set_up_rcu_work(obj: Object) -> None:
    queue_rcu_work(Shared.rwork)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def plain(obj: Object) -> None:
    Shared.a = 1
    Shared.a = 0


@routine(models="test", entry=(client,))
def irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    Shared.a = 1
    Shared.a = 0
    local_irq_restore(flags)


@routine(models="test", entry=(softirq, hardirq))
def locked(obj: Object) -> None:
    raw_spin_lock(Shared.lock)
    Shared.a = 1
    raw_spin_unlock(Shared.lock)


@routine(models="test", entry=(softirq,))
def sleeping_lock(obj: Object) -> None:
    spin_lock(Shared.lock)
    raw_spin_unlock(Shared.lock)
""" + looked_at("Shared.a", "Shared.ran")

SOFTIRQS = ("callback", "timer", "rcu_work", "driver")
INTERRUPTS = {"hardirq": "device_interrupts", "nmi": "nmi_arrives"}


def system(kernel: Kernel, **config: int) -> Walk:
    """Two CPUs; each other context may come twice."""
    bounds = {"cpus": 2, "tasks": 2, "objects": 6, "workers": 1, "probes": 1, "readers": 0}
    bounds |= {"softirqs": 2, "hardirqs": 2, "nmis": 2}
    return kernel(SOURCE, "self_deadlock", "forbidden_call", **(bounds | config))


def pending(kernel: Kernel, what: str, **config: int) -> Walk:
    """A softirq of this kind is pending, on whatever CPU; a driver's is at any time."""
    walk = system(kernel, **config)
    if what != "driver":
        walk.call("client", f"set_up_{what}", 1, cpu=2)
    if what in ("callback", "rcu_work"):
        walk.happen("grace_period_begins_for_callback").happen("grace_period_ends")
    return walk


def action(what: str) -> str:
    return {"timer": "timer_expires", "driver": "softirq_frees"}.get(
        what, "rcu_callback_is_invoked"
    )


def begun(kernel: Kernel, what: str, **config: int) -> Walk:
    """It runs on CPU 1."""
    walk = pending(kernel, what, **config).happen(action(what), cpu=1)
    return walk.enter("softirq", "plain") if what == "driver" else walk


# --- when they come -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", SOFTIRQS)
@pytest.mark.parametrize(
    ("below", "comes"),
    [
        pytest.param("", True, id="0.1 softirq: on an idle CPU, as ksoftirqd"),
        pytest.param("client plain", True, id="0.1 softirq: over a task"),
        pytest.param("client irqs_off", False, id="0.1 softirq: irqs off mask it"),
        pytest.param("hardirq plain", False, id="0.1 softirq: not over a hardirq"),
        pytest.param("nmi plain", False, id="0.1 softirq: not over an NMI"),
        pytest.param("softirq plain", False, id="0.1 softirq: not over a softirq"),
    ],
)
def test_when_a_softirq_comes(kernel: Kernel, what: str, below: str, comes: bool) -> None:
    """Guards against a softirq that masks do not keep out, or that never finds a moment."""
    walk = pending(kernel, what)
    if below:
        context, entry = below.split()
        walk.arrive(context, entry, 2).step(context)
    assert walk.can(action(what), cpu=1) is comes
    assert walk.can(action(what), cpu=2)


# --- what interrupts them -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "masked"),
    [
        pytest.param("driver", set(), id="0.1 softirq: irqs on"),
        pytest.param("callback", set(), id="0.6 rcu_do_batch: irqs on"),
        pytest.param(
            "rcu_work",
            {"lock_or_queue", "insert_rcu_work", "release", "softirq_returns"},
            id="0.5 rcu_work_rcufn: irqs off to the end",
        ),
        pytest.param(
            "timer",
            {"lock_or_queue", "disarm", "insert_delayed_work", "release", "softirq_returns"},
            id="0.5 TIMER_IRQSAFE: irqs off to the end",
        ),
    ],
)
def test_where_a_hardirq_comes(kernel: Kernel, what: str, masked: set[str]) -> None:
    """At every step but those that are masked; an NMI comes at every one.

    Guards against a softirq that is a hardirq in disguise, and against irqs that come on under the
    locks that a timer's function takes, or an rcu_work's.
    """
    walk = begun(kernel, what)
    found = set()
    while walk.running("softirq"):
        assert walk.can(INTERRUPTS["nmi"], cpu=1)
        if not walk.can(INTERRUPTS["hardirq"], cpu=1):
            (here,) = walk.machine.steps_at["softirq", walk.value("softirq.pc")]
            found.add(here.where.chain[-1].routine)
        walk.step("softirq")
    assert found == masked
    assert walk.can(INTERRUPTS["hardirq"], cpu=1)


@pytest.mark.parametrize("above", ["hardirq", "nmi"])
def test_a_softirq_waits_for_what_is_above_it(kernel: Kernel, above: str) -> None:
    """Guards against a softirq that goes on under a handler."""
    walk = begun(kernel, "callback").step("softirq").arrive(above, "plain", 2)
    assert not walk.can_step("softirq")
    walk.go(above)
    assert walk.can_step("softirq") and walk.go("softirq").violated is None


def test_a_lock_held_with_irqs_on(kernel: Kernel) -> None:
    """A hardirq finds a lock held that a softirq took without turning irqs off.

    Guards against a softirq that no hardirq can cut into: this deadlock would not be found.
    """
    walk = system(kernel).arrive("softirq", "locked", 1).go("softirq", "release")
    walk.call("hardirq", "locked", 2)
    assert walk.violated is not None and walk.violated.prop == "self_deadlock"


# --- PREEMPT_RT ---------------------------------------------------------------------------------


@pytest.mark.parametrize("what", SOFTIRQS)
@pytest.mark.parametrize(
    ("below", "comes"),
    [
        pytest.param("", True, id="0.1 RT softirq: a thread gets an idle CPU"),
        pytest.param("client plain", False, id="0.1 RT softirq: a task has the CPU"),
        pytest.param("softirq plain", False, id="0.1 RT softirq: one at a time on a CPU"),
    ],
)
def test_when_its_thread_runs(kernel: Kernel, what: str, below: str, comes: bool) -> None:
    """Guards against a softirq on PREEMPT_RT that is still an interrupt."""
    walk = pending(kernel, what, preempt_rt=1)
    if below:
        context, entry = below.split()
        walk.arrive(context, entry, 2).step(context)
    assert walk.can(action(what), cpu=1) is comes


def test_nothing_else_gets_its_cpu(kernel: Kernel) -> None:
    """0.1: Guards against two tasks on one CPU."""
    walk = begun(kernel, "callback", preempt_rt=1)
    assert not walk.can("client_frees", cpu=1) and walk.can("client_frees", cpu=2)
    walk.go("softirq")
    assert walk.can("client_frees", cpu=1)


@pytest.mark.parametrize("above", ["hardirq", "nmi"])
def test_its_thread_is_interrupted(kernel: Kernel, above: str) -> None:
    """0.1: as any task."""
    walk = begun(kernel, "callback", preempt_rt=1).step("softirq").arrive(above, "plain", 2)
    assert not walk.can_step("softirq")
    assert walk.go(above).can_step("softirq")


@pytest.mark.parametrize("above", ["", "hardirq"])
def test_its_thread_is_a_reader(kernel: Kernel, above: str) -> None:
    """0.1: bottom halves are off, which on PREEMPT_RT is an RCU read-side section.

    Guards against a preemptible thread that counts as quiescent, before or after an interrupt.
    """
    walk = begun(kernel, "driver", preempt_rt=1, other_gps=1, rcu_any_time=1)
    walk.happen("others_begin_grace_period")
    if above:
        walk.call(above, "plain", 2)
    assert not walk.can("grace_period_ends")
    assert walk.go("softirq").can("grace_period_ends")


@pytest.mark.parametrize(
    ("what", "rt"),
    [
        pytest.param(what, rt, id=f"0.1 {'RT ' if rt else ''}softirq: {what}")
        for what in SOFTIRQS
        for rt in (0, 1)
    ],
)
def test_it_ends(kernel: Kernel, what: str, rt: int) -> None:
    """Guards against a CPU or a thread that is not given back."""
    walk = begun(kernel, what, preempt_rt=rt).go("softirq")
    for take in ("worker_takes_delayed_work", "worker_takes_rcu_work"):
        if walk.can(take):
            walk.happen(take).go("kworker")
    assert at_rest(walk) and walk.violated is None
    assert walk.value("Shared.ran") == (what in ("timer", "rcu_work"))
    assert walk.can("client_frees", cpu=1)


def test_its_thread_may_sleep(kernel: Kernel) -> None:
    """0.4: spin_lock() sleeps there; legal in a thread. Guards against a check for handlers."""
    walk = system(kernel, preempt_rt=1).call("softirq", "sleeping_lock", 1)
    assert walk.violated is None and not walk.running("softirq")
