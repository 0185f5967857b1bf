"""nmi_detect: the review remark on RFC v1 taken literally.

Source: the remark of 2026-02-06 on rcu@vger ("better just detect such context in the
kvfree_call_rcu()"). In NMI the object goes onto a per-CPU llist and an irq_work calls
kvfree_call_rcu() again, which is then a normal call. The list and the batching code stay
mainline's, the rcu_head is kept, so `head->func` is set before the object is parked (A1-A3).
"""

from model.designs.mainline import kvfree_call_rcu as queue_in_normal_context
from model.kernel.contexts import client
from model.kernel.cpu import Cpu, in_nmi, this_cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.language.syntax import NULL, Embed, container_of, embed, event, record, routine


@record(per=Cpu)
class NmiDeferral:
    """What each CPU has parked, and the irq_work that hands it on."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain_nmi_list, lazy=False)


@routine(
    models="mm/slab_common.c: kvfree_call_rcu as proposed in review",
    entry=("task", "hardirq", "nmi", "probe"),
)
def kvfree_call_rcu(head: Object) -> None:
    """Park in NMI, go on as mainline anywhere else."""
    if in_nmi():
        head.func = head
        parked = this_cpu(NmiDeferral)
        if llist_add(head, parked.list):
            irq_work_queue(parked.work)
        return
    queue_in_normal_context(head)


@routine(models="mm/slab_common.c: irq_work handler as proposed in review")
def drain_nmi_list(work: IrqWork) -> None:
    """Hand every parked object to the normal path; the link is read before it is reused."""
    parked = container_of(work, NmiDeferral.work)
    head: Object = llist_del_all(parked.list)
    while head != NULL:
        following = head.next
        event("taken", head)
        start = head.func
        queue_in_normal_context(start)
        head = following
