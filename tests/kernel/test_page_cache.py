"""The page-cache worker (a.6, a.8): asking for pages, the hop, the worker, and its back-off."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, ends, looked_at

SOURCE = """\
from model.designs.krcp import Krcp, get_cached_bnode, put_cached_bnode
from model.designs.krcp_boot import initialise_every_krcp
from model.designs.page_cache import PageCache, back_off, drain_page_cache, run_page_cache_worker
from model.designs.pages import Bnode, any_free_page, put_page
from model.kernel.contexts import (
    batching_init, boot_client, client, hardirq, nmi, probe, scheduler_starts,
)
from model.kernel.cpu import this_cpu
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import raw_spin_lock_irqsave, raw_spin_unlock_irqrestore
from model.kernel.objects import Object
from model.kernel.workqueue import DelayedWork
from model.language.syntax import NULL, cfg, record, routine

from .answers import answer


@record(single=True)
class Shared:
    any: bool


@routine(models="test", entry=(client, hardirq, nmi, probe, boot_client))
def ask(obj: Object) -> None:
    krcp = this_cpu(Krcp)
    flags = raw_spin_lock_irqsave(krcp.lock)
    run_page_cache_worker(krcp)
    raw_spin_unlock_irqrestore(krcp.lock, flags)


@routine(models="test", entry=(client, boot_client))
def shrink(obj: Object) -> None:
    back_off(this_cpu(Krcp))


@routine(models="test", entry=(client,))
def irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    inside()
    local_irq_restore(flags)


@routine(models="test")
def inside() -> None:
    Shared.any = True


@routine(models="test", entry=(client, hardirq))
def drain(obj: Object) -> None:
    drain_page_cache(this_cpu(Krcp))


@routine(models="test", entry=(client, hardirq))
def put(obj: Object) -> None:
    page = any_free_page()
    if page != NULL:
        krcp = this_cpu(Krcp)
        flags = raw_spin_lock_irqsave(krcp.lock)
        cached = put_cached_bnode(krcp, page)
        raw_spin_unlock_irqrestore(krcp.lock, flags)
        if not cached:
            put_page(page)
        answer(obj, cached)


@routine(models="test", entry=(client, hardirq))
def take(obj: Object) -> None:
    krcp = this_cpu(Krcp)
    flags = raw_spin_lock_irqsave(krcp.lock)
    page = get_cached_bnode(krcp)
    raw_spin_unlock_irqrestore(krcp.lock, flags)
    answer(obj, page != NULL)


@routine(models="test", entry=(batching_init,), when=cfg.boot)
def begins() -> None:
    initialise_every_krcp()


@routine(models="test", entry=(scheduler_starts,), when=cfg.boot)
def goes_on() -> None:
    inside()
"""
SOURCE += looked_at(
    "PageCache.backoff", "Krcp.nr_bkv_objs", "Bnode.used", "DelayedWork.far", "Shared.any"
)


def system(kernel: Kernel, **config: int) -> Walk:
    """Two CPUs, a cache of two pages, three pages in all."""
    bounds = {"cpus": 2, "tasks": 2, "objects": 8, "workers": 1, "hardirqs": 2, "nmis": 1}
    bounds |= {"probes": 1, "page_worker": 1, "bnodes": 3, "min_cached_objs": 2}
    checked = ("forbidden_call", "self_deadlock", "lock_discipline")
    return kernel(SOURCE, *checked, **(bounds | config))


def state_of(walk: Walk, cpu: int = 1) -> str:
    """What is set of a CPU's page cache: its two flags, its hrtimer, its work."""
    timer = walk.ref("PageCache.hrtimer", cpu)
    work = walk.ref("PageCache.page_cache_work", cpu)
    far = walk.value("DelayedWork.far", work)
    parts = {
        "asked": walk.value("PageCache.work_in_progress", cpu),
        "backoff": walk.value("PageCache.backoff", cpu),
        "hrtimer": walk.value("Hrtimer.armed", timer),
        "delayed": walk.value("DelayedWork.armed", work) and far,
        "soon": walk.value("DelayedWork.armed", work) and not far,
        "queued": walk.value("DelayedWork.queued", work),
        "running": walk.value("DelayedWork.running", work),
    }
    return " ".join(name for name, yes in parts.items() if yes)


def cached(walk: Walk) -> int:
    """The pages in the cache of CPU 1; that the count and the list agree is checked."""
    page, length = walk.value("Krcp.bkvcache", 1), 0
    while page:
        assert walk.value("Bnode.used", page)
        page, length = walk.value("Bnode.newer", page), length + 1
    assert walk.value("Krcp.nr_bkv_objs", 1) == length
    return length


