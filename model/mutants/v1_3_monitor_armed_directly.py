"""V1-3: the nolock path arms the monitor with queue_delayed_work() itself.

A timer of the other CPU's monitor expires on this CPU and its function holds the timer base lock;
an NMI arrives, finds its krcp lock free, and goes for the same base lock. Raised in the review of
RFC v1; the repair is the hop through an irq_work.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V1-3",
    title="the monitor is armed with queue_delayed_work() from NMI",
    design="allow_spin",
    run=run("smp", env="smp", nmis=1, bnodes=0, other_gps=0, properties=("self_deadlock",)),
    edits=[
        replace(
            "model/designs/allow_spin.py",
            "arm_monitor_nolock",
            old="irq_work_queue(nolock.sched_monitor_work)",
            new="""
queue_delayed_work(krcp.monitor_work, False)
""",
        ),
    ],
    violates=("self_deadlock",),
    because="the timer base lock can be held by the interrupted timer function",
    reported="review of RFC v1, 2026-02",
)
