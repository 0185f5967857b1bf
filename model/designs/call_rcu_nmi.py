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

from model.designs.call_rcu_nmi_runs import CALL_RCU_NMI_EXPECT, CALL_RCU_NMI_RUNS
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
    inline,
    knob,
    of,
    record,
    routine,
    set_knob,
    unreached,
)

TITLE = "call_rcu_nmi: call_rcu() detects NMI, llist and irq_work"

RUNS = CALL_RCU_NMI_RUNS

EXPECT = CALL_RCU_NMI_EXPECT

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
