"""rcu_work (0.5): who owns PENDING, and the full grace period before the item is queued."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq
from model.kernel.objects import Object
from model.kernel.workqueue import RcuWork, queue_rcu_work
from model.language.syntax import Embed, Range, atomic, embed, record, routine

from .answers import answer


@record(single=True)
class Works:
    batch: Embed[RcuWork] = embed(func=run)
    inside: Range[0, 3]
    ran: Range[0, 3]


@atomic
def work_begins() -> None:
    Works.inside += 1
    Works.ran += 1


@atomic
def work_ends() -> None:
    Works.inside -= 1


@routine(models="test")
def run(rwork: RcuWork) -> None:
    work_begins()
    work_ends()


@routine(models="test", entry=(client, hardirq))
def queue(obj: Object) -> None:
    queued = queue_rcu_work(Works.batch)
    answer(obj, queued)
""" + looked_at("Works.inside")


def two_cpus(kernel: Kernel, other_gps: int = 0) -> Walk:
    """CPU 2 is where the item gets into its state, CPU 1 where the call is made."""
    bounds = {"cpus": 2, "tasks": 2, "workers": 2, "objects": 4, "hardirqs": 1, "nmis": 1}
    checked = ("self_deadlock", "lock_discipline", "forbidden_call")
    return kernel(SOURCE, *checked, rcu_any_time=1, other_gps=other_gps, **bounds)


def state_of(walk: Walk) -> str:
    """What the rcu_work is, in words."""
    return " ".join(p for p in ("pending", "queued", "running") if walk.value(f"RcuWork.{p}"))


def grace_periods_until_callback(walk: Walk) -> int:
    """Ends of grace periods until the callback can be invoked."""
    ends = 0
    while not walk.can("rcu_callback_is_invoked"):
        if walk.can("grace_period_ends"):
            walk.happen("grace_period_ends")
            ends += 1
        else:
            walk.happen("grace_period_begins_for_callback")
    return ends


def with_item(kernel: Kernel, what: str) -> Walk:
    """The rcu_work in this state, by calls with the objects 3 and up."""
    walk = two_cpus(kernel)
    if what == "idle":
        return walk
    walk.call("client", "queue", 3, cpu=2)
    if what == "waiting":
        return walk
    grace_periods_until_callback(walk)
    walk.happen("rcu_callback_is_invoked", cpu=2)
    if what == "invoked":
        return walk.go("softirq", "insert_rcu_work", at=2)
    walk.go("softirq", at=2)
    if what == "queued":
        return walk
    walk.happen("worker_takes_rcu_work", who=1, cpu=2).go("kworker", "work_ends")
    if what == "running, queued":
        walk.call("client", "queue", 4)
        grace_periods_until_callback(walk)
        walk.happen("rcu_callback_is_invoked", cpu=1).go("softirq")
    if what == "done":
        walk.go("kworker")
    return walk


@pytest.mark.parametrize(
    ("what", "before", "returned", "after"),
    [
        pytest.param("idle", "", True, "pending", id="0.5 queue_rcu_work: PENDING clear"),
        pytest.param("waiting", "pending", False, "pending", id="0.5 queue_rcu_work: waits"),
        pytest.param("invoked", "pending", False, "pending", id="0.5 queue_rcu_work: callback"),
        pytest.param(
            "queued", "pending queued", False, "pending queued", id="0.5 queue_rcu_work: queued"
        ),
        pytest.param(
            "running", "running", True, "pending running", id="0.5 queue_rcu_work: while it runs"
        ),
        pytest.param(
            "running, queued",
            "pending queued running",
            False,
            "pending queued running",
            id="0.5 queue_rcu_work: runs and is queued",
        ),
        pytest.param("done", "", True, "pending", id="0.5 queue_rcu_work: done"),
    ],
)
def test_queue_rcu_work(kernel: Kernel, what: str, before: str, returned: bool, after: str) -> None:
    """A call that finds PENDING clear owes a callback. Guards against two of them for one item.

    A queued item may be taken, unless it runs already.
    """
    walk = with_item(kernel, what)
    assert state_of(walk) == before
    walk.call("client", "queue", 1)
    assert (walk.said(1), state_of(walk)) == (returned, after)
    owed = "pending" in after and "queued" not in after and what != "invoked"
    assert walk.can("grace_period_begins_for_callback") is owed
    assert not walk.can("rcu_callback_is_invoked")
    assert walk.can("worker_takes_rcu_work") is (what == "queued")


@pytest.mark.parametrize(
    ("others", "ends"),
    [
        pytest.param([], 1, id="0.5 call_rcu_hurry: no grace period runs: one"),
        pytest.param(["others_begin_grace_period"], 2, id="0.5 call_rcu_hurry: one runs: two"),
        pytest.param(
            ["others_begin_grace_period", "grace_period_ends"], 1, id="0.5 call_rcu_hurry: ended"
        ),
    ],
)
def test_the_callback_waits_for_a_full_grace_period(
    kernel: Kernel, others: list[str], ends: int
) -> None:
    """Guards against a callback that is satisfied by what was running when it was queued."""
    walk = two_cpus(kernel, other_gps=1)
    for action in others:
        walk.happen(action)
    walk.call("client", "queue")
    assert grace_periods_until_callback(walk) == ends


def test_the_callback_queues_the_item_under_the_pool_lock(kernel: Kernel) -> None:
    """0.5 fn: an NMI can find the pool lock held, a hardirq cannot.

    Guards against a second worker that looks at the pool while the item is put on it.
    """
    walk = with_item(kernel, "invoked")
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("Pool.lock")) == 2
    assert walk.can("nmi_arrives", cpu=2) and not walk.can("device_interrupts", cpu=2)


@pytest.mark.parametrize(
    "first_has_ended",
    [
        pytest.param(False, id="0.5 two workers for one item: the second finds it gone"),
        pytest.param(True, id="0.5 two workers for one item: the first has ended"),
    ],
)
def test_an_item_never_runs_twice(kernel: Kernel, first_has_ended: bool) -> None:
    """Both workers have come for it. Guards against a worker that runs what another one runs."""
    walk = with_item(kernel, "queued")
    for who in (1, 2):
        walk.happen("worker_takes_rcu_work", who=who, cpu=who)
    walk.go("kworker", None if first_has_ended else "work_ends", at=1).go("kworker", at=2)
    assert walk.value("Works.inside") == int(not first_has_ended)
    walk.go("kworker", at=1)
    assert (state_of(walk), walk.value("Works.ran")) == ("", 1)