def pages_in_use(walk: Walk) -> int:
    """What the page allocator has given out."""
    size = walk.machine.variable["Bnode.used"].size
    return sum(walk.value("Bnode.used", page) for page in range(1, size + 1))


def work(walk: Walk) -> int:
    return walk.ref("PageCache.page_cache_work")


def worker_begins(walk: Walk) -> Walk:
    """The worker of CPU 1's cache runs, on CPU 2, up to the start of its function."""
    walk.happen("worker_takes_delayed_work", cpu=2, dwork=work(walk))
    return walk.go("kworker", "fill_page_cache")


def fires(walk: Walk) -> Walk:
    """The hop: the hrtimer's function."""
    return walk.happen("hrtimer_expires", cpu=1, timer=walk.ref("PageCache.hrtimer")).go("hardirq")


def expires(walk: Walk) -> Walk:
    """The delay of a back-off is over."""
    return walk.happen("timer_expires", cpu=1, dwork=work(walk)).go("softirq")


def leaves(walk: Walk) -> Walk:
    """The worker runs until all that is left to do is to clear its flags, and ends filling."""
    while walk.value("PageCache.work_in_progress", 1):
        walk.state = walk.branches("kworker")[0].state
    return walk


def asked(kernel: Kernel, what: str) -> Walk:
    """A page cache in this state, by calls with objects from 4 on."""
    walk = system(kernel)
    if what == "idle":
        return walk
    if what == "told to back off":
        return walk.call("client", "shrink", 4)
    if what.startswith("delay"):
        walk.call("client", "shrink", 4).call("client", "ask", 5)
        if what != "delayed":
            expires(walk)
        return worker_begins(walk) if what == "delay over, running" else walk
    walk.call("client", "ask", 4)
    if what == "timer armed":
        return walk
    if what == "timer armed, told to back off":
        return walk.call("client", "shrink", 5)
    fires(walk)
    if what == "queued":
        return walk
    worker_begins(walk)
    if what == "running, told to back off":
        return walk.call("client", "shrink", 5)
    if what == "flags half cleared":
        return leaves(walk.call("client", "shrink", 5))
    if what.startswith("done"):
        leaves(walk).go("kworker")
        if what == "done, told to back off":
            walk.call("client", "shrink", 5)
    else:
        assert what == "running"
    return walk


# --- asking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "before", "after"),
    [
        pytest.param("idle", "", "asked hrtimer", id="a.6 idle: the hop"),
        pytest.param(
            "told to back off", "backoff", "asked backoff delayed", id="a.6 back-off: it waits"
        ),
        pytest.param("timer armed", "asked hrtimer", "same", id="a.6 hrtimer armed: refused"),
        pytest.param(
            "timer armed, told to back off",
            "asked backoff hrtimer",
            "same",
            id="a.6 hrtimer armed, back-off since: refused",
        ),
        pytest.param("delayed", "asked backoff delayed", "same", id="a.6 delayed: refused"),
        pytest.param("delay over", "asked backoff queued", "same", id="a.6 delay over: refused"),
        pytest.param("queued", "asked queued", "same", id="a.6 queued: refused"),
        pytest.param("running", "asked running", "same", id="a.6 worker runs: refused"),
        pytest.param(
            "delay over, running", "asked backoff running", "same", id="a.6 it runs late: refused"
        ),
        pytest.param(
            "running, told to back off",
            "asked backoff running",
            "same",
            id="a.6 worker runs, back-off since: refused",
        ),
        pytest.param(
            "flags half cleared",
            "backoff running",
            "asked backoff delayed running",
            id="a.6 work_in_progress is cleared before backoff: it waits",
        ),
        pytest.param("done", "", "asked hrtimer", id="a.6 done: the hop again"),
        pytest.param(
            "done, told to back off",
            "backoff",
            "asked backoff delayed",
            id="a.6 done, back-off since: it waits",
        ),
    ],
)
@pytest.mark.parametrize("context", ["client", "hardirq"])
def test_ask(kernel: Kernel, context: str, what: str, before: str, after: str) -> None:
    """One request at a time: work_in_progress says so, from the request to the worker's end.

    Guards against two requests under way, against one that skips the hop, and against one that
    does not wait after the shrinker has been there.
    """
    walk = asked(kernel, what)
    assert state_of(walk) == before
    walk.call(context, "ask", 1)
    assert walk.violated is None
    assert state_of(walk) == (before if after == "same" else after)
    assert state_of(walk, 2) == ""


