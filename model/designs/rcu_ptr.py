"""rcu_ptr: RFC v1 patch 1/7, one link word and no stored start address.

Source: "[PATCH 1/7]" of 2026-02-06 to mm/slab_common.c. The list reclaimer recovers the start
address from the address of the link word; queueing is mainline's without the store to
`head->func`. The patch changes nothing about who may call.
"""

from model.designs.common_runs import BOOT_UNREACHED, RECLAIM_EXPECT
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.krcp_runs import TASK_KRCP_RUNS
from model.designs.mainline import kmem_cache_destroy as destroy_cache
from model.designs.mainline import kvfree_call_rcu
from model.designs.mainline import kvfree_rcu_barrier as wait_for_everything
from model.designs.shrinker import shrink_every_krcp
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
from model.kernel.objects import Object
from model.language.syntax import (
    cfg,
    expect,
    routine,
    run,
    set_knob,
    unreached,
)

TITLE = "rcu_ptr: RFC v1 1/7, the start address is recovered from the link word"

RECOVERY = "seed"

RUNS = [
    run(
        "tasks",
        env="smp",
        why="no NMI, no probe, plain slab objects",
        long=4_600_000,
        readers=1,
        other_gps=1,
        bnodes=1,
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
    run("vmalloc", env="smp", why="vmalloc objects", kind="vmalloc", cpus=1, bnodes=0),
    run(
        "mixed",
        env="smp",
        why="slab objects too: pages need no recovery, and the list only for vmalloc objects",
        vmallocs=1,
        cpus=1,
        tasks=1,
        objects=3,
        bnodes=2,
    ),
    run(
        "kfence",
        env="smp",
        why="KFENCE objects at the right end of their page; what the wrong place does to the rest",
        kind="kfence_right",
        properties=("no_double_free", "no_lost_objects", "grace_period"),
        cpus=1,
        bnodes=0,
    ),
    run(
        "tags",
        env="smp",
        why="tagged slab pointers; what freeing the neighbour does to the rest",
        kind="slab_hw_tags",
        properties=("no_double_free", "no_lost_objects", "grace_period"),
        cpus=1,
        tasks=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "shrinker",
        env="smp",
        why="memory is short: the monitor's body runs in the shrinker too",
        shrinks=1,
        tasks=1,
        objects=1,
        readers=1,
        bnodes=0,
        other_gps=0,
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
        "unbatched",
        env="smp",
        why="without CONFIG_KVFREE_RCU_BATCHED: a callback, which finds vmalloc objects' start",
        batched=False,
        vmallocs=1,
        hardirqs=1,
        barriers=1,
        readers=1,
        tasks=1,
        workers=0,
        bnodes=0,
    ),
    run(
        "hotplug",
        env="smp",
        why="a CPU goes offline and comes back; nothing is moved",
        objects=1,
        tasks=1,
        readers=1,
        preemptions=1,
        hotplug=1,
        bnodes=0,
    ),
    run(
        "boot",
        env="smp",
        why="from early boot on: before RCU, the batching machinery and the scheduler are up",
        boot=True,
        tasks=1,
        objects=1,
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
] + TASK_KRCP_RUNS

EXPECT = [
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
        because="V1-1: the patch changes nothing about who may call",
        reported="the reason for the rest of the series",
    ),
    expect(
        "forbidden_call",
        runs=("any-context", "any-context-irqs"),
        verdict="violated",
        because="the monitor is armed with queue_delayed_work(), which takes locks",
        reported="the reason for the rest of the series",
    ),
    expect(
        "start_address",
        runs=(
            "vmalloc",
            "mixed",
            "frees-up",
            "frees-kmemleak",
            "frees-debugobjects",
            "frees-kasan",
            "frees-no_irq_work_interrupt",
            "frees-preempt_rt",
            "waits-up",
            "waits-kmemleak",
            "waits-debugobjects",
            "waits-kasan",
            "waits-no_irq_work_interrupt",
            "waits-preempt_rt",
        ),
        verdict="violated",
        because="AR-1: the slab lookup comes before the vmalloc test",
    ),
    expect(
        "no_lost_objects",
        runs=("kfence",),
        verdict="violated",
        because="AR-2: an invalid free is reported and the object stays allocated",
    ),
    expect(
        ("no_lost_objects", "grace_period"),
        runs=("tags",),
        verdict="violated",
        because="AR-3: the neighbour is freed in the object's place",
    ),
    expect("*", runs="*", verdict="holds", because="plain slab objects are recovered right"),
] + RECLAIM_EXPECT

UNREACHED = [
    unreached(
        "wakeme_after_rcu",
        "*",
        because="nobody calls synchronize_rcu(): there is no 1-argument call here",
    ),
] + BOOT_UNREACHED

set_knob("rcu_ptr", True)


@routine(
    models="mm/slab_common.c: kvfree_call_rcu_ptr, RFC v1 1/7",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kvfree_call_rcu_ptr(head: Object) -> None:
    """As kvfree_call_rcu(); the whole difference is in krcp.py under cfg.rcu_ptr."""
    kvfree_call_rcu(head)


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier, v6.19",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """The barrier: mainline's."""
    wait_for_everything()


@routine(
    models="mm/slab_common.c: kmem_cache_destroy, v6.19", entry=(barrier,), when=cfg.cache_destroy
)
def kmem_cache_destroy() -> None:
    """The destruction of a cache: mainline's."""
    destroy_cache()


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
