"""Hardirq and NMI handlers, and what makes them run."""

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
    """Interrupts are on and no handler runs on this CPU."""
    return not cpu.irqs_off and not active(hardirq, cpu) and not active(nmi, cpu) and is_online(cpu)


@process(
    per=Cpu,
    may_run=hardirq_runs,
    when=instances(IrqWork) + cfg.hardirqs > 0 or (instances(Hrtimer) > 0 and not cfg.preempt_rt),
)
def hardirq(cpu: Cpu, cause: Cause, obj: Object, timer: Hrtimer) -> None:
    """A hardirq handler; it runs with irqs off."""
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


@atomic
def hardirq_returns(cpu: Cpu) -> None:
    """Back to what was interrupted, with irqs on as they were."""
    cpu.irqs_off = False
    restart_tick(cpu)
    note_quiescent_state(cpu, quiescent_below_handlers(cpu))


@action(when=instances(IrqWork) > 0 and cfg.irq_work_interrupt)
def irq_work_interrupts(cpu: Cpu) -> None:
    """The irq_work self-interrupt is taken."""
    require(irq_can_arrive(cpu) and irq_work_raised(cpu))
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.IRQ_WORK, NULL, NULL)


@action(when=instances(IrqWork) > 0)
def tick(cpu: Cpu) -> None:
    """The tick; only one that finds lazy work does anything."""
    require(irq_can_arrive(cpu) and tick_has_work(cpu) and not tick_is_stopped(cpu))
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.TICK, NULL, NULL)


@action(when=instances(Hrtimer) > 0 and not cfg.preempt_rt)
def hrtimer_expires(cpu: Cpu, timer: Hrtimer) -> None:
    """An hrtimer expires."""
    require(irq_can_arrive(cpu) and timer.armed)
    cpu.irqs_off = True
    start(hardirq, cpu, Cause.HRTIMER, NULL, timer)


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
    start(hardirq, cpu, Cause.DEVICE, obj, NULL)


@process(per=Cpu, may_run=nmi_runs, when=cfg.nmis > 0)
def nmi(cpu: Cpu, obj: Object) -> None:
    """An NMI handler that frees an object."""
    call_entry("nmi", obj)
    free_call_returns(obj)
    nmi_returns(cpu)


@atomic
def nmi_returns(cpu: Cpu) -> None:
    """Back to whatever was interrupted; a CPU that had halted is awake."""
    if not active(idle, cpu):
        restart_tick(cpu)
    note_quiescent_state(cpu, quiescent_below_handlers(cpu) and not active(hardirq, cpu))


@action(environment=True, when=cfg.nmis > 0)
def nmi_arrives(cpu: Cpu, obj: Object, reader: bool) -> None:
    """An NMI: whatever the CPU does, whatever locks are held."""
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
