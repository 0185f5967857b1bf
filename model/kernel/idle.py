"""The idle loop, as far as it stops the tick (`tick_stops`).

With irqs off it asks whether a work waits for the tick, stops it if none does, and halts, which
turns irqs on. A device's interrupt cannot come in between. An NMI, or a probe at the tick_stop
tracepoint, can: what it queues for the tick after the question is not seen by anybody before the
CPU is woken by something else. `idle_looks_again` asks a second time once the tick counts as
stopped.

Abstraction: an NMI that hits a halted CPU wakes it, and the loop goes round; one that comes before
the halt does not. That is so on x86, with halt and with mwait.
"""

from model.kernel.boot_stages import threads_are_up
from model.kernel.cpu import Cpu, Level, is_online, quiescent
from model.kernel.irq_work import IrqWork, irq_work_needs_cpu
from model.kernel.rcu import note_quiescent_state
from model.kernel.tick import TickSched, restart_tick, tick_is_stopped
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
    "idle_looks_again",
    False,
    "the repair of F-13: the idle loop asks for works once more when the tick counts as stopped",
)


@pure
def idle_runs(cpu: Cpu) -> bool:
    """The model's own: nothing runs on top of the idle loop."""
    return (
        not active(hardirq, cpu)
        and not active(nmi, cpu)
        and not (active(probe, cpu) and cpu.probed == Level.TASK)
    )


@process(per=Cpu, may_run=idle_runs, when=cfg.tick_stops and instances(IrqWork) > 0)
def idle(cpu: Cpu) -> None:
    """One turn of the loop, with irqs off until the CPU halts: do_idle() (kernel/sched/idle.c)."""
    tick_nohz_idle_stop_tick(cpu)
    halt(cpu)


@routine(models="kernel/time/tick-sched.c: tick_nohz_idle_stop_tick")
def tick_nohz_idle_stop_tick(cpu: Cpu) -> None:
    """Stop the tick if no work waits for it."""
    if irq_work_needs_cpu(cpu):
        return
    stop_tick(cpu)
    tracepoint()
    if cfg.idle_looks_again:
        look_again(cpu)


@atomic(models="kernel/time/tick-sched.c: tick_nohz_stop_tick")
def stop_tick(cpu: Cpu) -> None:
    """From here on tick_nohz_tick_stopped() says so; its tracepoint comes next."""
    of(TickSched, cpu).stopped = True


@inline
def look_again(cpu: Cpu) -> None:
    """The repair, in no kernel: what was queued before the tick counted as stopped is seen here;
    later works raise."""
    if irq_work_needs_cpu(cpu):
        restart_tick(cpu)


@atomic(models="kernel/sched/idle.c: default_idle_call")
def halt(cpu: Cpu) -> None:
    """Irqs come on and the CPU halts, in one: what is pending wakes it at once."""
    cpu.irqs_off = False
    note_quiescent_state(cpu, quiescent(cpu))


@action(environment=True, when=cfg.tick_stops and instances(IrqWork) > 0)
def cpu_goes_idle(cpu: Cpu) -> None:
    """do_idle() (kernel/sched/idle.c): the CPU has no task, and its idle loop goes round."""
    require(cpu.curr == NULL and quiescent(cpu) and is_online(cpu) and threads_are_up())
    require(not active(idle, cpu) and not tick_is_stopped(cpu))
    cpu.irqs_off = True
    start(idle, cpu)
