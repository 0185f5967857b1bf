"""Delayed work (0.5): who owns PENDING, what a call changes, who may run the item."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi
from model.kernel.objects import Object
from model.kernel.workqueue import (
    DelayedWork, RcuWork, delayed_work_pending, mod_delayed_work, queue_delayed_work,
)
from model.language.syntax import Array, Embed, Range, atomic, embed, record, routine

from .answers import answer


@record(single=True)
class Works:
    first: Embed[DelayedWork] = embed(func=run)
    second: Embed[DelayedWork] = embed(func=run)
    ran: Array[Range[0, 3], DelayedWork]
    inside: Array[Range[0, 3], DelayedWork]


@atomic
def work_begins(dwork: DelayedWork) -> None:
    Works.ran[dwork] += 1
    Works.inside[dwork] += 1


@atomic
def work_ends(dwork: DelayedWork) -> None:
    Works.inside[dwork] -= 1


@routine(models="test")
def run(dwork: DelayedWork) -> None:
    work_begins(dwork)
    work_ends(dwork)


@routine(models="test", entry=(client, hardirq))
def queue(obj: Object) -> None:
    queued = queue_delayed_work(Works.first, True)
    answer(obj, queued)


@routine(models="test", entry=(client,))
def queue_second(obj: Object) -> None:
    queue_delayed_work(Works.second, True)


@routine(models="test", entry=(client, hardirq))
def modify(obj: Object) -> None:
    mod_delayed_work(Works.first)


@routine(models="test", entry=(client,))
def ask(obj: Object) -> None:
    pending = delayed_work_pending(Works.first)
    answer(obj, pending)


@routine(models="test", entry=(nmi,))
def nothing(obj: Object) -> None:
    answer(obj, True)
""" + looked_at("DelayedWork.far")

FIRST, SECOND = 1, 2  # the delayed works by number
PARTS = ("pending", "armed", "queued", "running")


CHECKED = ("self_deadlock", "lock_discipline", "forbidden_call")


def two_cpus(kernel: Kernel, objects: int = 5) -> Walk:
    """CPU 2 is where the item gets into its state, CPU 1 where the call is made.

    A call needs an object, so that there are as many calls as objects.
    """
    bounds = {"cpus": 2, "tasks": 2, "workers": 2, "nmis": 1, "hardirqs": 1}
    return kernel(SOURCE, *CHECKED, objects=objects, **bounds)


def state_of(walk: Walk) -> str:
    """What the item is, in words."""
    number = walk.ref("Works.first")
    return " ".join(part for part in PARTS if walk.value(f"DelayedWork.{part}", number))


def expired(walk: Walk) -> Walk:
    return walk.happen("timer_expires", cpu=2, dwork=FIRST).go("softirq", at=2)


def taken(walk: Walk, work: int = FIRST, who: int = 1) -> Walk:
    """A worker runs the item on CPU 2 and is inside its function."""
    walk.happen("worker_takes_delayed_work", who=who, cpu=2, dwork=work)
    return walk.go("kworker", "work_ends", at=who)


def with_item(kernel: Kernel, what: str) -> Walk:
    """The item in this state, by calls with the objects 3 and up."""
    walk = two_cpus(kernel)
    if what == "idle":
        return walk
    if what == "marked":
        return walk.arrive("client", "queue", 3, cpu=2).go("client", "add_timer", at=2)
    walk.call("client", "queue", 3, cpu=2)
    if what == "expiring":
        walk.happen("timer_expires", cpu=2, dwork=FIRST).go("softirq", "raw_spin_unlock", at=2)
        return walk.step("softirq", at=2)
    if what != "armed":
        expired(walk)
    if what == "taken by a worker":
        walk.happen("worker_takes_delayed_work", who=1, cpu=2, dwork=FIRST)
        return walk.go("kworker", "begin_delayed_work")
    if what in ("running", "running, armed", "running, queued", "done"):
        taken(walk)
    if what in ("running, armed", "running, queued"):
        walk.call("client", "queue", 4, cpu=1)
    if what == "running, queued":
        expired_on_other_cpu(walk)
    if what == "done":
        walk.go("kworker")
    return walk


