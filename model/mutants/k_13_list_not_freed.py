"""K-13: a rewritten list reclaimer walks the list and forgets the free itself.

It happened while the function was moved, and was restored before the merge.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "K-13",
    title="the list reclaimer does not free",
    design="mainline",
    run=run("smp", env="smp", cpus=1, bnodes=0),
    edits=[replace("model/designs/krcp.py", "kvfree_rcu_list", old="kvfree(start)", new="")],
    violates=("no_lost_objects",),
    because="what the reclaimer detaches is never given back",
    reported="review of the move, fixed before merge",
)
