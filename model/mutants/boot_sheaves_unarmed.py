"""The sheaves take the objects now, so the initcall that arms the monitors is thought to be idle.

Ours: it shows that what no sheaf takes in early boot is found on its krcp.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "boot-sheaves-unarmed",
    title="with sheaves no monitor is armed for what early boot has queued",
    design="landed",
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
            "model/designs/landed.py",
            "kfree_rcu_scheduler_running",
            old="arm_every_monitor()",
            new="",
        ),
    ],
    violates=("no_lost_objects",),
    because="a sheaf may not be had, and then the object waits on the krcp for a monitor",
)
