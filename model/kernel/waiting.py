"""Waiting: what only a task that may sleep can call, and the sleep itself.

A task that waits gives its CPU up and gets an idle one, any, when what it waits for has come
about. The callers of the barrier wait here, and clients that may sleep.

Abstractions:
* flush_work() waits for the work item to be neither queued nor running at some moment. The kernel
  waits for the instance that it found; a later instance is not waited for in either, since the
  waiter may go on as soon as the first is done.
* flush_work() looks at the item in one step; that it holds the pool lock while it looks is left
  out: every other path through the workqueue shows what a held pool lock does.
* A task that spins in irq_work_sync() is preemptible. In runs with hotplug it gives its CPU up, so
  that the task which takes a CPU offline can run there; elsewhere nothing waits for that CPU.
* synchronize_rcu() waits for a callback of its own, as it does without rcu_normal_wake_from_gp.
  With that, which small systems have since 6.17, RCU's own thread and a worker wake who waits: that
  this comes before callbacks that are in front on the list is missed (`callback_lists`).
* irq_work_sync() and mutex_lock() by a caller that must not sleep are reported where they have to
  sleep; the kernel's might_sleep() reports them always.
* Cancelling disables a work by a count in the kernel; here callers of the barrier are few enough
  for the count to be exact.
"""

from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.cpu import Cpu, Sleeper, myself, quiescent, smp_processor_id
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.irq_work import IrqWork, is_waited_for_asleep
from model.kernel.rcu import note_quiescent_state
from model.kernel.tick import leave_cpu
from model.kernel.workqueue import DelayedWork, RcuWork, try_to_grab_pending
from model.language.syntax import (
    NULL,
    Embed,
    atomic,
    cfg,
    check,
    container_of,
    embed,
    inline,
    of,
    record,
    routine,
    wait_until,
)


@record(
    per=Sleeper,
    when=cfg.preempt_rt or not cfg.irq_work_interrupt or cfg.sleepers > 0,
)
class Synchronizer:
    """struct rcu_synchronize: the callback that a synchronize_rcu() waits for."""

    rcu: Embed[RcuHead] = embed(func=wakeme_after_rcu)
    done: bool


@atomic(models="kernel/sched/core.c: schedule")
def schedule() -> None:
    """Give the CPU up."""
    who = myself()
    cpu = who.task.cpu
    check("forbidden_call", not cpu.irqs_off, "sleeps with irqs off")
    check("forbidden_call", cpu.preempt_count == 0, "sleeps with preemption off")
    leave_cpu(cpu)
    who.task.cpu = NULL
    who.asleep = True
    note_quiescent_state(cpu, quiescent(cpu))


@atomic
def choose_cpu(cpu: Cpu) -> None:
    """The model's own: the task may run on this CPU only."""
    who = myself()
    who.target = cpu
    who.asleep = False


@inline
def move_to(cpu: Cpu) -> None:
    """The model's own: go on on a given CPU, as a work bound to it would."""
    schedule()
    choose_cpu(cpu)


@atomic(models="include/linux/kernel.h: might_sleep")
def might_sleep() -> None:
    """might_sleep(): reports a caller that must not, whether or not the call sleeps."""
    cpu = smp_processor_id()
    check("forbidden_call", not cpu.irqs_off, "may sleep, with irqs off")
    check("forbidden_call", cpu.preempt_count == 0, "may sleep, with preemption off")


@atomic
def memory_is_there() -> None:
    """Nothing is waited for any more."""
    myself().asleep = False


@inline(models="mm/page_alloc.c: __alloc_pages_slowpath, where it sleeps")
def sleep_for_memory() -> None:
    """What an allocation with direct reclaim may do; it can end at any time."""
    schedule()
    memory_is_there()


# --- callbacks and grace periods ----------------------------------------------------------------


@atomic
def mark_callbacks() -> bool:
    """Note every callback that is there; false if there is none."""
    any_marked: bool = False
    for head in RcuHead:
        head.marked = head.waiting
        head.end_marked = head.invoked
        any_marked = any_marked or head.waiting or head.invoked
    return any_marked


@atomic
def wait_for_marked_callbacks() -> None:
    """Asleep until each of them has been invoked."""
    wait_until(all(not h.marked and not h.end_marked for h in RcuHead))
    myself().asleep = False


@routine(models="kernel/rcu/tree.c: rcu_barrier")
def rcu_barrier() -> None:
    """Wait for every callback whose call_rcu() returned before."""
    if mark_callbacks():
        schedule()
        wait_for_marked_callbacks()


@atomic(models="kernel/rcu/update.c: wakeme_after_rcu")
def wakeme_after_rcu(head: RcuHead) -> None:
    """The grace period is over."""
    container_of(head, Synchronizer.rcu).done = True


