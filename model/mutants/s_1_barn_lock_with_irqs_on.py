"""S-1: the callback that frees a sheaf takes the barn's lock with irqs on.

Callbacks run in softirq, where irqs are on. A device interrupt that cuts in there and frees an
object waits for the barn's lock, which the callback below it holds. Derived, no report found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "S-1",
    title="the callback that frees a sheaf takes the barn's lock with irqs on",
    design="landed",
    run=run("smp", env="smp", hardirqs=1, tasks=1, cpus=1, bnodes=0, other_gps=0),
    edits=[
        replace(
            "model/kernel/sheaves.py",
            "rcu_free_sheaf",
            old="barn_put_empty_sheaf(sheaf)",
            new="""
raw_spin_lock(Barn.lock)
put_into_barn(sheaf)
Barn.nr_empty += 1
raw_spin_unlock(Barn.lock)
""",
        ),
    ],
    violates=("self_deadlock",),
    because="the hardirq spins for a lock whose holder it has interrupted",
)
