"""Softirqs, and what makes them run: timers, RCU callbacks, a driver's bottom half that frees.

A softirq runs above the task and below any hardirq, with irqs on: hardirqs, NMIs and probes may
interrupt it between any two steps, and it is a region that a grace period waits for. Its function
turns irqs off where it needs to.

A softirq comes at any moment at which irqs are on and neither a hardirq nor a softirq runs on the
CPU. That is where a hardirq can come and go, whose return runs what is pending. ksoftirqd is the
same at a moment at which the CPU has no task.

On PREEMPT_RT softirqs run in threads of their CPU (ktimers/N, rcuc/N, ksoftirqd/N): a task that
needs the CPU idle, has irqs on, and holds an RCU read-side section, which is part of disabling
bottom halves there.

Abstractions:
* Nothing here disables bottom halves, so no softirq is held off by that.
* A softirq does one thing: a timer, or a callback. The kernel goes on with the next one without a
  quiescent state in between; that grace periods can end there is more.
* Where all that is done is done with irqs off, irqs are off from the softirq's begin to its end:
  the timer of a delayed_work (TIMER_IRQSAFE: taken from the wheel and called with irqs off) and the
  callback of an rcu_work. A hardirq in the kernel's instructions before and after that finds
  nothing that it does not find before the softirq began, or after it ended.
* On PREEMPT_RT one thread stands for the three, since a per-CPU lock keeps them apart. That lock
  can be configured out (PREEMPT_RT_NEEDS_BH_LOCK, 6.18), and two of them at once are missed. The
  thread is switched out where `preemptions` allow it.
"""

from model.kernel.boot_stages import threads_are_up
from model.kernel.bounds import Budget
from model.kernel.callbacks import RcuHead, can_be_invoked, invoke_callback, take_callback
from model.kernel.cpu import (
    Cpu,
    CpuThreads,
    in_softirq,
    quiescent,
    quiescent_task_level,
    softirq_runs,
)
from model.kernel.handlers import irq_can_arrive
from model.kernel.hrtimer import Hrtimer, run_hrtimer
from model.kernel.interrupts import bound_thread_exits
from model.kernel.objects import Object, give, may_be_given
from model.kernel.rcu import can_begin_a_reader, note_quiescent_state, perhaps_begin_a_reader
from model.kernel.tick import restart_tick
from model.kernel.workqueue import DelayedWork, delayed_work_timer_fn, is_of_rcu_work
from model.language.syntax import (
    NULL,
    Enum,
    action,
    active,
    atomic,
    call_entry,
    cfg,
    event,
    instances,
    of,
    process,
    pure,
    require,
    start,
)


class Softirq(Enum):
    """Which one runs."""

    TIMER = 0
    HRTIMER = 1
    RCU = 2
    DRIVER = 3


@process(
    per=Cpu,
    may_run=softirq_runs,
    when=instances(DelayedWork) + instances(RcuHead) + cfg.softirqs > 0
    or (instances(Hrtimer) > 0 and cfg.preempt_rt),
)
def softirq(
    cpu: Cpu,
    which: Softirq,
    obj: Object,
    dwork: DelayedWork,
    callback: RcuHead,
    timer: Hrtimer,
) -> None:
    """One softirq, as handle_softirqs() (kernel/softirq.c) runs it.

    TIMER is run_timer_softirq() (kernel/time/timer.c), HRTIMER hrtimer_run_softirq()
    (kernel/time/hrtimer.c), RCU rcu_core() (kernel/rcu/tree.c); DRIVER is any driver's. On
    PREEMPT_RT it is run_ktimerd(), rcu_cpu_kthread() or run_ksoftirqd() that runs them.
    """
    if instances(DelayedWork) > 0 and which == Softirq.TIMER:
        delayed_work_timer_fn(dwork)
    elif instances(Hrtimer) > 0 and cfg.preempt_rt and which == Softirq.HRTIMER:
        run_hrtimer(timer)
    elif instances(RcuHead) > 0 and which == Softirq.RCU:
        invoke_callback(callback)
    elif cfg.softirqs > 0:
        call_entry("softirq", obj)
        if cfg.barriers > 0:
            event("free_returned", obj)
    softirq_returns(cpu)


@atomic(models="kernel/softirq.c: handle_softirqs, its end")
def softirq_returns(cpu: Cpu) -> None:
    """Back to the interrupted task; on PREEMPT_RT the thread gives its CPU up."""
    cpu.irqs_off = False
    if cfg.preempt_rt:
        bound_thread_exits(of(CpuThreads, cpu).softirq)
    else:
        restart_tick(cpu)
        note_quiescent_state(cpu, quiescent_task_level(cpu))


@pure
def softirq_can_run(cpu: Cpu) -> bool:
    """A pending softirq may begin on this CPU: in irq_exit_rcu(), or in run_ksoftirqd() (both
    kernel/softirq.c)."""
    if cfg.preempt_rt:
        return not active(softirq, cpu) and cpu.curr == NULL and quiescent(cpu) and threads_are_up()
    return irq_can_arrive(cpu) and not in_softirq(cpu)


@atomic(models="kernel/smpboot.c: smpboot_thread_fn, on PREEMPT_RT")
def enter_softirq(cpu: Cpu) -> None:
    """On PREEMPT_RT its thread gets the CPU."""
    if cfg.preempt_rt:
        cpu.curr = of(CpuThreads, cpu).softirq.task
        of(CpuThreads, cpu).softirq.task.cpu = cpu


@action(when=instances(DelayedWork) > 0)
def timer_expires(cpu: Cpu, dwork: DelayedWork) -> None:
    """The timer of a delayed work expires: __run_timers() (kernel/time/timer.c). Irqs are off until
    it is done."""
    require(softirq_can_run(cpu) and dwork.armed)
    enter_softirq(cpu)
    cpu.irqs_off = True
    start(softirq, cpu, Softirq.TIMER, NULL, dwork, NULL, NULL)


@action(when=instances(Hrtimer) > 0 and cfg.preempt_rt)
def hrtimer_softirq_expires(cpu: Cpu, timer: Hrtimer) -> None:
    """An hrtimer expires, on PREEMPT_RT: hrtimer_run_softirq() (kernel/time/hrtimer.c)."""
    require(softirq_can_run(cpu) and timer.armed)
    enter_softirq(cpu)
    start(softirq, cpu, Softirq.HRTIMER, NULL, NULL, NULL, timer)


@action(when=instances(RcuHead) > 0)
def rcu_callback_is_invoked(cpu: Cpu, callback: RcuHead) -> None:
    """The grace period that a callback waited for has ended: rcu_do_batch() (kernel/rcu/tree.c)."""
    require(softirq_can_run(cpu) and can_be_invoked(cpu, callback))
    take_callback(cpu, callback)
    enter_softirq(cpu)
    cpu.irqs_off = is_of_rcu_work(callback)
    start(softirq, cpu, Softirq.RCU, NULL, NULL, callback, NULL)


@action(environment=True, when=cfg.softirqs > 0)
def softirq_frees(cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client of ours: a driver's bottom half frees an object."""
    require(
        Budget.softirqs > 0
        and softirq_can_run(cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    Budget.softirqs -= 1
    enter_softirq(cpu)
    perhaps_begin_a_reader(reader)
    give(obj)
    start(softirq, cpu, Softirq.DRIVER, obj, NULL, NULL, NULL)
