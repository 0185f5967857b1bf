"""irq_work: work raised by a self-interrupt (or by the tick, when lazy), callable from NMI.

The flag protocol is kept: queueing claims PENDING and BUSY with one fetch-or and does nothing
more if PENDING was set; the handler clears PENDING before it calls the function, so that what is
queued from then on runs again, and clears BUSY afterwards unless the work was claimed meanwhile.

Abstractions:
* Adding to the per-CPU work list is one step. Its retry loop repeats only a read of the head and
  a write of a link that nobody else sees before the swap.
* Without `tick_stops` the tick never stops. A stopped one raises the interrupt at once for a lazy
  work, which is an order of events that a tick arriving at once has too; what is queued while the
  tick is about to stop is left out (idle.py).
* A tick with nothing on the lazy list does nothing and is not a step.
* On PREEMPT_RT works that are not hard run in the thread irq_work/N, one per CPU. Its handlers run
  inside an RCU read-side section; here that section goes from the first work to the last, so that
  no grace period ends between two of them.
"""

from model.kernel.boot_stages import threads_are_up
from model.kernel.cpu import Cpu, Sleeper, this_cpu
from model.kernel.interrupts import (
    local_irq_restore,
    local_irq_save,
    preempt_disable,
    preempt_enable,
)
from model.kernel.tick import tick_nohz_tick_stopped
from model.language.syntax import (
    NULL,
    Embed,
    Routine,
    Static,
    atomic,
    cfg,
    event,
    inline,
    instances,
    knob,
    of,
    pure,
    record,
    routine,
)

knob("irq_work_interrupt", True, "the architecture has an interrupt for irq_work; else: the tick")


@record()
class IrqWork:
    """struct irq_work. `lazy` works wait for the tick; `hard` ones run in hardirq on RT too.

    `waiter` is the one slot for who waits for the work asleep.
    """

    func: Static[Routine]
    lazy: Static[bool]
    hard: Static[bool]
    pending: bool
    busy: bool
    waiter: Sleeper
    next: IrqWork


@record()
class IrqWorkList:
    """A per-CPU llist of works."""

    first: IrqWork


@record(per=Cpu)
class IrqWorkCpu:
    """raised_list, lazy_list, and whether the self-interrupt is raised and not yet taken."""

    raised: Embed[IrqWorkList]
    lazy: Embed[IrqWorkList]
    raised_irq: bool
    woken: bool


@atomic
def irq_work_claim(work: IrqWork) -> bool:
    """One fetch-or of PENDING and BUSY; false if PENDING was set."""
    if work.pending:
        return False
    work.pending = True
    work.busy = True
    event("irq_work_queued")
    return True


@atomic
def irq_work_list_add(work: IrqWork, list: IrqWorkList) -> bool:
    """llist_add() of the work; true if the list was empty."""
    was_empty = list.first == NULL
    work.next = list.first
    list.first = work
    return was_empty


@atomic
def arch_irq_work_raise() -> None:
    """Raise the self-interrupt on the running CPU, if the architecture has one."""
    if cfg.irq_work_interrupt:
        this_cpu(IrqWorkCpu).raised_irq = True
    event("self_ipi")


@inline
def irq_work_queue_local(work: IrqWork) -> None:
    """__irq_work_queue_local(): put the work on this CPU's list; raise if it is the first.

    A lazy one is for the tick, unless that has stopped.

    On RT a soft work shares the lazy list: behind a lazy one it finds the list not empty, raises
    nothing and waits for the tick.
    """
    if work.lazy:
        first = irq_work_list_add(work, this_cpu(IrqWorkCpu).lazy)
        if cfg.tick_stops and first:
            if tick_nohz_tick_stopped():
                arch_irq_work_raise()
    elif cfg.preempt_rt and not work.hard:
        if irq_work_list_add(work, this_cpu(IrqWorkCpu).lazy):
            arch_irq_work_raise()
    elif irq_work_list_add(work, this_cpu(IrqWorkCpu).raised):
        arch_irq_work_raise()


@routine(models="kernel/irq_work.c: irq_work_queue")
def irq_work_queue(work: IrqWork) -> bool:
    """irq_work_queue(): false if the work was pending already."""
    if not irq_work_claim(work):
        return False
    preempt_disable()
    irq_work_queue_local(work)
    preempt_enable()
    return True


@inline
def irq_work_needs_cpu(cpu: Cpu) -> bool:
    """irq_work_needs_cpu(): a work waits for the tick, so it must not stop."""
    if not cfg.irq_work_interrupt:
        raised = this_cpu(IrqWorkCpu).raised.first
        if raised != NULL:
            return True
    lazy = this_cpu(IrqWorkCpu).lazy.first
    return lazy != NULL


@atomic
def take_works(list: IrqWorkList) -> IrqWork:
    """llist_del_all() of a work list."""
    first = list.first
    list.first = NULL
    return first


