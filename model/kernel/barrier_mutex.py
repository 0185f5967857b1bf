"""A mutex around the part of a barrier that only one task may be in at a time.

irq_work_sync() has one slot for who waits: where it sleeps, its callers must take turns.
"""

from model.kernel.cpu import myself
from model.kernel.waiting import schedule
from model.language.syntax import atomic, cfg, inline, knob, record, wait_until

knob("barrier_mutex", False, "the repair of F-4: one barrier at a time waits for irq_works")


@record(single=cfg.barrier_mutex)
class BarrierMutex:
    """A mutex around the barrier, where a design has one."""

    held: bool


@atomic
def mutex_is_taken() -> bool:
    """One compare-and-swap: takes the mutex if it is free; true if somebody else has it."""
    taken = BarrierMutex.held
    BarrierMutex.held = True
    return taken


@atomic
def wait_for_mutex() -> None:
    """Asleep until it is free, then its owner."""
    wait_until(not BarrierMutex.held)
    BarrierMutex.held = True
    myself().asleep = False


@inline
def lock_barriers() -> None:
    """mutex_lock(), if the design serialises its barrier."""
    if cfg.barrier_mutex:
        if mutex_is_taken():
            schedule()
            wait_for_mutex()


@inline
def unlock_barriers() -> None:
    """mutex_unlock()."""
    if cfg.barrier_mutex:
        release_mutex()


@atomic
def release_mutex() -> None:
    """The next one may have it."""
    BarrierMutex.held = False
