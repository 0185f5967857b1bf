"""forbidden_call: nothing is called that its context does not allow.

Monitor: the checks that the kernel's parts make at their entry (model/kernel/forbidden.py). A
forbidden call is reported whether or not the lock it takes happens to be held.

Violated by: queueing work, or a debugging hook that takes a lock, from NMI or from a probe.
"""
