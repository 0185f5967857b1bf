"""Whether a CPU's tick has stopped (`tick_stops`), for those who have to ask; idle.py stops it.

A stopped tick comes back when an interrupt, an NMI or a task wakes the CPU: then the idle loop
looks again before it halts the next time. Only an idle CPU stops its tick here (NO_HZ_IDLE, not
NO_HZ_FULL).

Abstraction: whatever wakes the CPU brings the tick back. In the kernel it counts as stopped until a
task runs, and a lazy work that is queued meanwhile raises the interrupt; here the tick may come at
once, and runs the work as well.
"""

from model.kernel.cpu import Cpu, smp_processor_id
from model.language.syntax import NULL, atomic, cfg, knob, of, pure, record

knob("tick_stops", False, "CONFIG_NO_HZ_IDLE: an idle CPU stops its tick and halts")


@record(per=Cpu, when=cfg.tick_stops)
class TickSched:
    """struct tick_sched."""

    stopped: bool


@pure
def tick_is_stopped(cpu: Cpu) -> bool:
    """TS_FLAG_STOPPED (kernel/time/tick-sched.c): no tick comes before something else wakes the
    CPU.

    A task that has the CPU was preceded by the tick's return.
    """
    if not cfg.tick_stops:
        return False
    return of(TickSched, cpu).stopped and cpu.curr == NULL


@atomic(models="kernel/time/tick-sched.c: tick_nohz_tick_stopped")
def tick_nohz_tick_stopped() -> bool:
    """tick_nohz_tick_stopped(): the running CPU's."""
    return tick_is_stopped(smp_processor_id())


@atomic(models="kernel/time/tick-sched.c: tick_nohz_restart_sched_tick")
def restart_tick(cpu: Cpu) -> None:
    """The CPU does not sleep any more."""
    if cfg.tick_stops:
        of(TickSched, cpu).stopped = False


@atomic(models="kernel/sched/core.c: context_switch, to the idle task")
def leave_cpu(cpu: Cpu) -> None:
    """The CPU's task is gone; it is idle, with its tick on."""
    cpu.curr = NULL
    restart_tick(cpu)
