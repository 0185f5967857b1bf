"""V1-9a: the irq_work handler takes the list with a plain read and write, not an exchange.

An NMI that adds between the two loses its object: the write clears a head that is no longer the
one that was read. Derived, no report found. It needs two NMIs: one object to make the handler
run, one to be lost.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V1-9a",
    title="the deferred list is taken with a read and a write",
    design="nmi_detect",
    run=run("smp", env="smp", nmis=2, bnodes=0, other_gps=0),
    edits=[
        replace(
            "model/kernel/llist.py",
            "llist_del_all",
            old="node = xchg_first(head)",
            new="""
node = head.first
head.first = NULL
""",
        ),
    ],
    violates=("no_lost_objects",),
    because="an NMI adds between the read and the write of the head",
)
