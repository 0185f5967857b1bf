"""K-11: the cache is destroyed with kfree_rcu() in flight, before commit 6c6c47b063b5.

kmem_cache_destroy() relied on rcu_barrier(), which waits for callbacks and knows nothing of objects
that a krcp still holds.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "K-11",
    title="whoever destroys a cache waits for callbacks only",
    design="mainline",
    run=run("smp", env="smp", barriers=1, tasks=1, objects=1, other_gps=0, properties=("barrier",)),
    edits=[
        replace(
            "model/designs/mainline.py",
            "kvfree_rcu_barrier",
            old="wait_for_batches()",
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
