"""V2-1: a full sheaf goes to call_rcu() although irqs are off below (landed without its test).

A probe inside call_rcu()'s own append, with irqs off, fills the sheaf and appends a second callback
in the middle of the first append. Found in the discussion of RFC v2.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V2-1",
    title="a full sheaf goes to call_rcu() whatever was cut into",
    design="landed",
    run=run(
        "smp",
        env="smp",
        nmis=1,
        tasks=1,
        cpus=1,
        bnodes=0,
        other_gps=0,
        callback_lists=True,
        properties=("list_integrity",),
    ),
    edits=[
        replace(
            "model/designs/landed.py",
            "submit",
            old="park_sheaf(sheaf)",
            new="call_rcu(sheaf.rcu)",
        ),
    ],
    violates=("list_integrity",),
    because="both appends read the same last callback; one overwrites the other's link",
    reported="RFC v2 discussion",
)
