"""NL-3: a cache is destroyed without waiting for what kfree_nolock() has parked.

The first versions of kfree_nolock() had no defer_free_barrier().
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "NL-3",
    title="the destruction of a cache does not wait for kfree_nolock()'s irq_work",
    design="rfc_v2",
    run=run(
        "smp",
        env="smp",
        nolock_users=True,
        cache_destroy=True,
        barriers=1,
        barrier_when_unused=True,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
        properties=("barrier",),
    ),
    edits=[
        replace(
            "model/designs/rfc_v2.py",
            "kmem_cache_destroy",
            old="defer_free_barrier()",
            new="pass",
        ),
    ],
    violates=("barrier",),
    because="the object is on the per-CPU list, and its irq_work has not run",
)
