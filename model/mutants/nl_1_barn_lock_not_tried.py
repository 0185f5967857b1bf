"""NL-1: kfree_nolock() takes the barn's lock instead of trying it.

That is what allow_spin does in free_to_pcs(): derived, no report found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "NL-1",
    title="kfree_nolock() waits for the barn's lock",
    design="landed",
    run=run(
        "smp",
        env="smp",
        nolock_users=True,
        cpus=1,
        tasks=1,
        nmis=1,
        bnodes=0,
        other_gps=0,
        properties=("self_deadlock",),
    ),
    edits=[
        replace(
            "model/kernel/kfree_nolock.py",
            "exchange_with_barn",
            old="""
if not trylock_barn():
    local_irq_restore(flags)
    return False
""",
            new="""
from model.kernel.locks import raw_spin_lock
raw_spin_lock(Barn.lock)
""",
        ),
    ],
    violates=("self_deadlock",),
    because="an NMI waits for the lock that a callback below it holds",
)
