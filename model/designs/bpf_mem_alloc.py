"""bpf_mem_alloc: the prior art, BPF's own per-CPU allocator with its own deferral.

Source: kernel/bpf/memalloc.c, its older form. Freeing pushes the element onto a per-CPU free list;
a counter of entries on the CPU tells a nested free, which goes to a second, lock-free list. When
the free list is long, an irq_work moves the surplus to a list that waits for a grace period; one
callback at a time is in flight, and what has come meanwhile waits for the next. Elements on the
free list may be reused at once: only trimming waits for readers, so a reader can see the next life
of an element (maps are type-stable) but never freed memory.

Abstractions:
* The high watermark is 0, so every free asks for the irq_work and all elements are
  trimmed; refilling and reuse are not modelled. What is freed here is the memory of an element.
* call_rcu_tasks_trace() and call_rcu() behind it are one callback and one grace period. It has the
  debugging hooks of call_rcu(), which adds contention.
* Destruction of the allocator is its barrier, and is called as its users must: once every element
  has been given back and nobody is inside (`barrier_when_unused`). It drains all lists without a
  grace period, since no reader can be left then.
* There is no shrinker. What a CPU that goes offline has on its lists stays there: destruction
  visits every possible CPU.
"""

from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.contexts import barrier, client, hardirq, nmi, probe, softirq
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.kernel.slab import kvfree
from model.kernel.waiting import irq_work_sync, rcu_barrier
from model.language.syntax import (
    NULL,
    Embed,
    Range,
    atomic,
    container_of,
    embed,
    event,
    expect,
    inline,
    record,
    routine,
    run,
)

TITLE = "bpf_mem_alloc: per-CPU lists, an entry counter, one callback in flight"

RUNS = [
    run(
        "any-context",
        env="smp",
        why="NMI and probes: unknown context",
        nmis=1,
        probes=1,
        tasks=1,
        cpus=1,
        objects=3,
        other_gps=0,
    ),
    run("two-cpus", env="smp", why="two CPUs", nmis=1, readers=1, other_gps=0),
    run(
        "irqs",
        env="smp",
        why="device interrupts and softirqs too",
        softirqs=1,
        hardirqs=1,
        nmis=1,
        tasks=1,
        cpus=1,
        objects=3,
    ),
    run(
        "rt", env="preempt_rt", why="the drain runs in a thread", cpus=1, nmis=1, probes=1, tasks=1
    ),
    run(
        "rt-preempted",
        env="preempt_rt",
        why="a thread is switched out inside its read-side section",
        softirqs=1,
        nmis=1,
        probes=1,
        preemptions=1,
        cpus=1,
        tasks=1,
        workers=0,
    ),
    run("up", env="up", why="no SMP", nmis=1, probes=1, readers=1),
    run(
        "destroy",
        env=("up", "kmemleak", "debugobjects", "kasan", "no_irq_work_interrupt"),
        why="a probe frees too; then the allocator is destroyed",
        barriers=1,
        barrier_when_unused=True,
        nmis=1,
        probes=1,
        tasks=1,
        other_gps=0,
    ),
    run(
        "destroy",
        env="smp",
        why="the allocator is destroyed once it is not used any more",
        barriers=1,
        barrier_when_unused=True,
        nmis=1,
        probes=1,
        tasks=1,
        cpus=1,
        objects=3,
        other_gps=0,
    ),
    run(
        "destroy-two-cpus",
        env="smp",
        why="the same on two CPUs",
        barriers=1,
        barrier_when_unused=True,
        hardirqs=1,
        nmis=1,
        tasks=1,
        other_gps=0,
    ),
    run(
        "destroy-rt",
        env="preempt_rt",
        why="destruction sleeps until the drain's thread is done",
        barriers=1,
        barrier_when_unused=True,
        nmis=1,
        probes=1,
        tasks=1,
        cpus=1,
        other_gps=0,
    ),
    run(
        "hotplug",
        env="smp",
        why="a CPU goes offline; no NMI after the last run of its irq_works",
        hotplug=1,
        late_nmis=False,
        nmis=1,
        tasks=1,
        objects=1,
        other_gps=0,
    ),
    run(
        "hotplug-destroy",
        env="smp",
        why="an NMI on a dying CPU, then the allocator is destroyed",
        hotplug=1,
        barriers=1,
        barrier_when_unused=True,
        nmis=1,
        tasks=1,
        objects=1,
        other_gps=0,
    ),
    run(
        "hotplug-destroy-rt",
        env="preempt_rt",
        why="the same where the irq_work thread of the CPU is parked first; no NMI after that",
        hotplug=1,
        late_nmis=False,
        barriers=1,
        barrier_when_unused=True,
        nmis=1,
        tasks=1,
        objects=1,
        other_gps=0,
    ),
    run(
        "hotplug-destroy-repaired",
        env="smp",
        why="the repair of F-7: a dead CPU's irq_works are run elsewhere",
        hotplug=1,
        dead_cpu_irq_works=True,
        callback_lists=True,
        barriers=1,
        barrier_when_unused=True,
        nmis=1,
        tasks=1,
        other_gps=0,
    ),
    run(
        "everybody",
        env="smp",
        why="whoever can free, with readers and others' grace periods",
        cpus=1,
        tasks=1,
        softirqs=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        readers=1,
    ),
    run(
        "everybody-destroy",
        env="smp",
        why="whoever can free, then the allocator is destroyed",
        barriers=1,
        barrier_when_unused=True,
        cpus=1,
        tasks=1,
        softirqs=1,
        hardirqs=1,
        nmis=1,
        probes=1,
    ),
    run(
        "everybody-hotplug",
        env="smp",
        why="whoever can free, with hotplug and the repair of F-7",
        hotplug=1,
        dead_cpu_irq_works=True,
        tasks=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
    ),
]

