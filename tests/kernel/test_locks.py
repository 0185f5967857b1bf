"""Raw spinlocks (0.4): who gets one, who waits, who can never go on, and what UP leaves of it."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at, reachable

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import (
    RawSpinlock, raw_spin_lock, raw_spin_lock_irqsave, raw_spin_trylock, raw_spin_unlock,
    raw_spin_unlock_irqrestore,
)
from model.kernel.objects import Object
from model.language.syntax import Embed, Range, cfg, record, routine, tracepoint

from .answers import answer


@record(single=True)
class Shared:
    lock: Embed[RawSpinlock]
    other: Embed[RawSpinlock]
    inside: Range[0, 3]


@routine(models="test")
def inside() -> None:
    Shared.inside += 1


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def lock(obj: Object) -> None:
    flags = raw_spin_lock_irqsave(Shared.lock)
    answer(obj, True)
    inside()
    Shared.inside -= 1
    raw_spin_unlock_irqrestore(Shared.lock, flags)


@routine(models="test", entry=(client,))
def lock_with_irqs_on(obj: Object) -> None:
    raw_spin_lock(Shared.lock)
    inside()
    Shared.inside -= 1
    raw_spin_unlock(Shared.lock)


@routine(models="test", entry=(client,))
def lock_inside_lock(obj: Object) -> None:
    outer = raw_spin_lock_irqsave(Shared.other)
    flags = raw_spin_lock_irqsave(Shared.lock)
    inside()
    raw_spin_unlock_irqrestore(Shared.lock, flags)
    raw_spin_unlock_irqrestore(Shared.other, outer)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def trylock(obj: Object) -> None:
    taken = raw_spin_trylock(Shared.lock)
    answer(obj, taken)
    if taken:
        raw_spin_unlock(Shared.lock)


@routine(models="test", entry=(client, nmi))
def unlock(obj: Object) -> None:
    raw_spin_unlock(Shared.lock)
""" + looked_at("Shared.inside")

CHECKED = ("self_deadlock", "lock_discipline")
ME, BELOW, ELSEWHERE, QUEUED = 1, 2, 3, 4  # the objects of the calls that a test makes


def situation(
    kernel: Kernel, what: str, context: str, smp: int = 1, checked: tuple[str, ...] = CHECKED
) -> Walk:
    """CPU 1 is where `context` is about to make its call; `what` says how the lock is just then.

    A context that holds or is queued for the lock below stands at a probe point, so that a probe
    can come as well. With irqs on below, a softirq or a hardirq can.
    """
    cpus = 3 if smp else 1
    bounds = {"cpus": cpus, "tasks": cpus, "objects": 4, "nmis": 1, "probes": 1}
    bounds |= {"softirqs": 1, "hardirqs": 1}
    walk = kernel(SOURCE, *checked, smp=smp, **bounds)
    entry = "lock_with_irqs_on" if context in ("softirq", "hardirq") else "lock"
    if what == "held below":
        walk.arrive("client", entry, BELOW).go("client", "inside")
    elif what == "held elsewhere":
        _ = context == "probe" and walk.arrive("client", "trylock", BELOW)
        walk.arrive("client", "lock", ELSEWHERE, cpu=2).go("client", "inside", at=2)
    elif what in ("queued below", "released, queued below"):
        walk.arrive("client", "lock", ELSEWHERE, cpu=2).go("client", "inside", at=2)
        walk.arrive("client", entry, BELOW).go("client", "lock_or_queue").step("client")
        assert not walk.can_step("client")
        if what.startswith("released"):
            walk.go("client", at=2)
    elif what == "released, queued elsewhere":
        _ = context == "probe" and walk.arrive("client", "trylock", BELOW)
        walk.arrive("client", "lock", ELSEWHERE, cpu=2).go("client", "inside", at=2)
        walk.arrive("client", "lock", QUEUED, cpu=3).go("client", "lock_or_queue", at=3)
        walk.step("client", at=3).go("client", at=2)
    elif what == "another held below":
        walk.arrive("client", "lock_inside_lock", BELOW).go("client", "lock_or_queue")
        walk.step("client").go("client", "lock_or_queue")
    else:
        assert what == "free"
        _ = context == "probe" and walk.arrive("client", "trylock", BELOW)
    return walk