@pytest.mark.parametrize(
    ("what", "step", "after"),
    [
        pytest.param("timer armed", "fires", "asked queued", id="a.6 the hrtimer queues the work"),
        pytest.param(
            "timer armed, told to back off",
            "fires",
            "asked backoff queued",
            id="a.6 the hrtimer does not look at the back-off",
        ),
        pytest.param("delayed", "expires", "asked backoff queued", id="a.6 the delay is over"),
        pytest.param("queued", "worker", "", id="a.6 the worker clears work_in_progress"),
        pytest.param("delay over", "worker", "", id="a.6 the worker clears backoff"),
        pytest.param(
            "running, told to back off", "worker", "", id="a.6 a back-off meanwhile is forgotten"
        ),
        pytest.param("idle", "shrink", "backoff", id="a.8 back-off: idle"),
        pytest.param("timer armed", "shrink", "asked backoff hrtimer", id="a.8 back-off: asked"),
        pytest.param("delayed", "shrink", "asked backoff delayed", id="a.8 back-off: twice"),
        pytest.param("done", "shrink", "backoff", id="a.8 back-off: done"),
    ],
)
def test_what_follows(kernel: Kernel, what: str, step: str, after: str) -> None:
    """Guards against a flag that is cleared too early, or never."""
    walk = asked(kernel, what)
    if step == "fires":
        fires(walk)
    elif step == "expires":
        expires(walk)
    elif step == "shrink":
        walk.call("client", "shrink", 1)
    else:
        if not walk.running("kworker"):
            worker_begins(walk)
        leaves(walk).go("kworker")
    assert (walk.violated, state_of(walk)) == (None, after)


def test_another_krcp(kernel: Kernel) -> None:
    """a.1: flags, hrtimer and work are per CPU. Guards against a request that refuses another's."""
    walk = asked(kernel, "timer armed").call("client", "shrink", 1, cpu=2)
    assert (state_of(walk), state_of(walk, 2)) == ("asked hrtimer", "backoff")
    walk.call("client", "ask", 2, cpu=2)
    assert (state_of(walk), state_of(walk, 2)) == ("asked hrtimer", "asked backoff delayed")


@pytest.mark.parametrize(
    ("stage", "after"),
    [
        pytest.param("early", "", id="a.6 early boot: nothing is marked or armed"),
        pytest.param("irqs on", "", id="a.6 irqs are on: nothing is marked or armed"),
        pytest.param("threads", "", id="a.6 threads are there, nothing is marked or armed"),
        pytest.param("running", "asked hrtimer", id="a.6 RCU_SCHEDULER_RUNNING: the hop"),
    ],
)
def test_boot(kernel: Kernel, stage: str, after: str) -> None:
    """Only if the scheduler runs. Guards against a request that is marked and never made."""
    walk = system(kernel, boot=1, hardirqs=0, nmis=0, probes=0)
    walk.happen("power_on").happen("batching_init_begins").go("batching_init")
    cpu, who = 1, "boot_client"
    if stage != "early":
        walk.happen("irqs_come_on")
    if stage in ("threads", "running"):
        walk.happen("threads_come_up")
        cpu, who = 2, "client"
    if stage == "running":
        walk.happen("scheduler_starts_begins").go("scheduler_starts")
    if who == "client":
        walk.call("client", "ask", 1, cpu=2)
    else:
        walk.happen("boot_client_frees", obj=1).enter("boot_client", "ask").go("boot_client")
    assert (walk.violated, state_of(walk, cpu)) == (None, after)


# --- who may run when ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "contexts", "reported"),
    [
        pytest.param("idle", "client", False, id="a.6 task"),
        pytest.param("idle", "hardirq", False, id="a.6 hardirq"),
        pytest.param("idle", "nmi", True, id="0.7 NMI: hrtimer_start"),
        pytest.param("told to back off", "nmi", True, id="0.7 NMI: queue_delayed_work"),
        pytest.param("timer armed", "nmi", False, id="a.6 NMI: refused before any call"),
        pytest.param("idle", "client:irqs_off probe", True, id="0.7 probe: hrtimer_start"),
        pytest.param(
            "told to back off", "client:irqs_off probe", True, id="0.7 probe: queue_delayed_work"
        ),
    ],
)
def test_who_may_ask(kernel: Kernel, what: str, contexts: str, reported: bool) -> None:
    """Guards against a nolock path that asks for pages."""
    walk = asked(kernel, what)
    *below, last = contexts.split()
    if below:
        walk.arrive("client", below[0].partition(":")[2], 2).go("client", "inside")
    walk.call(last, "ask", 1)
    assert (walk.violated.prop if walk.violated else None) == (
        "forbidden_call" if reported else None
    )


