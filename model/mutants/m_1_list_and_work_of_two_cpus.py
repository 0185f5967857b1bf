"""M-1: a preemptible task looks up the CPU's list and its irq_work separately.

It migrates in between: its object is on one CPU's list and the other CPU's work is queued, whose
handler drains its own list. Derived, no report found. Deferral by a preemptible task needs an
environment in which nolock always defers.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "M-1",
    title="list and irq_work are looked up separately while preemptible",
    design="allow_spin",
    run=run("kmemleak", env="kmemleak", preemptions=1, tasks=1, objects=1, other_gps=0, bnodes=0),
    edits=[
        replace("model/designs/allow_spin.py", "defer", old="preempt_disable()", new=""),
        replace("model/designs/allow_spin.py", "defer", old="preempt_enable()", new=""),
        replace(
            "model/designs/allow_spin.py",
            "defer",
            old="""
if llist_add(head, nolock.defer_list):
    irq_work_queue(nolock.defer_work)
else:
    somebody_else_queues(nolock.defer_work)
""",
            new="""
if llist_add(head, nolock.defer_list):
    other = this_cpu(Nolock)
    irq_work_queue(other.defer_work)
else:
    somebody_else_queues(nolock.defer_work)
""",
        ),
    ],
    violates=("no_lost_objects",),
    because="the task migrates between the two lookups",
)
