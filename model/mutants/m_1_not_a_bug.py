"""M-1's neighbour, which is no bug and must not be reported: one lookup, preemption on.

The task may migrate after the lookup, so the object goes to a list that another CPU's run of the
work drains: the handler finds the list from the work item. The object is freed all the same.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "M-1-one-lookup",
    title="one lookup with preemption on: the object is freed all the same",
    design="allow_spin",
    run=run("kmemleak", env="kmemleak", preemptions=1, tasks=1, objects=1, other_gps=0, bnodes=0),
    edits=[
        replace("model/designs/allow_spin.py", "defer", old="preempt_disable()", new=""),
        replace("model/designs/allow_spin.py", "defer", old="preempt_enable()", new=""),
    ],
    violates=(),
    because="the handler finds the list from the work item, not from the CPU it runs on",
)
