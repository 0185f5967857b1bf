"""The shrinker (a.8): a task in memory reclaim, on any idle CPU, beside everything else."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, shrinker
from model.kernel.cpu import Cpu, smp_processor_id
from model.kernel.interrupts import (
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
)
from model.kernel.objects import Object
from model.kernel.rcu import get_state_synchronize_rcu
from model.language.syntax import Cookie, NULL, record, routine


@record(single=True)
class Shared:
    any: bool
    other: bool
    where: Cpu
    taken: Cookie


@routine(models="test")
def inside() -> None:
    Shared.any = True
    Shared.any = False


@routine(models="test", entry=(client, hardirq, nmi, probe))
def free(obj: Object) -> None:
    inside()


@routine(models="test", entry=(shrinker,))
def plain() -> None:
    inside()
    Shared.where = smp_processor_id()


@routine(models="test", entry=(shrinker,))
def irqs_off() -> None:
    flags = local_irq_save()
    inside()
    Shared.other = True
    local_irq_restore(flags)


@routine(models="test", entry=(shrinker,))
def preemption_off() -> None:
    preempt_disable()
    inside()
    Shared.other = True
    preempt_enable()


@routine(models="test", entry=(shrinker,))
def cookie_taken() -> None:
    snap = get_state_synchronize_rcu()
    Shared.taken = snap
""" + looked_at("Shared.any", "Shared.other", "Shared.where", "Shared.taken")

ARRIVALS = ("device_interrupts", "nmi_arrives", "probe_hits_task", "task_is_preempted")
HARDIRQ, NMI, PROBE, PREEMPTION = ARRIVALS


def system(kernel: Kernel, **config: int) -> Walk:
    """Two CPUs, one task that reclaims; enough arrivals of each kind."""
    bounds = {
        "cpus": 2, "tasks": 2, "objects": 3, "shrinks": 1, "nmis": 2, "hardirqs": 2, "probes": 2,
        "preemptions": 2,
    }  # fmt: skip
    return kernel(SOURCE, "lock_discipline", "forbidden_call", **(bounds | config))


def reclaim(walk: Walk, entry: str, cpu: int = 1) -> Walk:
    """A task begins to reclaim, and stands at the entry's first step."""
    return walk.happen("memory_is_short", who=1, cpu=cpu).enter("shrinker", entry)


@pytest.mark.parametrize(
    ("below", "can"),
    [
        pytest.param("", [True, True], id="a.8 idle CPUs"),
        pytest.param("client", [False, True], id="a.8 not on a CPU with a task"),
        pytest.param("hardirq", [False, True], id="0.1 not over a hardirq"),
        pytest.param("nmi", [False, True], id="0.1 not over an NMI"),
    ],
)
def test_where_reclaim_begins(kernel: Kernel, below: str, can: list[bool]) -> None:
    """Guards against two tasks on a CPU, and against a task that runs on top of a handler."""
    walk = system(kernel)
    if below:
        walk.arrive(below, "free").go(below, "inside")
    assert [walk.can("memory_is_short", cpu=cpu) for cpu in (1, 2)] == can


@pytest.mark.parametrize(
    ("entry", "arrivals"),
    [
        pytest.param("plain", [HARDIRQ, NMI, PROBE, PREEMPTION], id="0.1 a task like any other"),
        pytest.param("irqs_off", [NMI, PROBE], id="0.1 irqs off mask hardirq, never NMI"),
        pytest.param("preemption_off", [HARDIRQ, NMI, PROBE], id="0.1 preempt_disable"),
    ],
)
def test_what_may_arrive(kernel: Kernel, entry: str, arrivals: list[str]) -> None:
    """Guards against a context that an interrupt or a probe forgets."""
    walk = reclaim(system(kernel), entry).go("shrinker", "inside")
    assert [name for name in ARRIVALS if walk.can(name, cpu=1)] == arrivals


@pytest.mark.parametrize("above", ["hardirq", "nmi", "probe"])
def test_it_waits_for_what_runs_on_top(kernel: Kernel, above: str) -> None:
    """0.1: the topmost runs. Guards against an interrupted task that goes on."""
    walk = reclaim(system(kernel), "plain").go("shrinker", "inside")
    walk.arrive(above, "free").go(above, "inside")
    assert not walk.can_step("shrinker")
    walk.go(above).go("shrinker")
    assert walk.violated is None


def test_each_task_reclaims_once(kernel: Kernel) -> None:
    """`shrinks` bounds the whole run. Guards against a budget that comes back."""
    walk = reclaim(system(kernel), "plain").go("shrinker")
    assert not walk.can("memory_is_short")
    assert walk.can("client_frees", cpu=1), "the CPU is free again"


@pytest.mark.parametrize("preemptions", [0, 1])
def test_which_cpu_it_runs_on(kernel: Kernel, preemptions: int) -> None:
    """0.1: a preempted task may migrate. Guards against the CPU on which it began."""
    walk = reclaim(system(kernel, preemptions=preemptions), "plain")
    walk.go("shrinker", "inside")
    if preemptions:
        walk.happen("task_is_preempted", cpu=1)
        assert not walk.can_step("shrinker")
        walk.happen("shrinker_is_switched_in", who=1, cpu=2)
    walk.go("shrinker")
    assert walk.value("Shared.where") == 1 + preemptions


@pytest.mark.parametrize("entry", ["cookie_taken", "plain"])
def test_a_grace_period_can_end_before_it_takes_a_cookie(kernel: Kernel, entry: str) -> None:
    """0.6: moments that matter. Guards against a context at whose cookies nobody looks."""
    walk = system(kernel, other_gps=1).happen("others_begin_grace_period")
    assert reclaim(walk, entry).can("grace_period_ends") is (entry == "cookie_taken")
