"""caller_declared: a separate kfree_rcu_nolock() that always parks; the caller says what it is.

The variant A1''' of the review remark, and what the series came to for everything but sheaves: the
kernel does not ask which context it is in, because no test tells. The spinning entry is mainline's.
The nolock entry touches nothing but a per-CPU llist and an irq_work; the start address is recovered
when the object is handed on, in a context that may spin.
"""

from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.mainline import kvfree_call_rcu as queue_in_normal_context
from model.designs.shrinker import shrink_every_krcp
from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
from model.kernel.contexts import barrier, client, hardirq, nmi, probe, shrinker
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
    run("nmi-gps", env="smp", why="others' grace periods", tasks=1, nmis=1, readers=1, bnodes=0),
    run(
        "irqs",
        env="smp",
        why="device interrupts free too",
        hardirqs=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
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
        "delays",
        env="smp",
        why="a page's worth is two objects: the long delay is cut short, while the timer fires",
        tasks=1,
        bnodes=0,
        bnode_records=2,
        other_gps=0,
    ),
    run(
        "pages",
        env="smp",
        why="pages of two records, two workers",
        cpus=1,
        objects=3,
        tasks=1,
        workers=2,
        bnodes=2,
        bnode_records=2,
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
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
    ),
    run("up", env="up", why="no SMP", nmis=1, probes=1, readers=1, bnodes=0),
    run(
        "barrier",
        env="smp",
        why="the barrier while an NMI frees",
        barriers=1,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "barrier-lists",
        env="smp",
        why="one CPU, two objects: the barrier while an NMI frees",
        barriers=1,
        nmis=1,
        tasks=1,
        cpus=1,
        bnodes=0,
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
        bnodes=0,
        other_gps=0,
    ),
    run(
        "shrinker-lists",
        env="smp",
        why="one CPU, two objects: the shrinker and the monitor's work are preempted",
        shrinks=1,
        preemptions=1,
        cpus=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "no-interrupt",
        env="no_irq_work_interrupt",
        why="what is parked waits for the tick",
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "no-interrupt-barrier",
        env="no_irq_work_interrupt",
        why="the barrier sleeps while it waits for an irq_work",
        barriers=1,
        cpus=1,
        objects=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "two-barriers",
        env="preempt_rt",
        why="two tasks call the barrier at once",
        properties=("barrier",),
        cpus=1,
        barriers=2,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "two-barriers-repaired",
        env="preempt_rt",
        why="the repair of F-4: a mutex around irq_work_sync()",
        properties=("barrier",),
        barrier_mutex=True,
        cpus=1,
        barriers=2,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
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
        "hotplug-late-nmi",
        env="smp",
        why="the same, with an NMI after that",
        hotplug=1,
        nmis=1,
        probes=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-rt",
        env="preempt_rt",
        why="the irq_work thread of the CPU is parked first",
        hotplug=1,
        late_nmis=False,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
]

EXPECT = [
    expect(
        "no_lost_objects",
        runs=("hotplug-late-nmi",),
        verdict="violated",
        because="F-7: an irq_work queued after the last run of a dying CPU's lists stays there",
    ),
    expect(
        "no_lost_objects",
        runs=("hotplug-rt",),
        verdict="violated",
        because="F-8: on PREEMPT_RT the thread that would run the irq_work is parked by then",
    ),
    expect(
        "barrier",
        runs=("two-barriers",),
        verdict="violated",
        because="F-4: irq_work_sync() has one slot for a waiter; the second takes the first's",
        reported="callers of irq_work_sync() must serialise; nothing here does",
    ),
    expect(
        "no_lost_objects",
        runs=("barrier", "barrier-lists", "no-interrupt-barrier"),
        verdict="violated",
        because="F-1: the barrier's cancel_delayed_work_sync() swallows a monitor armed meanwhile",
    ),
    expect("*", runs="*", verdict="holds", because="what the nolock entry touches takes no lock"),
]

set_knob("rcu_ptr", True)


@record(per=Cpu)
class Parked:
    """What each CPU has parked, and the irq_work that hands it on."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain_parked, lazy=False, hard=False)


@routine(models="mm/slab_common.c: kvfree_call_rcu, v6.19", entry=(client, hardirq))
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): mainline's."""
    queue_in_normal_context(head)


@routine(
    models="mm/slab_common.c: kfree_rcu_nolock, variant that always defers",
    entry=(client, hardirq, nmi, probe),
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


@routine(models="mm/slab_common.c: kvfree_rcu_barrier with deferral", entry=(barrier,))
def kvfree_rcu_barrier() -> None:
    """What is parked is handed on first; then mainline's barrier."""
    lock_barriers()
    for parked in Parked:
        irq_work_sync(parked.work)
    unlock_barriers()
    wait_for_batches()


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, v6.19", entry=(shrinker,))
def kfree_rcu_shrink_scan() -> None:
    """The shrinker: mainline's, which knows of krcps only."""
    shrink_every_krcp()
