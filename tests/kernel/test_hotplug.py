"""CPU hotplug (0.3, a.8): what still reaches a CPU that goes offline, and what is left on it.

Then what the CPU that takes it offline does for it: it takes over its RCU callbacks, and, with the
repair, runs its irq_works.
"""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at
from tests.kernel.test_call_rcu import SOURCE as CALLBACKS
from tests.kernel.test_call_rcu import ran
from tests.kernel.test_contexts import SOURCE as CONTEXTS
from tests.kernel.test_irq_work import SOURCE as WORKS
from tests.kernel.test_irq_work import flags, on_list, started

ARRIVALS = (
    "client_frees", "task_is_preempted", "device_interrupts", "nmi_arrives", "probe_hits_task",
)  # fmt: skip
CLIENT, PREEMPTION, HARDIRQ, NMI, PROBE = ARRIVALS


def system(kernel: Kernel, **config: int) -> Walk:
    """Two CPUs, of which the first goes offline."""
    bounds = {"cpus": 2, "tasks": 1, "objects": 5, "nmis": 3, "hotplug": 2}
    return kernel(WORKS, "lock_discipline", "forbidden_call", **(bounds | config))


def gone(walk: Walk) -> Walk:
    return walk.happen("cpu_goes_down", cpu=1).go("stopper")


# --- which CPU, and when ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "rt", "can"),
    [
        pytest.param("idle", 0, True, id="a.8 idle"),
        pytest.param("task", 0, False, id="a.8 a task is on it"),
        pytest.param("nmi", 0, False, id="a.8 in an NMI"),
        pytest.param("other is offline", 0, False, id="a.8 the last CPU"),
        pytest.param("other goes down", 0, False, id="a.8 the last CPU that stays"),
        pytest.param("queued", 0, True, id="0.3 a work is raised"),
        pytest.param("queued", 1, False, id="0.3 RT: the thread has a work to run"),
    ],
)
def test_which_cpu_goes_down(kernel: Kernel, what: str, rt: int, can: bool) -> None:
    """Guards against a machine without a CPU, and against a task that is left on a dead one."""
    walk = system(kernel, preempt_rt=rt)
    if what in ("task", "nmi"):
        walk.arrive("client" if what == "task" else "nmi", "queue_soft")
    elif what == "queued":
        walk.call("client", "queue_soft")
    elif what != "idle":
        walk.happen("cpu_goes_down", cpu=2)
        if what == "other is offline":
            walk.go("stopper", at=2)
    assert walk.can("cpu_goes_down", cpu=1) is can


# --- what reaches it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "late", "arrivals"),
    [
        pytest.param("up", 1, [CLIENT, HARDIRQ, NMI], id="0.1 online"),
        pytest.param("local_irq_save", 1, [HARDIRQ, NMI], id="0.3 tasks have left"),
        pytest.param("begin_dying", 1, [NMI], id="0.3 irqs off"),
        pytest.param("begin_dying", 0, [NMI], id="0.3 irqs off, no late NMIs"),
        pytest.param("cpu_is_dead", 1, [NMI, PROBE], id="0.3 cpuhp_exit"),
        pytest.param("cpu_is_dead", 0, [], id="0.3 cpuhp_exit, no late NMIs"),
        pytest.param("", 1, [], id="a.8 offline: nothing"),
        pytest.param("back", 1, [CLIENT, HARDIRQ, NMI], id="a.8 online again"),
    ],
)
def test_what_may_arrive(kernel: Kernel, stage: str, late: int, arrivals: list[str]) -> None:
    """Guards against a dead CPU that runs something, and against an NMI that irqs off mask."""
    walk = kernel(
        CONTEXTS, cpus=2, tasks=1, objects=3, nmis=1, hardirqs=1, probes=1, preemptions=1,
        hotplug=1, late_nmis=late,
    )  # fmt: skip
    if stage != "up":
        walk.happen("cpu_goes_down", cpu=1)
        walk.go("stopper", None if stage in ("", "back") else stage)
    if stage == "back":
        walk.happen("cpu_comes_back", cpu=1)
    assert [name for name in ARRIVALS if walk.can(name, cpu=1)] == arrivals
    assert walk.can(NMI, cpu=2) and walk.can(HARDIRQ, cpu=2)


@pytest.mark.parametrize("stage", ["local_irq_save", None])
def test_a_grace_period(kernel: Kernel, stage: str | None) -> None:
    """0.1: one that waits for the CPU ends when it is dead, and none waits for it then.

    Guards against an offline CPU that is thought to be inside a region for ever.
    """
    walk = system(kernel, other_gps=2, rcu_any_time=1).happen("cpu_goes_down", cpu=1)
    walk.go("stopper", "begin_dying").happen("others_begin_grace_period")
    assert not walk.can("grace_period_ends")
    walk.go("stopper").happen("grace_period_ends")
    if stage is None:
        walk.happen("others_begin_grace_period").happen("grace_period_ends")


# --- what is run, and what is left --------------------------------------------------------------


