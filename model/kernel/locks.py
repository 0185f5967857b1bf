"""Raw spinlocks: spinning, trylock, and what is left of them on UP.

On SMP a raw spinlock is owned by one context and waiters queue. On UP (without spinlock
debugging) taking it only disables preemption: `lock` does not wait and `trylock` always succeeds.
What is recorded there is who is inside, for `lock_discipline`: two contexts inside at once is what
the lock is there to prevent.

On SMP the lock functions can be probed; on UP they are inlined and cannot.

Abstraction:
* A context that would spin on a lock held by, or queued for in, a context below it on the same
  CPU can never go on. It is reported when it asks for the lock, not by waiting for ever.
"""

from model.kernel.cpu import Cpu, Level, level, smp_processor_id
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.language.syntax import (
    NULL,
    Array,
    atomic,
    cfg,
    check,
    free_test,
    holder_test,
    pure,
    record,
    routine,
    wait_until,
)


@record()
class RawSpinlock:
    """raw_spinlock_t: who holds it, and the CPUs on which some context is queued for it, in order.

    `inside` is for UP only: the levels at which a context is between lock and unlock.
    """

    owner_cpu: Cpu
    owner_level: Level
    queue: Array[Cpu, cfg.cpus]
    inside: Array[bool, 5]


@holder_test
def held_by_me(lock: RawSpinlock) -> bool:
    """The running context holds the lock; on UP: it is between lock and unlock."""
    if not cfg.smp:
        return lock.inside[level()]
    return lock.owner_cpu == smp_processor_id() and lock.owner_level == level()


@free_test
def raw_lock_is_free(lock: RawSpinlock) -> bool:
    """Nobody holds the lock; on UP: nobody is between lock and unlock."""
    if not cfg.smp:
        return not any(lock.inside[i] for i in range(5))
    return lock.owner_cpu == NULL


@pure
def somebody_is_queued(lock: RawSpinlock) -> bool:
    """A newcomer has to wait, even if nobody holds the lock just then."""
    return lock.queue[0] != NULL


@atomic
def join_queue(lock: RawSpinlock, cpu: Cpu) -> None:
    """Behind the last one."""
    placed: bool = False
    for i in range(cfg.cpus):
        if not placed and lock.queue[i] == NULL:
            lock.queue[i] = cpu
            placed = True


@atomic
def leave_queue(lock: RawSpinlock) -> None:
    """The first one has the lock; the others move up."""
    for i in range(cfg.cpus - 1):
        lock.queue[i] = lock.queue[i + 1]
    lock.queue[cfg.cpus - 1] = NULL


@atomic
def lock_or_queue(lock: RawSpinlock) -> bool:
    """Take a lock that is free and that nobody waits for, else join its queue."""
    if not cfg.smp:
        enter_without_waiting(lock)
        return True
    cpu = smp_processor_id()
    check(
        "self_deadlock",
        lock.owner_cpu != cpu,
        "spins for ever: a context it interrupted, or runs inside, holds the lock",
    )
    check(
        "self_deadlock",
        all(lock.queue[i] != cpu for i in range(cfg.cpus)),
        "spins for ever: it waits behind a context it interrupted that is queued for the lock",
    )
    if lock.owner_cpu != NULL or somebody_is_queued(lock):
        join_queue(lock, cpu)
        return False
    lock.owner_cpu = cpu
    lock.owner_level = level()
    return True


@atomic
def enter_without_waiting(lock: RawSpinlock) -> None:
    """UP: nothing keeps a context out."""
    check(
        "lock_discipline",
        raw_lock_is_free(lock),
        "enters a section while the context that it interrupted, or runs inside, is in it",
    )
    lock.inside[level()] = True


@atomic
def wait_for_lock(lock: RawSpinlock) -> None:
    """Spin until the lock is free and the CPU is the first in the queue; take it."""
    wait_until(lock.owner_cpu == NULL and lock.queue[0] == smp_processor_id())
    leave_queue(lock)
    lock.owner_cpu = smp_processor_id()
    lock.owner_level = level()


@atomic
def try_to_take(lock: RawSpinlock) -> bool:
    """One compare-and-swap: fails if anyone holds the lock or is queued for it."""
    if not cfg.smp:
        enter_without_waiting(lock)
        return True
    if lock.owner_cpu != NULL or somebody_is_queued(lock):
        return False
    lock.owner_cpu = smp_processor_id()
    lock.owner_level = level()
    return True


@atomic
def release(lock: RawSpinlock) -> None:
    """Give the lock up."""
    check(
        "lock_discipline",
        held_by_me(lock),
        "the lock is released by a context that does not hold it",
    )
    if cfg.smp:
        lock.owner_cpu = NULL
        lock.owner_level = Level.TASK
    else:
        lock.inside[level()] = False


@routine(models="kernel/locking/spinlock.c: _raw_spin_lock", traceable=cfg.smp)
def raw_spin_lock(lock: RawSpinlock) -> None:
    """raw_spin_lock(), with irqs already off."""
    if not lock_or_queue(lock):
        wait_for_lock(lock)


@routine(models="kernel/locking/spinlock.c: _raw_spin_unlock", traceable=cfg.smp)
def raw_spin_unlock(lock: RawSpinlock) -> None:
    """raw_spin_unlock()."""
    release(lock)


@routine(models="kernel/locking/spinlock.c: _raw_spin_trylock", traceable=cfg.smp)
def raw_spin_trylock(lock: RawSpinlock) -> bool:
    """raw_spin_trylock(), with irqs already off."""
    return try_to_take(lock)


@routine(models="kernel/locking/spinlock.c: _raw_spin_lock_irqsave", traceable=cfg.smp)
def raw_spin_lock_irqsave(lock: RawSpinlock) -> bool:
    """raw_spin_lock_irqsave(): returns the saved flags."""
    flags = local_irq_save()
    if not lock_or_queue(lock):
        wait_for_lock(lock)
    return flags


@routine(models="kernel/locking/spinlock.c: _raw_spin_unlock_irqrestore", traceable=cfg.smp)
def raw_spin_unlock_irqrestore(lock: RawSpinlock, flags: bool) -> None:
    """raw_spin_unlock_irqrestore()."""
    release(lock)
    local_irq_restore(flags)
