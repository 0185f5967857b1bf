"""The bounds that are options of the command line by themselves, and their help.

Not in `jobs.py`: the options are read before anything large is imported.
"""

from __future__ import annotations

BOUNDS = {
    "cpus": "CPUs.",
    "objects": "Objects; each is freed at most once.",
    "nmis": "NMIs that free, over the whole run.",
    "probes": "Probe hits that free.",
    "hardirqs": "Device interrupts that free.",
    "softirqs": "Softirqs that free.",
    "readers": "RCU readers.",
    "tasks": "Client tasks under way at the same time.",
    "workers": "Workqueue workers.",
    "preemptions": "Times a task is switched out.",
}
LOWEST = {"cpus": 1}
"""Where 0 makes no sense. Without objects or tasks a run is odd, and the check says so."""
HIGHEST = 64
