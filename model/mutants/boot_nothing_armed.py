"""The scheduler runs, and nobody looks at what was queued before.

Ours: it shows that what early boot leaves behind is found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "boot-unarmed",
    title="no monitor is armed for what early boot has queued",
    design="mainline",
    run=run(
        "smp",
        env="smp",
        boot=True,
        cpus=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
        properties=("no_lost_objects",),
    ),
    edits=[
        replace(
            "model/designs/mainline.py",
            "kfree_rcu_scheduler_running",
            old="arm_every_monitor()",
            new="",
        ),
    ],
    violates=("no_lost_objects",),
    because="until the scheduler runs no free arms the monitor, and afterwards none may come",
)
