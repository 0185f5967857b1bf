"""A sheaf that is parked in early boot queues no irq_work, as a free there arms no monitor.

Ours: it shows that what early boot parks is found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "boot-sheaf-not-submitted",
    title="a full sheaf is parked in early boot and its irq_work is not queued",
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
            "park_sheaf",
            old="irq_work_queue(parked.work)",
            new="from model.kernel.boot_stages import rcu_scheduler_is_running\n"
            "if rcu_scheduler_is_running():\n"
            "    irq_work_queue(parked.work)",
        ),
    ],
    violates=("no_lost_objects",),
    because="nobody looks for parked sheaves later, as somebody does for what is on a krcp",
)
