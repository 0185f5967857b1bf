"""CPU hotplug: a CPU goes offline, and perhaps comes back.

The order of events is the kernel's. Tasks leave the CPU first, and on PREEMPT_RT its irq_work
thread is parked. Interrupts and NMIs go on. Then, in the stopper's
task with irqs off, the dying path runs the irq_works once: raised and lazy ones; on RT the raised
ones, and it wakes a thread that is parked. Then the CPU runs nothing any more, and what its
irq_work lists have is left there, claimed. A CPU that comes back finds the lists as they were. An
interrupt that was raised and not taken is gone; on RT the thread runs again.

Once the CPU is dead, the task that takes it offline goes on elsewhere: it moves the CPU's RCU
callbacks to the CPU that it runs on (takedown_cpu()), and runs the callbacks of the CPUHP_*_DEAD
states, of which slab's flushes the CPU's sheaves. Only then can the CPU come back, and whoever
waits in cpus_read_lock() go on. irq_work has no such callback; `dead_cpu_irq_works` is one, and
runs what the dead CPU's lists still have.

An NMI, or a probe, can hit the CPU between the run of the irq_works and its end, with irqs off:
the rest of the dying path is traceable (cpuhp_enter, cpuhp_exit), and an NMI is never masked.
`late_nmis` says whether that happens.

Abstractions:
* Tasks are not pushed away: a CPU goes offline while no task is on it, and on PREEMPT_RT once its
  irq_work thread has done what it had to do. A task that is moved goes on elsewhere, as one that
  was preempted does.
* Timers and, without `callback_lists`, RCU callbacks run on any CPU, so what the kernel moves from
  a dead CPU need not be moved.
* The task that takes the CPU offline is here from where it has something to do for the dead CPU,
  and is not preempted.
* The last CPU online stays.
"""

from model.kernel.bounds import Budget
from model.kernel.callbacks import rcutree_migrate_callbacks
from model.kernel.cpu import (
    BoundThread,
    Cpu,
    Stopper,
    Takedown,
    may_go_offline,
    quiescent,
    task_runs,
)
from model.kernel.cpus_lock import cpus_are_kept
from model.kernel.interrupts import local_irq_save, task_exits
from model.kernel.irq_work import (
    IrqWork,
    forget_raised_interrupt,
    irq_work_dead_cpu,
    irq_work_run,
    irq_workd_has_work,
    unpark_irq_workd,
)
from model.kernel.rcu import note_quiescent_state
from model.kernel.sheaf_flush import slub_cpu_dead
from model.kernel.tick import leave_cpu
from model.language.syntax import (
    NULL,
    action,
    active,
    atomic,
    cfg,
    inline,
    instances,
    knob,
    of,
    process,
    pure,
    require,
    routine,
    start,
    tracepoint,
)

knob(
    "dead_cpu_irq_works",
    False,
    "the repair of F-7 and F-8: a dead CPU's irq_works are run by the CPU that takes it offline",
)


@pure
def stopper_runs(cpu: Cpu) -> bool:
    """The model's own: nothing runs on top of the stopper."""
    return task_runs(of(Stopper, cpu).task)


@process(per=Cpu, may_run=stopper_runs, when=cfg.hotplug > 0)
def stopper(cpu: Cpu) -> None:
    """The CPU's last task: multi_cpu_stop() (kernel/stop_machine.c), which runs take_cpu_down()
    (kernel/cpu.c) with irqs off; then nothing."""
    local_irq_save()
    dying_path(cpu)
    cpu_is_dead(cpu)


@inline(models="kernel/cpu.c: take_cpu_down")
def dying_path(cpu: Cpu) -> None:
    """The callbacks of the dying states, as far as they matter; each is traced."""
    begin_dying(cpu)
    smpcfd_dying_cpu(cpu)
    tracepoint()


@atomic(models="arch: __cpu_disable")
def begin_dying(cpu: Cpu) -> None:
    """From here on the lists are run for the last time."""
    of(Stopper, cpu).dying = True


