"""allow_spin: RFC v1 patch 6/7, kfree_rcu_nolock() and an allow_spin flag in the batching code.

Source: the commit message and the review of 2026-02; the body of the patch was not at hand, so
where it leaves a choice there is a knob (K1-K7) and this file takes the reading named first. It
sits on patch 1/7: the start address is recovered from the link word.

Without allow_spin the krcp lock is tried. If that works the object goes onto the list channel
(no page is used, the page worker is not called) and the monitor is armed through a lazy irq_work;
if not, the object is parked on a per-CPU llist and an irq_work calls again with allow_spin. With
kmemleak or debugobjects, whose hooks take locks, every nolock free is parked.
"""

from model.designs.krcp import (
    Krcp,
    add_ptr_to_bulk,
    add_to_list,
    schedule_delayed_monitor_work,
)
from model.designs.krcp_barrier import kvfree_rcu_barrier as wait_for_batches
from model.designs.separate_list import add_to_separate_list
from model.designs.sheaf_submission import kfree_rcu_sheaf, wait_for_submissions
from model.designs.shrinker import shrink_every_krcp
from model.kernel.contexts import barrier, client, hardirq, nmi, probe, shrinker
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
from model.kernel.sheaves import flush_all_rcu_sheaves
from model.kernel.slab import recover_start
from model.kernel.waiting import irq_work_sync
from model.kernel.workqueue import delayed_work_pending, queue_delayed_work
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
    of,
    record,
    routine,
    run,
    set_knob,
    unreached,
)

TITLE = "allow_spin: RFC v1 6/7, kfree_rcu_nolock() with trylock and deferral"

RECOVERY = "seed"

RUNS = [
    run(
        "any-context",
        env="smp",
        why="NMI and probes through the nolock entry, tasks through either",
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
        bnodes=1,
    ),
    run("nmi-gps", env="smp", why="others' grace periods", nmis=1, readers=1, bnodes=0),
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
        why="the barrier while nolock frees",
        barriers=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        objects=1,
        other_gps=0,
    ),
    run(
        "barrier-lists",
        env="smp",
        why="one CPU, two objects: the barrier while nolock frees",
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
        why="nolock always defers",
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "debugobjects",
        env="debugobjects",
        why="nolock always defers",
        cpus=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "k7-skip",
        env="kasan",
        why="K7 as read: the nolock path records no stack",
        cpus=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "k7-record",
        env="kasan",
        why="K7 the other way",
        k7_skip_stack_depot=False,
        cpus=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "k1-k4-k5",
        env="smp",
        why="K1, K4 and K5 the other way",
        k1_test_pending=False,
        k4_shorten_delay=False,
        k5_arm_first=True,
        cpus=1,
        nmis=1,
        probes=1,
        bnodes=0,
    ),
    run(
        "k6",
        env="smp",
        why="K6 the other way: nolock calls have a list of their own",
        separate_list=True,
        cpus=1,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "rt",
        env="preempt_rt",
        why="both handlers run in a thread; a soft work can wait behind a lazy one",
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "rt-k2",
        env="preempt_rt",
        why="K2 the other way: the drain handler is hard",
        k2_hard_irq_work=True,
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "up",
        env="up",
        why="a trylock always succeeds on UP",
        properties=("lock_discipline",),
        nmis=1,
        bnodes=0,
    ),
    run(
        "up-lists",
        env="up",
        why="what that does to the list, by an NMI",
        properties=("list_integrity",),
        nmis=1,
        bnodes=0,
    ),
    run(
        "up-probe",
        env="up",
        why="the same by a probe at a tracepoint",
        properties=("lock_discipline",),
        probes=1,
        bnodes=0,
    ),
    run(
        "up-lost",
        env="up",
        why="what it does to the objects",
        properties=("no_lost_objects", "no_double_free"),
        nmis=1,
        bnodes=0,
    ),
    run(
        "up-early",
        env="up",
        why="what it does to readers",
        properties=("grace_period",),
        nmis=1,
        readers=1,
        bnodes=0,
    ),
    run(
        "up-repaired",
        env="up",
        why="the repair: always defer on UP",
        always_defer_on_up=True,
        nmis=1,
        probes=1,
        readers=1,
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
        objects=1,
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
        "no_lost_objects",
        runs=("barrier", "barrier-lists", "no-interrupt-barrier"),
        verdict="violated",
        because="F-1: the barrier's cancel_delayed_work_sync() swallows a monitor armed meanwhile",
    ),
    expect(
        "self_deadlock",
        runs=("k7-record",),
        verdict="violated",
        because="K7: a probe under the depot's lock takes it again; it is tried only if in_nmi()",
    ),
    expect(
        "lock_discipline",
        runs=("up", "up-probe"),
        verdict="violated",
        because="UP-1: the trylock succeeds although the interrupted task is inside",
    ),
    expect(
        "list_integrity",
        runs=("up-lists",),
        verdict="violated",
        because="UP-1: the NMI's object goes in between the task's read and write of the head",
    ),
    expect(
        "no_lost_objects",
        runs=("up-lost",),
        verdict="violated",
        because="UP-1: the head that the NMI wrote is overwritten",
    ),
    expect(
        "grace_period",
        runs=("up-early",),
        verdict="violated",
        because="UP-1: the cookie of one object is overwritten by an earlier one of another",
    ),
    expect("*", runs="*", verdict="holds", because="nolock never waits for a lock"),
]

