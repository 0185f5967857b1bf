"""Task contexts that do not sleep: clients, workers, the irq_work threads, the shrinker.

Abstractions:
* A task begins on a CPU that has none and keeps it until it is done, or is preempted
  (interrupts.py).
* A client frees one object and is done; it can come again with another. It begins with irqs and
  preemption on, holds no lock and is no reader. The other way round less can happen meanwhile,
  except where a design asks irqs_disabled(), takes a lock that sleeps or one that the caller has: a
  task that calls so is missed, handlers and probes show it.
* Any worker takes any item that is queued, on any CPU. The kernel goes by the order of the pool's
  list, which is among that. `workers` is how many items can run at a time: what needs more is
  missed. Waking or creating a worker is no step and takes no lock.
* A worker gives its CPU up after each item. The kernel's may go on with the next one, and calls
  cond_resched() in between; that grace periods can always end there is more.
* irq_work/N has no priority: it waits until the CPU has no task. That it preempts the task is among
  what `preemptions` allow, and missed without them.
* The shrinker runs in a task that does nothing else. Memory reclaim inside an allocation is missed,
  with the locks that whoever allocates holds.
"""

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
    """The model's own: the client's task is on top of its CPU."""
    return task_runs(who.task)


@process(per=Client, may_run=client_runs)
def client(who: Client, cpu: Cpu, obj: Object) -> None:
    """A client of ours: a task that makes one free call."""
    call_entry("client", obj)
    free_call_returns(obj)
    task_exits(who.task)


@action(environment=True)
def client_frees(who: Client, cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client of ours: a task on an idle CPU frees an object, preemptible and with irqs on."""
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
    """The model's own: the worker is on top of its CPU."""
    return task_runs(who.task)


@process(
    per=Kworker,
    may_run=worker_runs,
    when=instances(DelayedWork) > 0 or instances(RcuWork) > 0,
)
def kworker(who: Kworker, cpu: Cpu, dwork: DelayedWork, rwork: RcuWork) -> None:
    """worker_thread() (kernel/workqueue.c): a worker processes one item."""
    if instances(DelayedWork) > 0 and dwork != NULL:
        process_delayed_work(dwork)
    elif instances(RcuWork) > 0:
        process_rcu_work(rwork)
    task_exits(who.task)


@action(when=instances(DelayedWork) > 0)
def worker_takes_delayed_work(who: Kworker, cpu: Cpu, dwork: DelayedWork) -> None:
    """kick_pool() (kernel/workqueue.c): an idle worker wakes on an idle CPU for a queued item."""
    require(dwork.queued and not dwork.running)
    require(not active(kworker, who) and cpu.curr == NULL and quiescent(cpu))
    cpu.curr = who.task
    who.task.cpu = cpu
    start(kworker, who, cpu, dwork, NULL)


@action(when=instances(RcuWork) > 0)
def worker_takes_rcu_work(who: Kworker, cpu: Cpu, rwork: RcuWork) -> None:
    """kick_pool() (kernel/workqueue.c): an idle worker wakes on an idle CPU for a queued item."""
    require(rwork.queued and not rwork.running)
    require(not active(kworker, who) and cpu.curr == NULL and quiescent(cpu))
    cpu.curr = who.task
    who.task.cpu = cpu
    start(kworker, who, cpu, NULL, rwork)


@pure
def irq_workd_is_on_top(cpu: Cpu) -> bool:
    """The model's own: the thread is on top of its CPU."""
    return task_runs(of(CpuThreads, cpu).irq_work.task)


@process(per=Cpu, may_run=irq_workd_is_on_top, when=cfg.preempt_rt and instances(IrqWork) > 0)
def irq_workd(cpu: Cpu) -> None:
    """smpboot_thread_fn() (kernel/smpboot.c) of irq_work/N, which runs the works that are not hard,
    in task context."""
    run_irq_workd(cpu)
    bound_thread_exits(of(CpuThreads, cpu).irq_work)


@action(when=cfg.preempt_rt and instances(IrqWork) > 0)
def irq_workd_runs(cpu: Cpu) -> None:
    """irq_workd_should_run() (kernel/irq_work.c): a woken thread gets its CPU."""
    require(of(IrqWorkCpu, cpu).woken)
    require(not active(irq_workd, cpu) and cpu.curr == NULL and quiescent(cpu))
    of(IrqWorkCpu, cpu).woken = False
    cpu.curr = of(CpuThreads, cpu).irq_work.task
    of(CpuThreads, cpu).irq_work.task.cpu = cpu
    start(irq_workd, cpu)


@pure
def shrinker_runs(who: Reclaimer) -> bool:
    """The model's own: the task is on top of its CPU."""
    return task_runs(who.task)


@process(per=Reclaimer, may_run=shrinker_runs, when=cfg.shrinks > 0)
def shrinker(who: Reclaimer, cpu: Cpu) -> None:
    """do_shrink_slab() (mm/shrinker.c) by a task in memory reclaim: who allocates, or kswapd."""
    call_entry("shrinker")
    task_exits(who.task)


@action(environment=True, when=cfg.shrinks > 0)
def memory_is_short(who: Reclaimer, cpu: Cpu) -> None:
    """try_to_free_pages() or balance_pgdat() (mm/vmscan.c): a task on an idle CPU begins to
    reclaim."""
    require(not who.used and cpu.curr == NULL and quiescent(cpu))
    who.used = True
    cpu.curr = who.task
    who.task.cpu = cpu
    start(shrinker, who, cpu)
