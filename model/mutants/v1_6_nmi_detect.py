"""V1-6 on nmi_detect: step A4 without its first half."""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V1-6-nmi",
    title="the barrier does not wait for the irq_work that hands parked objects on",
    design="nmi_detect",
    run=run(
        "smp",
        env="smp",
        barriers=1,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
        properties=("barrier",),
    ),
    edits=[
        replace(
            "model/designs/nmi_detect.py",
            "wait_for_parked",
            old="irq_work_sync(parked.work)",
            new="",
        ),
    ],
    violates=("barrier",),
    because="an NMI parks the object, the barrier finds every krcp empty",
)
