"""The contexts and what makes them run: the most general client, and the system's own work.

Every client context may free any object that nobody has freed yet, at any time, as long as the
bounds allow (`model/kernel/bounds.py`). What the system owes (pending interrupts, timers, queued
work, grace periods that a callback waits for) is a step of the system; what comes from outside
is marked as environment.
"""

from model.kernel.bounds import Budget
from model.kernel.cpu import (
    Client,
    Cpu,
    IrqWorkThread,
    Kworker,
    Level,
    hardirq_runs,
    nmi_runs,
    probe_runs,
    quiescent,
    quiescent_task_level,
    task_runs,
)
from model.kernel.interrupts import preempt_count_dec, task_exits
from model.kernel.irq_work import (
    IrqWork,
    IrqWorkCpu,
    irq_work_raised,
    irq_work_run,
    irq_work_tick,
    run_irq_workd,
    tick_has_work,
)
from model.kernel.objects import Object, give, may_be_given
from model.kernel.rcu import (
    Rcu,
    begin_grace_period,
    can_begin_a_reader,
    end_grace_period,
    may_end,
    note_quiescent_state,
    perhaps_begin_a_reader,
    somebody_looks,
)
from model.kernel.workqueue import (
    DelayedWork,
    RcuWork,
    callback_waits,
    delayed_work_timer_fn,
    process_delayed_work,
    process_rcu_work,
    rcu_work_rcufn,
)
from model.language.syntax import (
    NULL,
    Enum,
    action,
    active,
    at_probe_point,
    atomic,
    call_entry,
    cfg,
    elapsed,
    instances,
    of,
    process,
    pure,
    require,
    start,
)


class Cause(Enum):
    """Why a hardirq handler runs."""

    IRQ_WORK = 0
    TICK = 1
    TIMER = 2
    RCU_CALLBACK = 3
    DEVICE = 4


# --- tasks --------------------------------------------------------------------------------------


@pure
def client_runs(who: Client) -> bool:
    """The client's task is on top of its CPU."""
    return task_runs(who.task)


@process(per=Client, may_run=client_runs)
def client(who: Client, cpu: Cpu, obj: Object) -> None:
    """A task that makes one free call."""
    call_entry("client", obj)
    task_exits(who.task)


