"""D-7: a client frees the same object twice through the nolock entry. A misuse, not a mutant.

The second llist_add() of the node at the head links it to itself. The design is not edited: the
client is. Mainline's debugobjects would catch it; the nolock path has no such check before the
object is queued.
"""

from model.language.syntax import mutant, run

MUTANT = mutant(
    "D-7",
    title="the same object is freed twice",
    design="caller_declared",
    run=run(
        "smp",
        env="smp",
        freed_twice=True,
        tasks=1,
        objects=1,
        nmis=2,
        cpus=1,
        bnodes=0,
        other_gps=0,
    ),
    edits=[],
    violates=("no_double_free",),
    because="the object is on the llist when it is added again",
)