def expired_on_other_cpu(walk: Walk) -> Walk:
    """CPU 2 is busy with the worker; the timer fires on the other one."""
    return walk.happen("timer_expires", cpu=1, dwork=FIRST).go("softirq")


def check_what_is_enabled(walk: Walk, after: str) -> None:
    """An armed timer may fire; a queued item may be taken, unless it runs already."""
    parts = after.split()
    assert walk.can("timer_expires", dwork=FIRST) is ("armed" in parts)
    may_run = "queued" in parts and "running" not in parts
    assert walk.can("worker_takes_delayed_work", dwork=FIRST) is may_run


# --- delayed work -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "before", "returned", "after"),
    [
        pytest.param("idle", "", True, "pending armed", id="0.5 queue: PENDING clear"),
        pytest.param("marked", "pending", False, "pending", id="0.5 queue: set, not yet armed"),
        pytest.param("armed", "pending armed", False, "pending armed", id="0.5 queue: armed"),
        pytest.param("expiring", "pending", False, "pending", id="0.5 queue: timer expires"),
        pytest.param("queued", "pending queued", False, "pending queued", id="0.5 queue: queued"),
        pytest.param(
            "taken by a worker",
            "pending queued",
            False,
            "pending queued",
            id="0.5 queue: not yet started by its worker",
        ),
        pytest.param(
            "running", "running", True, "pending armed running", id="0.5 queue: legal while it runs"
        ),
        pytest.param(
            "running, armed",
            "pending armed running",
            False,
            "pending armed running",
            id="0.5 queue: runs and is armed",
        ),
        pytest.param(
            "running, queued",
            "pending queued running",
            False,
            "pending queued running",
            id="0.5 queue: runs and is queued",
        ),
        pytest.param("done", "", True, "pending armed", id="0.5 queue: done"),
    ],
)
@pytest.mark.parametrize("context", ["client", "hardirq"])
def test_queue_delayed_work(
    kernel: Kernel, context: str, what: str, before: str, returned: bool, after: str
) -> None:
    """Guards against an item that is armed twice, and against one that cannot re-arm itself.

    delayed_work_pending() says beforehand what the queue call will find.
    """
    walk = with_item(kernel, what)
    assert state_of(walk) == before
    walk.call("client", "ask", 2)
    assert walk.said(2) is not returned
    walk.call(context, "queue", 1)
    assert walk.violated is None
    assert (walk.said(1), state_of(walk)) == (returned, after)
    check_what_is_enabled(walk, after)


@pytest.mark.parametrize(
    ("what", "after"),
    [
        pytest.param("idle", "pending armed", id="0.5 mod: idle, takes PENDING"),
        pytest.param("armed", "pending armed", id="0.5 mod: armed, takes the timer"),
        pytest.param("queued", "pending armed", id="0.5 mod: queued, taken off the pool"),
        pytest.param("running", "pending armed running", id="0.5 mod: runs, armed again"),
        pytest.param("running, armed", "pending armed running", id="0.5 mod: runs and armed"),
        pytest.param("running, queued", "pending armed running", id="0.5 mod: runs and queued"),
    ],
)
def test_mod_delayed_work(kernel: Kernel, what: str, after: str) -> None:
    """Steals PENDING and arms with the short delay. Guards against an item that is in two places.

    The timer was armed with the long delay before.
    """
    walk = with_item(kernel, what)
    far = "DelayedWork.far", walk.ref("Works.first")
    assert bool(walk.value(*far)) is ("armed" in state_of(walk))
    walk.call("client", "modify", 1)
    assert walk.violated is None
    assert (state_of(walk), walk.value(*far)) == (after, 0)
    check_what_is_enabled(walk, after)


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("marked", id="0.5 mod: another CPU has PENDING, not yet armed"),
        pytest.param("expiring", id="0.5 mod: the timer function has it"),
    ],
)
def test_mod_delayed_work_tries_again(kernel: Kernel, what: str) -> None:
    """What is neither in the wheel nor on the pool cannot be stolen. Guards against a double."""
    walk = with_item(kernel, what).arrive("client", "modify", 1)
    for _ in range(40):
        walk.step("client")
    assert walk.running("client") and state_of(walk) == "pending"
    walk.go("client" if what == "marked" else "softirq", at=2).go("client")
    assert (walk.violated, state_of(walk)) == (None, "pending armed")