@pytest.mark.parametrize(
    ("rt", "kind", "runs"),
    [
        pytest.param(0, "soft", True, id="0.3 dying path, !RT: raised"),
        pytest.param(0, "lazy", True, id="0.3 dying path, !RT: lazy"),
        pytest.param(0, "hard", True, id="0.3 dying path, !RT: hard"),
        pytest.param(1, "hard", True, id="0.3 dying path, RT: hard"),
        pytest.param(1, "soft", False, id="0.3 dying path, RT: the thread is parked"),
        pytest.param(1, "lazy", False, id="0.3 dying path, RT: the same for lazy"),
    ],
)
def test_a_work_queued_before_the_dying_path(
    kernel: Kernel, rt: int, kind: str, runs: bool
) -> None:
    """On RT it stays claimed until the CPU is back. Guards against lists that nobody runs."""
    walk = system(kernel, preempt_rt=rt).happen("cpu_goes_down", cpu=1)
    walk.call("nmi", f"queue_{kind}").go("stopper")
    assert (started(walk, kind), flags(walk, kind)) == ((1, "") if runs else (0, "PB"))
    assert at_rest(walk)
    walk.happen("cpu_comes_back", cpu=1)
    if not runs:
        walk.happen("irq_workd_runs", cpu=1).go("irq_workd")
        assert (started(walk, kind), flags(walk, kind)) == (1, "")
    assert at_rest(walk)


def test_the_handler_runs_in_the_stopper(kernel: Kernel) -> None:
    """0.3: with irqs off, in a task. Guards against a dying path in a hardirq."""
    walk = system(kernel).call("client", "queue_soft")
    walk.happen("cpu_goes_down", cpu=1).go("stopper", "handler_begins")
    assert walk.value("Cpu.irqs_off") and not walk.running("hardirq")


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        pytest.param("soft", "raised", id="0.3 after the dying path: raised"),
        pytest.param("lazy", "lazy", id="0.3 after the dying path: lazy"),
    ],
)
def test_a_work_queued_after_the_dying_path(kernel: Kernel, kind: str, where: str) -> None:
    """It stays claimed, and its interrupt is gone; only the tick of a CPU that is back finds it.

    So a raised work is never run, and those behind it neither: the list is not empty, so they
    raise nothing. Guards against a CPU that comes back with an interrupt from before.
    """
    walk = system(kernel).happen("cpu_goes_down", cpu=1).go("stopper", "cpu_is_dead")
    walk.call("nmi", f"queue_{kind}", 1).go("stopper")
    assert flags(walk, kind) == "PB" and on_list(walk, where) == [kind]
    assert at_rest(walk)
    walk.happen("cpu_comes_back", cpu=1)
    assert not walk.can("irq_work_interrupts")
    assert walk.can("tick") is (kind == "lazy")
    if kind == "soft":
        walk.call("client", "queue_other", 2)
        assert on_list(walk, where) == ["other", "soft"] and at_rest(walk)


@pytest.mark.parametrize("late", [0, 1])
def test_an_nmi_in_the_last_run(kernel: Kernel, late: int) -> None:
    """0.3: late begins where the lists are taken. Guards against a run that is hit half-way."""
    walk = system(kernel, late_nmis=late).happen("cpu_goes_down", cpu=1).go("stopper", "take_works")
    assert walk.can(NMI, cpu=1) is bool(late)


def test_a_work_that_a_dead_cpu_has_is_claimed_for_all(kernel: Kernel) -> None:
    """0.3 queue step 1: PENDING is the work's, not the CPU's.

    Guards against another CPU that could queue it meanwhile.
    """
    walk = system(kernel, preempt_rt=1, tasks=2).happen("cpu_goes_down", cpu=1)
    walk.call("nmi", "queue_soft").go("stopper")
    walk.call("client", "queue_soft", 2, cpu=2)
    assert walk.said(2) is False


def test_a_preempted_stopper(kernel: Kernel) -> None:
    """a.8: nothing preempts the stopper. Guards against a CPU that is half offline."""
    walk = kernel(CONTEXTS, cpus=2, tasks=1, objects=1, preemptions=1, hotplug=1)
    walk.happen("cpu_goes_down", cpu=1)
    assert not walk.can(PREEMPTION, cpu=1)
    assert not walk.go("stopper").can(PREEMPTION, cpu=1)


# --- the CPU that takes it offline --------------------------------------------------------------


def with_callbacks(kernel: Kernel, dead: list[str], here: list[str]) -> Walk:
    """Callbacks on both CPUs, a grace period long ago; the first CPU is dead."""
    walk = kernel(
        CALLBACKS + looked_at("RcuHead.waiting"), "forbidden_call", cpus=2, tasks=2, objects=3,
        hotplug=1, preemptions=1, callback_lists=1, rcu_any_time=1, other_gps=1,
    )  # fmt: skip
    for obj, (name, cpu) in enumerate([*((n, 1) for n in dead), *((n, 2) for n in here)], 1):
        walk.call("client", f"call_{name}", obj, cpu=cpu)
    walk.happen("others_begin_grace_period").happen("grace_period_ends")
    return gone(walk)


