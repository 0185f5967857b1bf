"""TS-1: a TYPESAFE cache is destroyed without rcu_barrier(), with CONFIG_SLUB_RCU_DEBUG.

The barrier for kfree_rcu() has seen each object given to kfree(). That is when slab begins to wait
for a grace period of its own. Derived, no report found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "TS-1",
    title="what slab itself delays is not waited for",
    design="mainline",
    run=run(
        "smp",
        env="smp",
        cache_destroy=True,
        typesafe_debug=True,
        barriers=1,
        barrier_when_unused=True,
        cpus=1,
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
            old="wait_for_delayed_frees()",
            new="",
        ),
    ],
    violates=("barrier",),
    because="slab's own callback for the object has not been invoked",
)
