"""NL-2: the handler of parked objects reads the link after slab has the object back.

The link is the free pointer's word, which slab writes as soon as it has the object. Derived, no
report found; llist_for_each_safe() is there for that.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "NL-2",
    title="a parked object is freed before its link is read",
    design="landed",
    run=run(
        "smp",
        env="smp",
        nolock_users=True,
        cpus=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
        properties=("grace_period",),
    ),
    edits=[
        replace(
            "model/kernel/kfree_nolock.py",
            "free_parked_objects",
            old="following = obj.free_slot",
            new="",
        ),
        replace(
            "model/kernel/kfree_nolock.py",
            "free_parked_objects",
            old='event("link_read", obj)',
            new="",
        ),
        replace(
            "model/kernel/kfree_nolock.py",
            "free_parked_objects",
            old="obj = following",
            new="""
following = obj.free_slot
event("link_read", obj)
obj = following
""",
        ),
    ],
    violates=("grace_period",),
    because="the word is slab's by then",
)
