"""allow_spin: RFC v1 patch 6/7, kfree_rcu_nolock() and an allow_spin flag in the batching code.

Source: the commit message and the review of 2026-02; the body of the patch was not at hand, so
where it leaves a choice there is a knob (K1-K7) and this file takes the reading named first. It
sits on patch 1/7: the start address is recovered from the link word.

Without allow_spin the krcp lock is tried. If that works the object goes onto the list channel
(no page is used, the page worker is not called) and the monitor is armed through a lazy irq_work;
if not, the object is parked on a per-CPU llist and an irq_work calls again with allow_spin. With
kmemleak or debugobjects, whose hooks take locks, every nolock free is parked. So it is without
CONFIG_KVFREE_RCU_BATCHED, where the irq_work gives what is parked to call_rcu(). The handler is
taken to be the same there: it recovers the start address before, which only KASAN's record needs.
"""

from model.designs.allow_spin_runs import ALLOW_SPIN_EXPECT, ALLOW_SPIN_RUNS
from model.designs.common_runs import BOOT_UNREACHED
from model.designs.krcp import (
    Krcp,
    add_ptr_to_bulk,
    add_to_list,
    arm_monitor,
    schedule_delayed_monitor_work,
)
from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.krcp_runs import DEFERRAL_EXPECT, DEFERRAL_RUNS
from model.designs.parking import somebody_else_queues
from model.designs.separate_list import add_to_separate_list
from model.designs.sheaf_submission import kfree_rcu_sheaf, wait_for_submissions
from model.designs.shrinker import shrink_every_krcp
from model.designs.unbatched import free_by_callback
from model.designs.unbatched_runs import UNBATCHED_EXPECT, UNBATCHED_RUNS
from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
from model.kernel.boot_stages import rcu_scheduler_is_running
from model.kernel.cache_destroy import wait_for_delayed_frees
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
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.debug import debug_object_queue, kasan_record_aux_stack, kmemleak_ignore
from model.kernel.interrupts import (
    local_irq_restore,
    local_irq_save,
    preempt_disable,
    preempt_enable,
)
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.locks import (
    raw_spin_lock,
    raw_spin_lock_irqsave,
    raw_spin_trylock,
    raw_spin_unlock,
    raw_spin_unlock_irqrestore,
)
from model.kernel.objects import Object
from model.kernel.sheaf_flush import flush_all_rcu_sheaves, flush_rcu_sheaves_on_cache
from model.kernel.sheaves import is_for_sheaves
from model.kernel.slab import recover_start
from model.kernel.waiting import irq_work_sync, rcu_barrier
from model.kernel.workqueue import delayed_work_pending, queue_delayed_work
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
)

TITLE = "allow_spin: RFC v1 6/7, kfree_rcu_nolock() with trylock and deferral"

RECOVERY = "seed"

RUNS = ALLOW_SPIN_RUNS + UNBATCHED_RUNS + DEFERRAL_RUNS

EXPECT = ALLOW_SPIN_EXPECT + UNBATCHED_EXPECT + DEFERRAL_EXPECT

UNREACHED = BOOT_UNREACHED

set_knob("rcu_ptr", True)
knob(
    "k1_test_pending",
    True,
    "K1: the monitor's irq_work is queued only if the monitor is not pending",
)
knob(
    "k2_hard_irq_work",
    False,
    "K2: on PREEMPT_RT the drain handler runs in hardirq, not in a thread",
)
knob("k3_sync_first", True, "K3: the barrier waits for both irq_works before anything else")
knob("k4_shorten_delay", True, "K4: a page's worth of objects shortens the delay on this way too")
knob("k5_arm_first", False, "K5: the monitor is armed before the object is linked")
knob("k7_skip_stack_depot", True, "K7: the nolock path does not record a KASAN stack")
knob("always_defer_on_up", False, "the repair of UP-1: never trust a trylock on UP")


@record(per=Cpu)
class Nolock:
    """Per CPU: parked objects, the irq_work that queues them, and the one that arms the monitor."""

    defer_list: Embed[LlistHead]
    defer_work: Embed[IrqWork] = embed(func=drain_defer_list, lazy=False, hard=cfg.k2_hard_irq_work)
    sched_monitor_work: Embed[IrqWork] = embed(func=sched_monitor, lazy=True, hard=False)


