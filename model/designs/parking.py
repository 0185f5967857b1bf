"""F-14, which is about every llist with an irq_work behind it: who parks second does not queue it.

Where a free call parks its object, `llist_add()` says whether the list was empty, and only then is
the irq_work queued. A call that cuts in between the two finds the list not empty, queues nothing
and returns. Its object is freed in the end: the call below it goes on and queues the irq_work. But
until then irq_work_sync() finds nothing to wait for, and a barrier on another CPU returns early.

Who waits for a grace period before the barrier is safe, since preemption is off between the two.

The repair is for objects that wait for a grace period. Parked sheaves, and what kfree_nolock()
parks, have the same window.
"""

from model.kernel.irq_work import IrqWork, irq_work_queue
from model.language.syntax import cfg, inline, knob

knob("always_queue", False, "the repair of F-14: who parks queues the irq_work, list empty or not")


@inline
def somebody_else_queues(work: IrqWork) -> None:
    """The list was not empty: who made it so has queued the irq_work, or is about to."""
    if cfg.always_queue:
        irq_work_queue(work)
