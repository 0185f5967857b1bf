"""RT-1: a sleeping lock is tried from NMI or hardirq on PREEMPT_RT.

The krcp lock as in K-1, and a nolock path that tries it wherever it runs.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "RT-1",
    title="a sleeping lock is tried in NMI",
    design="allow_spin",
    run=run("rt", env="preempt_rt", tasks=1, objects=1, cpus=1, nmis=1, bnodes=0, other_gps=0),
    edits=[
        replace(
            "model/designs/allow_spin.py",
            "queue_object",
            old="""
if not raw_spin_trylock(krcp.lock):
    local_irq_restore(flags)
    defer(head)
    return
""",
            new="""
from model.kernel.sleeping_locks import spin_trylock
if not spin_trylock(krcp.lock):
    local_irq_restore(flags)
    defer(head)
    return
""",
        ),
    ],
    violates=("forbidden_call",),
    because="the rule of can_spin_trylock() is not followed",
    reported="can_spin_trylock() in mm/internal.h states the rule",
)