@action(environment=True)
def client_frees(who: Client, cpu: Cpu, obj: Object, reader: bool) -> None:
    """A task on an idle CPU frees an object, preemptible and with irqs on."""
    require(
        not active(client, who)
        and cpu.curr == NULL
        and quiescent(cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    cpu.curr = who.task
    who.task.cpu = cpu
    perhaps_begin_a_reader(reader)
    give(obj)
    start(client, who, cpu, obj)


@pure
def worker_runs(who: Kworker) -> bool:
    """The worker is on top of its CPU."""
    return task_runs(who.task)


@process(
    per=Kworker,
    may_run=worker_runs,
    when=instances(DelayedWork) > 0 or instances(RcuWork) > 0,
)
def kworker(who: Kworker, cpu: Cpu, dwork: DelayedWork, rwork: RcuWork) -> None:
    """A worker processes one item."""
    if instances(DelayedWork) > 0 and dwork != NULL:
        process_delayed_work(dwork)
    elif instances(RcuWork) > 0:
        process_rcu_work(rwork)
    task_exits(who.task)


@action(when=instances(DelayedWork) > 0)
def worker_takes_delayed_work(who: Kworker, cpu: Cpu, dwork: DelayedWork) -> None:
    """An idle worker wakes on an idle CPU for a queued item."""
    require(dwork.queued and not dwork.running)
    require(not active(kworker, who) and cpu.curr == NULL and quiescent(cpu))
    cpu.curr = who.task
    who.task.cpu = cpu
    start(kworker, who, cpu, dwork, NULL)


@action(when=instances(RcuWork) > 0)
def worker_takes_rcu_work(who: Kworker, cpu: Cpu, rwork: RcuWork) -> None:
    """An idle worker wakes on an idle CPU for a queued item."""
    require(rwork.queued and not rwork.running)
    require(not active(kworker, who) and cpu.curr == NULL and quiescent(cpu))
    cpu.curr = who.task
    who.task.cpu = cpu
    start(kworker, who, cpu, NULL, rwork)


@pure
def thread_runs(who: IrqWorkThread) -> bool:
    """The thread is on top of its CPU."""
    return task_runs(who.task)


@process(per=IrqWorkThread, may_run=thread_runs, when=cfg.preempt_rt and instances(IrqWork) > 0)
def irq_workd(who: IrqWorkThread, cpu: Cpu) -> None:
    """irq_work/N runs the works that are not hard, in task context."""
    run_irq_workd(cpu)
    preempt_count_dec()
    task_exits(who.task)


@action(when=cfg.preempt_rt and instances(IrqWork) > 0)
def irq_workd_runs(who: IrqWorkThread, cpu: Cpu) -> None:
    """A woken thread gets its CPU."""
    require(of(IrqWorkCpu, cpu).woken)
    require(not active(irq_workd, who) and cpu.curr == NULL and quiescent(cpu))
    of(IrqWorkCpu, cpu).woken = False
    cpu.curr = who.task
    cpu.preempt_count += 1
    who.task.cpu = cpu
    start(irq_workd, who, cpu)


# --- interrupts ---------------------------------------------------------------------------------


@pure
def irq_can_arrive(cpu: Cpu) -> bool:
    """Interrupts are on and no handler runs on this CPU."""
    return not cpu.irqs_off and not active(hardirq, cpu) and not active(nmi, cpu)


@process(
    per=Cpu,
    may_run=hardirq_runs,
    when=instances(IrqWork) + instances(DelayedWork) + instances(RcuWork) + cfg.hardirqs > 0,
)
def hardirq(cpu: Cpu, cause: Cause, obj: Object, dwork: DelayedWork, rwork: RcuWork) -> None:
    """A hardirq handler; it runs with irqs off."""
    if instances(IrqWork) > 0 and cause == Cause.IRQ_WORK:
        irq_work_run(cpu)
    elif instances(IrqWork) > 0 and cause == Cause.TICK:
        irq_work_tick(cpu)
    elif instances(DelayedWork) > 0 and cause == Cause.TIMER:
        delayed_work_timer_fn(dwork)
    elif instances(RcuWork) > 0 and cause == Cause.RCU_CALLBACK:
        rcu_work_rcufn(rwork)
    elif cfg.hardirqs > 0:
        call_entry("hardirq", obj)
    hardirq_returns(cpu)


@atomic
def hardirq_returns(cpu: Cpu) -> None:
    """Back to the interrupted task, with irqs on as they were."""
    cpu.irqs_off = False
    note_quiescent_state(cpu, quiescent_task_level(cpu))


@action(when=instances(IrqWork) > 0)
def irq_work_interrupts(cpu: Cpu) -> None:
    """The irq_work self-interrupt is taken."""
    require(irq_can_arrive(cpu) and irq_work_raised(cpu))
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.IRQ_WORK, NULL, NULL, NULL)


@action(when=instances(IrqWork) > 0)
def tick(cpu: Cpu) -> None:
    """The tick; only one that finds lazy work does anything."""
    require(irq_can_arrive(cpu) and tick_has_work(cpu))
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.TICK, NULL, NULL, NULL)


@action(when=instances(DelayedWork) > 0)
def timer_expires(cpu: Cpu, dwork: DelayedWork) -> None:
    """The timer of a delayed work expires."""
    require(irq_can_arrive(cpu) and dwork.armed)
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.TIMER, NULL, dwork, NULL)


@action(when=instances(RcuWork) > 0)
def rcu_callback_is_invoked(cpu: Cpu, rwork: RcuWork) -> None:
    """The grace period that an rcu_work waited for has ended."""
    require(irq_can_arrive(cpu) and rwork.waiting and elapsed(rwork.snapshot))
    rwork.waiting = False
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.RCU_CALLBACK, NULL, NULL, rwork)