@atomic
def wait_for_grace_period(sync: Synchronizer) -> None:
    """Asleep until the callback has been invoked."""
    wait_until(sync.done)
    sync.done = False
    myself().asleep = False


@routine(models="kernel/rcu/tree.c: synchronize_rcu")
def synchronize_rcu() -> None:
    """Wait for a full grace period."""
    sync = of(Synchronizer, myself())
    call_rcu(sync.rcu)
    schedule()
    wait_for_grace_period(sync)


# --- work items ---------------------------------------------------------------------------------


@atomic(models="kernel/workqueue.c: start_flush_work")
def rcu_work_is_idle(rwork: RcuWork) -> bool:
    """start_flush_work(): nothing to wait for."""
    return not rwork.queued and not rwork.running


@atomic
def wait_for_rcu_work(rwork: RcuWork) -> None:
    """Asleep until the item is done."""
    wait_until(not rwork.queued and not rwork.running)
    myself().asleep = False


@routine(models="kernel/workqueue.c: flush_rcu_work")
def flush_rcu_work(rwork: RcuWork) -> None:
    """If it is pending its callback is waited for first; then the item."""
    pending = rwork.pending
    if pending:
        rcu_barrier()
    if not rcu_work_is_idle(rwork):
        schedule()
        wait_for_rcu_work(rwork)


@atomic(models="kernel/workqueue.c: __cancel_work")
def disable_and_clear_pending(dwork: DelayedWork) -> None:
    """Whoever owns PENDING gives it up; until the work is enabled again it cannot be queued."""
    dwork.disabled += 1
    dwork.pending = False


@atomic(models="kernel/workqueue.c: start_flush_work")
def delayed_work_runs(dwork: DelayedWork) -> bool:
    """A worker executes the item."""
    return dwork.running


@atomic
def wait_for_delayed_work(dwork: DelayedWork) -> None:
    """Asleep until the running instance is done."""
    wait_until(not dwork.running)
    myself().asleep = False


@atomic(models="kernel/workqueue.c: enable_work")
def enable(dwork: DelayedWork) -> None:
    """The work can be queued again."""
    dwork.disabled -= 1


@routine(models="kernel/workqueue.c: cancel_delayed_work_sync")
def cancel_delayed_work_sync(dwork: DelayedWork) -> None:
    """Take a pending instance away, wait for a running one; queueing fails meanwhile."""
    flags = local_irq_save()
    while not try_to_grab_pending(dwork):
        pass
    disable_and_clear_pending(dwork)
    local_irq_restore(flags)
    if delayed_work_runs(dwork):
        schedule()
        wait_for_delayed_work(dwork)
    enable(dwork)


# --- irq_works ----------------------------------------------------------------------------------


@atomic
def spin_until_not_busy(work: IrqWork) -> None:
    """Spin, with irqs on."""
    wait_until(not work.busy)


@atomic
def spin_elsewhere_until_not_busy(work: IrqWork) -> None:
    """The same by a task that was preempted meanwhile."""
    wait_until(not work.busy)
    myself().asleep = False


@atomic(models="include/linux/rcuwait.h: prepare_to_rcuwait")
def become_waiter(work: IrqWork) -> None:
    """The work's one slot for a waiter; whoever was in it is overwritten."""
    work.waiter = myself()


@atomic(models="kernel/rcu/update.c: finish_rcuwait")
def leave_slot(work: IrqWork) -> None:
    """The slot is emptied, whoever is in it by now."""
    work.waiter = NULL


@atomic(models="include/linux/irq_work.h: irq_work_is_busy")
def still_busy(work: IrqWork) -> bool:
    """One read; where there is a slot, after it has been taken."""
    return work.busy


@atomic
def wait_to_be_woken() -> None:
    """Asleep until the handler's end wakes whoever is in the slot."""
    wait_until(myself().woken)
    myself().woken = False
    myself().asleep = False


@routine(models="kernel/irq_work.c: irq_work_sync")
def irq_work_sync(work: IrqWork) -> None:
    """Wait until the work is not BUSY: neither claimed nor running.

    On PREEMPT_RT a soft work is waited for in a single slot, asleep, and then a grace period long,
    because the handler touches the work once more after it has woken the waiter. So is any work
    where the tick runs it.
    """
    if is_waited_for_asleep(work):
        become_waiter(work)
        while still_busy(work):
            schedule()
            wait_to_be_woken()
        leave_slot(work)
        synchronize_rcu()
    elif cfg.hotplug > 0:
        if still_busy(work):
            schedule()
            spin_elsewhere_until_not_busy(work)
    else:
        spin_until_not_busy(work)
