"""Sheaves that are not full (a.9): flushed by a barrier, or when their CPU has gone offline."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.contexts import barrier, client
from model.kernel.cpus_lock import cpus_read_lock, cpus_read_unlock
from model.kernel.objects import Object
from model.kernel.sheaf_flush import flush_all_rcu_sheaves
from model.kernel.sheaves import (
    Pcs, Sheaf, add_to_sheaf, barn_put_empty_sheaf, empty_sheaf, get_rcu_sheaf, unlock_pcs,
)
from model.kernel.waiting import rcu_barrier
from model.language.syntax import NULL, record, routine


@record(single=True)
class Shared:
    any: bool


@routine(models="test")
def inside() -> None:
    Shared.any = True
    Shared.any = False


@routine(models="test", entry=(client,))
def put(obj: Object) -> None:
    sheaf = get_rcu_sheaf(True, True)
    if sheaf != NULL:
        add_to_sheaf(sheaf, obj)
        unlock_pcs()


@routine(models="test", entry=(barrier,))
def flush() -> None:
    flush_all_rcu_sheaves()
    rcu_barrier()


@routine(models="test", entry=(barrier,))
def keep() -> None:
    cpus_read_lock()
    inside()
    cpus_read_unlock()
"""
SOURCE += looked_at("Object.freed", "Pcs.rcu_free", "Sheaf.place", "Sheaf.size")
STAGES = ("up", "stopper", "irqs off", "dying", "dead", "cleaning", "offline", "back")
ALLOCATOR = 0


def system(kernel: Kernel, **config: int) -> Walk:
    """Three CPUs, of which the first goes offline; sheaves of two objects."""
    checked = ("forbidden_call", "lock_discipline", "self_deadlock", "no_double_free")
    bounds = {
        "cpus": 3, "tasks": 3, "objects": 2, "hotplug": 2, "barriers": 2, "sheaves": 2,
        "sheaf_capacity": 2, "rcu_any_time": 1,
    }  # fmt: skip
    return kernel(SOURCE, *checked, **(bounds | config))


def with_sheaf(walk: Walk, obj: int, cpu: int) -> Walk:
    """An object goes into a CPU's sheaf, which the allocator has given."""
    walk.arrive("client", "put", obj, cpu)
    while walk.running("client", cpu):
        walk.state = walk.branches("client", cpu)[-1].state
    assert walk.value("Pcs.rcu_free", cpu)
    return walk


def come_to(walk: Walk, stage: str) -> Walk:
    """CPU 1 goes offline, as far as this."""
    at = STAGES.index(stage)
    if at > 0:
        walk.happen("cpu_goes_down", cpu=1)
    for number, stop in enumerate(("begin_dying", "cpu_is_dead", None), 2):
        if at >= number:
            walk.go("stopper", stop)
    if at > STAGES.index("dead"):
        walk.happen("takedown_goes_on", cpu=2)
    if at > STAGES.index("cleaning"):
        walk.go("takedown")
    if stage == "back":
        walk.happen("cpu_comes_back", cpu=1)
    return walk


def grace_period(walk: Walk) -> Walk:
    """A grace period that a callback asked for, and the callback."""
    walk.happen("grace_period_begins_for_callback").happen("grace_period_ends")
    return walk.happen("rcu_callback_is_invoked", cpu=3).go("softirq", at=3)


# --- cpus_read_lock -----------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "taken"), [(s, s in ("up", "offline", "back")) for s in STAGES])
def test_cpus_read_lock(kernel: Kernel, stage: str, taken: bool) -> None:
    """Until all is done for a dead CPU. Guards against a reader that finds a CPU on its way."""
    walk = come_to(system(kernel), stage)
    walk.happen("barrier_is_called", who=1, cpu=3).enter("barrier", "keep").step("barrier")
    assert walk.at("barrier", "inside") is taken
    if not taken:
        walk.step("barrier")
        assert not walk.can_step("barrier") and not walk.value("Cpu.curr", 3)
        for process in ("stopper", "takedown"):
            if walk.running(process):
                walk.go(process)
        if walk.can("takedown_goes_on", cpu=2):
            walk.happen("takedown_goes_on", cpu=2).go("takedown")
        walk.step("barrier").happen("barrier_is_switched_in", cpu=3)
        assert walk.at("barrier", "inside")


