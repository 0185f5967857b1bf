"""Task contexts that do not sleep: clients, workers, the irq_work threads, the shrinker."""

from model.kernel.cpu import (
    Client,
    Cpu,
    CpuThreads,
    Kworker,
    Reclaimer,
    quiescent,
    task_runs,
)
from model.kernel.interrupts import bound_thread_exits, task_exits
from model.kernel.irq_work import IrqWork, IrqWorkCpu, run_irq_workd
from model.kernel.objects import Object, free_call_returns, give, may_be_given
from model.kernel.rcu import can_begin_a_reader, perhaps_begin_a_reader
from model.kernel.workqueue import DelayedWork, RcuWork, process_delayed_work, process_rcu_work
from model.language.syntax import (
    NULL,
    action,
    active,
    call_entry,
    cfg,
    instances,
    of,
    process,
    pure,
    require,
    start,
)


@pure
def client_runs(who: Client) -> bool:
    """The client's task is on top of its CPU."""
    return task_runs(who.task)


@process(per=Client, may_run=client_runs)
def client(who: Client, cpu: Cpu, obj: Object) -> None:
    """A task that makes one free call."""
    call_entry("client", obj)
    free_call_returns(obj)
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
def irq_workd_is_on_top(cpu: Cpu) -> bool:
    """The thread is on top of its CPU."""
    return task_runs(of(CpuThreads, cpu).irq_work.task)


@process(per=Cpu, may_run=irq_workd_is_on_top, when=cfg.preempt_rt and instances(IrqWork) > 0)
def irq_workd(cpu: Cpu) -> None:
    """irq_work/N runs the works that are not hard, in task context."""
    run_irq_workd(cpu)
    bound_thread_exits(of(CpuThreads, cpu).irq_work)


@action(when=cfg.preempt_rt and instances(IrqWork) > 0)
def irq_workd_runs(cpu: Cpu) -> None:
    """A woken thread gets its CPU."""
    require(of(IrqWorkCpu, cpu).woken)
    require(not active(irq_workd, cpu) and cpu.curr == NULL and quiescent(cpu))
    of(IrqWorkCpu, cpu).woken = False
    cpu.curr = of(CpuThreads, cpu).irq_work.task
    of(CpuThreads, cpu).irq_work.task.cpu = cpu
    start(irq_workd, cpu)


@pure
def shrinker_runs(who: Reclaimer) -> bool:
    """The task is on top of its CPU."""
    return task_runs(who.task)


@process(per=Reclaimer, may_run=shrinker_runs, when=cfg.shrinks > 0)
def shrinker(who: Reclaimer, cpu: Cpu) -> None:
    """A task in memory reclaim: whoever allocates, or kswapd."""
    call_entry("shrinker")
    task_exits(who.task)


@action(environment=True, when=cfg.shrinks > 0)
def memory_is_short(who: Reclaimer, cpu: Cpu) -> None:
    """A task on an idle CPU begins to reclaim."""
    require(not who.used and cpu.curr == NULL and quiescent(cpu))
    who.used = True
    cpu.curr = who.task
    who.task.cpu = cpu
    start(shrinker, who, cpu)
