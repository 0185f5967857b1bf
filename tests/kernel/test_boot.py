"""Early boot (a.8): what is there at each stage, what may arrive, and what is not lost."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at
from tests.kernel.test_irq_work import SOURCE as WORKS
from tests.kernel.test_irq_work import flags, started

SOURCE = """\
from model.kernel.boot_stages import rcu_scheduler_is_running
from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.contexts import (
    batching_init, boot_client, client, hardirq, nmi, scheduler_starts,
)
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.objects import Object
from model.kernel.rcu import get_state_synchronize_rcu, poll_state_synchronize_rcu
from model.language.syntax import Embed, Range, atomic, embed, record, routine

from .answers import answer


@record(single=True)
class Shared:
    callback: Embed[RcuHead] = embed(func=invoked)
    invoked: Range[0, 3]
    batching: Range[0, 3]
    scheduler: Range[0, 3]


@atomic
def invoked(head: RcuHead) -> None:
    Shared.invoked += 1


@routine(models="test", entry=(batching_init,))
def at_batching_init() -> None:
    Shared.batching += 1


@routine(models="test", entry=(scheduler_starts,))
def at_scheduler_start() -> None:
    Shared.scheduler += 1


@routine(models="test", entry=(client, boot_client, hardirq, nmi))
def ask(obj: Object) -> None:
    answer(obj, rcu_scheduler_is_running())


@routine(models="test", entry=(boot_client,))
def careful(obj: Object) -> None:
    flags = local_irq_save()
    local_irq_restore(flags)


@routine(models="test", entry=(boot_client,))
def careless(obj: Object) -> None:
    local_irq_save()
    local_irq_restore(False)


@routine(models="test", entry=(boot_client,))
def call(obj: Object) -> None:
    call_rcu(Shared.callback)