@routine(models="kernel/smp.c: smpcfd_dying_cpu")
def smpcfd_dying_cpu(cpu: Cpu) -> None:
    """irq_work_run(), the last one."""
    if instances(IrqWork) > 0:
        irq_work_run(cpu)


@atomic(models="kernel/cpu.c: cpuhp_report_idle_dead")
def cpu_is_dead(cpu: Cpu) -> None:
    """The CPU runs nothing; no grace period waits for it."""
    of(Stopper, cpu).offline = True
    of(Stopper, cpu).dying = has_takedown()
    cpu.irqs_off = False
    if instances(IrqWork) > 0:
        forget_raised_interrupt(cpu)
    note_quiescent_state(cpu, quiescent(cpu))


# --- the dead CPU, seen from another ------------------------------------------------------------


@pure
def has_takedown() -> bool:
    """The model's own: something has to be done for a dead CPU."""
    return cfg.callback_lists or cfg.dead_cpu_irq_works or cfg.sheaves > 0


@pure
def takedown_runs(who: Takedown) -> bool:
    """The model's own: the task is on top of its CPU."""
    return task_runs(who.task)


@process(
    per=Takedown,
    may_run=takedown_runs,
    when=cfg.hotplug > 0 and (cfg.callback_lists or cfg.dead_cpu_irq_works or cfg.sheaves > 0),
)
def takedown(who: Takedown, dead: Cpu) -> None:
    """_cpu_down() (kernel/cpu.c): the end of takedown_cpu(), and the callbacks of the CPUHP_*_DEAD
    states."""
    if cfg.callback_lists:
        rcutree_migrate_callbacks(dead)
    if cfg.sheaves > 0:
        slub_cpu_dead(dead)
    if cfg.dead_cpu_irq_works and instances(IrqWork) > 0:
        irq_work_dead_cpu(dead)
    takedown_ends(dead)
    task_exits(who.task)


@atomic(models="kernel/cpu.c: _cpu_down, its end")
def takedown_ends(dead: Cpu) -> None:
    """Nothing is left to do for the CPU."""
    of(Stopper, dead).dying = False


@action(when=cfg.hotplug > 0 and (cfg.callback_lists or cfg.dead_cpu_irq_works or cfg.sheaves > 0))
def takedown_goes_on(who: Takedown, dead: Cpu, cpu: Cpu) -> None:
    """takedown_cpu() (kernel/cpu.c) goes on: the CPU is dead, and the task that waited for that
    gets one that is idle."""
    require(of(Stopper, dead).offline and of(Stopper, dead).dying)
    require(not active(takedown, who) and cpu.curr == NULL and quiescent(cpu))
    cpu.curr = who.task
    who.task.cpu = cpu
    start(takedown, who, dead)


# --- going and coming ---------------------------------------------------------------------------


@action(environment=True, when=cfg.hotplug > 0)
def cpu_goes_down(cpu: Cpu) -> None:
    """_cpu_down() (kernel/cpu.c): somebody takes a CPU offline; no task runs on it any more."""
    require(Budget.hotplug > 0 and cpu.curr == NULL and quiescent(cpu) and may_go_offline(cpu))
    require(not irq_workd_has_work(cpu) and not cpus_are_kept())
    require(cfg.preemptions == 0 or all(t.waits_for != cpu for t in BoundThread))
    Budget.hotplug -= 1
    cpu.curr = of(Stopper, cpu).task
    of(Stopper, cpu).task.cpu = cpu
    start(stopper, cpu)


@action(environment=True, when=cfg.hotplug > 0)
def cpu_comes_back(cpu: Cpu) -> None:
    """_cpu_up() (kernel/cpu.c): the CPU runs tasks and takes interrupts again."""
    require(of(Stopper, cpu).offline and not of(Stopper, cpu).dying and not cpus_are_kept())
    of(Stopper, cpu).offline = False
    of(Stopper, cpu).task.cpu = NULL
    leave_cpu(cpu)
    if instances(IrqWork) > 0:
        unpark_irq_workd(cpu)
