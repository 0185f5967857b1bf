"""caller_declared: a separate kfree_rcu_nolock() that always parks; the caller says what it is.

The variant A1''' of the review remark, and what the series came to for everything but sheaves: the
kernel does not ask which context it is in, because no test tells. The spinning entry is mainline's.
The nolock entry touches nothing but a per-CPU llist and an irq_work; the start address is recovered
when the object is handed on, in a context that may spin.
"""

from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.krcp_runs import DEFERRAL_EXPECT, DEFERRAL_RUNS, DEFERRAL_UNREACHED
from model.designs.mainline import kvfree_call_rcu as queue_in_normal_context
from model.designs.shrinker import shrink_every_krcp
from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
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
from model.kernel.interrupts import preempt_disable, preempt_enable
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.kernel.slab import recover_start
from model.kernel.waiting import irq_work_sync
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    event,
    expect,
    record,
    routine,
    run,
    set_knob,
)

TITLE = "caller_declared: kfree_rcu_nolock() that always parks"

RECOVERY = "corrected"

RUNS = [
    run(
        "any-context",
        env="smp",
        why="NMI and probes through the nolock entry, tasks through either",
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
        bnodes=0,
    ),
    run("two-nmis", env="smp", why="two objects parked", nmis=2, bnodes=0, other_gps=0),
    run(
        "nmi-gps",
        env="smp",
        why="others' grace periods",
        long=7_900_000,
        tasks=1,
        nmis=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "migration",
        env="smp",
        why="tasks and workers are preempted once and may migrate",
        preemptions=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        bnode_records=2,
        other_gps=0,
    ),
    run(
        "rearm",
        env="smp",
        why="three objects: both batches busy, the monitor comes back",
        cpus=1,
        tasks=1,
        objects=3,
        nmis=1,
        readers=1,
        bnodes=1,
        other_gps=0,
    ),
    run(
        "kmemleak",
        env="kmemleak",
        why="the hooks run where they may spin",
        nmis=1,
        probes=1,
        cpus=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "debugobjects",
        env="debugobjects",
        why="the hooks run where they may spin",
        cpus=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "kasan",
        env="kasan",
        why="the stack is recorded where it may spin",
        cpus=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "rt",
        env="preempt_rt",
        why="the drain runs in a thread",
        cpus=1,
        tasks=1,
        softirqs=1,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
    ),
    run("up", env="up", why="no SMP", nmis=1, probes=1, readers=1, bnodes=0),
    run(
        "hotplug",
        env="smp",
        why="a CPU goes offline and its irq_works run for the last time; no NMI after that",
        hotplug=1,
        late_nmis=False,
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-repaired-probe",
        env="smp",
        why="the repair of F-7, with probes",
        hotplug=1,
        dead_cpu_irq_works=True,
        nmis=1,
        probes=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "clients",
        env="smp",
        why="whoever can free, by twos",
        cpus=1,
        tasks=1,
        softirqs=1,
        hardirqs=1,
        nmis=2,
        probes=1,
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
        workers=2,
        hardirqs=1,
        nmis=1,
        probes=1,
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
        why="the same with hotplug and the repair of F-7",
        objects=1,
        tasks=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        readers=1,
        preemptions=1,
        hotplug=1,
        dead_cpu_irq_works=True,
        bnodes=0,
    ),
] + DEFERRAL_RUNS

EXPECT = [
    expect("*", runs="*", verdict="holds", because="what the nolock entry touches takes no lock"),
] + DEFERRAL_EXPECT

UNREACHED = DEFERRAL_UNREACHED

set_knob("rcu_ptr", True)


@record(per=Cpu)
class Parked:
    """What each CPU has parked, and the irq_work that hands it on."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain_parked, lazy=False, hard=False)


@routine(
    models="mm/slab_common.c: kvfree_call_rcu, v6.19", entry=(client, boot_client, softirq, hardirq)
)
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): mainline's."""
    queue_in_normal_context(head)


@routine(
    models="mm/slab_common.c: kfree_rcu_nolock, variant that always defers",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kfree_rcu_nolock(head: Object) -> None:
    """kfree_rcu_nolock(): from any context. With preemption off, so that list and work match."""
    preempt_disable()
    parked = this_cpu(Parked)
    if llist_add(head, parked.list):
        irq_work_queue(parked.work)
    preempt_enable()


@routine(models="mm/slab_common.c: deferred irq_work handler, variant that always defers")
def drain_parked(work: IrqWork) -> None:
    """Queue every parked object in a context that may spin; its link is read first."""
    parked = container_of(work, Parked.work)
    head: Object = llist_del_all(parked.list)
    while head != NULL:
        ptr = recover_start(head)
        following = head.next
        event("taken", head)
        queue_in_normal_context(ptr)
        head = following


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier with deferral",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """What is parked is handed on first; then mainline's barrier."""
    lock_barriers()
    for parked in Parked:
        irq_work_sync(parked.work)
    unlock_barriers()
    wait_for_batches()


@routine(
    models="mm/slab_common.c: kmem_cache_destroy, v6.19",
    entry=(barrier,),
    when=cfg.cache_destroy,
)
def kmem_cache_destroy() -> None:
    """No sheaves: the barrier for one cache is that for all. Then what slab itself delays."""
    kvfree_rcu_barrier()
    wait_for_delayed_frees()


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
