"""PREEMPT_RT's threads of a CPU (0.1, 0.3): irq_work/N and the one for softirqs, switched out."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, softirq, stopper
from model.kernel.interrupts import (
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
)
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.objects import Object
from model.language.syntax import Embed, Range, cfg, embed, knob, record, routine

knob("irqs_off", False, "the function runs with irqs off")
knob("preemption_off", False, "the function runs with preemption off")


@record(single=True)
class Shared:
    work: Embed[IrqWork] = embed(func=handler, lazy=False, hard=False)
    a: Range[0, 1]


@routine(models="test")
def inside() -> None:
    Shared.a = 1
    Shared.a = 0


@routine(models="test")
def body() -> None:
    if cfg.irqs_off:
        flags = local_irq_save()
        inside()
        local_irq_restore(flags)
    elif cfg.preemption_off:
        preempt_disable()
        inside()
        preempt_enable()
    else:
        inside()


@routine(models="test")
def handler(work: IrqWork) -> None:
    body()


@routine(models="test", entry=(softirq,))
def free(obj: Object) -> None:
    body()


@routine(models="test", entry=(client,))
def queue(obj: Object) -> None:
    irq_work_queue(Shared.work)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def plain(obj: Object) -> None:
    inside()
""" + looked_at("Shared.a")

THREADS = ("irq_workd", "softirq")
OUT, IN = "bound_thread_is_preempted", "bound_thread_is_switched_in"


def begun(kernel: Kernel, thread: str, **config: int) -> Walk:
    """The thread of CPU 1 is inside its function; two CPUs."""
    bounds = {"cpus": 2, "tasks": 2, "objects": 5, "softirqs": 2, "hardirqs": 1, "nmis": 1}
    bounds |= {"probes": 1, "preemptions": 2, "preempt_rt": 1, "rcu_any_time": 1, "other_gps": 2}
    walk = kernel(SOURCE, "lock_discipline", **(bounds | config))
    if thread == "softirq":
        return walk.arrive("softirq", "free", 1).go("softirq", "inside")
    walk.call("client", "queue", 1).happen("irq_work_interrupts").go("hardirq")
    return walk.happen("irq_workd_runs", cpu=1).go("irq_workd", "inside")


def grace_period(walk: Walk) -> Walk:
    return walk.happen("others_begin_grace_period")


@pytest.mark.parametrize("thread", THREADS)
def test_another_task_gets_the_cpu(kernel: Kernel, thread: str) -> None:
    """Switched out it does not run, and it goes on on its own CPU only.

    Guards against a thread that migrates, one that is lost, and a CPU that stays taken.
    """
    walk = begun(kernel, thread).happen(OUT, cpu=1)
    assert walk.running(thread) and not walk.can_step(thread)
    assert [walk.can(IN, cpu=cpu) for cpu in (1, 2)] == [True, False]
    walk.arrive("client", "plain", 3)
    assert not walk.can(IN) and not walk.can_step(thread)
    walk.go("client").happen(IN, cpu=1).go(thread)
    assert walk.violated is None and at_rest(walk)
    assert walk.can("client_frees", cpu=1)


@pytest.mark.parametrize("thread", THREADS)
def test_it_does_not_run_twice(kernel: Kernel, thread: str) -> None:
    """What comes meanwhile waits for it. Guards against two threads of a kind on one CPU."""
    walk = begun(kernel, thread).happen(OUT, cpu=1)
    if thread == "irq_workd":
        walk.call("client", "queue", 3).happen("irq_work_interrupts", cpu=1).go("hardirq")
        again = "irq_workd_runs"
    else:
        again = "softirq_frees"
    assert not walk.can(again, cpu=1)
    walk.happen(IN, cpu=1).go(thread)
    assert walk.can(again, cpu=1)


@pytest.mark.parametrize("thread", THREADS)
@pytest.mark.parametrize(
    "what",
    [
        pytest.param("irqs_off", id="0.1 irqs off"),
        pytest.param("preemption_off", id="0.1 preempt_disable"),
        pytest.param("hardirq", id="0.1 a hardirq runs on top"),
        pytest.param("nmi", id="0.1 an NMI runs on top"),
        pytest.param("probe", id="0.1 a probe runs inside"),
    ],
)
def test_where_it_is_not_preempted(kernel: Kernel, thread: str, what: str) -> None:
    """Guards against a thread that is switched out with a handler on top, or with irqs off."""
    walk = begun(kernel, thread, **({what: 1} if what.endswith("_off") else {}))
    if not what.endswith("_off"):
        walk.arrive(what, "plain", 2)
    assert not walk.can(OUT)


@pytest.mark.parametrize("thread", THREADS)
@pytest.mark.parametrize(
    ("events", "waits"),
    [
        pytest.param("begin out", True, id="0.1 reader: the grace period was there, then out"),
        pytest.param("out begin", True, id="0.1 reader: out, then a grace period"),
        pytest.param("begin out in", True, id="0.1 reader: back on its CPU"),
        pytest.param("out begin in", True, id="0.1 reader: out, a grace period, back"),
        pytest.param("out in begin", True, id="0.1 reader: never out while one runs"),
        pytest.param("out begin in end", False, id="0.1 reader: its section has ended"),
    ],
)
def test_a_grace_period_waits_for_it(kernel: Kernel, thread: str, events: str, waits: bool) -> None:
    """A preempted reader blocks the grace period though its CPU passes a quiescent state.

    Guards against the end of a grace period while a handler is switched out in the middle.
    """
    walk = begun(kernel, thread)
    for event in events.split():
        if event == "begin":
            grace_period(walk)
        elif event == "end":
            walk.go(thread)
        else:
            walk.happen(OUT if event == "out" else IN, cpu=1)
    assert walk.can("grace_period_ends") is not waits
    if waits:
        if walk.can(IN):
            walk.happen(IN, cpu=1)
        assert walk.go(thread).can("grace_period_ends")


@pytest.mark.parametrize("thread", THREADS)
def test_a_grace_period_does_not_wait_for_a_later_section(kernel: Kernel, thread: str) -> None:
    """Guards against a thread that blocks the grace period that runs already for ever."""
    walk = begun(kernel, thread)
    grace_period(walk).go(thread)
    if thread == "softirq":
        walk.arrive("softirq", "free", 2).go("softirq", "inside")
    else:
        walk.call("client", "queue", 3).happen("irq_work_interrupts").go("hardirq")
        walk.happen("irq_workd_runs", cpu=1).go("irq_workd", "inside")
    walk.happen(OUT, cpu=1)
    assert walk.can("grace_period_ends")


@pytest.mark.parametrize("thread", THREADS)
def test_its_cpu_does_not_go_offline(kernel: Kernel, thread: str) -> None:
    """Parking waits for it. Guards against a handler that is never finished."""
    walk = begun(kernel, thread, hotplug=1, rcu_any_time=0, other_gps=0).happen(OUT, cpu=1)
    assert not walk.can("cpu_goes_down", cpu=1) and walk.can("cpu_goes_down", cpu=2)
    walk.happen(IN, cpu=1).go(thread)
    assert walk.can("cpu_goes_down", cpu=1)