UNREACHED = [
    unreached(
        "queue_object",
        "krcp = this_cpu(Krcp)",
        process="stopper",
        because="one object in hotplug runs, so none is parked; 6.7 million states with two",
    ),
    unreached(
        "drain_defer_list",
        "following = head.next",
        process="stopper",
        because="one object in hotplug runs, so none is parked; 6.7 million states with two",
    ),
    unreached(
        "add_to_list",
        "*",
        process="stopper",
        because="one object in hotplug runs, so none is parked; 6.7 million states with two",
    ),
    unreached(
        "get_state_synchronize_rcu",
        "*",
        process="stopper",
        because="one object in hotplug runs, so none is parked; 6.7 million states with two",
    ),
    unreached(
        "schedule_delayed_monitor_work",
        "far = krcp.monitor_work.far",
        process="stopper",
        because="one object in hotplug runs, so none is parked; 6.7 million states with two",
    ),
]

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


@routine(models="mm/slab_common.c: kvfree_call_rcu, RFC v1 6/7", entry=(client, hardirq))
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): may spin."""
    queue_object(head, True)


@routine(
    models="mm/slab_common.c: kfree_rcu_nolock, RFC v1 6/7",
    entry=(client, hardirq, nmi, probe),
)
def kfree_rcu_nolock(head: Object) -> None:
    """kfree_rcu_nolock(): from any context."""
    queue_object(head, False)


@inline
def queue_object(head: Object, allow_spin: bool) -> None:
    """The common body: mainline's, with the nolock exceptions."""
    if cfg.sheaves > 0 and not cfg.preempt_rt:
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
        schedule_delayed_monitor_work(krcp)
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


@routine(models="mm/slab_common.c: kvfree_rcu_barrier, RFC v1 6/7", entry=(barrier,))
def kvfree_rcu_barrier() -> None:
    """What is parked is queued first; then mainline's barrier."""
    if cfg.k3_sync_first:
        for nolock in Nolock:
            irq_work_sync(nolock.defer_work)
            irq_work_sync(nolock.sched_monitor_work)
    if cfg.sheaves > 0:
        wait_for_submissions()
        flush_all_rcu_sheaves()
    wait_for_batches()


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, v6.19", entry=(shrinker,))
def kfree_rcu_shrink_scan() -> None:
    """The shrinker: mainline's, which knows of krcps only."""
    shrink_every_krcp()
