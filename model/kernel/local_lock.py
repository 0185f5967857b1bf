"""local_trylock_t: a per-CPU lock that is only ever tried from contexts that may nest.

Without PREEMPT_RT it is preempt_disable() and a flag with a plain load and a plain store: a context
that comes in between leaves the flag as it found it. With PREEMPT_RT it is a trylock of a per-CPU
sleeping lock, which NMI and hardirq must not try; they fail at once.

Abstraction: on PREEMPT_RT the section runs with preemption off (the kernel only keeps the task on
its CPU), so that a holder which is switched out is missed.
"""

from model.kernel.cpu import Level, can_spin_trylock, level
from model.language.syntax import atomic, cfg, check, free_test, holder_test, record, routine


@record()
class LocalTrylock:
    """`owner_level` is for `lock_discipline`."""

    acquired: bool
    owner_level: Level


@holder_test
def acquired_by_me(lock: LocalTrylock) -> bool:
    """The running context, which is on the lock's CPU, holds it."""
    return lock.acquired and lock.owner_level == level()


@free_test
def local_lock_is_free(lock: LocalTrylock) -> bool:
    """Nobody on the lock's CPU holds it."""
    return not lock.acquired


@atomic
def set_acquired(lock: LocalTrylock) -> None:
    """The plain store."""
    lock.acquired = True
    lock.owner_level = level()


@atomic
def try_sleeping_lock(lock: LocalTrylock) -> bool:
    """PREEMPT_RT: one compare-and-swap."""
    if lock.acquired:
        return False
    lock.acquired = True
    lock.owner_level = level()
    return True


@routine(models="include/linux/local_lock_internal.h: __local_trylock, preemption is off")
def local_trylock(lock: LocalTrylock) -> bool:
    """Take this CPU's lock if nobody on the CPU holds it."""
    if cfg.preempt_rt:
        if not can_spin_trylock():
            return False
        return try_sleeping_lock(lock)
    taken = lock.acquired
    if taken:
        return False
    set_acquired(lock)
    return True


@routine(models="include/linux/local_lock_internal.h: __local_unlock")
def local_unlock(lock: LocalTrylock) -> None:
    """Give the lock up."""
    release_local(lock)


@atomic
def release_local(lock: LocalTrylock) -> None:
    """The plain store of 0."""
    check("lock_discipline", acquired_by_me(lock), "the lock is released by who does not hold it")
    lock.acquired = False
    lock.owner_level = Level.TASK


@atomic
def take_over(lock: LocalTrylock) -> None:
    """The lock of a dead CPU, for whoever cleans up after it.

    The kernel takes no lock there, for nothing runs on the CPU. So nobody sees that it is marked as
    taken for the time; that nobody was inside is checked.
    """
    check("lock_discipline", not lock.acquired, "the CPU died while its lock was held")
    lock.acquired = True
    lock.owner_level = level()
