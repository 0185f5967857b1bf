"""kmalloc_nolock() and kfree_nolock() (f.1 to f.3), and the barn's lock on UP (0.4)."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, ends, looked_at

SOURCE = """\
from model.kernel.contexts import barrier, client, hardirq, nmi, probe
from model.kernel.defer_free import defer_free_barrier, kfree_nolock
from model.kernel.irq_work import IrqWork
from model.kernel.kfree_nolock import SlotLlist, kmalloc_nolock, nolock_user
from model.kernel.locks import raw_spin_lock_irqsave, raw_spin_unlock_irqrestore
from model.kernel.objects import Object
from model.kernel.sheaves import Barn, lock_pcs, unlock_pcs
from model.language.syntax import cfg, record, routine

from .answers import answer


@record(single=True)
class Shared:
    any: bool


@routine(models="test")
def inside() -> None:
    Shared.any = True
    Shared.any = False


@routine(models="test", entry=(client, hardirq, nmi, probe))
def free(obj: Object) -> None:
    kfree_nolock(obj)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def allocate(obj: Object) -> None:
    found = kmalloc_nolock()
    answer(obj, found)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def use(obj: Object) -> None:
    if nolock_user(obj):
        kfree_nolock(obj)


@routine(models="test", entry=(client,))
def nothing_held(obj: Object) -> None:
    inside()


@routine(models="test", entry=(client,), when=cfg.sheaves > 0)
def pcs_held(obj: Object) -> None:
    if lock_pcs():
        inside()
        unlock_pcs()


@routine(models="test", entry=(client,), when=cfg.sheaves > 0)
def barn_held(obj: Object) -> None:
    flags = raw_spin_lock_irqsave(Barn.lock)
    inside()
    raw_spin_unlock_irqrestore(Barn.lock, flags)


@routine(models="test", entry=(barrier,))
def wait_for_parked() -> None:
    defer_free_barrier()
"""
SOURCE += looked_at(
    "Object.next", "Object.free_slot", "Object.given", "Object.freed", "SlotLlist.first",
    "IrqWork.pending", "IrqWork.busy",
)  # fmt: skip


def system(kernel: Kernel, *properties: str, **config: int) -> Walk:
    """One CPU, objects 2 and up for calls of a test."""
    checked = properties or ("forbidden_call", "lock_discipline", "self_deadlock", "no_double_free")
    bounds = {
        "cpus": 1, "tasks": 1, "objects": 3, "nmis": 2, "hardirqs": 1, "probes": 1, "sheaves": 1,
        "nolock_users": 1,
    }  # fmt: skip
    return kernel(SOURCE, *checked, **(bounds | config))


def calls(walk: Walk, context: str, entry: str, held: str = "", obj: int = 2) -> list[Walk]:
    """Every end of a call, made while a task is inside what it holds."""
    if held:
        walk.arrive("client", held).go("client", "inside")
    return ends(walk.arrive(context, entry, obj), context)


def what_became_of(one: Walk, obj: int = 2) -> str:
    assert one.violated is None, one.violated
    parked = one.value("SlotLlist.first") == obj
    assert parked is bool(one.value("IrqWork.pending"))
    assert parked is not bool(one.value("Object.freed", obj))
    return "parked" if parked else "freed"


# --- kfree_nolock -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "context", "held", "outcomes"),
    [
        pytest.param({}, "client", "", "freed parked", id="f.2 task: the sheaf has room, or not"),
        pytest.param({}, "hardirq", "nothing_held", "freed parked", id="f.2 hardirq"),
        pytest.param({}, "nmi", "nothing_held", "freed parked", id="f.2 NMI"),
        pytest.param({}, "probe", "nothing_held", "freed parked", id="f.2 probe"),
        pytest.param({}, "nmi", "pcs_held", "parked", id="f.2 NMI, in the CPU's section"),
        pytest.param({}, "probe", "pcs_held", "parked", id="f.2 probe, in the CPU's section"),
        pytest.param({}, "nmi", "barn_held", "freed parked", id="f.2 NMI, in the barn's section"),
        pytest.param({"sheaves": 0}, "client", "", "parked", id="f.2 a cache without sheaves"),
        pytest.param({"preempt_rt": 1}, "client", "", "freed parked", id="f.2 RT: task"),
        pytest.param({"preempt_rt": 1}, "hardirq", "", "parked", id="f.2 RT: hardirq"),
        pytest.param({"preempt_rt": 1}, "nmi", "", "parked", id="f.2 RT: NMI"),
        pytest.param({"smp": 0}, "nmi", "pcs_held", "parked", id="f.2 UP: the CPU's section"),
    ],
)  # fmt: skip
def test_kfree_nolock(
    kernel: Kernel, config: dict[str, int], context: str, held: str, outcomes: str
) -> None:
    """Guards against a free that waits, one that is neither freed nor parked, and one that is both.

    A list that is not empty any more has its irq_work queued.
    """
    found = calls(system(kernel, **config), context, "free", held)
    assert {what_became_of(one) for one in found} == set(outcomes.split())


@pytest.mark.parametrize(
    ("smp", "asks", "context", "violated"),
    [
        pytest.param(1, 0, "nmi", set(), id="0.4 SMP: the trylock fails"),
        pytest.param(0, 0, "nmi", {"lock_discipline"}, id="0.4 UP: it succeeds, F-11"),
        pytest.param(0, 1, "nmi", set(), id="0.4 UP: can_spin_trylock() is asked"),
    ],
)
def test_the_barn_on_up(
    kernel: Kernel, smp: int, asks: int, context: str, violated: set[str]
) -> None:
    """F-11. Guards against a test that is not made, and against one that the kernel has not."""
    walk = system(kernel, smp=smp, barn_asks_first=asks)
    found = calls(walk, context, "free", "barn_held")
    assert {one.violated.prop for one in found if one.violated} == violated


# --- what is parked -----------------------------------------------------------------------------


def parked(kernel: Kernel, *objects: int, **config: int) -> Walk:
    walk = system(kernel, sheaves=0, tasks=2, **config)
    for obj in objects:
        walk.call("client", "free", obj)
    return walk


def test_the_link_is_the_free_pointer(kernel: Kernel) -> None:
    """f.3: another word than the rcu head's. Guards against an object that needs a head."""
    walk = parked(kernel, 1, 2)
    assert walk.value("SlotLlist.first") == 2
    assert [walk.value("Object.free_slot", obj) for obj in (1, 2)] == [0, 1]
    assert [walk.value("Object.next", obj) for obj in (1, 2)] == [0, 0]


