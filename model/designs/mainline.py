"""mainline: kvfree_call_rcu() with CONFIG_KVFREE_RCU_BATCHED, before the series (v6.19).

Source: mm/slab_common.c. The 2-argument form from any context the run enables; whether that is
allowed is the question, not an assumption. The machinery behind it is in krcp.py.
"""

from model.designs.common_runs import BOOT_UNREACHED
from model.designs.krcp import Krcp, add_ptr_to_bulk, add_to_list, arm_monitor
from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.mainline_runs import MAINLINE_EXPECT, MAINLINE_RUNS
from model.designs.one_argument import queue_record
from model.designs.page_cache import run_page_cache_worker
from model.designs.shrinker import shrink_every_krcp
from model.designs.unbatched import free_by_callback
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
    sleeping_client,
    softirq,
)
from model.kernel.cpu import this_cpu
from model.kernel.debug import (
    debug_object_queue,
    debug_object_unqueue,
    kasan_record_aux_stack,
    kmemleak_ignore,
)
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import raw_spin_lock, raw_spin_unlock
from model.kernel.objects import Object
from model.kernel.sheaf_flush import flush_all_rcu_sheaves, flush_rcu_sheaves_on_cache
from model.kernel.sheaves import add_to_sheaf, get_rcu_sheaf, is_for_sheaves, unlock_pcs
from model.kernel.slab import kvfree
from model.kernel.waiting import might_sleep, rcu_barrier, synchronize_rcu
from model.language.syntax import (
    NULL,
    cfg,
    inline,
    routine,
    unreached,
)

TITLE = "mainline: kvfree_call_rcu() before the series"

RUNS = MAINLINE_RUNS

EXPECT = MAINLINE_EXPECT

UNREACHED = [
    unreached(
        "return_sheaf",
        "*",
        because="who holds the lock of a CPU's sheaves is not switched out here",
    ),
    unreached(
        "put_page",
        "put_page(page)",
        process="kworker",
        because="the cache fills while the worker allocates: needs three objects and a preemption",
    ),
    unreached(
        "put_page",
        "put_page(bnode)",
        process="shrinker",
        because="the shrinker has just emptied the cache, so the page goes there",
    ),
] + BOOT_UNREACHED


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier, v6.19",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """kvfree_rcu_barrier(): sheaves are flushed first. Without batches it is rcu_barrier()."""
    if not cfg.batched:
        rcu_barrier()
        return
    if cfg.sheaves > 0:
        flush_all_rcu_sheaves()
        rcu_barrier()
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


@routine(models="mm/slab_common.c: kvfree_rcu_barrier_on_cache, v6.19")
def kvfree_rcu_barrier_on_cache() -> None:
    """The sheaves of the cache, and all that is on krcps."""
    if not cfg.batched:
        rcu_barrier()
        return
    if cfg.sheaves > 0:
        flush_rcu_sheaves_on_cache()
        rcu_barrier()
    wait_for_batches()


@routine(
    models="mm/slab_common.c: kvfree_call_rcu, v6.19",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(ptr, head): `head` stands for the object and for its rcu_head alike."""
    if not cfg.batched:
        free_by_callback(head)
        return
    if cfg.sheaves > 0 and not cfg.preempt_rt and is_for_sheaves(head):
        if kfree_rcu_sheaf(head):
            return
    queue_on_krcp(head)


@routine(models="mm/slab_common.c: kvfree_call_rcu, head is NULL, v6.19", entry=(sleeping_client,))
def kvfree_rcu_mightsleep(obj: Object) -> None:
    """kvfree_rcu_mightsleep(ptr): a record in a page, else the caller waits."""
    might_sleep()
    if not cfg.batched:
        synchronize_rcu()
        kvfree(obj)
        return
    if cfg.sheaves > 0 and not cfg.preempt_rt and is_for_sheaves(obj):
        if kfree_rcu_sheaf(obj):
            return
    debug_object_queue(obj)
    kasan_record_aux_stack(obj)
    if not queue_record(obj):
        debug_object_unqueue(obj)
        synchronize_rcu()
        kvfree(obj)


@routine(models="mm/slub.c: __kfree_rcu_sheaf, v6.19")
def kfree_rcu_sheaf(obj: Object) -> bool:
    """Put the object into the CPU's sheaf; a full one goes to RCU before the lock is dropped."""
    sheaf = get_rcu_sheaf(True, True)
    if sheaf == NULL:
        return False
    if add_to_sheaf(sheaf, obj):
        call_rcu(sheaf.rcu)
    unlock_pcs()
    return True


@inline
def queue_on_krcp(head: Object) -> None:
    """The batching path, for what no sheaf takes."""
    debug_object_queue(head)
    kasan_record_aux_stack(head)
    flags = local_irq_save()
    krcp = this_cpu(Krcp)
    raw_spin_lock(krcp.lock)
    if not add_ptr_to_bulk(krcp, head):
        if cfg.page_worker:
            run_page_cache_worker(krcp)
        add_to_list(krcp, head)
    kmemleak_ignore(head)
    arm_monitor(krcp)
    raw_spin_unlock(krcp.lock)
    local_irq_restore(flags)


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
