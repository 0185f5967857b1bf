"""spinlock_t: a raw spinlock, except on PREEMPT_RT, where it sleeps.

What matters here of the sleeping form is who may ask for it: a task that may sleep. Whoever holds a
raw lock, has irqs or preemption off, or is a handler, must not take it; and NMI and hardirq must
not even try it, because the lock's own raw wait_lock may be held below, and because it would be
owned by a task that did not ask for it.

Abstraction: behind that check the lock is the raw one. Only a mutant (K-1) takes one here, no
design. For one that does:
* A task that asks while the holder is switched out is reported as if it waited for itself. Give
  such a run no `preemptions`; what a switch inside the section can do is missed.
* On UP a trylock succeeds whoever is inside, as the raw one does, though on PREEMPT_RT the lock
  knows. `lock_discipline` then reports it: a false alarm, nothing is missed.
"""

from model.kernel.cpu import can_spin_trylock, smp_processor_id
from model.kernel.locks import RawSpinlock, raw_spin_lock, raw_spin_trylock
from model.language.syntax import atomic, cfg, check, routine, runs_in


@atomic
def must_be_able_to_sleep() -> None:
    """Report a sleeping lock in atomic context."""
    if runs_in(hardirq, nmi, probe):
        check("forbidden_call", False, "takes a sleeping lock in a handler or a probe")
    else:
        cpu = smp_processor_id()
        check(
            "forbidden_call",
            not cpu.irqs_off and cpu.preempt_count == 0,
            "takes a sleeping lock with irqs or preemption off",
        )


@routine(models="kernel/locking/spinlock_rt.c: rt_spin_lock")
def spin_lock(lock: RawSpinlock) -> None:
    """spin_lock()."""
    if cfg.preempt_rt:
        must_be_able_to_sleep()
    raw_spin_lock(lock)


@atomic
def must_not_be_a_handler() -> None:
    """Report a trylock that confuses priority inheritance."""
    check(
        "forbidden_call",
        can_spin_trylock(),
        "tries a sleeping lock in hardirq or NMI: its wait_lock may be held below",
    )


@routine(models="kernel/locking/spinlock_rt.c: rt_spin_trylock")
def spin_trylock(lock: RawSpinlock) -> bool:
    """spin_trylock()."""
    if cfg.preempt_rt:
        must_not_be_a_handler()
    return raw_spin_trylock(lock)
