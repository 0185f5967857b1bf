"""caller_declared: a separate kfree_rcu_nolock() that always parks; the caller says what it is.

The variant A1''' of the review remark, and what the series came to for everything but sheaves: the
kernel does not ask which context it is in, because no test tells. The spinning entry is mainline's.
The nolock entry touches nothing but a per-CPU llist and an irq_work; the start address is recovered
when the object is handed on, in a context that may spin. Without batching, of which the sources say
nothing, it is handed on to call_rcu().
"""

from model.designs.caller_declared_runs import CALLER_DECLARED_RUNS
from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.krcp_runs import DEFERRAL_EXPECT, DEFERRAL_RUNS, DEFERRAL_UNREACHED
from model.designs.mainline import kvfree_call_rcu as queue_in_normal_context
from model.designs.mainline import kvfree_rcu_barrier as wait_for_the_rest
from model.designs.mainline import kvfree_rcu_barrier_on_cache as wait_for_the_rest_on_cache
from model.designs.parking import somebody_else_queues
from model.designs.shrinker import shrink_every_krcp
from model.designs.unbatched_runs import UNBATCHED_EXPECT, UNBATCHED_RUNS
from model.kernel.barrier_mutex import lock_barriers, unlock_barriers
from model.kernel.cache_destroy import wait_for_delayed_frees
from model.kernel.contexts import (
    barrier,
    batching_init,
    boot_client,
    client,
    hardirq,
    nmi,
    probe,
    scheduler_starts,
    shrinker,
    softirq,
)
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.interrupts import preempt_disable, preempt_enable
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.kernel.slab import recover_start
from model.kernel.waiting import irq_work_sync
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    event,
    expect,
    inline,
    record,
    routine,
    set_knob,
)

TITLE = "caller_declared: kfree_rcu_nolock() that always parks"

RECOVERY = "corrected"

RUNS = CALLER_DECLARED_RUNS + DEFERRAL_RUNS + UNBATCHED_RUNS

EXPECT = (
    [
        expect(
            "barrier",
            runs=("barrier-two-objects",),
            verdict="violated",
            because="F-14: what an NMI parks between a task's llist_add() and irq_work_queue() is "
            "waited for by nobody",
        ),
        expect(
            "*", runs="*", verdict="holds", because="what the nolock entry touches takes no lock"
        ),
    ]
    + DEFERRAL_EXPECT
    + UNBATCHED_EXPECT
)

UNREACHED = DEFERRAL_UNREACHED

set_knob("rcu_ptr", True)


@record(per=Cpu)
class Parked:
    """What each CPU has parked, and the irq_work that hands it on."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain_parked, lazy=False, hard=False)


@routine(
    models="mm/slab_common.c: kvfree_call_rcu, v6.19", entry=(client, boot_client, softirq, hardirq)
)
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(): mainline's."""
    queue_in_normal_context(head)


@routine(
    models="mm/slab_common.c: kfree_rcu_nolock, variant that always defers",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kfree_rcu_nolock(head: Object) -> None:
    """kfree_rcu_nolock(): from any context. With preemption off, so that list and work match."""
    preempt_disable()
    parked = this_cpu(Parked)
    if llist_add(head, parked.list):
        irq_work_queue(parked.work)
    else:
        somebody_else_queues(parked.work)
    preempt_enable()


@routine(models="mm/slab_common.c: deferred irq_work handler, variant that always defers")
def drain_parked(work: IrqWork) -> None:
    """Queue every parked object in a context that may spin; its link is read first."""
    parked = container_of(work, Parked.work)
    head: Object = llist_del_all(parked.list)
    while head != NULL:
        ptr = recover_start(head)
        following = head.next
        event("taken", head)
        queue_in_normal_context(ptr)
        head = following


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier with deferral",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """What is parked is handed on first; then mainline's barrier."""
    wait_for_parked()
    wait_for_the_rest()


@inline
def wait_for_parked() -> None:
    """The irq_work of each CPU."""
    lock_barriers()
    for parked in Parked:
        irq_work_sync(parked.work)
    unlock_barriers()


@routine(
    models="mm/slab_common.c: kmem_cache_destroy, v6.19",
    entry=(barrier,),
    when=cfg.cache_destroy,
)
def kmem_cache_destroy() -> None:
    """What is parked, then mainline's barrier for one cache; then what slab itself delays."""
    wait_for_parked()
    wait_for_the_rest_on_cache()
    wait_for_delayed_frees()


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, v6.19", entry=(shrinker,))
def kfree_rcu_shrink_scan() -> None:
    """The shrinker: mainline's, which knows of krcps only."""
    shrink_every_krcp()


@routine(models="mm/slab_common.c: kvfree_rcu_init, v6.19", entry=(batching_init,))
def kvfree_rcu_init() -> None:
    """Early boot: mainline's."""
    initialise_every_krcp()


@routine(models="mm/slab_common.c: kfree_rcu_scheduler_running, v6.19", entry=(scheduler_starts,))
def kfree_rcu_scheduler_running() -> None:
    """The scheduler runs: mainline's."""
    arm_every_monitor()
