"""nmi_detect: the review remark on RFC v1 taken literally.

Source: the remark of 2026-02-06 on rcu@vger ("better just detect such context in the
kvfree_call_rcu()"). In NMI the object goes onto a per-CPU llist and an irq_work calls
kvfree_call_rcu() again, which is then a normal call. The list and the batching code stay
mainline's, the rcu_head is kept, so `head->func` is set before the object is parked (A1-A3).
Without batching, of which the remark says nothing, the same is done in front of call_rcu().
"""

from model.designs.krcp_boot import arm_every_monitor, initialise_every_krcp
from model.designs.krcp_runs import DEFERRAL_EXPECT, DEFERRAL_RUNS, DEFERRAL_UNREACHED
from model.designs.mainline import kvfree_call_rcu as queue_in_normal_context
from model.designs.mainline import kvfree_rcu_barrier as wait_for_the_rest
from model.designs.mainline import kvfree_rcu_barrier_on_cache as wait_for_the_rest_on_cache
from model.designs.nmi_detect_runs import NMI_DETECT_RUNS
from model.designs.parking import somebody_else_queues
from model.designs.shrinker import shrink_every_krcp
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
from model.kernel.cpu import Cpu, hits_handler, in_nmi, irqs_disabled, this_cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
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
    knob,
    record,
    routine,
    runs_in,
    unreached,
)

TITLE = "nmi_detect: in_nmi() inside kvfree_call_rcu(), llist and irq_work"

RUNS = NMI_DETECT_RUNS + DEFERRAL_RUNS

EXPECT = [
    expect(
        "self_deadlock",
        runs=("any-context", "a1-hardirq"),
        verdict="violated",
        because="V1-2: a probe under the krcp lock frees an object; in_nmi() is false there",
        reported="the reason for a caller-declared entry in v3",
    ),
    expect(
        "forbidden_call",
        runs=("any-context", "a1-hardirq"),
        verdict="violated",
        because="the probe goes on as mainline and queues work",
        reported="the reason for a caller-declared entry in v3",
    ),
    expect(
        "forbidden_call",
        runs=("unbatched-probe",),
        verdict="violated",
        because="the probe goes on as mainline and calls call_rcu(), which it has cut into",
        reported="the reason for a caller-declared entry in v3",
    ),
    expect(
        "barrier",
        runs=("unbatched-a1-irqs-off",),
        verdict="violated",
        because="F-14: what an NMI parks between a probe's llist_add() and irq_work_queue() is "
        "waited for by nobody",
    ),
    expect("*", runs="*", verdict="holds", because="with NMIs only the test sees every caller"),
] + DEFERRAL_EXPECT

UNREACHED = [
    unreached(
        "return_sheaf",
        "*",
        because="who holds the lock of a CPU's sheaves is not switched out; nobody flushes",
    ),
    unreached(
        "kvfree_call_rcu",
        "head.func = head",
        process="client",
        because="tasks call with irqs on, so they never park",
    ),
    unreached(
        "kvfree_call_rcu",
        "parked = this_cpu(NmiDeferral)",
        process="client",
        because="tasks call with irqs on, so they never park",
    ),
    unreached(
        "kvfree_call_rcu",
        "head.func = head",
        process="softirq",
        because="as tasks: with irqs on",
    ),
] + DEFERRAL_UNREACHED

knob("detect_hardirq", False, "A1': the test is in_nmi() or in_hardirq()")
knob("detect_irqs_off", False, "A1'': the test is irqs_disabled()")


@record(per=Cpu)
class NmiDeferral:
    """What each CPU has parked, and the irq_work that hands it on."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain_nmi_list, lazy=False, hard=False)


@inline
def must_park() -> bool:
    """The test that is the proposal, and two stronger ones (A1', A1'')."""
    if cfg.detect_irqs_off:
        return irqs_disabled()
    if cfg.detect_hardirq:
        return runs_in(nmi, hardirq) or hits_handler()
    return in_nmi()


@routine(
    models="mm/slab_common.c: kvfree_call_rcu as proposed in review",
    entry=(client, boot_client, softirq, hardirq, nmi, probe),
)
def kvfree_call_rcu(head: Object) -> None:
    """Park in NMI, go on as mainline anywhere else."""
    if must_park():
        head.func = head
        parked = this_cpu(NmiDeferral)
        if llist_add(head, parked.list):
            irq_work_queue(parked.work)
        else:
            somebody_else_queues(parked.work)
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


@routine(
    models="mm/slab_common.c: kvfree_rcu_barrier as it must be with the proposal",
    entry=(barrier,),
    when=not cfg.cache_destroy,
)
def kvfree_rcu_barrier() -> None:
    """What is parked is handed on first (A4); then mainline's barrier."""
    wait_for_parked()
    wait_for_the_rest()


@inline
def wait_for_parked() -> None:
    """The irq_work of each CPU."""
    lock_barriers()
    for parked in NmiDeferral:
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
