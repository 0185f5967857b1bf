"""rfc_v2: RFC v2 (2026-04), allow_spin with sheaves and deferred submission.

Source: the API and the slub parts of "kvfree-rcu-improvements-rfc-v2r1"; the krcp part is that of
allow_spin, reconstructed, with the same knobs. Objects go into a sheaf first; what no sheaf takes
goes the way of RFC v1. On PREEMPT_RT the sheaf path is not entered. kfree_nolock() parks what it
parks with an irq_work of its own, that of v7.0.
"""

from model.designs.allow_spin import kvfree_rcu_barrier as allow_spin_barrier
from model.designs.allow_spin import kvfree_rcu_barrier_on_cache, queue_object
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.sheaf_runs import SHEAF_EXPECT, SHEAF_RUNS, SHEAF_UNREACHED
from model.designs.shrinker import shrink_every_krcp
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
from model.kernel.defer_free import defer_free_barrier, kfree_nolock
from model.kernel.kfree_nolock import nolock_user
from model.kernel.objects import Object
from model.language.syntax import cfg, expect, routine, run, set_knob, unreached

TITLE = "rfc_v2: allow_spin down into the sheaves, deferred submission"

RECOVERY = "corrected"

RUNS = [
    run(
        "any-context",
        env="smp",
        why="NMI and probes through the nolock entry, tasks through either",
        nmis=1,
        probes=1,
        tasks=1,
        cpus=1,
        bnodes=0,
        other_gps=0,
        callback_lists=True,
    ),
    run(
        "irqs",
        env="smp",
        why="device interrupts and softirqs free too",
        softirqs=1,
        hardirqs=1,
        nmis=1,
        tasks=1,
        cpus=1,
        bnodes=0,
        other_gps=0,
        callback_lists=True,
    ),
    run(
        "two-cpus",
        env="smp",
        why="two CPUs share the barn",
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "full-sheaves",
        env="smp",
        why="a sheaf of two objects, three objects",
        cpus=1,
        tasks=1,
        objects=3,
        nmis=1,
        probes=1,
        sheaf_capacity=2,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "readers",
        env="smp",
        why="a reader, and others' grace periods",
        cpus=1,
        tasks=1,
        nmis=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "migration",
        env="smp",
        why="a task, a worker or the shrinker is preempted once and may migrate",
        preemptions=1,
        shrinks=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "barrier",
        env="smp",
        why="the barrier while an NMI frees",
        barriers=1,
        nmis=1,
        tasks=1,
        objects=1,
        sheaf_capacity=2,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "rt",
        env="preempt_rt",
        why="no sheaves: RFC v1's way",
        cpus=1,
        tasks=1,
        softirqs=1,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "submissions-first",
        env="smp",
        why="the barrier waits for parked sheaves before it flushes others, and only then",
        properties=("barrier",),
        submissions_first=True,
        irq_work_interrupt=False,
        barriers=1,
        sheaf_capacity=2,
        cpus=1,
        tasks=1,
        nmis=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "up",
        env="up",
        why="no SMP: with the repair of UP-1 alone",
        always_defer_on_up=True,
        nmis=1,
        readers=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "up-repaired",
        env="up",
        why="with that of F-11 too: neither lock is tried in NMI",
        always_defer_on_up=True,
        barn_asks_first=True,
        nolock_users=True,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "unbatched",
        env="smp",
        why="without CONFIG_KVFREE_RCU_BATCHED: RFC v1's way, no sheaves and no krcp",
        batched=False,
        nmis=1,
        barriers=1,
        readers=1,
        tasks=1,
        workers=0,
        bnodes=0,
        other_gps=0,
    ),
] + SHEAF_RUNS

EXPECT = [
    expect(
        "barrier",
        runs=("unbatched",),
        verdict="violated",
        because="F-14: what an NMI parks between a task's llist_add() and irq_work_queue() is "
        "waited for by nobody",
    ),
    expect(
        "barrier",
        runs=("submissions-first",),
        verdict="violated",
        because="F-12: a sheaf that is parked after the wait is found neither by the flush nor by "
        "rcu_barrier()",
    ),
    expect(
        "lock_discipline",
        runs=("up", "vmalloc-up"),
        verdict="violated",
        because="F-11: on UP an NMI that tries the barn's lock gets it, whoever is inside",
        reported="the rule is known: can_spin_trylock(), 5b31044e649e",
    ),
    expect(
        "no_lost_objects",
        runs=("tick-stops",),
        verdict="violated",
        because="F-13: a lazy irq_work queued by an NMI while the tick stops raises nothing",
    ),
    expect(
        "no_lost_objects",
        runs=("full-sheaves", "barrier"),
        verdict="violated",
        because="F-2: a sheaf that is not full waits until another free, or a barrier, comes",
        reported="by design",
    ),
    expect("*", runs="*", verdict="holds", because="nolock never waits for a lock"),
] + SHEAF_EXPECT

UNREACHED = [
    unreached(
        "return_sheaf",
        "*",
        because="who holds the lock of a CPU's sheaves is not switched out here",
    ),
    unreached(
        ("submit_parked_sheaves", "sheaf_llist_del_all"),
        "*",
        because="on PREEMPT_RT no sheaf is ever parked",
    ),
] + SHEAF_UNREACHED

set_knob("sheaves", 2)


@routine(
    models="mm/slab_common.c: kvfree_call_rcu, RFC v2",
    entry=(client, boot_client, softirq, hardirq),
)
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): may spin."""
    queue_object(head, True)


@routine(
    models="mm/slab_common.c: kfree_rcu_nolock, RFC v2",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kfree_rcu_nolock(head: Object) -> None:
    """kfree_rcu_nolock(): from any context."""
    queue_object(head, False)


@routine(
    models="a user of kmalloc_nolock() and kfree_nolock()",
    entry=(client, hardirq, nmi, probe),
    when=cfg.nolock_users,
)
def use_nolock(obj: Object) -> None:
    """Allocate, and free at once what is not left to others."""
    if nolock_user(obj):
        kfree_nolock(obj)


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier, RFC v2",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """Parked objects and sheaves first, then sheaves, then batches."""
    allow_spin_barrier()


@routine(
    models="mm/slab_common.c: kmem_cache_destroy, RFC v2",
    entry=(barrier,),
    when=cfg.cache_destroy,
)
def kmem_cache_destroy() -> None:
    """The barrier for one cache; then what slab delays, and what kfree_nolock() has parked."""
    kvfree_rcu_barrier_on_cache()
    wait_for_delayed_frees()
    if cfg.nolock_users:
        defer_free_barrier()


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
