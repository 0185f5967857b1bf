"""A mutex around the part of a barrier that only one task may be in at a time.

irq_work_sync() has one slot for who waits: where it sleeps, its callers must take turns. This is a
repair: no kernel function has it.
"""

from model.kernel.mutex import Mutex, mutex_lock, mutex_unlock
from model.language.syntax import Embed, cfg, inline, knob, record

knob("barrier_mutex", False, "the repair of F-4: one barrier at a time waits for irq_works")


@record(single=cfg.barrier_mutex)
class BarrierMutex:
    """A mutex around the barrier, where a design has one."""

    mutex: Embed[Mutex]


@inline
def lock_barriers() -> None:
    """mutex_lock() (kernel/locking/mutex.c), if the design serialises its barrier."""
    if cfg.barrier_mutex:
        mutex_lock(BarrierMutex.mutex)


@inline
def unlock_barriers() -> None:
    """mutex_unlock() (kernel/locking/mutex.c)."""
    if cfg.barrier_mutex:
        mutex_unlock(BarrierMutex.mutex)
