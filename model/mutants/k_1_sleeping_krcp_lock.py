"""K-1: the krcp lock is a sleeping lock on PREEMPT_RT, before commit 8ac88f7177c7.

kvfree_call_rcu() takes it with irqs off, which a sleeping lock does not survive.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "K-1",
    title="the krcp lock sleeps",
    design="mainline",
    run=run("rt", env="preempt_rt", tasks=1, objects=1, cpus=1, bnodes=0, other_gps=0),
    edits=[
        replace(
            "model/designs/mainline.py",
            "queue_on_krcp",
            old="raw_spin_lock(krcp.lock)",
            new="""
from model.kernel.sleeping_locks import spin_lock
spin_lock(krcp.lock)
""",
        ),
    ],
    violates=("forbidden_call",),
    because="the caller has irqs off",
    reported="commit 8ac88f7177c7",
)