def test_the_request_is_under_the_lock(kernel: Kernel) -> None:
    """a.6: irqs off and krcp.lock held, so that the hop cannot come there, on this CPU.

    Guards against a request that calls into the allocator or the workqueue with the lock held.
    """
    walk = system(kernel).arrive("client", "ask", 1).go("client", "enqueue_hrtimer").step("client")
    lock = walk.ref("Krcp.lock")
    assert walk.value("RawSpinlock.owner_cpu", lock) == 1 and not walk.at("client", "add_timer")
    assert not walk.can("hrtimer_expires", cpu=1)
    walk.go("client")
    assert walk.can("hrtimer_expires", cpu=1)
    walk.happen("hrtimer_expires", cpu=1, timer=walk.ref("PageCache.hrtimer"))
    walk.go("hardirq", "insert_delayed_work")
    assert walk.value("RawSpinlock.owner_cpu", lock) == 0
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("Pool.lock")) == 1


def test_a_cache_of_no_pages_asks_for_none(kernel: Kernel) -> None:
    """a.6: the parameter rcu_min_cached_objs may be 0; then no timer is ever armed.

    Guards against a worker that runs for nothing.
    """
    for limit in (0, 1):
        walk = system(kernel, min_cached_objs=limit).call("client", "ask", 1)
        assert walk.violated is None
        assert walk.can("hrtimer_expires", cpu=1) == bool(limit)


def test_the_hop_on_rt(kernel: Kernel) -> None:
    """On PREEMPT_RT the function runs in a softirq thread; the request is the same."""
    walk = system(kernel, preempt_rt=1).call("client", "ask", 1)
    assert state_of(walk) == "asked hrtimer" and not walk.can("hrtimer_expires")
    walk.happen("hrtimer_softirq_expires", cpu=1).go("softirq")
    assert (walk.violated, state_of(walk)) == (None, "asked queued")


# --- the worker ---------------------------------------------------------------------------------


def with_pages(kernel: Kernel, pages: int, **config: int) -> Walk:
    """A cache that holds this many pages."""
    walk = system(kernel, **config)
    for obj in range(pages):
        walk.arrive("client", "put", 6 + obj)
        put = [one for one in ends(walk, "client") if one.said(6 + obj)]
        walk.state = put[0].state
    assert cached(walk) == pages == pages_in_use(walk)
    return walk


@pytest.mark.parametrize(
    ("limit", "pages", "before", "backoff", "after"),
    [
        pytest.param(2, 3, 0, False, {0, 1, 2}, id="a.6 fills up, or the allocator has none"),
        pytest.param(2, 3, 1, False, {1, 2}, id="a.6 fills up from what there is"),
        pytest.param(2, 3, 2, False, {2}, id="a.6 full: no page is allocated"),
        pytest.param(1, 3, 0, False, {0, 1}, id="a.6 limit of one"),
        pytest.param(2, 3, 0, True, {0, 1}, id="a.6 back-off: one page"),
        pytest.param(2, 3, 1, True, {1}, id="a.6 back-off: there is one, none is added"),
        pytest.param(2, 3, 2, True, {2}, id="a.6 back-off: full"),
        pytest.param(2, 1, 0, False, {0, 1}, id="a.6 one page in all: it stops"),
        pytest.param(2, 1, 1, False, {1}, id="a.6 no page left: it stops"),
    ],
)
def test_fill(
    kernel: Kernel, limit: int, pages: int, before: int, backoff: bool, after: set[int]
) -> None:
    """Every outcome of the allocations. Guards against a worker that overfills, or fills too much
    after a back-off, or keeps a page that it could not cache."""
    walk = with_pages(kernel, before, min_cached_objs=limit, bnodes=pages)
    if backoff:
        walk.call("client", "shrink", 1)
    walk.call("client", "ask", 2)
    _ = expires(walk) if backoff else fires(walk)
    found = ends(worker_begins(walk), "kworker")
    assert all((one.violated, state_of(one)) == (None, "") for one in found)
    assert {cached(one) for one in found} == after
    assert all(pages_in_use(one) == cached(one) for one in found)


