"""Before a23da88c6c80: the monitor is armed again without the krcp lock.

It reads the counters that decide the delay while others change them.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "a23da88c6c80",
    title="the monitor is armed again without krcp->lock",
    design="mainline",
    run=run("smp", env="smp", objects=3, cpus=1, bnodes=0, other_gps=0),
    edits=[
        replace(
            "model/designs/krcp.py",
            "rearm_monitor",
            old="flags = raw_spin_lock_irqsave(krcp.lock)",
            new="",
        ),
        replace(
            "model/designs/krcp.py",
            "rearm_monitor",
            old="raw_spin_unlock_irqrestore(krcp.lock, flags)",
            new="",
        ),
    ],
    violates=("lock_discipline",),
    because="the counters are guarded by the lock",
    reported="commit a23da88c6c80",
)