EXPECT = [
    expect(
        "no_lost_objects",
        runs=(
            "any-context",
            "two-cpus",
            "irqs",
            "rt",
            "rt-preempted",
            "up",
            "destroy",
            "destroy-up",
            "destroy-kmemleak",
            "destroy-debugobjects",
            "destroy-kasan",
            "destroy-no_irq_work_interrupt",
            "destroy-two-cpus",
            "destroy-rt",
            "hotplug-destroy-repaired",
            "everybody",
            "everybody-destroy",
            "everybody-hotplug",
        ),
        verdict="violated",
        because="F-3: what comes while a callback is in flight waits for the next free on its CPU",
        reported="by design: elements stay in the allocator until it is destroyed",
    ),
    expect(
        "no_lost_objects",
        runs=("hotplug-destroy",),
        verdict="violated",
        because="F-7: an irq_work queued after the last run of a dying CPU's lists stays there",
    ),
    expect(
        "no_lost_objects",
        runs=("hotplug-destroy-rt",),
        verdict="violated",
        because="F-8: on PREEMPT_RT the thread that would run the irq_work is parked by then",
    ),
    expect(
        "barrier",
        runs=("hotplug-destroy-rt",),
        verdict="violated",
        because="F-8: destruction waits for that irq_work",
    ),
    expect(
        "barrier",
        runs=("hotplug-destroy",),
        verdict="violated",
        because="F-7: destruction waits for that irq_work",
    ),
    expect(
        "*", runs="*", verdict="holds", because="the counter tells every nested free on its CPU"
    ),
]


@record(per=Cpu)
class Cache:
    """struct bpf_mem_cache, per CPU and of one size."""

    active: Range[0, 3]
    free_llist: Object
    free_llist_extra: Embed[LlistHead]
    free_by_rcu: Object
    waiting_for_gp: Object
    in_progress: bool
    refill_work: Embed[IrqWork] = embed(func=bpf_mem_refill, lazy=False, hard=False)
    rcu: Embed[RcuHead] = embed(func=free_waiting)


# --- freeing ------------------------------------------------------------------------------------


@atomic
def enter(cache: Cache) -> bool:
    """local_inc_return(&c->active) == 1: nobody below is inside."""
    cache.active += 1
    return cache.active == 1


@atomic
def leave(cache: Cache) -> None:
    """local_dec(&c->active)."""
    cache.active -= 1


@routine(models="kernel/bpf/memalloc.c: unit_free", entry=(client, softirq, hardirq, nmi, probe))
def unit_free(obj: Object) -> None:
    """Free an element, from any context."""
    flags = local_irq_save()
    cache = this_cpu(Cache)
    if enter(cache):
        push(cache, obj)
    else:
        llist_add(obj, cache.free_llist_extra)
    leave(cache)
    local_irq_restore(flags)
    irq_work_queue(cache.refill_work)


