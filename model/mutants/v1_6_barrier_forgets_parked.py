"""V1-6: the barrier does not wait for the deferral irq_work first (allow_spin, K3 the other way).

Found in review of RFC v1. An object parked on the llist is on no krcp yet, so a barrier that looks
only there returns while the object still waits for the irq_work.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V1-6",
    title="the barrier does not wait for the deferral irq_work",
    design="allow_spin",
    run=run(
        "kmemleak",
        env="kmemleak",
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
            "model/designs/allow_spin.py",
            "wait_for_parked",
            old="irq_work_sync(nolock.defer_work)",
            new="",
        ),
    ],
    violates=("barrier",),
    because="the object is on the llist while the barrier looks at the krcp",
    reported="review of RFC v1",
)
