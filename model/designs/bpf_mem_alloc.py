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

from model.designs.bpf_mem_alloc_runs import BPF_MEM_ALLOC_EXPECT, BPF_MEM_ALLOC_RUNS
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
    inline,
    record,
    routine,
)

TITLE = "bpf_mem_alloc: per-CPU lists, an entry counter, one callback in flight"

RUNS = BPF_MEM_ALLOC_RUNS

EXPECT = BPF_MEM_ALLOC_EXPECT


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
