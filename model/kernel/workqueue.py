"""Workqueue pieces: work items, delayed work, rcu_work, and the locks inside them.

Time is abstracted: an armed timer may fire at any moment, so delays have no length; what remains
of a delay is which locks are taken and in which order the states follow.

Abstractions:
* One pool lock. A timer may fire on any CPU (idle CPUs hand their timers over).
* Arming, stealing and expiry take the timer base lock of the CPU they run on, not of the one the
  timer sits on: that a context waits for a remote base is missed.
* queue_rcu_work() calls call_rcu_hurry(), which differs from call_rcu() only in not being lazy.
"""

from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.forbidden import forbidden_from_nmi_or_probe
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import RawSpinlock, raw_spin_lock, raw_spin_unlock
from model.language.syntax import (
    Embed,
    Range,
    Routine,
    Static,
    atomic,
    cfg,
    container_of,
    embed,
    inline,
    pure,
    record,
    routine,
    tracepoint,
)


@record()
class DelayedWork:
    """struct delayed_work: `pending` is WORK_STRUCT_PENDING, `armed` its timer, `queued` being on
    the pool's list, `running` that a worker executes it. `far`: armed with the long delay.
    `disabled`: how many wait for it after cancelling it; it cannot be queued meanwhile."""

    func: Static[Routine]
    pending: bool
    armed: bool
    far: bool
    queued: bool
    running: bool
    disabled: Range[0, cfg.barriers]


@record()
class RcuWork:
    """struct rcu_work: the same, with an RCU callback instead of a timer."""

    func: Static[Routine]
    rcu: Embed[RcuHead] = embed(func=rcu_work_rcufn)
    pending: bool
    queued: bool
    running: bool


@record(single=True)
class Pool:
    """The worker pool of the unbound queue."""

    lock: Embed[RawSpinlock]


@record(per=Cpu)
class TimerBase:
    """A CPU's timer wheel."""

    lock: Embed[RawSpinlock]


# --- delayed work -------------------------------------------------------------------------------


@inline
def delayed_work_pending(dwork: DelayedWork) -> bool:
    """delayed_work_pending(): one read."""
    pending = dwork.pending
    return pending


@atomic
def test_and_set_pending(dwork: DelayedWork) -> bool:
    """test_and_set_bit(WORK_STRUCT_PENDING_BIT): true if it was set already."""
    was = dwork.pending
    dwork.pending = True
    return was


@atomic
def clear_pending_if_disabled(dwork: DelayedWork) -> bool:
    """clear_pending_if_disabled(): a dropped attempt has set PENDING for a moment."""
    if dwork.disabled == 0:
        return False
    dwork.pending = False
    return True


@routine(models="kernel/time/timer.c: add_timer")
def add_timer(dwork: DelayedWork, far: bool) -> None:
    """Arm the timer on this CPU, under its base lock; the timer_start tracepoint is inside."""
    base = this_cpu(TimerBase)
    raw_spin_lock(base.lock)
    tracepoint()
    arm(dwork, far)
    raw_spin_unlock(base.lock)


@atomic
def arm(dwork: DelayedWork, far: bool) -> None:
    """The timer is in the wheel."""
    dwork.armed = True
    dwork.far = far


@routine(models="kernel/workqueue.c: queue_delayed_work_on")
def queue_delayed_work(dwork: DelayedWork, far: bool) -> bool:
    """queue_delayed_work() with a delay: false if it was pending."""
    forbidden_from_nmi_or_probe()
    flags = local_irq_save()
    if test_and_set_pending(dwork):
        local_irq_restore(flags)
        return False
    if cfg.barriers > 0:
        if clear_pending_if_disabled(dwork):
            local_irq_restore(flags)
            return False
    add_timer(dwork, far)
    local_irq_restore(flags)
    return True


@routine(models="kernel/workqueue.c: queue_delayed_work_on with no delay: __queue_work")
def queue_delayed_work_now(dwork: DelayedWork) -> bool:
    """queue_delayed_work(wq, work, 0): straight to the pool; its tracepoint is under the lock."""
    forbidden_from_nmi_or_probe()
    flags = local_irq_save()
    if test_and_set_pending(dwork):
        local_irq_restore(flags)
        return False
    raw_spin_lock(Pool.lock)
    tracepoint()
    insert_delayed_work(dwork)
    raw_spin_unlock(Pool.lock)
    local_irq_restore(flags)
    return True


@atomic
def disarm(dwork: DelayedWork) -> bool:
    """Take the timer out of the wheel, if it is there."""
    was = dwork.armed
    dwork.armed = False
    dwork.far = False
    return was


@atomic
def take_from_pool(dwork: DelayedWork) -> bool:
    """Take the item off the pool's list, if it is there."""
    was = dwork.queued
    dwork.queued = False
    return was