@inline
def push(cache: Cache, obj: Object) -> None:
    """A plain push: only the one that is inside does it."""
    first = cache.free_llist
    obj.next = first
    event("queued", obj)
    cache.free_llist = obj


# --- trimming -----------------------------------------------------------------------------------


@routine(models="kernel/bpf/memalloc.c: bpf_mem_refill, free_bulk, do_call_rcu")
def bpf_mem_refill(work: IrqWork) -> None:
    """Everything on the two lists waits for a grace period."""
    cache = container_of(work, Cache.refill_work)
    obj = pop(cache)
    while obj != NULL:
        wait_for_gp(cache, obj)
        obj = pop(cache)
    extra: Object = llist_del_all(cache.free_llist_extra)
    while extra != NULL:
        following = extra.next
        event("taken", extra)
        wait_for_gp(cache, extra)
        extra = following
    start_callback(cache)


@inline
def pop(cache: Cache) -> Object:
    """Take one element off the free list, as unit_alloc() does; NULL if somebody is inside."""
    taken: Object = NULL
    flags = local_irq_save()
    if enter(cache):
        taken = cache.free_llist
        if taken != NULL:
            after = taken.next
            cache.free_llist = after
            event("taken", taken)
    leave(cache)
    local_irq_restore(flags)
    return taken


@inline
def wait_for_gp(cache: Cache, obj: Object) -> None:
    """The handler alone touches this list."""
    first = cache.free_by_rcu
    obj.next = first
    event("queued", obj)
    cache.free_by_rcu = obj


@atomic
def begin_callback(cache: Cache) -> bool:
    """atomic_xchg(&c->call_rcu_in_progress, 1): false if one is in flight."""
    if cache.in_progress:
        return False
    cache.in_progress = True
    return True


@routine(models="kernel/bpf/memalloc.c: do_call_rcu")
def start_callback(cache: Cache) -> None:
    """Move what waits to the list of the callback, unless one is in flight."""
    first = cache.free_by_rcu
    if first == NULL:
        return
    if not begin_callback(cache):
        return
    cache.waiting_for_gp = first
    cache.free_by_rcu = NULL
    call_rcu(cache.rcu)


@routine(models="kernel/bpf/memalloc.c: __free_rcu")
def free_waiting(head: RcuHead) -> None:
    """The grace period is over: free each element."""
    cache = container_of(head, Cache.rcu)
    free_all(take_waiting_for_gp(cache))
    callback_is_over(cache)


@atomic
def take_waiting_for_gp(cache: Cache) -> Object:
    """llist_del_all(): the callback and the destruction of the allocator may both want the list."""
    first = cache.waiting_for_gp
    cache.waiting_for_gp = NULL
    return first


@routine(models="kernel/bpf/memalloc.c: free_all")
def free_all(first: Object) -> None:
    """Free every element of a chain that nobody else has."""
    obj: Object = first
    while obj != NULL:
        following = obj.next
        event("link_read", obj)
        event("taken", obj)
        kvfree(obj)
        obj = following


@atomic
def callback_is_over(cache: Cache) -> None:
    """atomic_set(&c->call_rcu_in_progress, 0)."""
    cache.in_progress = False


# --- destruction --------------------------------------------------------------------------------


@routine(models="kernel/bpf/memalloc.c: bpf_mem_alloc_destroy", entry=(barrier,))
def bpf_mem_alloc_destroy() -> None:
    """Nobody uses the allocator any more: free what is on its lists, then wait for callbacks."""
    for cache in Cache:
        irq_work_sync(cache.refill_work)
        drain_mem_cache(cache)
    rcu_barrier()


@routine(models="kernel/bpf/memalloc.c: drain_mem_cache")
def drain_mem_cache(cache: Cache) -> None:
    """Only the list of a callback in flight is shared with anybody; the rest is taken plainly."""
    by_rcu = cache.free_by_rcu
    cache.free_by_rcu = NULL
    free_all(by_rcu)
    free_all(take_waiting_for_gp(cache))
    free = cache.free_llist
    cache.free_llist = NULL
    free_all(free)
    free_all(llist_del_all(cache.free_llist_extra))
