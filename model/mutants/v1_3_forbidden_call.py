"""V1-3, seen as a call that NMI must not make.

The same edit as in v1_3_monitor_armed_directly.py, which shows the lock itself; here the call is
reported before any lock is looked at.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "V1-3-call",
    title="the monitor is armed with queue_delayed_work() from NMI",
    design="allow_spin",
    run=run("smp", env="smp", cpus=1, nmis=1, bnodes=0, other_gps=0),
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
    violates=("forbidden_call",),
    because="queue_delayed_work() takes locks that the interrupted code can hold",
    reported="review of RFC v1, 2026-02",
)