def holder(walk: Walk) -> int:
    """The CPU that holds the lock; 0: nobody."""
    return walk.value("RawSpinlock.owner_cpu", walk.ref("Shared.lock"))


def queue(walk: Walk) -> list[int]:
    """The CPUs that wait for the lock, the next one first."""
    places = range(1, walk.machine.variable["RawSpinlock.queue"].dims[1].size + 1)
    cpus = [walk.value("RawSpinlock.queue", walk.ref("Shared.lock"), place) for place in places]
    return [cpu for cpu in cpus if cpu]


# --- locking ------------------------------------------------------------------------------------

TAKES, QUEUES, NEVER = "takes it", "joins the queue", "spins for ever"


@pytest.mark.parametrize(
    ("what", "context", "outcome"),
    [
        pytest.param("free", "client", TAKES, id="0.4 lock: free, task"),
        pytest.param("free", "softirq", TAKES, id="0.4 lock: free, softirq"),
        pytest.param("free", "hardirq", TAKES, id="0.4 lock: free, hardirq"),
        pytest.param("free", "nmi", TAKES, id="0.4 lock: free, NMI is not by itself a deadlock"),
        pytest.param("free", "probe", TAKES, id="0.4 lock: free, probe"),
        pytest.param("another held below", "nmi", TAKES, id="0.4 lock: another one held below"),
        pytest.param("held elsewhere", "client", QUEUES, id="0.4 lock: held elsewhere, task"),
        pytest.param("held elsewhere", "hardirq", QUEUES, id="0.4 lock: held elsewhere, hardirq"),
        pytest.param("held elsewhere", "nmi", QUEUES, id="0.4 lock: held elsewhere, NMI"),
        pytest.param("held elsewhere", "probe", QUEUES, id="0.4 lock: held elsewhere, probe"),
        pytest.param("held below", "softirq", NEVER, id="0.4 lock: held below, softirq"),
        pytest.param("held below", "hardirq", NEVER, id="0.4 lock: held below, hardirq"),
        pytest.param("held below", "nmi", NEVER, id="0.4 lock: held below, NMI"),
        pytest.param("held below", "probe", NEVER, id="0.4 lock: held by the probed code"),
        pytest.param("queued below", "softirq", NEVER, id="0.4 lock: queued for below, softirq"),
        pytest.param("queued below", "hardirq", NEVER, id="0.4 lock: queued for below, hardirq"),
        pytest.param("queued below", "nmi", NEVER, id="0.4 lock: queued for below, NMI"),
        pytest.param("released, queued below", "nmi", NEVER, id="0.4 lock: free, waiter below"),
        pytest.param(
            "released, queued elsewhere", "client", QUEUES, id="0.4 lock: free, behind a waiter"
        ),
        pytest.param(
            "released, queued elsewhere", "nmi", QUEUES, id="0.4 lock: free, NMI behind a waiter"
        ),
    ],
)
def test_lock(kernel: Kernel, what: str, context: str, outcome: str) -> None:
    """Guards against a self-deadlock that passes for waiting, and against one that is none.

    Waiters queue: a newcomer joins them even if nobody holds the lock just then, and behind
    a waiter on its own CPU it waits for ever.
    """
    walk = situation(kernel, what, context).arrive(context, "lock", ME)
    walk.go(context, "lock_or_queue").step(context)
    if outcome == NEVER:
        assert walk.violated is not None and walk.violated.prop == "self_deadlock"
        return
    assert walk.violated is None
    assert (1 in queue(walk)) is (outcome == QUEUES)
    assert (holder(walk) == 1) is (outcome == TAKES)
    if what == "held elsewhere":
        assert not walk.can_step(context)
        walk.go("client", at=2)
    elif what == "released, queued elsewhere":
        walk.go("client", at=3)
    walk.go(context)
    assert walk.violated is None and (walk.said(ME), holder(walk)) == (True, 0)


