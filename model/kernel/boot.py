"""Early boot: the task that brings the system up, stage by stage (boot_stages.py).

First one CPU runs one task with irqs off. Then the batching machinery is initialised; irqs come on;
the threads are there (RCU's, so that grace periods are possible; the workers; irq_work/N on
PREEMPT_RT) and the other CPUs; RCU_SCHEDULER_RUNNING is set. What a design has to do at two of the
stages are its entries: `batching_init` and `scheduler_starts`. The boot task frees objects
itself until other tasks can.

Abstractions:
* One task stands for two: that of start_kernel(), which ends as the idle task, and that of
  kernel_init().
* Between two stages the boot task does nothing; it keeps its CPU to the end. Threads and the other
  CPUs come up in one step; the kernel brings them up one by one, in which time less can happen.
* No grace period before that. So early the kernel's synchronize_rcu() returns at once, for there is
  no other task; nothing here calls it.
* No reader begins with a free of the boot task: no other task could be in one.
* NMIs and probes from the first moment on: more than the kernel has, which sets both up on its way.
* What a design keeps per CPU for itself (llists, irq_works) is initialised at compile time.
* A self-interrupt that irq_work raises early comes when irqs do. An architecture that loses it,
  because its interrupt controller is not set up yet, is not modelled.
* What a cache has of sheaves so early is in sheaves.py.
"""

from model.kernel.boot_stages import Boot, Stage
from model.kernel.cpu import Cpu, quiescent, task_runs
from model.kernel.interrupts import task_exits
from model.kernel.irq_work import IrqWork, unpark_irq_workd
from model.kernel.objects import Object, free_call_returns, give, may_be_given
from model.kernel.rcu import note_quiescent_state
from model.language.syntax import (
    NULL,
    action,
    active,
    atomic,
    call_entry,
    cfg,
    check,
    instances,
    process,
    pure,
    require,
    start,
)


@pure
def boot_task_runs(boot: Boot) -> bool:
    """The model's own: nothing runs on top of the boot task."""
    return task_runs(boot.task)


@pure
def has_come_to(boot: Boot, stage: Stage) -> bool:
    """The model's own: the boot has come to this stage, and its task does nothing."""
    return (
        boot.stage == stage
        and not active(boot_client, boot)
        and not active(batching_init, boot)
        and not active(scheduler_starts, boot)
        and task_runs(boot.task)
    )


# --- the stages ---------------------------------------------------------------------------------


@action(when=cfg.boot)
def power_on(boot: Boot) -> None:
    """start_kernel() (init/main.c) on the first CPU, with irqs off."""
    require(boot.stage == Stage.OFF)
    boot.stage = Stage.EARLY
    for cpu in Cpu:
        if boot.task.cpu == NULL:
            boot.task.cpu = cpu
            cpu.curr = boot.task


@process(per=Boot, may_run=boot_task_runs, when=cfg.boot)
def batching_init(boot: Boot, cpu: Cpu) -> None:
    """start_kernel() (init/main.c) initialises the batching machinery: kvfree_rcu_init()
    (mm/slab_common.c), or what the design has for it."""
    call_entry("batching_init")
    boot.stage = Stage.INITIALISED


@action(when=cfg.boot)
def batching_init_begins(boot: Boot) -> None:
    """start_kernel() (init/main.c) comes to that call."""
    require(has_come_to(boot, Stage.EARLY))
    start(batching_init, boot, boot.task.cpu)


@action(when=cfg.boot)
def irqs_come_on(boot: Boot) -> None:
    """start_kernel() (init/main.c): local_irq_enable()."""
    require(has_come_to(boot, Stage.INITIALISED))
    boot.stage = Stage.IRQS_ON
    boot.task.cpu.irqs_off = False


@action(when=cfg.boot)
def threads_come_up(boot: Boot) -> None:
    """kernel_init_freeable() (init/main.c): workqueue_init(), rcu_spawn_gp_kthread(), irq_work/N on
    PREEMPT_RT; smp_init()."""
    require(has_come_to(boot, Stage.IRQS_ON))
    boot.stage = Stage.THREADS
    for cpu in Cpu:
        if cpu != boot.task.cpu:
            cpu.irqs_off = False
        if instances(IrqWork) > 0:
            unpark_irq_workd(cpu)
    note_quiescent_state(boot.task.cpu, quiescent(boot.task.cpu))


@process(per=Boot, may_run=boot_task_runs, when=cfg.boot)
def scheduler_starts(boot: Boot, cpu: Cpu) -> None:
    """rcu_set_runtime_mode() (kernel/rcu/update.c); then the boot is over."""
    boot.stage = Stage.RUNNING
    call_entry("scheduler_starts")
    task_exits(boot.task)


@action(when=cfg.boot)
def scheduler_starts_begins(boot: Boot) -> None:
    """do_initcalls() (init/main.c) comes to that initcall."""
    require(has_come_to(boot, Stage.THREADS))
    start(scheduler_starts, boot, boot.task.cpu)


# --- its free calls -----------------------------------------------------------------------------


@process(per=Boot, may_run=boot_task_runs, when=cfg.boot)
def boot_client(boot: Boot, cpu: Cpu, obj: Object) -> None:
    """A client of ours: the boot task makes a free call."""
    call_entry("boot_client", obj)
    free_call_returns(obj)
    boot_client_returns(boot)


@atomic
def boot_client_returns(boot: Boot) -> None:
    """The model's own: the boot task goes on, with irqs as they were."""
    check(
        "lock_discipline",
        boot.task.cpu.irqs_off == (boot.stage != Stage.IRQS_ON),
        "the call returns with irqs not as they were",
    )


@action(environment=True, when=cfg.boot)
def boot_client_frees(boot: Boot, obj: Object) -> None:
    """The model's own choice: before any other task can, in any stage so far."""
    require(
        has_come_to(boot, Stage.EARLY)
        or has_come_to(boot, Stage.INITIALISED)
        or has_come_to(boot, Stage.IRQS_ON)
    )
    require(may_be_given(obj))
    give(obj)
    start(boot_client, boot, boot.task.cpu, obj)
