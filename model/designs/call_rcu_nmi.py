"""call_rcu_nmi: the RFC of 2026-07-21 that makes call_rcu() itself callable from NMI.

Source: kernel-patches/bpf PR 12894. No new API: call_rcu() asks in_nmi() and, if so, parks the
callback on a per-CPU llist; an irq_work hands the parked ones to the old path in the order in which
they came. A global count of parked callbacks makes rcu_barrier() cheap when there are none. The
client frees with call_rcu(), as without CONFIG_KVFREE_RCU_BATCHED: there is no krcp here.

No traceable function lies between the stores of the append, so by default no probe lands there;
that a probe in the section calls call_rcu() again is reported as a call that must not be made
(callbacks may be offloaded, and then raw locks are held there). `probe_in_append` puts a kprobe
there.

The handler reverses the list it takes to keep the order. Which order callbacks run in decides no
property here, so the list is handed on as it was taken, newest first. There is no shrinker.
"""

from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.contexts import barrier, client, hardirq, nmi, probe, softirq
from model.kernel.cpu import Cpu, in_nmi, irqs_disabled, this_cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.objects import Object
from model.kernel.slab import kvfree
from model.kernel.waiting import irq_work_sync, rcu_barrier
from model.language.syntax import (
    NULL,
    Embed,
    Range,
    atomic,
    cfg,
    container_of,
    embed,
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

TITLE = "call_rcu_nmi: call_rcu() detects NMI, llist and irq_work"

RUNS = [
    run("nmi", env="smp", why="what the RFC is about", nmis=1, readers=1, other_gps=0),
    run("two-nmis", env="smp", why="two callbacks parked", nmis=2, readers=1, other_gps=0),
    run(
        "any-context",
        env="smp",
        why="NMI and probes: unknown context",
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
    ),
    run(
        "any-context-rt",
        env="preempt_rt",
        why="the same on PREEMPT_RT",
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
    ),
    run(
        "irqs",
        env="smp",
        why="device interrupts and softirqs too",
        softirqs=1,
        hardirqs=1,
        nmis=1,
        readers=1,
    ),
    run("rt", env="preempt_rt", why="the drain runs in a thread", nmis=2, readers=1, other_gps=0),
    run(
        "rt-preempted",
        env="preempt_rt",
        why="a thread is switched out inside its read-side section",
        softirqs=1,
        nmis=2,
        preemptions=1,
        cpus=1,
        tasks=1,
        workers=0,
        readers=1,
    ),
    run("up", env="up", why="no SMP, NMIs only", nmis=1, readers=1),
    run(
        "waits",
        env=("up", "kmemleak", "debugobjects", "kasan", "no_irq_work_interrupt"),
        why="whoever may free by twos, and the barrier",
        softirqs=1,
        hardirqs=1,
        nmis=2,
        barriers=1,
        tasks=1,
        readers=1,
        other_gps=0,
    ),
    run(
        "any-context-repaired",
        env="smp",
        why="the repair of F-5: irqs_disabled() in place of in_nmi()",
        detect_irqs_off=True,
        nmis=1,
        probes=1,
        readers=1,
        other_gps=0,
    ),
    run(
        "torn-list",
        env="smp",
        why="a kprobe between the stores of the append: what it does to the list",
        properties=("list_integrity",),
        probe_in_append=True,
        cpus=1,
        tasks=1,
        probes=1,
    ),
    run(
        "torn-list-lost",
        env="smp",
        why="what it does to the objects",
        properties=("no_lost_objects",),
        probe_in_append=True,
        cpus=1,
        tasks=1,
        probes=1,
    ),
    run(
        "torn-list-repaired",
        env="smp",
        why="the same with the repair of F-5",
        detect_irqs_off=True,
        probe_in_append=True,
        cpus=1,
        tasks=1,
        probes=1,
    ),
    run(
        "barrier",
        env="smp",
        why="rcu_barrier() while an NMI frees",
        barriers=1,
        nmis=2,
        tasks=1,
        other_gps=0,
    ),
    run(
        "two-barriers",
        env="preempt_rt",
        why="two tasks call the barrier at once",
        properties=("barrier",),
        barriers=2,
        nmis=1,
        tasks=1,
        cpus=1,
        objects=1,
        other_gps=0,
    ),
    run(
        "two-barriers-repaired",
        env="preempt_rt",
        why="the repair of F-4: a mutex around irq_work_sync()",
        properties=("barrier",),
        barrier_mutex=True,
        barriers=2,
        nmis=1,
        tasks=1,
        cpus=1,
        objects=1,
        other_gps=0,
    ),
    run(
        "two-barriers-no-interrupt",
        env="no_irq_work_interrupt",
        why="two tasks call the barrier at once; they sleep until the tick has run the irq_work",
        properties=("barrier",),
        barriers=2,
        nmis=1,
        tasks=1,
        cpus=1,
        objects=1,
        other_gps=0,
    ),
    run(
        "two-barriers-no-interrupt-repaired",
        env="no_irq_work_interrupt",
        why="the same with the repair of F-4",
        properties=("barrier",),
        barrier_mutex=True,
        barriers=2,
        nmis=1,
        tasks=1,
        cpus=1,
        objects=1,
        other_gps=0,
    ),
    run(
        "hotplug",
        env="smp",
        why="the claim: what is staged on a CPU is drained while it dies; no NMI after that",
        hotplug=1,
        late_nmis=False,
        nmis=2,
        tasks=1,
        other_gps=0,
    ),
    run(
        "tick-stops-no-interrupt",
        env="no_irq_work_interrupt",
        why="an idle CPU stops its tick, while an NMI frees; only the tick runs what is staged",
        tick_stops=True,
        nmis=1,
        cpus=1,
        tasks=1,
        other_gps=0,
    ),
    run(
        "hotplug-late-nmi",
        env="smp",
        why="the same, with an NMI after that",
        hotplug=1,
        nmis=1,
        tasks=1,
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
        other_gps=0,
    ),
    run(
        "hotplug-rt-repaired",
        env="preempt_rt",
        why="the repair of F-8: a dead CPU's irq_works are run elsewhere",
        hotplug=1,
        dead_cpu_irq_works=True,
        nmis=1,
        tasks=1,
        other_gps=0,
    ),
    run(
        "hotplug-barrier",
        env="smp",
        why="rcu_barrier() after an NMI on a dying CPU",
        hotplug=1,
        barriers=1,
        nmis=1,
        tasks=1,
        other_gps=0,
    ),
    run(
        "hotplug-barrier-repaired",
        env="smp",
        why="the same with the repair of F-7",
        hotplug=1,
        dead_cpu_irq_works=True,
        barriers=1,
        nmis=1,
        tasks=1,
        other_gps=0,
    ),
    run(
        "everybody",
        env="smp",
        why="all at once, with the repair of F-5",
        detect_irqs_off=True,
        cpus=1,
        tasks=1,
        softirqs=1,
        hardirqs=1,
        nmis=2,
        probes=1,
        readers=1,
        barriers=2,
    ),
    run(
        "everybody-hotplug",
        env="smp",
        why="the same with hotplug in place of the barrier, and the repair of F-7",
        detect_irqs_off=True,
        hotplug=1,
        dead_cpu_irq_works=True,
        tasks=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        readers=1,
    ),
]

EXPECT = [
    expect(
        "forbidden_call",
        runs=("any-context", "any-context-rt"),
        verdict="violated",
        because="F-5: in_nmi() is false in a probe that cut into call_rcu()'s irqs-off section",
    ),
    expect(
        "list_integrity",
        runs=("torn-list",),
        verdict="violated",
        because="F-5: the probe appends between the task's stores",
    ),
    expect(
        "no_lost_objects",
        runs=("torn-list-lost",),
        verdict="violated",
        because="F-5: nothing leads from the probe's callback, the first, to the task's",
    ),
    expect(
        "barrier",
        runs=("two-barriers", "two-barriers-no-interrupt"),
        verdict="violated",
        because="F-4: irq_work_sync() has one slot for a waiter; the second takes the first's",
        reported="callers of irq_work_sync() must serialise; nothing here does",
    ),
    expect(
        "no_lost_objects",
        runs=("tick-stops-no-interrupt",),
        verdict="violated",
        because="F-13: what an NMI parks while the tick stops waits until something wakes the CPU",
    ),
    expect(
        "no_lost_objects",
        runs=("hotplug-late-nmi", "hotplug-barrier"),
        verdict="violated",
        because="F-7: an irq_work queued after the last run of a dying CPU's lists stays there",
    ),
    expect(
        "barrier",
        runs=("hotplug-barrier",),
        verdict="violated",
        because="F-7: the barrier waits for that irq_work",
    ),
    expect(
        "no_lost_objects",
        runs=("hotplug-rt",),
        verdict="violated",
        because="F-8: on PREEMPT_RT the thread that would run the irq_work is parked by then",
    ),
    expect("*", runs="*", verdict="holds", because="with NMIs only the test sees every caller"),
]

UNREACHED = [
    unreached(
        ("add_pending", "stage"),
        "*",
        process="client",
        because="tasks call with irqs on, so they never park",
    ),
    unreached(
        ("add_pending", "stage"),
        "*",
        process="softirq",
        because="as tasks: with irqs on",
    ),
]

set_knob("callback_lists", True)
knob("detect_irqs_off", False, "the repair of F-5: the test is irqs_disabled()")


@record(per=Object)
class ObjectRcu:
    """The rcu_head inside each object."""

    head: Embed[RcuHead] = embed(func=free_object)


@record(per=Cpu)
class Staged:
    """Callbacks that this CPU's NMIs have parked, and the irq_work for them."""

    first: RcuHead
    work: Embed[IrqWork] = embed(func=drain_staged, lazy=False, hard=False)


@record(single=True)
class Pending:
    """pending_total: parked callbacks of all CPUs."""

    total: Range[0, cfg.objects]


@routine(models="the client's callback")
def free_object(head: RcuHead) -> None:
    """The grace period is over."""
    kvfree(of(Object, container_of(head, ObjectRcu.head)))


@routine(
    models="the client: call_rcu() on its object", entry=(client, softirq, hardirq, nmi, probe)
)
def free_by_call_rcu(obj: Object) -> None:
    """The client frees an object from any context."""
    call_rcu_from_anywhere(of(ObjectRcu, obj).head)


@inline
def must_stage() -> bool:
    """The RFC's test, or a stronger one."""
    if cfg.detect_irqs_off:
        return irqs_disabled()
    return in_nmi()


@routine(models="kernel/rcu/tree.c: __call_rcu_common, RFC of 2026-07-21")
def call_rcu_from_anywhere(head: RcuHead) -> None:
    """Park in NMI, else as before."""
    if must_stage():
        add_pending()
        staged = this_cpu(Staged)
        if stage(staged, head):
            irq_work_queue(staged.work)
        return
    call_rcu(head)


@atomic
def add_pending() -> None:
    """atomic_inc(&pending_total)."""
    Pending.total += 1


@atomic
def subtract_pending() -> None:
    """atomic_dec(&pending_total)."""
    Pending.total -= 1


@atomic
def stage(staged: Staged, head: RcuHead) -> bool:
    """llist_add(): true if the list was empty. Its retry repeats only what nobody sees."""
    was_empty = staged.first == NULL
    head.next = staged.first
    staged.first = head
    return was_empty


@atomic
def take_staged(staged: Staged) -> RcuHead:
    """llist_del_all()."""
    first = staged.first
    staged.first = NULL
    return first


@routine(models="kernel/rcu/tree.c: irq_work handler, RFC of 2026-07-21")
def drain_staged(work: IrqWork) -> None:
    """Hand every parked callback to the old path; its link is read and cleared first."""
    staged = container_of(work, Staged.work)
    head: RcuHead = take_staged(staged)
    while head != NULL:
        following = unlink(head)
        call_rcu(head)
        subtract_pending()
        head = following


@atomic
def unlink(head: RcuHead) -> RcuHead:
    """Read the next link; the node belongs to the handler alone."""
    following = head.next
    head.next = NULL
    return following


@routine(models="kernel/rcu/tree.c: rcu_barrier, RFC of 2026-07-21", entry=(barrier,))
def flush_and_rcu_barrier() -> None:
    """What is parked is handed on first, if anything is; then the barrier as before."""
    total = Pending.total
    if total > 0:
        lock_barriers()
        for staged in Staged:
            irq_work_sync(staged.work)
        unlock_barriers()
    rcu_barrier()