@pytest.mark.parametrize("objects", [(1,), (1, 2), (1, 2, 3)])
def test_the_handler_frees_what_is_parked(kernel: Kernel, objects: tuple[int, ...]) -> None:
    """d.3 step 1: without a grace period. Guards against a chain whose head alone is freed."""
    walk = parked(kernel, *objects).happen("irq_work_interrupts").go("hardirq")
    assert walk.violated is None and at_rest(walk)
    assert all(walk.value("Object.freed", obj) for obj in objects)
    assert not walk.value("SlotLlist.first")
    assert not any(walk.value("Object.free_slot", obj) for obj in objects)


def test_its_barrier_waits_for_the_handler(kernel: Kernel) -> None:
    """f.3: irq_work_sync() for each CPU. Guards against a cache that goes while it has objects."""
    walk = parked(kernel, 1, barriers=1, cpus=2)
    walk.happen("barrier_is_called", cpu=2).enter("barrier", "wait_for_parked")
    walk.go("barrier", "spin_until_not_busy")
    assert not walk.can_step("barrier")
    walk.happen("irq_work_interrupts", cpu=1).go("hardirq").go("barrier")
    assert walk.value("Object.freed", 1)


# --- kmalloc_nolock -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "context", "held", "answers"),
    [
        pytest.param({}, "client", "", {True, False}, id="f.1 task"),
        pytest.param({}, "nmi", "nothing_held", {True, False}, id="f.1 NMI"),
        pytest.param({}, "nmi", "pcs_held", {True, False}, id="f.1 NMI: a slab, in the section"),
        pytest.param({}, "nmi", "barn_held", {True, False}, id="f.1 NMI, in the barn's section"),
        pytest.param({"preempt_rt": 1}, "client", "", {True, False}, id="f.1 RT: task"),
        pytest.param({"preempt_rt": 1}, "hardirq", "", {False}, id="f.1 RT: hardirq"),
        pytest.param({"preempt_rt": 1}, "nmi", "", {False}, id="f.1 RT: NMI"),
        pytest.param({"smp": 0}, "nmi", "nothing_held", {False}, id="f.1 UP: NMI"),
        pytest.param({"smp": 0}, "probe", "nothing_held", {True, False}, id="f.1 UP: probe"),
    ],
)
def test_kmalloc_nolock(
    kernel: Kernel, config: dict[str, int], context: str, held: str, answers: set[bool]
) -> None:
    """Guards against an allocation that waits, one that cannot fail, and one where none may be."""
    found = calls(system(kernel, **config), context, "allocate", held)
    assert all(one.violated is None for one in found)
    assert {one.said(2) for one in found} == answers


# --- the user -----------------------------------------------------------------------------------


def used(kernel: Kernel, wanted: str, **config: int) -> Walk:
    """A user's call that came to this: "nothing", "left" or "freed"."""
    walk = system(kernel, "grace_period", readers=1, rcu_any_time=1, tasks=2, **config)
    walk.happen("reader_enters")
    for one in calls(walk, "client", "use", obj=1):
        gone = one.value("Object.freed", 1) or one.value("SlotLlist.first")
        left = one.value("Object.from_nolock", 1)
        if wanted == ("freed" if gone else "left" if left else "nothing"):
            return one
    raise AssertionError(f"no call comes to {wanted}")


@pytest.mark.parametrize(("wanted", "again"), [("nothing", True), ("left", True), ("freed", False)])
def test_who_may_free_it_then(kernel: Kernel, wanted: str, again: bool) -> None:
    """f.1: NULL is nothing to free. Guards against an object that is lost with its allocation."""
    walk = used(kernel, wanted)
    assert walk.can("client_frees", obj=1) is again
    assert bool(walk.value("Object.given", 1)) is not again


def test_what_is_left_is_not_allocated_again(kernel: Kernel) -> None:
    """Guards against an object that two users have."""
    found = calls(used(kernel, "left"), "client", "use", obj=1)
    assert {what_became_of(one, 1) for one in found} == {"freed", "parked"}


def test_no_reader_has_what_is_freed_at_once(kernel: Kernel) -> None:
    """f.2: its user's duty. Guards against a grace period that kfree_nolock() does not know of."""
    assert not used(kernel, "freed").value("Reader.holds", 1, 1)
    assert used(kernel, "left").value("Reader.holds", 1, 1)
