"""irq_work (0.3) on architectures without its interrupt: the tick runs what is raised."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest
from tests.kernel.test_irq_work import flags, on_list, one_cpu, started
from tests.kernel.test_waiting import grace_period, returned, system, wait


@pytest.mark.parametrize(
    ("rt", "kind", "where", "in_hardirq"),
    [
        pytest.param(0, "soft", "raised", True, id="0.3 tick: raised list, soft"),
        pytest.param(0, "hard", "raised", True, id="0.3 tick: raised list, hard"),
        pytest.param(0, "lazy", "lazy", True, id="0.3 tick: lazy list"),
        pytest.param(1, "hard", "raised", True, id="0.3 tick, RT: raised list, hard"),
        pytest.param(1, "soft", "lazy", False, id="0.3 tick, RT: soft in the thread"),
        pytest.param(1, "lazy", "lazy", False, id="0.3 tick, RT: lazy in the thread"),
    ],
)
def test_the_tick_runs_it(kernel: Kernel, rt: int, kind: str, where: str, in_hardirq: bool) -> None:
    """Guards against a raise that interrupts all the same, and against a work nobody runs."""
    walk = one_cpu(kernel, preempt_rt=rt, irq_work_interrupt=0).call("client", f"queue_{kind}")
    assert on_list(walk, where) == [kind]
    assert not walk.can("irq_work_interrupts")
    walk.happen("tick").go("hardirq")
    assert started(walk, kind) == int(in_hardirq)
    if not in_hardirq:
        walk.happen("irq_workd_runs").go("irq_workd")
    assert (started(walk, kind), flags(walk, kind)) == (1, "")
    assert at_rest(walk)


@pytest.mark.parametrize(
    ("first", "order"),
    [
        pytest.param("lazy", ["soft", "lazy"], id="0.3 tick: raised first"),
        pytest.param("soft", ["soft", "lazy"], id="0.3 tick: raised first, whatever came first"),
    ],
)
def test_one_tick_runs_both_lists(kernel: Kernel, first: str, order: list[str]) -> None:
    """Guards against a tick that stops at the list that it finds first."""
    walk = one_cpu(kernel, irq_work_interrupt=0)
    for obj, kind in enumerate((first, "lazy" if first == "soft" else "soft"), 1):
        walk.call("client", f"queue_{kind}", obj)
    walk.happen("tick").go("hardirq", "handler_begins").step("hardirq")
    assert [started(walk, kind) for kind in order] == [1, 0]
    walk.go("hardirq")
    assert [started(walk, kind) for kind in order] == [1, 1]


def test_the_tick_waits_for_irqs_on(kernel: Kernel) -> None:
    """Guards against a tick on top of a handler."""
    walk = one_cpu(kernel, irq_work_interrupt=0, hardirqs=1)
    walk.call("client", "queue_soft", 1).arrive("hardirq", "queue_lazy", 2)
    assert not walk.can("tick")
    assert walk.go("hardirq").can("tick")


def work_ran(walk: Walk) -> Walk:
    return walk.happen("tick", cpu=1).go("hardirq")


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_sync_sleeps(kernel: Kernel, kind: str) -> None:
    """0.3 sync: asleep until !BUSY, then synchronize_rcu(), for hard works as well.

    Guards against a sync that spins where nothing but the tick can run the work.
    """
    walk = system(kernel, irq_work_interrupt=0).call("client", f"queue_{kind}", 1)
    wait(walk, f"sync_{kind}")
    assert not returned(walk) and walk.value("Sleeper.asleep")
    assert not returned(work_ran(walk))
    assert not returned(grace_period(walk))
    walk.happen("rcu_callback_is_invoked", cpu=1).go("softirq")
    assert returned(walk)


def test_two_syncs_share_one_slot(kernel: Kernel) -> None:
    """0.3: the second waiter overwrites the first, as on RT; the first sleeps on."""
    walk = system(kernel, irq_work_interrupt=0, barriers=2).call("client", "queue_soft", 1)
    wait(walk, "sync_soft", 1)
    wait(walk, "sync_soft", 2)
    work_ran(walk)
    assert not returned(walk, 2)
    grace_period(walk).happen("rcu_callback_is_invoked", cpu=1).go("softirq")
    assert [returned(walk, who) for who in (1, 2)] == [False, True]
    assert at_rest(walk)
