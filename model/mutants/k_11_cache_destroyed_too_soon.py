"""K-11 as its client met it: kmem_cache_destroy() before commit 6c6c47b063b5.

It waited with rcu_barrier(), which knows nothing of what a krcp holds. The cache was gone when the
object was freed.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "K-11-destroy",
    title="a cache is destroyed after rcu_barrier() alone",
    design="mainline",
    run=run(
        "smp",
        env="smp",
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
            "model/designs/mainline.py",
            "kmem_cache_destroy",
            old="kvfree_rcu_barrier_on_cache()",
            new="""
from model.kernel.waiting import rcu_barrier
rcu_barrier()
""",
        ),
    ],
    violates=("barrier",),
    because="the object is still on the krcp, no callback has been asked for yet",
    reported="commit 6c6c47b063b5",
)
