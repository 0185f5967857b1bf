"""self_deadlock: no context waits for what cannot come while it waits.

A context that spins on a raw lock must not find it held by, or queued for in, a context that it
interrupted or runs inside: that one cannot go on before the spinning ends. Reported at the
attempt. Monitor: the checks in model/kernel/locks.py.

Violated by: a lock taken in NMI or in a probe that the interrupted code can hold.
"""