""" + looked_at("Shared.invoked", "Shared.batching", "Shared.scheduler")

STAGES = ("off", "early", "initialised", "irqs on", "threads", "running")
ALL = ["client_frees", "device_interrupts", "nmi_arrives"]
CLIENT, HARDIRQ, NMI = ALL


def booted(kernel: Kernel, stage: str, source: str = SOURCE, **config: int) -> Walk:
    """Two CPUs that have come to this stage; the first one boots."""
    bounds = {"cpus": 2, "tasks": 1, "objects": 3, "nmis": 2, "boot": 1}
    walk = kernel(source, "lock_discipline", "forbidden_call", **(bounds | config))
    for come in STAGES[1 : STAGES.index(stage) + 1]:
        come_to(walk, come)
    return walk


def come_to(walk: Walk, stage: str) -> Walk:
    """The boot task brings up the next stage."""
    if stage == "early":
        return walk.happen("power_on")
    if stage == "initialised":
        return walk.happen("batching_init_begins").go("batching_init")
    if stage == "irqs on":
        return walk.happen("irqs_come_on")
    if stage == "threads":
        return walk.happen("threads_come_up")
    return walk.happen("scheduler_starts_begins").go("scheduler_starts")


@pytest.mark.parametrize(
    ("stage", "boot_task", "first", "second"),
    [
        pytest.param("off", False, [], [], id="a.8 nothing runs"),
        pytest.param("early", True, [NMI], [], id="a.8 one CPU, irqs off: NMIs only"),
        pytest.param("initialised", True, [NMI], [], id="a.8 the same"),
        pytest.param("irqs on", True, [HARDIRQ, NMI], [], id="a.8 irqs on"),
        pytest.param("threads", False, [HARDIRQ, NMI], ALL, id="a.8 the others are up"),
        pytest.param("running", False, ALL, ALL, id="a.8 over"),
    ],
)
def test_what_may_arrive(
    kernel: Kernel, stage: str, boot_task: bool, first: list[str], second: list[str]
) -> None:
    """Guards against tasks and interrupts that come too early, and against masked NMIs."""
    walk = booted(kernel, stage, hardirqs=1)
    assert walk.can("boot_client_frees") is boot_task
    for cpu, arrivals in ((1, first), (2, second)):
        assert [name for name in ALL if walk.can(name, cpu=cpu)] == arrivals


@pytest.mark.parametrize("stage", STAGES)
def test_the_boot_goes_on(kernel: Kernel, stage: str) -> None:
    """a.8: by itself, to its end. Guards against a boot that stops where nothing arrives."""
    assert at_rest(booted(kernel, stage)) is (stage == "running")


@pytest.mark.parametrize(
    ("stage", "batching", "scheduler"),
    [
        pytest.param("early", 0, 0, id="a.8 before kvfree_rcu_init"),
        pytest.param("initialised", 1, 0, id="a.8 kvfree_rcu_init"),
        pytest.param("threads", 1, 0, id="a.8 before the initcall"),
        pytest.param("running", 1, 1, id="a.8 kfree_rcu_scheduler_running"),
    ],
)
def test_what_a_design_is_asked(kernel: Kernel, stage: str, batching: int, scheduler: int) -> None:
    """Each once. Guards against a stage that is left out or comes twice."""
    walk = booted(kernel, stage)
    assert (walk.value("Shared.batching"), walk.value("Shared.scheduler")) == (batching, scheduler)


@pytest.mark.parametrize("stage", ["early", "irqs on", "threads", "running"])
def test_whether_the_scheduler_runs(kernel: Kernel, stage: str) -> None:
    """a.2 step 10: only in the last stage. Guards against monitors that are armed too early."""
    walk = booted(kernel, stage).call("nmi", "ask")
    assert walk.said() is (stage == "running")


def test_the_scheduler_runs_before_it_is_looked_what_is_queued(kernel: Kernel) -> None:
    """a.8: in this order a free that armed nothing has queued before. Guards against a gap."""
    walk = booted(kernel, "threads").happen("scheduler_starts_begins")
    walk.go("scheduler_starts", "at_scheduler_start").call("nmi", "ask")
    assert walk.said() is True


@pytest.mark.parametrize(
    ("stage", "entry", "violates"),
    [
        pytest.param("early", "careful", False, id="0.1 irqs stay off"),
        pytest.param("irqs on", "careful", False, id="0.1 irqs stay on"),
        pytest.param("early", "careless", True, id="0.1 irqs come on too early"),
        pytest.param("irqs on", "careless", False, id="0.1 they were on"),
    ],
)
def test_the_irq_state_after_a_call(kernel: Kernel, stage: str, entry: str, violates: bool) -> None:
    """Guards against a call that turns irqs on before the kernel does."""
    walk = booted(kernel, stage).happen("boot_client_frees", obj=1)
    walk.enter("boot_client", entry).go("boot_client")
    assert (walk.violated is not None) is violates


@pytest.mark.parametrize("stage", ["early", "irqs on", "threads", "running"])
def test_a_callback_waits_for_rcu(kernel: Kernel, stage: str) -> None:
    """a.8: its grace period begins when RCU's threads are there, and then it is invoked.

    Guards against a grace period before that, and against a callback that is forgotten.
    """
    walk = booted(kernel, "early").happen("boot_client_frees", obj=1)
    walk.enter("boot_client", "call").go("boot_client")
    for come in STAGES[2 : STAGES.index(stage) + 1]:
        come_to(walk, come)
    begins = "grace_period_begins_for_callback"
    assert walk.can(begins) is (stage in ("threads", "running"))
    if walk.can(begins):
        walk.happen(begins).happen("grace_period_ends")
        walk.happen("rcu_callback_is_invoked").go("softirq")
        assert walk.value("Shared.invoked") == 1


@pytest.mark.parametrize("stage", ["early", "initialised", "irqs on", "threads"])
def test_other_grace_periods(kernel: Kernel, stage: str) -> None:
    """a.8: nor does one begin that others ask for. Guards against a cookie that elapses early."""
    walk = booted(kernel, stage, rcu_any_time=1, other_gps=1)
    assert walk.can("others_begin_grace_period") is (stage == "threads")


@pytest.mark.parametrize(
    ("rt", "kind", "stage"),
    [
        pytest.param(0, "soft", "irqs on", id="0.3 !RT: with the interrupt"),
        pytest.param(0, "lazy", "irqs on", id="0.3 !RT: with the tick"),
        pytest.param(1, "hard", "irqs on", id="0.3 RT, hard: with the interrupt"),
        pytest.param(1, "soft", "running", id="0.3 RT: with its thread"),
        pytest.param(1, "lazy", "running", id="0.3 RT: the same for lazy"),
    ],
)
def test_a_work_queued_early(kernel: Kernel, rt: int, kind: str, stage: str) -> None:
    """irq_work_queue() works early: the work stays claimed and is run when that can be.

    A wake-up of a thread that is not there yet is lost; the thread looks at its list when it
    begins. Guards against one that does not.
    """
    walk = booted(kernel, "early", WORKS, preempt_rt=rt).call("nmi", f"queue_{kind}")
    for come in STAGES[2:]:
        come_to(walk, come)
        for arrives in ("irq_work_interrupts", "tick"):
            if walk.can(arrives, cpu=1):
                walk.happen(arrives, cpu=1).go("hardirq")
        if walk.can("irq_workd_runs", cpu=1):
            walk.happen("irq_workd_runs", cpu=1).go("irq_workd")
        ran = STAGES.index(come) >= STAGES.index(stage)
        assert (started(walk, kind), flags(walk, kind)) == ((1, "") if ran else (0, "PB"))
    assert at_rest(walk)
