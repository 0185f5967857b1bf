"""mainline: kvfree_call_rcu() with CONFIG_KVFREE_RCU_BATCHED, before the series (v6.19).

Source: mm/slab_common.c. The 2-argument form from any context the run enables; whether that is
allowed is the question, not an assumption. The machinery behind it is in krcp.py.
"""

from model.designs.common_runs import BOOT_UNREACHED, RECLAIM_EXPECT
from model.designs.krcp import Krcp, add_ptr_to_bulk, add_to_list, arm_monitor
from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.krcp_runs import TASK_KRCP_RUNS
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
    expect,
    inline,
    routine,
    run,
    unreached,
)

TITLE = "mainline: kvfree_call_rcu() before the series"

RUNS = [
    run(
        "tasks",
        env="smp",
        why="what mainline promises: no NMI, no probe",
        readers=1,
        other_gps=1,
        bnodes=1,
    ),
    run("irqs", env="smp", why="device interrupts free too", hardirqs=1, readers=1, bnodes=0),
    run(
        "sheaves",
        env="smp",
        why="objects go into a sheaf first (6.18); an empty one comes from the barn",
        sheaves=2,
        hardirqs=1,
        cpus=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "sheaves-flush",
        env="smp",
        why="the barrier flushes a sheaf that is not full",
        sheaves=2,
        sheaf_capacity=2,
        barriers=1,
        barrier_rearms=True,
        hardirqs=1,
        cpus=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "any-context",
        env="smp",
        why="called from NMI and from a probe, which it does not promise",
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
        bnodes=2,
    ),
    run(
        "any-context-irqs",
        env="smp",
        why="the same on one CPU, with device interrupts and softirqs",
        cpus=1,
        tasks=1,
        softirqs=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "rearm",
        env="smp",
        why="three objects: both batches busy, the monitor comes back",
        cpus=1,
        tasks=1,
        objects=3,
        readers=1,
        bnodes=2,
    ),
    run(
        "barrier",
        env="smp",
        why="the barrier while tasks free",
        barriers=1,
        tasks=1,
        bnodes=0,
        objects=1,
        other_gps=0,
    ),
    run(
        "barrier-repaired",
        env="smp",
        why="the repair of F-1",
        barrier_rearms=True,
        barriers=1,
        tasks=1,
        bnodes=0,
        objects=1,
        other_gps=0,
    ),
    run(
        "barrier-lists",
        env="smp",
        why="one CPU, two objects: the barrier while tasks free",
        barriers=1,
        tasks=1,
        bnodes=0,
        cpus=1,
        other_gps=0,
    ),
    run(
        "migration",
        env="smp",
        why="tasks and workers are preempted once and may migrate",
        preemptions=1,
        bnodes=0,
        bnode_records=2,
        other_gps=0,
    ),
    run(
        "shrinker",
        env="smp",
        why="memory is short: the monitor's body runs in the shrinker too",
        shrinks=1,
        tasks=1,
        objects=1,
        readers=1,
        bnodes=1,
        other_gps=0,
    ),
    run(
        "one-argument",
        env="smp",
        why="no link word: a page is allocated, or the caller waits for a grace period",
        sleepers=1,
        tasks=1,
        readers=1,
        bnodes=1,
        other_gps=0,
    ),
    run(
        "mixed",
        env="smp",
        why="slab and vmalloc objects: both bulk channels and the list",
        vmallocs=1,
        cpus=1,
        tasks=1,
        objects=3,
        bnodes=2,
    ),
    run(
        "mixed-one-argument",
        env="smp",
        why="the same, and the page is allocated for a call without a link word",
        vmallocs=1,
        cpus=1,
        tasks=1,
        sleepers=1,
        readers=1,
        bnodes=2,
    ),
    run(
        "mixed-barrier",
        env="smp",
        why="the barrier empties both channels; with the repair of F-1",
        vmallocs=1,
        barrier_rearms=True,
        barriers=1,
        cpus=1,
        tasks=1,
        bnodes=2,
        other_gps=0,
    ),
    run(
        "page-worker",
        env="smp",
        why="pages come from a cache of two that a work fills and the shrinker empties",
        page_worker=True,
        min_cached_objs=2,
        shrinks=1,
        preemptions=1,
        cpus=1,
        tasks=1,
        bnodes=2,
        other_gps=0,
    ),
    run(
        "page-worker-rt",
        env="preempt_rt",
        why="the same: the hrtimer that asks for pages runs in a thread",
        page_worker=True,
        min_cached_objs=2,
        shrinks=1,
        preemptions=1,
        cpus=1,
        tasks=1,
        bnodes=2,
        other_gps=0,
    ),
    run(
        "page-worker-one-argument",
        env="smp",
        why="pages from the cache for calls that may allocate themselves",
        page_worker=True,
        sleepers=1,
        cpus=1,
        objects=3,
        tasks=1,
        bnodes=2,
        other_gps=0,
    ),
    run(
        "unbatched",
        env="smp",
        why="without CONFIG_KVFREE_RCU_BATCHED: each free is a callback",
        batched=False,
        hardirqs=1,
        sleepers=1,
        barriers=1,
        readers=1,
        tasks=1,
        bnodes=0,
    ),
    run(
        "rt",
        env="preempt_rt",
        why="timers and callbacks run in a thread, which may be switched out; a softirq frees too",
        softirqs=1,
        hardirqs=1,
        preemptions=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "boot",
        env="smp",
        why="from early boot on: before RCU, the batching machinery and the scheduler are up",
        boot=True,
        tasks=1,
        objects=1,
        hardirqs=1,
        bnodes=1,
        other_gps=0,
    ),
    run(
        "boot-lists",
        env="smp",
        why="one CPU, two objects: what was queued or parked before the scheduler runs",
        boot=True,
        cpus=1,
        tasks=1,
        hardirqs=1,
        bnodes=2,
        other_gps=0,
    ),
    run(
        "clients",
        env="smp",
        why="whoever may free, by twos",
        cpus=1,
        tasks=1,
        softirqs=1,
        sleepers=1,
        hardirqs=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "everybody",
        env="smp",
        why="all at once, one object; with the repairs of F-1 and F-10",
        cpus=1,
        objects=1,
        tasks=1,
        sleepers=1,
        workers=2,
        hardirqs=1,
        readers=1,
        preemptions=1,
        barriers=1,
        barrier_rearms=True,
        barrier_waits_for_shrinker=True,
        shrinks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "everybody-gps",
        env="smp",
        why="the same without interrupts, with others' grace periods and two barriers",
        cpus=1,
        objects=1,
        tasks=1,
        workers=2,
        preemptions=1,
        barriers=2,
        barrier_rearms=True,
        barrier_waits_for_shrinker=True,
        shrinks=1,
        bnodes=0,
    ),
    run(
        "everybody-hotplug",
        env="smp",
        why="a CPU goes offline and comes back; nothing is moved",
        objects=1,
        tasks=1,
        sleepers=1,
        hardirqs=1,
        readers=1,
        preemptions=1,
        hotplug=1,
        bnodes=0,
    ),
] + TASK_KRCP_RUNS

EXPECT = [
    expect(
        "no_lost_objects",
        runs=("sheaves-flush",),
        verdict="violated",
        because="F-2: a sheaf that is not full waits until another free, or a barrier, comes",
        reported="by design",
    ),
    expect(
        "no_lost_objects",
        runs=("barrier",),
        verdict="violated",
        because="F-1: the barrier's cancel_delayed_work_sync() swallows a monitor armed meanwhile",
    ),
    expect(
        "self_deadlock",
        runs=("any-context", "any-context-irqs"),
        verdict="violated",
        because="V1-1: an NMI or a probe spins on the krcp lock that the code below it holds",
        reported="the reason for the series",
    ),
    expect(
        "forbidden_call",
        runs=("any-context", "any-context-irqs"),
        verdict="violated",
        because="the monitor is armed with queue_delayed_work(), which takes locks",
        reported="the reason for the series",
    ),
    expect("*", runs="*", verdict="holds", because="what is left is mainline's promise"),
] + RECLAIM_EXPECT

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
