"""landed: what went to slab/for-7.3, kfree_call_rcu_nolock() with trylocked sheaves and deferral.

Source: commits acc6fdade62c, 3bc999d944b3, 2a8bb29ec9b2, 69abda97a09b (2026-08). The nolock entry
puts a slab object into the running CPU's rcu_free sheaf under a local_trylock, trying the barn's
lock; a sheaf that fills goes to call_rcu() if irqs are on, since then no call_rcu() was cut into,
else onto a per-CPU llist. What no sheaf takes is parked on another llist. One irq_work serves both:
parked objects are freed with kvfree_call_rcu(), parked sheaves given to call_rcu(); before both it
frees what kfree_nolock() has parked, on a list of its own. The batching code knows nothing of all
this. The krcp list keeps no start address; it is recovered from the link.

What no sheaf can take (vmalloc and large kmalloc, objects of another node) is parked by the nolock
entry, and goes to the krcp in the other. Without CONFIG_KVFREE_RCU_BATCHED the nolock entry parks
everything, and the other calls call_rcu(), as the irq_work does with what is parked.
"""

from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.landed_runs import LANDED_EXPECT, LANDED_RUNS
from model.designs.mainline import queue_on_krcp
from model.designs.parking import somebody_else_queues
from model.designs.sheaf_runs import SHEAF_EXPECT, SHEAF_RUNS, SHEAF_UNREACHED
from model.designs.shrinker import shrink_every_krcp
from model.designs.unbatched import free_by_callback
from model.designs.unbatched_runs import UNBATCHED_EXPECT, UNBATCHED_RUNS
from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
from model.kernel.cache_destroy import wait_for_delayed_frees
from model.kernel.callbacks import call_rcu
from model.kernel.contexts import (
    barrier,
    batching_init,
    boot_client,
    client,
    hardirq,
    nmi,
    probe,
    scheduler_starts,
    shrinker,
    softirq,
)
from model.kernel.cpu import Cpu, cpu_online, irqs_disabled, this_cpu
from model.kernel.interrupts import preempt_disable, preempt_enable
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.kfree_nolock import (
    SlotLlist,
    free_parked_objects,
    free_to_pcs,
    nolock_user,
    slot_llist_add,
)
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.kernel.sheaf_flush import flush_all_rcu_sheaves, flush_rcu_sheaves_on_cache
from model.kernel.sheaves import (
    Sheaf,
    SheafLlist,
    add_to_sheaf,
    get_rcu_sheaf,
    is_for_sheaves,
    sheaf_llist_add,
    sheaf_llist_del_all,
    unlock_pcs,
)
from model.kernel.slab import recover_start
from model.kernel.waiting import irq_work_sync, rcu_barrier
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    event,
    inline,
    knob,
    of,
    record,
    routine,
    set_knob,
    unreached,
)

TITLE = "landed: for-7.3, trylocked sheaves and one deferral"

RECOVERY = "corrected"

RUNS = LANDED_RUNS + UNBATCHED_RUNS + SHEAF_RUNS

EXPECT = LANDED_EXPECT + UNBATCHED_EXPECT + SHEAF_EXPECT

UNREACHED = [
    unreached(
        "park_sheaf",
        "parked = this_cpu(DeferredWork)",
        process="client",
        because="tasks run with irqs on: call_rcu()",
    ),
    unreached(
        "return_sheaf",
        "*",
        because="who holds the lock of a CPU's sheaves is not switched out here",
    ),
    unreached(
        "sheaf_llist_add",
        "*",
        because="tasks, softirqs and irq_work threads run with irqs on: call_rcu()",
    ),
    unreached(
        "irqs_disabled",
        "*",
        process="stopper",
        because="it runs hard irq_works only where the sheaf path must not spin: on PREEMPT_RT",
    ),
    unreached(
        "park_sheaf",
        "*",
        process="stopper",
        because="as for irqs_disabled",
    ),
    unreached(
        "park_sheaf",
        "*",
        process="takedown",
        because="where it must not spin, on PREEMPT_RT, it runs irq_works with irqs on: call_rcu()",
    ),
] + SHEAF_UNREACHED

