"""struct defer_free: what kfree_nolock() parks, before it shared its irq_work with kfree_rcu().

From 6.18 until the series that landed: a list of objects per CPU, with an irq_work of its own, and
a barrier of its own, which the destruction of a cache calls.
"""

from model.kernel.cpu import Cpu, this_cpu
from model.kernel.interrupts import preempt_disable, preempt_enable
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.kfree_nolock import (
    SlotLlist,
    free_parked_objects,
    free_to_pcs,
    slot_llist_add,
)
from model.kernel.objects import Object
from model.kernel.sheaves import is_for_sheaves
from model.kernel.waiting import irq_work_sync
from model.language.syntax import Embed, cfg, container_of, embed, inline, record, routine


@record(per=Cpu, when=cfg.nolock_users)
class DeferFree:
    """struct defer_free."""

    objects: Embed[SlotLlist]
    work: Embed[IrqWork] = embed(func=free_deferred_objects, lazy=False, hard=False)


@routine(models="mm/slub.c: kfree_nolock, v7.0")
def kfree_nolock(obj: Object) -> None:
    """From any context: into a sheaf, else parked."""
    if cfg.sheaves > 0 and is_for_sheaves(obj):
        if free_to_pcs(obj):
            return
    defer_free(obj)


@routine(models="mm/slub.c: defer_free, v7.0")
def defer_free(obj: Object) -> None:
    """Park the object; with preemption off, so that list and work are the same CPU's."""
    preempt_disable()
    parked = this_cpu(DeferFree)
    if slot_llist_add(obj, parked.objects):
        irq_work_queue(parked.work)
    preempt_enable()


@routine(models="mm/slub.c: free_deferred_objects, v7.0")
def free_deferred_objects(work: IrqWork) -> None:
    """Every parked object to its slab."""
    parked = container_of(work, DeferFree.work)
    free_parked_objects(parked.objects)


@inline
def defer_free_barrier() -> None:
    """defer_free_barrier(): for each possible CPU."""
    for parked in DeferFree:
        irq_work_sync(parked.work)