def test_pending_is_cleared_before_the_function(kernel: Kernel) -> None:
    """0.5: cleared under the pool lock when a worker starts it. Guards against a lost re-queue."""
    walk = with_item(kernel, "taken by a worker")
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("Pool.lock")) == 2
    walk.step("kworker")
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("Pool.lock")) == 2
    assert state_of(walk) == "running" and walk.value("Works.ran", 1, FIRST) == 0
    walk.go("kworker", "work_begins")
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("Pool.lock")) == 0


@pytest.mark.parametrize(
    ("meanwhile", "found", "runs"),
    [
        pytest.param("", "running", 1, id="0.5 two workers for one item: the second finds it gone"),
        pytest.param("ended", "", 1, id="0.5 two workers for one item: the first has ended"),
        pytest.param(
            "queued", "pending queued running", 2, id="0.5 two workers for one item: queued again"
        ),
    ],
)
def test_an_item_never_runs_twice_at_once(
    kernel: Kernel, meanwhile: str, found: str, runs: int
) -> None:
    """Both workers have come for the item when the first starts it.

    Guards against a worker that runs what another one runs; queued again it is not lost either.
    """
    walk = with_item(kernel, "queued")
    walk.happen("worker_takes_delayed_work", who=2, cpu=1, dwork=FIRST)
    taken(walk)
    if meanwhile == "ended":
        walk.go("kworker")
    elif meanwhile == "queued":
        walk.call("hardirq", "queue", 4)
        expired_on_other_cpu(walk)
    walk.go("kworker", at=2)
    assert state_of(walk) == found
    assert walk.value("Works.ran", 1, FIRST) == 1
    walk.go("kworker")
    assert walk.can("worker_takes_delayed_work", dwork=FIRST) is (runs == 2)
    if runs == 2:
        taken(walk).go("kworker")
    assert walk.value("Works.ran", 1, FIRST) == runs


def test_different_items_run_at_once(kernel: Kernel) -> None:
    """0.5: the works of one krcp exclude each other only by what they lock themselves."""
    walk = two_cpus(kernel)
    walk.call("client", "queue", 1).call("client", "queue_second", 2)
    expired(walk)
    walk.happen("timer_expires", cpu=2, dwork=SECOND).go("softirq", at=2)
    taken(walk, FIRST)
    walk.happen("worker_takes_delayed_work", who=2, cpu=1, dwork=SECOND)
    walk.go("kworker", "work_ends", at=2)
    assert [walk.value("Works.inside", 1, work) for work in (FIRST, SECOND)] == [1, 1]


# --- the locks inside ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "process", "routine", "lock"),
    [
        pytest.param("idle", "client", "arm", "TimerBase.lock", id="0.5 locks: arming"),
        pytest.param("armed", "softirq", "disarm", "TimerBase.lock", id="0.5 locks: expiry"),
        pytest.param(
            "armed", "softirq", "insert_delayed_work", "Pool.lock", id="0.5 locks: timer function"
        ),
        pytest.param(
            "queued", "kworker", "begin_delayed_work", "Pool.lock", id="0.5 locks: a worker starts"
        ),
    ],
)
def test_locks_held_when_interrupted(
    kernel: Kernel, what: str, process: str, routine: str, lock: str
) -> None:
    """An NMI can find the lock held, a hardirq cannot.

    Guards against workqueue calls from NMI that look harmless because no lock is modelled.
    """
    walk = two_cpus(kernel)
    if what != "idle":
        walk.call("client", "queue", 3)
    if what == "queued":
        walk.happen("timer_expires", cpu=1).go("softirq")
        walk.happen("worker_takes_delayed_work", who=1, cpu=1)
    elif what == "armed":
        walk.happen("timer_expires", cpu=1)
    else:
        walk.arrive("client", "queue", 1)
    walk.go(process, routine)
    held = [walk.value("RawSpinlock.owner_cpu", n) == 1 for n in locks(walk)]
    assert held == [n == walk.ref(lock) for n in locks(walk)]
    assert walk.can("nmi_arrives", cpu=1) and not walk.can("device_interrupts", cpu=1)


def locks(walk: Walk) -> list[int]:
    """All raw spinlocks."""
    return list(range(1, walk.machine.variable["RawSpinlock.owner_cpu"].size + 1))
