"""lock_discipline: what a lock protects is touched only under it.

Fields declared `guarded(lock)` are read and written only by the context that holds the lock,
except for reads the kernel makes without it on purpose (READ_ONCE in the model); a lock is
released by its owner; a call returns with irqs and preemption as it found them. Monitor: the
compiler inserts the checks at each access; model/kernel/{locks,cpu}.py hold the others.

Violated by: an access without the lock; on UP also by trusting a trylock there.
"""