@pytest.mark.parametrize(
    ("puts", "after", "goes_back"),
    [
        pytest.param(0, 2, False, id="a.6 room: the page is cached"),
        pytest.param(1, 2, False, id="a.6 one came meanwhile, there is room"),
        pytest.param(2, 2, True, id="a.6 limit reached meanwhile: the page is freed, it stops"),
    ],
)
def test_filled_meanwhile(kernel: Kernel, puts: int, after: int, goes_back: bool) -> None:
    """What there is is read without the lock. Guards against a page that is lost at the limit.

    The worker has its first page and stands before krcp.lock.
    """
    walk = system(kernel, bnodes=4).call("client", "ask", 1)
    worker_begins(fires(walk))
    todo = [walk]
    while not pages_in_use(todo[0]):
        todo = todo[1:] + todo[0].branches("kworker")
    walk = todo[0]
    for obj in range(puts):
        walk.arrive("client", "put", 2 + obj)
        walk.state = next(one for one in ends(walk, "client") if one.said(2 + obj)).state
    found = ends(walk, "kworker")
    assert all((one.violated, state_of(one)) == (None, "") for one in found)
    assert max(cached(one) for one in found) == after
    assert all(pages_in_use(one) == cached(one) for one in found)
    if goes_back:
        assert {cached(one) for one in found} == {after}


@pytest.mark.parametrize(
    "why",
    [
        pytest.param("no page", id="a.6 an allocation fails: it stops"),
        pytest.param("limit", id="a.6 the limit is reached: it stops"),
    ],
)
def test_it_stops(kernel: Kernel, why: str) -> None:
    """It does not try for the rest. Guards against a worker that presses on where memory is short.

    At the limit, others have filled the cache while it had its first page in hand.
    """
    walk = worker_begins(fires(system(kernel, bnodes=4).call("client", "ask", 1)))
    while len(walk.branches("kworker")) == 1:
        walk.step("kworker")
    chosen = walk.branches("kworker")
    after = [one for one in chosen if one.at("kworker", "get_page") is (why == "limit")]
    if why == "limit":
        walk = after[0].step("kworker")
        for obj in (2, 3):
            walk.arrive("client", "put", obj)
            walk.state = next(one for one in ends(walk, "client") if one.said(obj)).state
        after = [walk.go("kworker", "put_page")]
    assert after
    while after:
        one = after.pop()
        assert not one.at("kworker", "get_page")
        if one.running("kworker"):
            after += one.branches("kworker")


def test_the_lock_is_for_the_push(kernel: Kernel) -> None:
    """a.6: allocate, then lock and push. Guards against an allocation under the raw lock."""
    walk = worker_begins(fires(system(kernel).call("client", "ask", 1)))
    lock = walk.ref("Krcp.lock")
    todo, allocated, pushed = [walk], 0, 0
    while todo:
        one = todo.pop()
        held = one.value("RawSpinlock.owner_cpu", lock)
        if one.at("kworker", "get_page"):
            assert held == 0
            allocated += 1
        elif one.at("kworker", "put_cached_bnode"):
            assert held == 2
            pushed += 1
        if one.running("kworker"):
            todo += one.branches("kworker")
    assert allocated and pushed


# --- the cache ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "call", "returned", "after"),
    [
        pytest.param(0, "put", True, 1, id="a.5 put: empty"),
        pytest.param(1, "put", True, 2, id="a.5 put: below the limit"),
        pytest.param(2, "put", False, 2, id="a.5 put: at the limit, the page is freed"),
        pytest.param(0, "take", False, 0, id="a.2 step 7: nothing to take"),
        pytest.param(1, "take", True, 0, id="a.2 step 7: the last page"),
        pytest.param(2, "take", True, 1, id="a.2 step 7: the first of two"),
        pytest.param(0, "drain", None, 0, id="a.8 drain: empty"),
        pytest.param(1, "drain", None, 0, id="a.8 drain: one page"),
        pytest.param(2, "drain", None, 0, id="a.8 drain: all pages"),
    ],
)
@pytest.mark.parametrize("context", ["client", "hardirq"])
def test_cache(
    kernel: Kernel, context: str, before: int, call: str, returned: bool | None, after: int
) -> None:
    """Guards against a count that does not follow the list, and against a page that is lost.

    A page that is taken is its taker's.
    """
    walk = with_pages(kernel, before).arrive(context, call, 1)
    found = [one for one in ends(walk, context) if call != "put" or one.said(1) is not None]
    assert found and all(one.violated is None for one in found)
    assert {(one.said(1), cached(one)) for one in found} == {(returned, after)}
    mine = int(call == "take" and returned is True)
    assert {pages_in_use(one) for one in found} == {after + mine}


def test_drained_pages_are_freed_without_the_lock(kernel: Kernel) -> None:
    """a.8: lock, take the llist, unlock, free. Guards against an allocator call under the lock."""
    walk = with_pages(kernel, 2).arrive("client", "drain", 1).go("client", "put_page")
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("Krcp.lock")) == 0
    assert (cached(walk), pages_in_use(walk)) == (0, 2)
    walk.go("client")
    assert pages_in_use(walk) == 0
