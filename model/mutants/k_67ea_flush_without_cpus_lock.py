"""67ea9d353d0b: sheaves are flushed without cpus_read_lock(), before that commit.

kvfree_rcu_barrier_on_cache() visited the CPUs that were online just then.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "67ea9d353d0b",
    title="a CPU goes offline while sheaves are flushed",
    design="landed",
    run=run(
        "smp",
        env="smp",
        cache_destroy=True,
        barriers=1,
        barrier_when_unused=True,
        hotplug=1,
        late_nmis=False,
        sheaf_capacity=2,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
        properties=("barrier",),
    ),
    edits=[
        replace(
            "model/kernel/sheaf_flush.py",
            "flush_rcu_sheaves_on_cache",
            old="cpus_read_lock()",
            new="",
        ),
        replace(
            "model/kernel/sheaf_flush.py",
            "flush_rcu_sheaves_on_cache",
            old="cpus_read_unlock()",
            new="",
        ),
    ],
    violates=("barrier",),
    because="the CPU is not online any more, and nobody has flushed its sheaf yet",
    reported="commit 67ea9d353d0b",
)