@routine(models="kernel/workqueue.c: try_to_grab_pending")
def try_to_grab_pending(dwork: DelayedWork) -> bool:
    """Own the PENDING bit: from the timer, from nobody, or from the pool. False: try again."""
    base = this_cpu(TimerBase)
    raw_spin_lock(base.lock)
    stolen: bool = disarm(dwork)
    raw_spin_unlock(base.lock)
    if stolen:
        return True
    if not test_and_set_pending(dwork):
        return True
    raw_spin_lock(Pool.lock)
    stolen = take_from_pool(dwork)
    raw_spin_unlock(Pool.lock)
    return stolen


@routine(models="kernel/workqueue.c: mod_delayed_work_on")
def mod_delayed_work(dwork: DelayedWork) -> None:
    """mod_delayed_work() to the short delay: steal PENDING, then arm again."""
    forbidden_from_nmi_or_probe()
    flags = local_irq_save()
    while not try_to_grab_pending(dwork):
        pass
    add_timer(dwork, False)
    local_irq_restore(flags)


@atomic
def insert_delayed_work(dwork: DelayedWork) -> None:
    """Put the item on the pool's list."""
    dwork.queued = True


@routine(models="kernel/time/timer.c: expire_timers; kernel/workqueue.c: delayed_work_timer_fn")
def delayed_work_timer_fn(dwork: DelayedWork) -> None:
    """The timer is dequeued under its base lock, the item queued under the pool lock."""
    base = this_cpu(TimerBase)
    raw_spin_lock(base.lock)
    fires = disarm(dwork)
    raw_spin_unlock(base.lock)
    if fires:
        raw_spin_lock(Pool.lock)
        insert_delayed_work(dwork)
        raw_spin_unlock(Pool.lock)


@atomic
def begin_delayed_work(dwork: DelayedWork) -> bool:
    """A worker takes the item: off the list, PENDING cleared, both under the pool lock."""
    if not dwork.queued or dwork.running:
        return False
    dwork.queued = False
    dwork.pending = False
    dwork.running = True
    return True


@atomic
def end_delayed_work(dwork: DelayedWork) -> None:
    """The item may run again."""
    dwork.running = False


@routine(models="kernel/workqueue.c: process_one_work")
def process_delayed_work(dwork: DelayedWork) -> None:
    """Dequeue under the pool lock, run the function without it."""
    flags = local_irq_save()
    raw_spin_lock(Pool.lock)
    mine = begin_delayed_work(dwork)
    raw_spin_unlock(Pool.lock)
    local_irq_restore(flags)
    if mine:
        dwork.func(dwork)
        end_delayed_work(dwork)


# --- rcu_work -----------------------------------------------------------------------------------


@atomic
def claim_rcu_work(rwork: RcuWork) -> bool:
    """test_and_set_bit(WORK_STRUCT_PENDING_BIT): true if it was clear."""
    if rwork.pending:
        return False
    rwork.pending = True
    return True


@routine(models="kernel/workqueue.c: queue_rcu_work")
def queue_rcu_work(rwork: RcuWork) -> bool:
    """queue_rcu_work(): false if it was pending."""
    if not claim_rcu_work(rwork):
        return False
    call_rcu(rwork.rcu)
    return True


@atomic
def insert_rcu_work(rwork: RcuWork) -> None:
    """Put the item on the pool's list."""
    rwork.queued = True


@routine(models="kernel/workqueue.c: rcu_work_rcufn")
def rcu_work_rcufn(head: RcuHead) -> None:
    """The RCU callback queues the work under the pool lock; it turns irqs off first and on last."""
    rwork = container_of(head, RcuWork.rcu)
    raw_spin_lock(Pool.lock)
    insert_rcu_work(rwork)
    raw_spin_unlock(Pool.lock)


@pure
def is_of_rcu_work(head: RcuHead) -> bool:
    """The callback is that of an rcu_work."""
    return any(w.rcu == head for w in RcuWork)


@atomic
def begin_rcu_work(rwork: RcuWork) -> bool:
    """As begin_delayed_work()."""
    if not rwork.queued or rwork.running:
        return False
    rwork.queued = False
    rwork.pending = False
    rwork.running = True
    return True


@atomic
def end_rcu_work(rwork: RcuWork) -> None:
    """The item may run again."""
    rwork.running = False


@routine(models="kernel/workqueue.c: process_one_work")
def process_rcu_work(rwork: RcuWork) -> None:
    """Dequeue under the pool lock, run the function without it."""
    flags = local_irq_save()
    raw_spin_lock(Pool.lock)
    mine = begin_rcu_work(rwork)
    raw_spin_unlock(Pool.lock)
    local_irq_restore(flags)
    if mine:
        rwork.func(rwork)
        end_rcu_work(rwork)
