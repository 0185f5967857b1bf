"""Sheaves in RFC v1 7/7 and RFC v2: the allow_spin flag goes down into slab.

Without allow_spin the barn's lock is tried and no sheaf is allocated; PREEMPT_RT does not come here
at all. A sheaf that fills is always parked then, whether or not irqs are on, and an irq_work gives
it to call_rcu() ("deferred submission of rcu sheaves", v2 7/8, whose handler is reconstructed).

When a barrier waits for that irq_work is not known either: before it flushes the sheaves, or after,
as an early form of the series that landed does it. `submissions_first` is the former (F-12).
"""

from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
from model.kernel.callbacks import call_rcu
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.objects import Object
from model.kernel.sheaves import (
    Sheaf,
    SheafLlist,
    add_to_sheaf,
    get_rcu_sheaf,
    sheaf_llist_add,
    sheaf_llist_del_all,
    unlock_pcs,
)
from model.kernel.waiting import irq_work_sync
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    inline,
    knob,
    record,
    routine,
)

knob(
    "submissions_first", False, "the barrier waits for parked sheaves before it flushes the others"
)


@record(per=Cpu, when=cfg.sheaves > 0)
class Submission:
    """Per CPU: full sheaves that wait for call_rcu(), and the irq_work that makes the call."""

    list: Embed[SheafLlist]
    work: Embed[IrqWork] = embed(func=submit_parked_sheaves, lazy=False, hard=False)


@routine(models="mm/slub.c: __kfree_rcu_sheaf, RFC v2")
def kfree_rcu_sheaf(obj: Object, allow_spin: bool) -> bool:
    """Put the object into the CPU's sheaf; a full one is submitted before the lock is dropped."""
    sheaf = get_rcu_sheaf(allow_spin, allow_spin)
    if sheaf == NULL:
        return False
    if add_to_sheaf(sheaf, obj):
        submit_rcu_sheaf(sheaf, allow_spin)
    unlock_pcs()
    return True


@inline
def submit_rcu_sheaf(sheaf: Sheaf, allow_spin: bool) -> None:
    """To call_rcu(), or parked."""
    if allow_spin:
        call_rcu(sheaf.rcu)
    else:
        parked = this_cpu(Submission)
        if sheaf_llist_add(sheaf, parked.list):
            irq_work_queue(parked.work)


@routine(models="mm/slab_common.c: irq_work handler of deferred submission, RFC v2")
def submit_parked_sheaves(work: IrqWork) -> None:
    """Every parked sheaf to call_rcu(); its link is read first."""
    parked = container_of(work, Submission.work)
    sheaf: Sheaf = sheaf_llist_del_all(parked.list)
    while sheaf != NULL:
        following = sheaf.next
        call_rcu(sheaf.rcu)
        sheaf = following


@inline
def wait_for_submissions() -> None:
    """Every parked sheaf goes to call_rcu(). With the repair of F-4 barriers take turns."""
    lock_barriers()
    for parked in Submission:
        irq_work_sync(parked.work)
    unlock_barriers()
