"""nmi_detect: the review remark on RFC v1 taken literally.

Source: the remark of 2026-02-06 on rcu@vger ("better just detect such context in the
kvfree_call_rcu()"). In NMI the object goes onto a per-CPU llist and an irq_work calls
kvfree_call_rcu() again, which is then a normal call. The list and the batching code stay
mainline's, the rcu_head is kept, so `head->func` is set before the object is parked (A1-A3).
"""

from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.mainline import kvfree_call_rcu as queue_in_normal_context
from model.designs.shrinker import shrink_every_krcp
from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
from model.kernel.contexts import barrier, client, hardirq, nmi, probe, shrinker
from model.kernel.cpu import Cpu, hits_handler, in_nmi, irqs_disabled, this_cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.kernel.waiting import irq_work_sync
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    event,
    expect,
    inline,
    knob,
    record,
    routine,
    run,
    runs_in,
    unreached,
)

TITLE = "nmi_detect: in_nmi() inside kvfree_call_rcu(), llist and irq_work"

RUNS = [
    run("nmi", env="smp", why="what the remark is about", nmis=1, readers=1, other_gps=0, bnodes=1),
    run("two-nmis", env="smp", why="two objects parked", nmis=2, bnodes=0, other_gps=0),
    run("nmi-gps", env="smp", why="others' grace periods", nmis=1, readers=1, bnodes=0),
    run(
        "any-context",
        env="smp",
        why="NMI and probes: unknown context",
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
        bnodes=2,
    ),
    run(
        "a1-hardirq",
        env="smp",
        why="A1': in_nmi() or in_hardirq(), with probes",
        detect_hardirq=True,
        tasks=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "a1-irqs-off",
        env="smp",
        why="A1'': irqs_disabled(), with probes",
        detect_irqs_off=True,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "a1-irqs-off-rt",
        env="preempt_rt",
        why="A1'': irqs_disabled(), with probes",
        detect_irqs_off=True,
        cpus=1,
        tasks=1,
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
        nmis=2,
        readers=1,
        bnodes=0,
    ),
    run("up", env="up", why="no SMP, NMIs only", nmis=1, readers=1),
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
        "barrier",
        env="smp",
        why="the barrier while an NMI frees",
        barriers=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        objects=1,
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
        "barrier-rt",
        env="preempt_rt",
        why="one barrier, which sleeps until the handler's thread is done",
        properties=("barrier",),
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
        bnodes=0,
        cpus=1,
        other_gps=0,
    ),
    run(
        "migration",
        env="smp",
        why="tasks and workers are preempted once and may migrate",
        preemptions=1,
        nmis=1,
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
        bnodes=2,
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
    expect(
        "self_deadlock",
        runs=("any-context", "a1-hardirq"),
        verdict="violated",
        because="V1-2: a probe under the krcp lock frees an object; in_nmi() is false there",
        reported="the reason for a caller-declared entry in v3",
    ),
    expect(
        "forbidden_call",
        runs=("any-context", "a1-hardirq"),
        verdict="violated",
        because="the probe goes on as mainline and queues work",
        reported="the reason for a caller-declared entry in v3",
    ),
    expect("*", runs="*", verdict="holds", because="with NMIs only the test sees every caller"),
]

UNREACHED = [
    unreached(
        ("preempt_count_inc", "preempt_count_dec"),
        "*",
        because="tasks call with irqs on, so they never park",
    ),
    unreached(
        "kvfree_call_rcu",
        "head.func = head",
        process="client",
        because="tasks call with irqs on, so they never park",
    ),
]

knob("detect_hardirq", False, "A1': the test is in_nmi() or in_hardirq()")
knob("detect_irqs_off", False, "A1'': the test is irqs_disabled()")


@record(per=Cpu)
class NmiDeferral:
    """What each CPU has parked, and the irq_work that hands it on."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain_nmi_list, lazy=False, hard=False)


@inline
def must_park() -> bool:
    """The test that is the proposal, and two stronger ones (A1', A1'')."""
    if cfg.detect_irqs_off:
        return irqs_disabled()
    if cfg.detect_hardirq:
        return runs_in(nmi, hardirq) or hits_handler()
    return in_nmi()


@routine(
    models="mm/slab_common.c: kvfree_call_rcu as proposed in review",
    entry=(client, hardirq, nmi, probe),
)
def kvfree_call_rcu(head: Object) -> None:
    """Park in NMI, go on as mainline anywhere else."""
    if must_park():
        head.func = head
        parked = this_cpu(NmiDeferral)
        if llist_add(head, parked.list):
            irq_work_queue(parked.work)
        return
    queue_in_normal_context(head)


@routine(models="mm/slab_common.c: irq_work handler as proposed in review")
def drain_nmi_list(work: IrqWork) -> None:
    """Hand every parked object to the normal path; the link is read before it is reused."""
    parked = container_of(work, NmiDeferral.work)
    head: Object = llist_del_all(parked.list)
    while head != NULL:
        following = head.next
        event("taken", head)
        start = head.func
        queue_in_normal_context(start)
        head = following


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier as it must be with the proposal", entry=(barrier,)
)
def kvfree_rcu_barrier() -> None:
    """What is parked is handed on first (A4); then mainline's barrier."""
    lock_barriers()
    for parked in NmiDeferral:
        irq_work_sync(parked.work)
    unlock_barriers()
    wait_for_batches()


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, v6.19", entry=(shrinker,))
def kfree_rcu_shrink_scan() -> None:
    """The shrinker: mainline's, which knows of krcps only."""
    shrink_every_krcp()