@pure
def is_waited_for_asleep(work: IrqWork) -> bool:
    """Whoever waits for the work sleeps: no interrupt runs it that could not be held off."""
    return not cfg.irq_work_interrupt or (cfg.preempt_rt and not work.hard)


@atomic
def clear_busy_unless_claimed(work: IrqWork) -> None:
    """Compare-and-swap of the flags without BUSY; fails if the work was claimed meanwhile."""
    if not work.pending:
        work.busy = False
    if cfg.barriers > 0 and is_waited_for_asleep(work):
        if work.waiter != NULL:
            work.waiter.woken = True


@routine(models="kernel/irq_work.c: irq_work_single")
def irq_work_single(work: IrqWork) -> None:
    """Clear PENDING, call the function, clear BUSY."""
    work.pending = False
    work.func(work)
    clear_busy_unless_claimed(work)


@routine(models="kernel/irq_work.c: irq_work_run_list")
def irq_work_run_list(list: IrqWorkList) -> None:
    """Run every work of a list; the next one is read before the function is called."""
    work: IrqWork = take_works(list)
    while work != NULL:
        following = work.next
        irq_work_single(work)
        work = following


@atomic
def acknowledge(cpu: Cpu) -> None:
    """The interrupt is taken."""
    this_cpu(IrqWorkCpu).raised_irq = False


@routine(models="kernel/irq_work.c: irq_work_run")
def irq_work_run(cpu: Cpu) -> None:
    """The self-interrupt: raised works, then lazy ones, or on RT their thread is woken."""
    acknowledge(cpu)
    irq_work_run_list(this_cpu(IrqWorkCpu).raised)
    if cfg.preempt_rt:
        wake_irq_workd(cpu)
    else:
        irq_work_run_list(this_cpu(IrqWorkCpu).lazy)


@routine(models="kernel/irq_work.c: irq_work_tick")
def irq_work_tick(cpu: Cpu) -> None:
    """The tick runs lazy works, or on RT wakes their thread; raised ones if nothing else does."""
    if not cfg.irq_work_interrupt:
        irq_work_run_list(this_cpu(IrqWorkCpu).raised)
    if cfg.preempt_rt:
        wake_irq_workd(cpu)
    else:
        irq_work_run_list(this_cpu(IrqWorkCpu).lazy)


@atomic
def wake_irq_workd(cpu: Cpu) -> None:
    """wake_up_process(irq_work/N), if it has something to do and has been created."""
    if this_cpu(IrqWorkCpu).lazy.first != NULL and threads_are_up():
        this_cpu(IrqWorkCpu).woken = True


@routine(models="kernel/irq_work.c: run_irq_workd")
def run_irq_workd(cpu: Cpu) -> None:
    """The thread's turn: everything on its CPU's lazy list."""
    irq_work_run_list(this_cpu(IrqWorkCpu).lazy)


@atomic
def forget_raised_interrupt(cpu: Cpu) -> None:
    """The CPU is dead: an interrupt that it has not taken is gone, the lists are as they are."""
    of(IrqWorkCpu, cpu).raised_irq = False


@routine(models="kernel/irq_work.c: none yet, a callback of a CPUHP_*_DEAD state")
def irq_work_dead_cpu(dead: Cpu) -> None:
    """Run what a dead CPU's lists have, on a CPU that stays; on RT soft works in task context.

    PENDING and BUSY are cleared and a waiter is woken as ever; the lists are empty afterwards.
    """
    flags = local_irq_save()
    irq_work_run_list(of(IrqWorkCpu, dead).raised)
    if not cfg.preempt_rt:
        irq_work_run_list(of(IrqWorkCpu, dead).lazy)
    local_irq_restore(flags)
    if cfg.preempt_rt:
        preempt_disable()
        irq_work_run_list(of(IrqWorkCpu, dead).lazy)
        preempt_enable()


@pure
def irq_workd_has_work(cpu: Cpu) -> bool:
    """On RT: there is something for the thread to do, now or after an interrupt or the tick."""
    if instances(IrqWork) == 0 or not cfg.preempt_rt:
        return False
    works = of(IrqWorkCpu, cpu)
    return works.lazy.first != NULL or works.raised.first != NULL


@atomic
def unpark_irq_workd(cpu: Cpu) -> None:
    """On RT the thread of a CPU that comes back looks at its list."""
    if cfg.preempt_rt:
        of(IrqWorkCpu, cpu).woken = of(IrqWorkCpu, cpu).lazy.first != NULL


@pure
def irq_work_raised(cpu: Cpu) -> bool:
    """The self-interrupt waits to be taken."""
    return of(IrqWorkCpu, cpu).raised_irq


@pure
def tick_has_work(cpu: Cpu) -> bool:
    """The next tick will find a lazy work, and on RT a thread to wake; or raised works."""
    works = of(IrqWorkCpu, cpu)
    if not cfg.irq_work_interrupt and works.raised.first != NULL:
        return True
    if cfg.preempt_rt and not threads_are_up():
        return False
    return works.lazy.first != NULL and not works.woken
