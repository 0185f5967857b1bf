"""CH-1: kvfree_rcu_queue_batch() looks at the channel of slab objects only.

What vmalloc allocated stays on the krcp, and nobody asks for the grace period that would free it.
Derived, no report found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "CH-1",
    title="a batch takes the slab channel only",
    design="mainline",
    run=run("smp", env="smp", vmallocs=1, tasks=1, cpus=1, bnodes=2, other_gps=0),
    edits=[
        replace(
            "model/designs/krcp.py",
            "has_pages",
            old="for channel in range(CHANNELS):\n    tail = krcp.bulk[channel].tail\n"
            "    if tail != NULL:\n        return True",
            new="tail = krcp.bulk[SLAB].tail\nif tail != NULL:\n    return True",
        ),
        replace(
            "model/designs/krcp.py",
            "move_pages",
            old="for channel in range(CHANNELS):\n"
            "    batch.bulk_free[channel] = take_all_pages(krcp.bulk[channel])",
            new="batch.bulk_free[SLAB] = take_all_pages(krcp.bulk[SLAB])",
        ),
    ],
    violates=("no_lost_objects",),
    because="the monitor comes back for ever and finds a cookie that no grace period satisfies",
)