@routine(
    models="mm/slab_common.c: kvfree_call_rcu, RFC v1 6/7",
    entry=(client, boot_client, softirq, hardirq),
)
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): may spin."""
    queue_object(head, True)


@routine(
    models="mm/slab_common.c: kfree_rcu_nolock, RFC v1 6/7",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kfree_rcu_nolock(head: Object) -> None:
    """kfree_rcu_nolock(): from any context."""
    queue_object(head, False)


@inline
def queue_object(head: Object, allow_spin: bool) -> None:
    """The common body: mainline's, with nolock exceptions. Without batches nolock parks (N1)."""
    if not cfg.batched:
        if allow_spin:
            free_by_callback(head)
        else:
            defer(head)
        return
    if cfg.sheaves > 0 and not cfg.preempt_rt and is_for_sheaves(head):
        if kfree_rcu_sheaf(head, allow_spin):
            return
    if not allow_spin:
        if cfg.kmemleak or cfg.debugobjects:
            defer(head)
            return
        if cfg.always_defer_on_up and not cfg.smp:
            defer(head)
            return
    debug_object_queue(head)
    if allow_spin or not cfg.k7_skip_stack_depot:
        kasan_record_aux_stack(head)
    flags = local_irq_save()
    krcp = this_cpu(Krcp)
    if allow_spin:
        raw_spin_lock(krcp.lock)
        if not add_ptr_to_bulk(krcp, head):
            add_to_list(krcp, head)
        kmemleak_ignore(head)
        arm_monitor(krcp)
    else:
        if not raw_spin_trylock(krcp.lock):
            local_irq_restore(flags)
            defer(head)
            return
        if cfg.k5_arm_first:
            arm_monitor_nolock(krcp)
        if cfg.separate_list:
            add_to_separate_list(krcp.separate, head)
        else:
            add_to_list(krcp, head)
        kmemleak_ignore(head)
        if not cfg.k5_arm_first:
            arm_monitor_nolock(krcp)
    raw_spin_unlock(krcp.lock)
    local_irq_restore(flags)


@inline
def arm_monitor_nolock(krcp: Krcp) -> None:
    """N4: workqueues cannot be used here; a lazy irq_work arms the monitor at the next tick."""
    if not rcu_scheduler_is_running():
        return
    if cfg.k1_test_pending:
        if delayed_work_pending(krcp.monitor_work):
            return
    nolock = of(Nolock, krcp)
    irq_work_queue(nolock.sched_monitor_work)


@routine(models="mm/slab_common.c: sched_monitor irq_work handler, RFC v1 6/7")
def sched_monitor(work: IrqWork) -> None:
    """Arm the monitor in a context that may."""
    nolock = container_of(work, Nolock.sched_monitor_work)
    krcp = of(Krcp, nolock)
    flags = raw_spin_lock_irqsave(krcp.lock)
    if cfg.k4_shorten_delay:
        schedule_delayed_monitor_work(krcp)
    else:
        queue_delayed_work(krcp.monitor_work, True)
    raw_spin_unlock_irqrestore(krcp.lock, flags)


@routine(models="mm/slab_common.c: defer_kfree_rcu, RFC v1 6/7")
def defer(head: Object) -> None:
    """Park the object; with preemption off, so that list and work are the same CPU's."""
    preempt_disable()
    nolock = this_cpu(Nolock)
    if llist_add(head, nolock.defer_list):
        irq_work_queue(nolock.defer_work)
    else:
        somebody_else_queues(nolock.defer_work)
    preempt_enable()


@routine(models="mm/slab_common.c: deferred irq_work handler, RFC v1 6/7")
def drain_defer_list(work: IrqWork) -> None:
    """Queue every parked object in a context that may spin; its link is read first."""
    nolock = container_of(work, Nolock.defer_work)
    head: Object = llist_del_all(nolock.defer_list)
    while head != NULL:
        ptr = recover_start(head)
        following = head.next
        event("taken", head)
        queue_object(ptr, True)
        head = following


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier, RFC v1 6/7",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """What is parked is queued first; then mainline's barrier, without batches rcu_barrier()."""
    wait_for_parked()
    if not cfg.batched:
        rcu_barrier()
        return
    if cfg.sheaves > 0:
        flush_all_rcu_sheaves()
        wait_for_sheaves()
    wait_for_batches()


@routine(
    models="mm/slab_common.c: kmem_cache_destroy, v6.19",
    entry=(barrier,),
    when=cfg.cache_destroy,
)
def kmem_cache_destroy() -> None:
    """The barrier for one cache; then what slab itself delays."""
    kvfree_rcu_barrier_on_cache()
    wait_for_delayed_frees()


@routine(models="mm/slab_common.c: kvfree_rcu_barrier_on_cache, RFC v1 6/7")
def kvfree_rcu_barrier_on_cache() -> None:
    """The sheaves of the cache, and all that is parked and on krcps."""
    wait_for_parked()
    if not cfg.batched:
        rcu_barrier()
        return
    if cfg.sheaves > 0:
        flush_rcu_sheaves_on_cache()
        wait_for_sheaves()
    wait_for_batches()


@inline
def wait_for_parked() -> None:
    """Both irq_works of each CPU (K3)."""
    if cfg.k3_sync_first:
        lock_barriers()
        for nolock in Nolock:
            irq_work_sync(nolock.defer_work)
            if cfg.batched:
                irq_work_sync(nolock.sched_monitor_work)
        unlock_barriers()
    if cfg.sheaves > 0 and cfg.submissions_first:
        wait_for_submissions()


@inline
def wait_for_sheaves() -> None:
    """What has been flushed, and what was parked before it could be."""
    if not cfg.submissions_first:
        wait_for_submissions()
    rcu_barrier()


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, v6.19", entry=(shrinker,))
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