@action(environment=True, when=cfg.hardirqs > 0)
def device_interrupts(cpu: Cpu, obj: Object, reader: bool) -> None:
    """A device's handler frees an object."""
    require(
        Budget.hardirqs > 0
        and irq_can_arrive(cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    Budget.hardirqs -= 1
    cpu.irqs_off = True
    perhaps_begin_a_reader(reader)
    give(obj)
    start(hardirq, cpu, Cause.DEVICE, obj, NULL, NULL)


@process(per=Cpu, may_run=nmi_runs, when=cfg.nmis > 0)
def nmi(cpu: Cpu, obj: Object) -> None:
    """An NMI handler that frees an object."""
    call_entry("nmi", obj)
    nmi_returns(cpu)


@atomic
def nmi_returns(cpu: Cpu) -> None:
    """Back to whatever was interrupted."""
    note_quiescent_state(cpu, quiescent_task_level(cpu) and not active(hardirq, cpu))


@action(environment=True, when=cfg.nmis > 0)
def nmi_arrives(cpu: Cpu, obj: Object, reader: bool) -> None:
    """An NMI: whatever the CPU does, whatever locks are held."""
    require(
        Budget.nmis > 0
        and not active(nmi, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    Budget.nmis -= 1
    perhaps_begin_a_reader(reader)
    give(obj)
    start(nmi, cpu, obj)


# --- probes -------------------------------------------------------------------------------------


@pure
def task_at_probe_point(cpu: Cpu) -> bool:
    """The CPU's task is at routine entry, routine exit or a tracepoint."""
    return (
        any(c.task.cpu == cpu and at_probe_point(client, c) for c in Client)
        or any(w.task.cpu == cpu and at_probe_point(kworker, w) for w in Kworker)
        or any(t.task.cpu == cpu and at_probe_point(irq_workd, t) for t in IrqWorkThread)
    )


@process(per=Cpu, may_run=probe_runs, when=cfg.probes > 0)
def probe(cpu: Cpu, obj: Object) -> None:
    """A program attached to a routine frees an object: same context, same irq state.

    Preemption is off while it runs (newer kernels only disable migration), and it does not nest:
    the per-CPU recursion protection refuses a second one, at any level.
    """
    call_entry("probe", obj)
    probe_returns(cpu)


@atomic
def probe_returns(cpu: Cpu) -> None:
    """Back into the probed routine."""
    quiet = cpu.probed == Level.TASK and not cpu.irqs_off and cpu.preempt_count == 0
    cpu.probed = Level.TASK
    note_quiescent_state(cpu, quiet)


@action(environment=True, when=cfg.probes > 0)
def probe_hits_task(cpu: Cpu, obj: Object, reader: bool) -> None:
    """The running task reaches a probe point."""
    require(
        Budget.probes > 0
        and not active(probe, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    require(not active(hardirq, cpu) and not active(nmi, cpu) and task_at_probe_point(cpu))
    Budget.probes -= 1
    cpu.probed = Level.TASK
    perhaps_begin_a_reader(reader)
    give(obj)
    start(probe, cpu, obj)


@action(environment=True, when=cfg.probes > 0)
def probe_hits_hardirq(cpu: Cpu, obj: Object, reader: bool) -> None:
    """The running hardirq handler reaches a probe point."""
    require(
        Budget.probes > 0
        and not active(probe, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    require(active(hardirq, cpu) and not active(nmi, cpu) and at_probe_point(hardirq, cpu))
    Budget.probes -= 1
    cpu.probed = Level.HARDIRQ
    perhaps_begin_a_reader(reader)
    give(obj)
    start(probe, cpu, obj)


@action(environment=True, when=cfg.probes > 0 and cfg.nmis > 0)
def probe_hits_nmi(cpu: Cpu, obj: Object, reader: bool) -> None:
    """The running NMI handler reaches a probe point."""
    require(
        Budget.probes > 0
        and not active(probe, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    require(active(nmi, cpu) and at_probe_point(nmi, cpu))
    Budget.probes -= 1
    cpu.probed = Level.NMI
    perhaps_begin_a_reader(reader)
    give(obj)
    start(probe, cpu, obj)


# --- grace periods ------------------------------------------------------------------------------


@action(when=instances(RcuWork) > 0)
def grace_period_begins_for_callback() -> None:
    """A callback waits: the grace period that it needs begins."""
    require(not Rcu.gp_running and callback_waits())
    begin_grace_period()


@action(when=instances(RcuWork) > 0 or cfg.other_gps > 0)
def grace_period_ends(another_begins: bool) -> None:
    """A grace period ends; somebody else's next one may begin at once."""
    require(Rcu.gp_running and may_end())
    require(cfg.rcu_any_time or callback_waits() or somebody_looks())
    require(not another_begins or (Budget.other_gps > 0 and not cfg.rcu_any_time))
    end_grace_period()
    if another_begins:
        Budget.other_gps -= 1
        begin_grace_period()
