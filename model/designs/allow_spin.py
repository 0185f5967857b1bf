"""allow_spin: RFC v1 patch 6/7, kfree_rcu_nolock() with an allow_spin flag through the batching code.

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
from model.kernel.contexts import client
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.interrupts import local_irq_restore, local_irq_save, preempt_disable, preempt_enable
from model.kernel.debug import debug_object_queue, kasan_record_aux_stack, kmemleak_ignore
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
from model.kernel.slab import recover_start
from model.kernel.workqueue import delayed_work_pending
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    event,
    inline,
    knob,
    of,
    record,
    routine,
    set_knob,
)

set_knob("rcu_ptr", True)
knob("k1_test_pending", True, "K1: the monitor's irq_work is queued only if the monitor is not pending")
knob("k5_arm_first", False, "K5: the monitor is armed before the object is linked")
knob("k7_skip_stack_depot", True, "K7: the nolock path does not record a KASAN stack")
knob("always_defer_on_up", False, "the repair of UP-1: never trust a trylock on UP")


@record(per=Cpu)
class Nolock:
    """Per CPU: parked objects with the irq_work that queues them, and the one that arms the monitor."""

    defer_list: Embed[LlistHead]
    defer_work: Embed[IrqWork] = embed(func=drain_defer_list, lazy=False)
    sched_monitor_work: Embed[IrqWork] = embed(func=sched_monitor, lazy=True)


@routine(models="mm/slab_common.c: kvfree_call_rcu, RFC v1 6/7", entry=("task", "hardirq"))
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): may spin."""
    queue_object(head, True)


@routine(
    models="mm/slab_common.c: kfree_rcu_nolock, RFC v1 6/7", entry=("task", "hardirq", "nmi", "probe")
)
def kfree_rcu_nolock(head: Object) -> None:
    """kfree_rcu_nolock(): from any context."""
    queue_object(head, False)


@inline
def queue_object(head: Object, allow_spin: bool) -> None:
    """The common body: mainline's, with the nolock exceptions."""
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
    schedule_delayed_monitor_work(krcp)
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
