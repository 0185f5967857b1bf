"""V1-9b: the handler reads a node's link after it has queued the node again.

The link word is the same word: after the requeue it is the link of the krcp list, so the handler
goes on along that list instead of its own, queues what is queued already, and forgets the rest.
Derived, no report found. The requeue must take the list channel; a record in a page leaves the
link word alone.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V1-9b",
    title="the link is read after the node was queued again",
    design="nmi_detect",
    run=run(
        "smp",
        env="smp",
        nmis=2,
        bnodes=0,
        other_gps=0,
        properties=("list_integrity", "no_lost_objects"),
    ),
    edits=[
        replace(
            "model/designs/nmi_detect.py", "drain_nmi_list", old="following = head.next", new=""
        ),
        replace(
            "model/designs/nmi_detect.py",
            "drain_nmi_list",
            old="head = following",
            new="head = head.next",
        ),
    ],
    violates=("list_integrity", "no_lost_objects"),
    because="the requeue overwrites the word that holds the next pointer",
)
