"""Clients that may sleep in their free call (a.2 steps 1, 7, 8): what they wait for, and where."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, sleeping_client
from model.kernel.cpu import Cpu, smp_processor_id
from model.kernel.interrupts import (
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
)
from model.kernel.objects import Object
from model.kernel.waiting import might_sleep, sleep_for_memory, synchronize_rcu
from model.language.syntax import record, routine


@record(single=True)
class Shared:
    any: bool
    where: Cpu


@routine(models="test")
def inside() -> None:
    Shared.any = True
    Shared.any = False


@routine(models="test", entry=(client, hardirq, nmi, probe))
def free(obj: Object) -> None:
    inside()


@routine(models="test", entry=(sleeping_client,))
def plain(obj: Object) -> None:
    might_sleep()
    inside()


@routine(models="test", entry=(sleeping_client,))
def with_irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    might_sleep()
    local_irq_restore(flags)


@routine(models="test", entry=(sleeping_client,))
def with_preemption_off(obj: Object) -> None:
    preempt_disable()
    might_sleep()
    preempt_enable()


@routine(models="test", entry=(sleeping_client,))
def asleep_with_irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    sleep_for_memory()
    local_irq_restore(flags)


@routine(models="test", entry=(sleeping_client,))
def allocate(obj: Object) -> None:
    sleep_for_memory()
    Shared.where = smp_processor_id()


@routine(models="test", entry=(sleeping_client,))
def synchronize(obj: Object) -> None:
    synchronize_rcu()
""" + looked_at("Shared.any", "Shared.where")

ARRIVALS = ("device_interrupts", "nmi_arrives", "probe_hits_task", "task_is_preempted")


def system(kernel: Kernel, **config: int) -> Walk:
    """Two CPUs, one client that may sleep; enough arrivals of each kind."""
    bounds = {
        "cpus": 2, "tasks": 2, "objects": 3, "sleepers": 1, "nmis": 2, "hardirqs": 2, "probes": 2,
        "preemptions": 1, "rcu_any_time": 1,
    }  # fmt: skip
    return kernel(SOURCE, "lock_discipline", "forbidden_call", **(bounds | config))


def call(walk: Walk, entry: str, cpu: int = 1) -> Walk:
    walk.happen("sleeping_client_frees", who=1, cpu=cpu, obj=1)
    return walk.enter("sleeping_client", entry)


@pytest.mark.parametrize(
    ("entry", "reported"),
    [
        pytest.param("plain", False, id="a.2 step 1: a task may sleep"),
        pytest.param("with_irqs_off", True, id="a.2 step 1: irqs off"),
        pytest.param("with_preemption_off", True, id="a.2 step 1: preemption off"),
        pytest.param("asleep_with_irqs_off", True, id="a.2 step 7: under a lock"),
        pytest.param("allocate", False, id="a.2 step 7: the lock is dropped"),
        pytest.param("synchronize", False, id="a.2 step 8: unlocked"),
    ],
)
def test_who_may_sleep(kernel: Kernel, entry: str, reported: bool) -> None:
    """Guards against a sleep that is only noticed where it happens to last."""
    walk = call(system(kernel), entry)
    while walk.violated is None and walk.running("sleeping_client"):
        if not walk.can_step("sleeping_client"):
            break
        walk.step("sleeping_client")
    assert (walk.violated is not None) is reported


def test_what_may_arrive(kernel: Kernel) -> None:
    """0.1: a task like any other. Guards against a context that a probe forgets."""
    walk = call(system(kernel), "plain").go("sleeping_client", "inside")
    assert [name for name in ARRIVALS if walk.can(name, cpu=1)] == list(ARRIVALS)


@pytest.mark.parametrize("above", ["hardirq", "nmi", "probe"])
def test_it_waits_for_what_runs_on_top(kernel: Kernel, above: str) -> None:
    """0.1: the topmost runs. Guards against an interrupted task that goes on."""
    walk = call(system(kernel), "plain").go("sleeping_client", "inside")
    walk.arrive(above, "free", 2).go(above, "inside")
    assert not walk.can_step("sleeping_client")
    walk.go(above).go("sleeping_client")
    assert walk.violated is None


@pytest.mark.parametrize("cpu", [1, 2])
def test_an_allocation_may_migrate(kernel: Kernel, cpu: int) -> None:
    """a.2 step 7: it gives its CPU up, and goes on where there is one.

    Guards against a task that keeps the CPU while it waits for memory.
    """
    walk = call(system(kernel), "allocate").go("sleeping_client", "memory_is_there")
    assert walk.can("client_frees", cpu=1), "the CPU is free"
    assert not walk.can("sleeping_client_is_switched_in")
    walk.step("sleeping_client")
    assert not walk.can_step("sleeping_client")
    walk.happen("sleeping_client_is_switched_in", who=1, cpu=cpu).go("sleeping_client")
    assert walk.value("Shared.where") == cpu


def test_a_preempted_client(kernel: Kernel) -> None:
    """0.1: switched in it goes on. Guards against a task that only a sleep's end brings back."""
    walk = call(system(kernel), "plain").go("sleeping_client", "inside")
    walk.happen("task_is_preempted", cpu=1)
    assert not walk.can_step("sleeping_client")
    walk.happen("sleeping_client_is_switched_in", who=1, cpu=2).go("sleeping_client")
    assert walk.violated is None


def test_synchronize_rcu(kernel: Kernel) -> None:
    """a.2 step 8: a full grace period, and its callback. Guards against a wait that is too short.

    A grace period that runs already does not count.
    """
    walk = system(kernel, other_gps=1).happen("others_begin_grace_period")
    call(walk, "synchronize").go("sleeping_client", "wait_for_grace_period")
    walk.happen("grace_period_ends")
    assert not walk.can("rcu_callback_is_invoked")
    walk.happen("grace_period_begins_for_callback").happen("grace_period_ends")
    assert not walk.can_step("sleeping_client")
    walk.happen("rcu_callback_is_invoked", cpu=1).go("softirq")
    walk.step("sleeping_client").happen("sleeping_client_is_switched_in", who=1, cpu=2)
    walk.go("sleeping_client")
    assert walk.violated is None
