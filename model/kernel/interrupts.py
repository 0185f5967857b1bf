"""Interrupt and preemption state, and the scheduling of tasks.

Abstractions:
* There is no run queue and no priority: a task gets a CPU that has no task. Where the kernel
  switches from one task to the next, the CPU is idle in between. Either is a quiescent state.
* preempt_enable() and the return from an interrupt do not schedule. A preemptible task can be
  switched out at any moment instead, `preemptions` times in a run: what needs more is missed.
"""

from model.kernel.bounds import Budget
from model.kernel.cpu import (
    BoundThread,
    Client,
    Cpu,
    Kworker,
    Reclaimer,
    Stopper,
    Takedown,
    Task,
    quiescent,
    smp_processor_id,
)
from model.kernel.rcu import note_quiescent_state
from model.kernel.tick import leave_cpu
from model.language.syntax import (
    NULL,
    action,
    active,
    atomic,
    cfg,
    check,
    inline,
    of,
    pure,
    require,
    runs_in,
)


@inline(models="include/linux/irqflags.h: local_irq_save")
def local_irq_save() -> bool:
    """local_irq_save(): returns whether irqs were off. Handlers run with irqs off already."""
    if runs_in(hardirq, nmi):
        return True
    return irqs_off_save()


@inline(models="include/linux/irqflags.h: local_irq_restore")
def local_irq_restore(flags: bool) -> None:
    """local_irq_restore()."""
    if not runs_in(hardirq, nmi):
        irqs_off_restore(flags)


@atomic(models="include/linux/irqflags.h: raw_local_irq_save")
def irqs_off_save() -> bool:
    """Read and clear the interrupt flag of the running CPU."""
    cpu = smp_processor_id()
    was = cpu.irqs_off
    cpu.irqs_off = True
    return was


@atomic(models="include/linux/irqflags.h: raw_local_irq_restore")
def irqs_off_restore(flags: bool) -> None:
    """Set the interrupt flag back; a CPU that becomes quiescent reports it.

    It does not where the running context is a region that a grace period waits for.
    """
    cpu = smp_processor_id()
    cpu.irqs_off = flags
    if not runs_in(softirq, irq_workd):
        note_quiescent_state(cpu, quiescent(cpu))


@inline(models="include/linux/preempt.h: preempt_disable")
def preempt_disable() -> None:
    """preempt_disable(), where it is not off anyway."""
    if is_preemptible():
        preempt_count_inc()


@inline(models="include/linux/preempt.h: preempt_enable")
def preempt_enable() -> None:
    """preempt_enable()."""
    if is_preemptible():
        preempt_count_dec()


@pure
def is_preemptible() -> bool:
    """The model's own: preemption is not off anyway, as it is in handlers, probes, the stopper, and
    softirqs but for those in a thread."""
    if runs_in(softirq):
        return cfg.preempt_rt
    return not runs_in(hardirq, nmi, probe, stopper)


@atomic(models="include/linux/preempt.h: preempt_count_inc")
def preempt_count_inc() -> None:
    """Enter a region without preemption."""
    cpu = smp_processor_id()
    cpu.preempt_count += 1


@atomic(models="include/linux/preempt.h: preempt_count_dec")
def preempt_count_dec() -> None:
    """Leave a region without preemption."""
    cpu = smp_processor_id()
    cpu.preempt_count -= 1
    if not runs_in(softirq, irq_workd):
        note_quiescent_state(cpu, quiescent(cpu))


# --- scheduling ---------------------------------------------------------------------------------


@atomic(models="kernel/sched/core.c: schedule, by a task that is done")
def task_exits(task: Task) -> None:
    """A client's call or a worker's item is done; the CPU is free for another task."""
    cpu = task.cpu
    check("lock_discipline", not cpu.irqs_off, "the call returns with irqs off")
    check("lock_discipline", cpu.preempt_count == 0, "the call returns with preemption off")
    leave_cpu(cpu)
    task.cpu = NULL
    note_quiescent_state(cpu, quiescent(cpu))


@atomic(models="kernel/smpboot.c: smpboot_thread_fn, back in its loop")
def bound_thread_exits(thread: BoundThread) -> None:
    """What the thread was woken for is done, and the read-side section ends."""
    cpu = thread.task.cpu
    thread.blocks_gp = False
    thread.task.cpu = NULL
    leave_cpu(cpu)
    note_quiescent_state(cpu, quiescent(cpu))


@action(environment=True, when=cfg.preemptions > 0)
def task_is_preempted(cpu: Cpu) -> None:
    """preempt_schedule(), preempt_schedule_irq() (kernel/sched/core.c): a preemptible task is
    switched out; it may be switched in on another CPU."""
    require(Budget.preemptions > 0 and cpu.curr != NULL and quiescent(cpu))
    require(cfg.hotplug == 0 or cpu.curr != of(Stopper, cpu).task)
    require(all(cpu.curr != t.task for t in Takedown))
    Budget.preemptions -= 1
    cpu.curr.cpu = NULL
    leave_cpu(cpu)
    cpu.needs_qs = False


@action(environment=True, when=cfg.preempt_rt and cfg.preemptions > 0)
def bound_thread_is_preempted(cpu: Cpu, thread: BoundThread) -> None:
    """The same of a thread inside its read-side section, which takes over what its CPU owed:
    rcu_note_context_switch() (kernel/rcu/tree_plugin.h)."""
    require(Budget.preemptions > 0 and thread.task.cpu == cpu)
    require(not cpu.irqs_off and cpu.preempt_count == 0)
    require(not active(probe, cpu) and not active(hardirq, cpu) and not active(nmi, cpu))
    Budget.preemptions -= 1
    thread.waits_for = cpu
    thread.blocks_gp = cpu.needs_qs
    thread.task.cpu = NULL
    leave_cpu(cpu)
    cpu.needs_qs = False


@action(when=cfg.preempt_rt and cfg.preemptions > 0)
def bound_thread_is_switched_in(cpu: Cpu, thread: BoundThread) -> None:
    """context_switch() (kernel/sched/core.c): it gets its CPU back, no other."""
    require(thread.waits_for == cpu and cpu.curr == NULL and quiescent(cpu))
    thread.waits_for = NULL
    thread.task.cpu = cpu
    cpu.curr = thread.task


@pure
def may_get(cpu: Cpu, task: Task) -> bool:
    """A task that was switched out can be switched in there: the CPU is idle and may schedule."""
    return task.cpu == NULL and cpu.curr == NULL and quiescent(cpu)


@action(when=cfg.preemptions > 0)
def client_is_switched_in(who: Client, cpu: Cpu) -> None:
    """context_switch() (kernel/sched/core.c): a switched-out client task gets an idle CPU."""
    require(active(client, who) and may_get(cpu, who.task))
    cpu.curr = who.task
    who.task.cpu = cpu


@action(when=cfg.preemptions > 0)
def worker_is_switched_in(who: Kworker, cpu: Cpu) -> None:
    """context_switch() (kernel/sched/core.c): a switched-out worker gets an idle CPU."""
    require(active(kworker, who) and may_get(cpu, who.task))
    cpu.curr = who.task
    who.task.cpu = cpu


@action(when=cfg.preemptions > 0 and cfg.shrinks > 0)
def shrinker_is_switched_in(who: Reclaimer, cpu: Cpu) -> None:
    """context_switch() (kernel/sched/core.c): a switched-out shrinker gets an idle CPU."""
    require(active(shrinker, who) and may_get(cpu, who.task))
    cpu.curr = who.task
    who.task.cpu = cpu
