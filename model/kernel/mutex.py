"""struct mutex, as far as barriers and the shrinker need one: taken asleep, or only tried.

Abstractions:
* Waiters are a set, not a queue: any of them may be next, which is more than the kernel allows.
* Nobody spins while the owner runs: who has to wait sleeps at once. The kernel's spinning ends when
  another task needs the CPU, so that it keeps nobody from running.
* The owner is not noted. That a task takes a mutex twice shows as a wait for ever; that a task
  unlocks what another one holds is missed.
* A caller that must not sleep is reported only if it has to wait; the kernel's might_sleep()
  reports it always.
* The functions have no probe points: a probe that hits them is missed. The routines around them
  have their own.
* On PREEMPT_RT a mutex is an rt_mutex (kernel/locking/rtmutex_api.c). It is modelled alike; its
  priority inheritance and its raw wait_lock are left out.
"""

from model.kernel.cpu import myself
from model.kernel.waiting import schedule
from model.language.syntax import atomic, inline, record, wait_until


@record()
class Mutex:
    """struct mutex."""

    held: bool


@atomic(models="kernel/locking/mutex.c: mutex_trylock")
def mutex_trylock(mutex: Mutex) -> bool:
    """mutex_trylock(): one compare-and-swap."""
    taken = mutex.held
    mutex.held = True
    return not taken


@atomic(models="kernel/locking/mutex.c: __mutex_lock_common")
def wait_for_mutex(mutex: Mutex) -> None:
    """Asleep until it is free, then its owner."""
    wait_until(not mutex.held)
    mutex.held = True
    myself().asleep = False


@inline(models="kernel/locking/mutex.c: mutex_lock")
def mutex_lock(mutex: Mutex) -> None:
    """mutex_lock(), by a task that may sleep."""
    if not mutex_trylock(mutex):
        schedule()
        wait_for_mutex(mutex)


@atomic(models="kernel/locking/mutex.c: mutex_unlock")
def mutex_unlock(mutex: Mutex) -> None:
    """mutex_unlock(): the next one may have it."""
    mutex.held = False
