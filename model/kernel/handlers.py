"""Hardirq and NMI handlers, and what makes them run.

Abstractions:
* A pending interrupt is taken at any moment at which it can be; a timer or a tick comes at any
  moment. The moment at which the kernel's comes is one of them.
* irq_enter_rcu() is one with a hardirq's arrival, irq_exit_rcu() with its return, and so are
  nmi_enter() and nmi_exit() for an NMI. A probe at a tracepoint in them is missed; the handler's
  first and last routine have probe points in the same state of the CPU.
* A handler that calls the free function calls it once. One that calls it more often is several in a
  row, between which more can happen. Interrupts of devices and NMIs that free nothing do not come;
  what they would set right by chance, by waking a halted CPU for one, nobody may rely on.
* On PREEMPT_RT most handlers of devices run in threads. `hardirqs` stands for those that do not.
* That handlers of a kind do not nest is in cpu.py, when an hrtimer fires in hrtimer.py.
"""

from model.kernel.boot_stages import is_up
from model.kernel.bounds import Budget
from model.kernel.cpu import (
    Cpu,
    can_be_hit,
    hardirq_runs,
    is_online,
    nmi_runs,
    quiescent_below_handlers,
)
from model.kernel.hrtimer import Hrtimer, run_hrtimer
from model.kernel.irq_work import (
    IrqWork,
    irq_work_raised,
    irq_work_run,
    irq_work_tick,
    tick_has_work,
)
from model.kernel.objects import Object, free_call_returns, give, may_be_given
from model.kernel.rcu import (
    can_begin_a_reader,
    note_quiescent_state,
    perhaps_begin_a_reader,
)
from model.kernel.tick import restart_tick, tick_is_stopped
from model.language.syntax import (
    NULL,
    Enum,
    action,
    active,
    atomic,
    call_entry,
    cfg,
    instances,
    process,
    pure,
    require,
    start,
)


class Cause(Enum):
    """Why a hardirq handler runs."""

    IRQ_WORK = 0
    TICK = 1
    HRTIMER = 2
    DEVICE = 3


@pure
def irq_can_arrive(cpu: Cpu) -> bool:
    """The hardware's rule: interrupts are on and no handler runs on this CPU."""
    return not cpu.irqs_off and not active(hardirq, cpu) and not active(nmi, cpu) and is_online(cpu)


@process(
    per=Cpu,
    may_run=hardirq_runs,
    when=instances(IrqWork) + cfg.hardirqs > 0 or (instances(Hrtimer) > 0 and not cfg.preempt_rt),
)
def hardirq(cpu: Cpu, cause: Cause, obj: Object, timer: Hrtimer) -> None:
    """A hardirq handler; it runs with irqs off.

    IRQ_WORK is the architecture's handler (arch/x86/kernel/irq_work.c: sysvec_irq_work()), TICK
    tick_nohz_handler() (kernel/time/tick-sched.c), HRTIMER hrtimer_interrupt()
    (kernel/time/hrtimer.c); DEVICE is any driver's, a client of ours.
    """
    if instances(IrqWork) > 0 and cfg.irq_work_interrupt and cause == Cause.IRQ_WORK:
        irq_work_run(cpu)
    elif instances(IrqWork) > 0 and cause == Cause.TICK:
        irq_work_tick(cpu)
    elif instances(Hrtimer) > 0 and not cfg.preempt_rt and cause == Cause.HRTIMER:
        run_hrtimer(timer)
    elif cfg.hardirqs > 0:
        call_entry("hardirq", obj)
        free_call_returns(obj)
    hardirq_returns(cpu)


@atomic(models="kernel/softirq.c: irq_exit_rcu")
def hardirq_returns(cpu: Cpu) -> None:
    """Back to what was interrupted, with irqs on as they were."""
    cpu.irqs_off = False
    restart_tick(cpu)
    note_quiescent_state(cpu, quiescent_below_handlers(cpu))


@action(when=instances(IrqWork) > 0 and cfg.irq_work_interrupt)
def irq_work_interrupts(cpu: Cpu) -> None:
    """The irq_work self-interrupt is taken (arch/x86/kernel/irq_work.c: sysvec_irq_work())."""
    require(irq_can_arrive(cpu) and irq_work_raised(cpu))
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.IRQ_WORK, NULL, NULL)


@action(when=instances(IrqWork) > 0)
def tick(cpu: Cpu) -> None:
    """The tick (kernel/time/timer.c: update_process_times()); only one that finds lazy work does
    anything."""
    require(irq_can_arrive(cpu) and tick_has_work(cpu) and not tick_is_stopped(cpu))
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.TICK, NULL, NULL)


@action(when=instances(Hrtimer) > 0 and not cfg.preempt_rt)
def hrtimer_expires(cpu: Cpu, timer: Hrtimer) -> None:
    """An hrtimer expires (kernel/time/hrtimer.c: hrtimer_interrupt())."""
    require(irq_can_arrive(cpu) and timer.armed)
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.HRTIMER, NULL, timer)


@action(environment=True, when=cfg.hardirqs > 0)
def device_interrupts(cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client of ours: a device's handler frees an object."""
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
    start(hardirq, cpu, Cause.DEVICE, obj, NULL)


@process(per=Cpu, may_run=nmi_runs, when=cfg.nmis > 0)
def nmi(cpu: Cpu, obj: Object) -> None:
    """A client of ours: an NMI handler that frees an object."""
    call_entry("nmi", obj)
    free_call_returns(obj)
    nmi_returns(cpu)


@atomic(models="include/linux/hardirq.h: nmi_exit")
def nmi_returns(cpu: Cpu) -> None:
    """Back to whatever was interrupted; a CPU that had halted is awake."""
    if not active(idle, cpu):
        restart_tick(cpu)
    note_quiescent_state(cpu, quiescent_below_handlers(cpu) and not active(hardirq, cpu))


@action(environment=True, when=cfg.nmis > 0)
def nmi_arrives(cpu: Cpu, obj: Object, reader: bool) -> None:
    """The hardware's choice: an NMI, whatever the CPU does, whatever locks are held."""
    require(
        Budget.nmis > 0
        and not active(nmi, cpu)
        and can_be_hit(cpu)
        and is_up(cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    Budget.nmis -= 1
    perhaps_begin_a_reader(reader)
    give(obj)
    start(nmi, cpu, obj)