set_knob("rcu_ptr", True)
set_knob("sheaves", 2)
knob("rt_sheaf", True, "PREEMPT_RT enters the sheaf path, with trylocks only (sources disagree)")
knob("always_call_rcu", False, "a full sheaf is never parked: what the test of irqs is for")
knob(
    "sync_after_flush",
    False,
    "the repair of F-12: the barrier waits for the irq_works once more after it has flushed",
)
knob("sync_online_only", False, "the barrier waits for the irq_works of online CPUs only")


@record(per=Cpu)
class DeferredWork:
    """struct deferred_percpu_work: what is parked on a CPU, and the irq_work for it.

    `objects` are kfree_nolock()'s, which wait for no grace period.
    """

    objects: Embed[SlotLlist]
    objects_by_rcu: Embed[LlistHead]
    rcu_sheaves: Embed[SheafLlist]
    work: Embed[IrqWork] = embed(func=deferred_percpu_work_fn, lazy=False, hard=False)


# --- freeing ------------------------------------------------------------------------------------


@routine(
    models="mm/slab_common.c: kvfree_call_rcu, for-7.3",
    entry=(client, boot_client, softirq, hardirq),
)
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): a sheaf, else the krcp. On PREEMPT_RT the sheaf is only tried.

    Without batches there is neither: a callback.
    """
    if not cfg.batched:
        free_by_callback(head)
        return
    if (not cfg.preempt_rt or cfg.rt_sheaf) and is_for_sheaves(head):
        if kfree_rcu_sheaf(head, not cfg.preempt_rt):
            return
    queue_on_krcp(head)


@routine(
    models="mm/slab_common.c: kfree_call_rcu_nolock, for-7.3",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kfree_call_rcu_nolock(head: Object) -> None:
    """kfree_rcu_nolock(): a sheaf, by trylocks only, else parked. Without batches always parked."""
    if cfg.batched and is_for_sheaves(head):
        if kfree_rcu_sheaf(head, False):
            return
    defer_kfree_rcu(head)


@routine(
    models="a user of kmalloc_nolock() and kfree_nolock()",
    entry=(client, hardirq, nmi, probe),
    when=cfg.nolock_users,
)
def use_nolock(obj: Object) -> None:
    """Allocate, and free at once what is not left to others."""
    if nolock_user(obj):
        kfree_nolock(obj)


@routine(models="mm/slub.c: kfree_nolock, for-7.3")
def kfree_nolock(obj: Object) -> None:
    """From any context, without a grace period: into the CPU's main sheaf, else parked."""
    if cfg.sheaves > 0 and is_for_sheaves(obj):
        if free_to_pcs(obj):
            return
    defer_free(obj)


@routine(models="mm/slub.c: __kfree_rcu_sheaf, for-7.3")
def kfree_rcu_sheaf(obj: Object, allow_spin: bool) -> bool:
    """Put the object into the CPU's sheaf; a full one goes to RCU before the lock is dropped."""
    sheaf = get_rcu_sheaf(allow_spin, True)
    if sheaf == NULL:
        return False
    if add_to_sheaf(sheaf, obj):
        submit(sheaf, allow_spin)
    unlock_pcs()
    return True


@inline
def submit(sheaf: Sheaf, allow_spin: bool) -> None:
    """To call_rcu(), unless this may have cut into one."""
    if not allow_spin and not cfg.always_call_rcu:
        if irqs_disabled():
            park_sheaf(sheaf)
            return
    call_rcu(sheaf.rcu)


# --- deferral -----------------------------------------------------------------------------------


@inline
def park_sheaf(sheaf: Sheaf) -> None:
    """Park a full sheaf; preemption is off, the lock is held."""
    parked = this_cpu(DeferredWork)
    if sheaf_llist_add(sheaf, parked.rcu_sheaves):
        irq_work_queue(parked.work)