@pytest.mark.parametrize(
    ("what", "context"),
    [
        pytest.param("held below", "nmi", id="0.4 UP: held below, NMI goes on"),
        pytest.param("held below", "probe", id="0.4 UP: held below, probe goes on"),
        pytest.param("free", "client", id="0.4 UP: free"),
    ],
)
def test_lock_on_up(kernel: Kernel, what: str, context: str) -> None:
    """Guards against a self-deadlock on UP, where a raw spinlock is no lock."""
    walk = situation(kernel, what, context, 0, ("self_deadlock",)).arrive(context, "lock", ME)
    walk.go(context, "inside")
    assert walk.violated is None and walk.said(ME) is True


@pytest.mark.parametrize("entry", ["lock", "trylock"])
@pytest.mark.parametrize(
    ("what", "context", "violates"),
    [
        pytest.param("held below", "softirq", True, id="0.4 UP: two sections, softirq"),
        pytest.param("held below", "nmi", True, id="0.4 UP: two sections, NMI"),
        pytest.param("held below", "probe", True, id="0.4 UP: two sections, probe"),
        pytest.param("free", "nmi", False, id="0.4 UP: one section"),
    ],
)
def test_two_sections_on_up(
    kernel: Kernel, what: str, context: str, entry: str, violates: bool
) -> None:
    """That nothing keeps the second one out is found. Guards against UP that hides the overlap."""
    walk = situation(kernel, what, context, smp=0).call(context, entry, ME)
    if walk.violated is None and walk.running("client"):
        walk.go("client")
    assert (walk.violated is not None and walk.violated.prop == "lock_discipline") is violates


# --- trylock ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("smp", "what", "context", "taken"),
    [
        pytest.param(1, "free", "client", True, id="0.4 trylock: free, task"),
        pytest.param(1, "free", "hardirq", True, id="0.4 trylock: free, hardirq"),
        pytest.param(1, "free", "nmi", True, id="0.4 trylock: free, NMI"),
        pytest.param(1, "free", "probe", True, id="0.4 trylock: free, probe"),
        pytest.param(1, "another held below", "nmi", True, id="0.4 trylock: another one held"),
        pytest.param(1, "held elsewhere", "client", False, id="0.4 trylock: held elsewhere, task"),
        pytest.param(1, "held elsewhere", "nmi", False, id="0.4 trylock: held elsewhere, NMI"),
        pytest.param(1, "held below", "softirq", False, id="0.4 trylock: held below, softirq"),
        pytest.param(1, "held below", "hardirq", False, id="0.4 trylock: held below, hardirq"),
        pytest.param(1, "held below", "nmi", False, id="0.4 trylock: held below, NMI"),
        pytest.param(1, "held below", "probe", False, id="0.4 trylock: held by the probed code"),
        pytest.param(1, "queued below", "nmi", False, id="0.4 trylock: queued for below"),
        pytest.param(
            1, "released, queued below", "nmi", False, id="0.4 trylock: free, waiter below"
        ),
        pytest.param(
            1, "released, queued elsewhere", "client", False, id="0.4 trylock: free, waiter"
        ),
        pytest.param(0, "free", "client", True, id="0.4 UP trylock: free"),
        pytest.param(0, "held below", "hardirq", True, id="0.4 UP trylock: held, hardirq: true"),
        pytest.param(0, "held below", "nmi", True, id="0.4 UP trylock: held, NMI: true"),
        pytest.param(0, "held below", "probe", True, id="0.4 UP trylock: held, probe: true"),
    ],
)
def test_trylock(kernel: Kernel, smp: int, what: str, context: str, taken: bool) -> None:
    """One compare-and-swap that never waits. Guards against a trylock that trusts UP."""
    walk = situation(kernel, what, context, smp, ("self_deadlock",))
    walk.arrive(context, "trylock", ME)
    before = holder(walk) if smp else None
    walk.step(context)
    if smp:
        assert holder(walk) == (1 if taken else before)
    while walk.said(ME) is None:
        walk.step(context)
    assert walk.violated is None and walk.said(ME) is taken