@pytest.mark.parametrize(("stage", "action"), [("up", "goes_down"), ("offline", "comes_back")])
@pytest.mark.parametrize("readers", [1, 2])
def test_cpus_are_kept(kernel: Kernel, stage: str, action: str, readers: int) -> None:
    """Guards against a CPU that goes, or comes, while somebody counts on it."""
    walk = come_to(system(kernel), stage)
    assert walk.can(f"cpu_{action}", cpu=1)
    for who in range(1, readers + 1):
        walk.happen("barrier_is_called", who=who, cpu=4 - who).enter("barrier", "keep", who)
        walk.go("barrier", "inside", who)
    for who in range(1, readers + 1):
        assert not walk.can(f"cpu_{action}", cpu=1)
        walk.go("barrier", at=who)
    assert walk.can(f"cpu_{action}", cpu=1)


# --- flushing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("objects", [(), (1,)])
def test_the_sheaf_of_a_dead_cpu(kernel: Kernel, objects: tuple[int, ...]) -> None:
    """slub_cpu_dead(): its objects are freed after a grace period, and the sheaf too.

    Guards against objects that wait until the CPU is back, and against ones that do not wait.
    """
    walk = system(kernel)
    for obj in objects:
        with_sheaf(walk, obj, 1)
    come_to(walk, "dead")
    assert bool(walk.value("Pcs.rcu_free", 1)) is bool(objects)
    walk.happen("takedown_goes_on", cpu=2).go("takedown")
    assert walk.violated is None and not walk.value("Pcs.rcu_free", 1)
    assert not any(walk.value("Object.freed", obj) for obj in objects)
    assert walk.can("grace_period_begins_for_callback") is bool(objects)
    if objects:
        grace_period(walk)
        assert all(walk.value("Object.freed", obj) for obj in objects)
        assert [walk.value("Sheaf.place", s) for s in (1, 2)] == [ALLOCATOR, ALLOCATOR]


def test_it_comes_back_with_no_sheaf(kernel: Kernel) -> None:
    """Guards against a CPU that is back before its sheaf has been taken, or with its lock held."""
    walk = come_to(with_sheaf(system(kernel), 1, 1), "dead")
    assert not walk.can("cpu_comes_back", cpu=1)
    walk.happen("takedown_goes_on", cpu=2).go("takedown").happen("cpu_comes_back", cpu=1)
    with_sheaf(walk, 2, 1)
    assert not walk.value("Object.freed", 1)


@pytest.mark.parametrize(
    ("stage", "visited"), [("up", [1, 2, 3]), ("offline", [2, 3]), ("back", [1, 2, 3])]
)
def test_a_flush_visits_cpus_that_are_online(
    kernel: Kernel, stage: str, visited: list[int]
) -> None:
    """Guards against a flush that waits for a dead CPU, and against one that skips another."""
    walk = come_to(system(kernel), stage)
    walk.happen("barrier_is_called", who=1, cpu=3).enter("barrier", "flush")
    for cpu in visited:
        walk.go("barrier", "choose_cpu").step("barrier")
        assert [c for c in (1, 2, 3) if walk.can("barrier_is_switched_in", cpu=c)] == [cpu]
        walk.happen("barrier_is_switched_in", cpu=cpu)
    assert not walk.go("barrier").running("barrier")


def test_a_flush_waits_for_the_callbacks(kernel: Kernel) -> None:
    """flush_rcu_sheaf(): call_rcu() before the barrier's own wait. Guards against a late one."""
    walk = with_sheaf(system(kernel), 1, 1)
    walk.happen("barrier_is_called", who=1, cpu=3).enter("barrier", "flush")
    for cpu in (1, 2, 3):
        walk.go("barrier", "choose_cpu").step("barrier").happen("barrier_is_switched_in", cpu=cpu)
    walk.go("barrier", "wait_for_marked_callbacks")
    assert not walk.can_step("barrier") and not walk.value("Object.freed", 1)
    grace_period(walk).step("barrier")
    assert not walk.happen("barrier_is_switched_in", cpu=3).go("barrier").running("barrier")
    assert walk.value("Object.freed", 1)