@pytest.mark.parametrize(
    ("dead", "here"),
    [
        pytest.param([], [], id="0.6 nothing"),
        pytest.param([], ["first"], id="0.6 only here"),
        pytest.param(["first"], [], id="0.6 only there"),
        pytest.param(["first", "second"], [], id="0.6 two"),
        pytest.param(["first"], ["second"], id="0.6 one behind one"),
        pytest.param(["first", "third"], ["second"], id="0.6 two behind one"),
        pytest.param(["first"], ["second", "third"], id="0.6 one behind two"),
    ],
)
def test_rcutree_migrate_callbacks(kernel: Kernel, dead: list[str], here: list[str]) -> None:
    """Behind those that are here, in order. Guards against a callback that is lost on the way."""
    walk = with_callbacks(kernel, dead, here).happen("takedown_goes_on", cpu=2).go("takedown")
    expected = here + dead
    for done in range(1, len(expected) + 1):
        walk.happen("rcu_callback_is_invoked", cpu=2).go("softirq", at=2)
        assert sorted(ran(walk)) == sorted(expected[:done])
    assert not walk.can("rcu_callback_is_invoked")
    assert not any(walk.value(f"RcuData.{end}", cpu) for end in ("first", "last") for cpu in (1, 2))


def test_a_dead_cpu_invokes_nothing(kernel: Kernel) -> None:
    """Before the migration its callbacks wait. Guards against a softirq on a dead CPU."""
    walk = with_callbacks(kernel, ["first"], [])
    assert not walk.can("rcu_callback_is_invoked")


def test_it_comes_back_after_that(kernel: Kernel) -> None:
    """cpu_hotplug_lock. Guards against two CPUs that have one list."""
    walk = with_callbacks(kernel, ["first"], [])
    assert not walk.can("cpu_comes_back")
    walk.happen("takedown_goes_on", cpu=2)
    assert not walk.can("cpu_comes_back") and not walk.can(PREEMPTION, cpu=2)
    assert walk.go("takedown").can("cpu_comes_back", cpu=1)


def test_it_needs_an_idle_cpu(kernel: Kernel) -> None:
    """Guards against a task on a CPU that another one has, or on the dead one."""
    walk = with_callbacks(kernel, [], []).arrive("client", "call_first", 1, cpu=2)
    assert not walk.can("takedown_goes_on")
    assert walk.go("client", at=2).can("takedown_goes_on", cpu=2)
    assert not walk.can("takedown_goes_on", cpu=1)


@pytest.mark.parametrize("kind", ["soft", "lazy", "hard"])
@pytest.mark.parametrize("rt", [0, 1])
def test_the_repair_runs_what_is_left(kernel: Kernel, rt: int, kind: str) -> None:
    """F-7 and F-8: what an NMI queued after the last run is run elsewhere, and can be queued again.

    Guards against a repair that leaves the work claimed, or the list with something on it.
    """
    walk = system(kernel, preempt_rt=rt, dead_cpu_irq_works=1)
    walk.happen("cpu_goes_down", cpu=1).go("stopper", "cpu_is_dead")
    walk.call("nmi", f"queue_{kind}", 1).go("stopper")
    assert flags(walk, kind) == "PB" and not at_rest(walk)
    walk.happen("takedown_goes_on", cpu=2).go("takedown")
    assert (started(walk, kind), flags(walk, kind)) == (1, "")
    assert not on_list(walk, "raised") and not on_list(walk, "lazy")
    walk.happen("cpu_comes_back", cpu=1).call("client", f"queue_{kind}", 2)
    assert walk.said(2) is True


@pytest.mark.parametrize(
    ("rt", "kind", "irqs_off"),
    [
        pytest.param(0, "soft", True, id="0.3 !RT: as in the interrupt"),
        pytest.param(0, "lazy", True, id="0.3 !RT: lazy"),
        pytest.param(1, "hard", True, id="0.3 RT: hard"),
        pytest.param(1, "soft", False, id="0.3 RT: as in the thread"),
        pytest.param(1, "lazy", False, id="0.3 RT: lazy"),
    ],
)
def test_how_the_repair_runs_it(kernel: Kernel, rt: int, kind: str, irqs_off: bool) -> None:
    """Guards against a handler that finds irqs as it never does otherwise."""
    walk = system(kernel, preempt_rt=rt, dead_cpu_irq_works=1)
    walk.happen("cpu_goes_down", cpu=1).go("stopper", "cpu_is_dead")
    walk.call("nmi", f"queue_{kind}", 1).go("stopper")
    walk.happen("takedown_goes_on", cpu=2).go("takedown", "handler_begins")
    assert bool(walk.value("Cpu.irqs_off", 2)) is irqs_off
    assert bool(walk.value("Cpu.preempt_count", 2)) is not irqs_off