# --- waiting, releasing, irqs -------------------------------------------------------------------


@pytest.mark.parametrize("order", [[2, 3], [3, 2]], ids=lambda order: f"0.4 queue: {order}")
def test_waiters_queue(kernel: Kernel, order: list[int]) -> None:
    """0.4: first come, first served; the one that comes when the lock is free again is the last.

    Guards against a waiter that is overtaken.
    """
    walk = kernel(SOURCE, *CHECKED, cpus=3, tasks=3, objects=4)
    walk.arrive("client", "lock", 1, cpu=1).go("client", "inside")
    for cpu in order:
        walk.arrive("client", "lock", cpu, cpu=cpu).go("client", "lock_or_queue", at=cpu)
        walk.step("client", at=cpu)
    assert queue(walk) == order
    walk.go("client")
    walk.arrive("client", "lock", 4, cpu=1).go("client", "lock_or_queue").step("client")
    waiting = [*order, 1]
    while waiting:
        assert queue(walk) == waiting
        assert [cpu for cpu in waiting if walk.can_step("client", at=cpu)] == waiting[:1]
        walk.go("client", at=waiting.pop(0))
    assert walk.violated is None and holder(walk) == 0


def test_waiting_is_with_irqs_off(kernel: Kernel) -> None:
    """0.4 raw_spin_lock_irqsave: irqs off, then spin. Guards against a hardirq while it spins."""
    walk = situation(kernel, "queued below", "nmi")
    assert not walk.can("device_interrupts", cpu=1) and walk.can("nmi_arrives", cpu=1)
    walk.go("client", at=2)
    assert walk.can_step("client")
    assert not walk.can("device_interrupts", cpu=1)
    walk.go("client", "raw_spin_unlock_irqrestore").go("client")
    assert holder(walk) == 0


@pytest.mark.parametrize(
    ("entry", "irqs_after_inner"),
    [
        pytest.param("lock", True, id="0.4 irqsave: taken with irqs on, restored to on"),
        pytest.param("lock_inside_lock", False, id="0.4 irqsave: taken with irqs off, left off"),
    ],
)
def test_irqrestore(kernel: Kernel, entry: str, irqs_after_inner: bool) -> None:
    """Guards against an inner unlock that turns irqs on inside the outer section."""
    walk = kernel(SOURCE, *CHECKED, cpus=1, tasks=1, objects=2, hardirqs=1)
    walk.arrive("client", entry)
    assert walk.can("device_interrupts")
    walk.go("client", "inside")
    assert not walk.can("device_interrupts")
    walk.go("client", "raw_spin_unlock_irqrestore")
    walk.go("client", "local_irq_restore").step("client")
    assert walk.can("device_interrupts") is irqs_after_inner
    walk.go("client")
    assert walk.violated is None and walk.can("device_interrupts")


@pytest.mark.parametrize(
    ("what", "context"),
    [
        pytest.param("free", "client", id="0.4 unlock: nobody holds it"),
        pytest.param("held below", "nmi", id="0.4 unlock: the context below holds it"),
        pytest.param("held elsewhere", "client", id="0.4 unlock: another CPU holds it"),
    ],
)
def test_unlock_by_somebody_else(kernel: Kernel, what: str, context: str) -> None:
    """Guards against a release that nobody checks."""
    walk = situation(kernel, what, context).call(context, "unlock", ME)
    assert walk.violated is not None and walk.violated.prop == "lock_discipline"


def test_never_two_inside(kernel: Kernel) -> None:
    """0.4: in every order of three CPUs at most one is inside, and all get in.

    Guards against a release that lets two waiters in, or none.
    """
    walk = kernel(SOURCE, *CHECKED, cpus=3, tasks=3, objects=3)
    for cpu in (1, 2, 3):
        walk.arrive("client", "lock", cpu, cpu=cpu)
    found = reachable(walk)
    assert all(one.violated is None and one.value("Shared.inside") <= 1 for one in found)
    ends = [one for one in found if not one.options()]
    assert ends and all(one.said(obj) for one in ends for obj in (1, 2, 3))
