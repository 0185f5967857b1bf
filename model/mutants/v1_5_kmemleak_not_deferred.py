"""V1-5: with kmemleak the nolock path no longer defers always.

A worker inside kvfree() holds kmemleak's lock while no krcp lock is held; an NMI's trylock of the
krcp lock succeeds and kmemleak_ignore() then waits for the lock below it. The repair is to defer
every nolock free where kmemleak or debugobjects is configured.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V1-5",
    title="kmemleak's hook runs in NMI and takes its lock",
    design="allow_spin",
    run=run(
        "kmemleak", env="kmemleak", nmis=1, bnodes=0, other_gps=0, properties=("self_deadlock",)
    ),
    edits=[
        replace(
            "model/designs/allow_spin.py",
            "queue_object",
            old="""
if cfg.kmemleak or cfg.debugobjects:
    defer(head)
    return
""",
            new="",
        ),
    ],
    violates=("self_deadlock",),
    because="kmemleak's lock can be held by the interrupted kvfree()",
    reported="commit message of RFC v1 6/7",
)
