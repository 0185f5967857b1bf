"""The monitor frees the ready list but leaves it on krcp->head.

The batch then takes and frees the same objects again. Ours: it shows that a double free is
found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "head-kept",
    title="the monitor frees the ready list without detaching it",
    design="mainline",
    run=run("smp", env="smp", cpus=1, bnodes=0, other_gps=1, properties=("no_double_free",)),
    edits=[
        replace("model/designs/krcp.py", "kvfree_rcu_drain_ready", old="krcp.head = NULL", new="")
    ],
    violates=("no_double_free",),
    because="the list is freed once as ready and once with its batch",
)
