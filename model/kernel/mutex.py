"""struct mutex, as far as barriers and the shrinker need one: taken asleep, or only tried.

Abstraction: waiters are a set, not a queue: any of them may be next, which is more than the kernel
allows.
"""

from model.kernel.cpu import myself
from model.kernel.waiting import schedule
from model.language.syntax import atomic, inline, record, wait_until


@record()
class Mutex:
    """struct mutex."""

    held: bool


@atomic
def mutex_trylock(mutex: Mutex) -> bool:
    """mutex_trylock(): one compare-and-swap."""
    taken = mutex.held
    mutex.held = True
    return not taken


@atomic
def wait_for_mutex(mutex: Mutex) -> None:
    """Asleep until it is free, then its owner."""
    wait_until(not mutex.held)
    mutex.held = True
    myself().asleep = False


@inline
def mutex_lock(mutex: Mutex) -> None:
    """mutex_lock(), by a task that may sleep."""
    if not mutex_trylock(mutex):
        schedule()
        wait_for_mutex(mutex)


@atomic
def mutex_unlock(mutex: Mutex) -> None:
    """mutex_unlock(): the next one may have it."""
    mutex.held = False