@routine(models="mm/slub.c: defer_free, for-7.3")
def defer_free(obj: Object) -> None:
    """Park an object that waits for no grace period."""
    preempt_disable()
    parked = this_cpu(DeferredWork)
    if slot_llist_add(obj, parked.objects):
        irq_work_queue(parked.work)
    preempt_enable()


@routine(models="mm/slub.c: defer_kfree_rcu, for-7.3")
def defer_kfree_rcu(head: Object) -> None:
    """Park an object."""
    preempt_disable()
    parked = this_cpu(DeferredWork)
    if llist_add(head, parked.objects_by_rcu):
        irq_work_queue(parked.work)
    else:
        somebody_else_queues(parked.work)
    preempt_enable()


@routine(models="mm/slub.c: deferred_percpu_work_fn, for-7.3")
def deferred_percpu_work_fn(work: IrqWork) -> None:
    """Objects first, since freeing them may fill a sheaf; then sheaves."""
    parked = container_of(work, DeferredWork.work)
    if cfg.nolock_users:
        free_parked_objects(parked.objects)
    head: Object = llist_del_all(parked.objects_by_rcu)
    while head != NULL:
        ptr = recover_start(head)
        following = head.next
        event("taken", head)
        kvfree_call_rcu(ptr)
        head = following
    sheaf: Sheaf = sheaf_llist_del_all(parked.rcu_sheaves)
    while sheaf != NULL:
        after = sheaf.next
        call_rcu(sheaf.rcu)
        sheaf = after


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier, for-7.3",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """What is parked goes to sheaves and krcps, or callbacks, first; then these are emptied."""
    deferred_work_barrier()
    if not cfg.batched:
        rcu_barrier()
        return
    flush_all_rcu_sheaves()
    wait_for_callbacks()
    wait_for_batches()


@routine(
    models="mm/slab_common.c: kmem_cache_destroy, for-7.3",
    entry=(barrier,),
    when=cfg.cache_destroy,
)
def kmem_cache_destroy() -> None:
    """The barrier for one cache; then once more for what kfree_nolock() has parked."""
    kvfree_rcu_barrier_on_cache()
    wait_for_delayed_frees()
    deferred_work_barrier()


@routine(models="mm/slab_common.c: kvfree_rcu_barrier_on_cache, for-7.3")
def kvfree_rcu_barrier_on_cache() -> None:
    """The sheaves of the cache, and all that is parked and on krcps."""
    deferred_work_barrier()
    if not cfg.batched:
        rcu_barrier()
        return
    flush_rcu_sheaves_on_cache()
    wait_for_callbacks()
    wait_for_batches()


@inline
def wait_for_callbacks() -> None:
    """rcu_barrier(), for every sheaf that a flush has taken or has not found any more."""
    if cfg.sync_after_flush:
        deferred_work_barrier()
    rcu_barrier()


@inline
def deferred_work_barrier() -> None:
    """deferred_work_barrier(): wait for what every CPU has parked; for possible CPUs, or online."""
    lock_barriers()
    for parked in DeferredWork:
        if not cfg.sync_online_only or cpu_online(of(Cpu, parked)):
            irq_work_sync(parked.work)
    unlock_barriers()


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, for-7.3", entry=(shrinker,))
def kfree_rcu_shrink_scan() -> None:
    """The shrinker: mainline's, which knows of krcps only."""
    shrink_every_krcp()


@routine(models="mm/slab_common.c: kvfree_rcu_init, v6.19", entry=(batching_init,))
def kvfree_rcu_init() -> None:
    """Early boot: mainline's."""
    initialise_every_krcp()


@routine(models="mm/slab_common.c: kfree_rcu_scheduler_running, v6.19", entry=(scheduler_starts,))
def kfree_rcu_scheduler_running() -> None:
    """The scheduler runs: mainline's."""
    arm_every_monitor()
