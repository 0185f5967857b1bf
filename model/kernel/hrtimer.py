"""hrtimers, as far as they hand a call on from under a raw lock to a hardirq.

Abstractions:
* An armed timer may fire at any moment, on any CPU.
* Arming and expiry take the base lock of the CPU they run on, as with the timer wheel.
* No hrtimer is hard: the function runs in hardirq, on PREEMPT_RT in softirq, that is in a thread.
"""

from model.kernel.cpu import Cpu, this_cpu
from model.kernel.forbidden import forbidden_from_nmi_or_probe
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import RawSpinlock, raw_spin_lock, raw_spin_unlock
from model.language.syntax import (
    Embed,
    Routine,
    Static,
    atomic,
    record,
    routine,
    tracepoint,
)


@record()
class Hrtimer:
    """struct hrtimer."""

    func: Static[Routine]
    armed: bool


@record(per=Cpu)
class HrtimerBase:
    """A CPU's hrtimer_cpu_base."""

    lock: Embed[RawSpinlock]


@atomic
def enqueue_hrtimer(timer: Hrtimer) -> None:
    """The timer is armed."""
    timer.armed = True


@atomic
def remove_hrtimer(timer: Hrtimer) -> bool:
    """Take the timer off, if it is there."""
    was = timer.armed
    timer.armed = False
    return was


@routine(models="kernel/time/hrtimer.c: hrtimer_start_range_ns")
def hrtimer_start(timer: Hrtimer) -> None:
    """Arm the timer under the base lock; the hrtimer_start tracepoint is inside."""
    forbidden_from_nmi_or_probe()
    flags = local_irq_save()
    base = this_cpu(HrtimerBase)
    raw_spin_lock(base.lock)
    tracepoint()
    enqueue_hrtimer(timer)
    raw_spin_unlock(base.lock)
    local_irq_restore(flags)


@routine(models="kernel/time/hrtimer.c: __run_hrtimer")
def run_hrtimer(timer: Hrtimer) -> None:
    """The timer is removed under the base lock; its function runs without it."""
    base = this_cpu(HrtimerBase)
    flags = local_irq_save()
    raw_spin_lock(base.lock)
    fires = remove_hrtimer(timer)
    raw_spin_unlock(base.lock)
    local_irq_restore(flags)
    if fires:
        timer.func(timer)
