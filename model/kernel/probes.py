"""Probes: programs attached to routines, which run inside whatever they hit, at its level.

Abstractions:
* One program at a time on a CPU, at any level. That is so where bpf_prog_active guards it
  (kprobes, tracepoints and perf events); where the program's own counter does (fentry and raw
  tracepoints), another program can hit this one, which is missed.
* Preemption is off while a program runs; newer kernels only disable migration, and a program that
  is preempted is missed.
* A program frees one object each time that it runs, and does nothing else. Locks that it takes
  for itself, those of a map for one, are missed.
"""

from model.kernel.boot_stages import Boot
from model.kernel.bounds import Budget
from model.kernel.cpu import (
    BarrierCaller,
    Client,
    Cpu,
    CpuThreads,
    Kworker,
    Level,
    Reclaimer,
    SleepingClient,
    Takedown,
    can_be_hit,
    in_softirq,
    is_in_no_section,
    probe_runs,
)
from model.kernel.objects import Object, free_call_returns, give, may_be_given
from model.kernel.rcu import (
    can_begin_a_reader,
    note_quiescent_state,
    perhaps_begin_a_reader,
)
from model.language.syntax import (
    action,
    active,
    at_probe_point,
    atomic,
    call_entry,
    cfg,
    process,
    pure,
    require,
    start,
)


@pure
def task_at_probe_point(cpu: Cpu) -> bool:
    """The model's own: the CPU's task is at routine entry, routine exit or a tracepoint."""
    return (
        any(c.task.cpu == cpu and at_probe_point(client, c) for c in Client)
        or any(
            c.sleeper.task.cpu == cpu and at_probe_point(sleeping_client, c) for c in SleepingClient
        )
        or any(w.task.cpu == cpu and at_probe_point(kworker, w) for w in Kworker)
        or any(b.sleeper.task.cpu == cpu and at_probe_point(barrier, b) for b in BarrierCaller)
        or any(s.task.cpu == cpu and at_probe_point(shrinker, s) for s in Reclaimer)
        or (can_be_hit(cpu) and at_probe_point(stopper, cpu))
        or any(
            (t.irq_work.task.cpu == cpu and at_probe_point(irq_workd, cpu))
            or (t.softirq.task.cpu == cpu and at_probe_point(softirq, cpu))
            for t in CpuThreads
        )
        or any(t.task.cpu == cpu and at_probe_point(takedown, t) for t in Takedown)
        or at_probe_point(idle, cpu)
        or any(b.task.cpu == cpu and at_probe_point(boot_client, b) for b in Boot)
        or any(b.task.cpu == cpu and at_probe_point(batching_init, b) for b in Boot)
        or any(b.task.cpu == cpu and at_probe_point(scheduler_starts, b) for b in Boot)
    )


@process(per=Cpu, may_run=probe_runs, when=cfg.probes > 0)
def probe(cpu: Cpu, obj: Object) -> None:
    """A client of ours: a program attached to a routine frees an object, in the same context and
    with the same irq state. trace_call_bpf() (kernel/trace/bpf_trace.c) or
    __bpf_prog_enter_recur() (kernel/bpf/trampoline.c) runs it."""
    call_entry("probe", obj)
    free_call_returns(obj)
    probe_returns(cpu)


@atomic(models="kernel/trace/bpf_trace.c: trace_call_bpf, its end")
def probe_returns(cpu: Cpu) -> None:
    """Back into the probed routine."""
    quiet = cpu.probed == Level.TASK and is_in_no_section(cpu)
    cpu.probed = Level.TASK
    cpu.irqs_off_below = False
    note_quiescent_state(cpu, quiet)


@action(environment=True, when=cfg.probes > 0)
def probe_hits_task(cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client's program: the running task reaches a probe point."""
    require(
        Budget.probes > 0
        and not active(probe, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    require(not in_softirq(cpu) and not active(hardirq, cpu) and not active(nmi, cpu))
    require(task_at_probe_point(cpu))
    Budget.probes -= 1
    cpu.probed = Level.TASK
    cpu.irqs_off_below = cpu.irqs_off
    perhaps_begin_a_reader(reader)
    give(obj)
    start(probe, cpu, obj)


@action(environment=True, when=cfg.probes > 0 and not cfg.preempt_rt)
def probe_hits_softirq(cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client's program: the running softirq reaches a probe point."""
    require(
        Budget.probes > 0
        and not active(probe, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    require(not active(hardirq, cpu) and not active(nmi, cpu) and at_probe_point(softirq, cpu))
    Budget.probes -= 1
    cpu.probed = Level.SOFTIRQ
    cpu.irqs_off_below = cpu.irqs_off
    perhaps_begin_a_reader(reader)
    give(obj)
    start(probe, cpu, obj)


@action(environment=True, when=cfg.probes > 0)
def probe_hits_hardirq(cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client's program: the running hardirq handler reaches a probe point."""
    require(
        Budget.probes > 0
        and not active(probe, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    require(active(hardirq, cpu) and not active(nmi, cpu) and at_probe_point(hardirq, cpu))
    Budget.probes -= 1
    cpu.probed = Level.HARDIRQ
    cpu.irqs_off_below = True
    perhaps_begin_a_reader(reader)
    give(obj)
    start(probe, cpu, obj)


@action(environment=True, when=cfg.probes > 0 and cfg.nmis > 0)
def probe_hits_nmi(cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client's program: the running NMI handler reaches a probe point."""
    require(
        Budget.probes > 0
        and not active(probe, cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    require(active(nmi, cpu) and at_probe_point(nmi, cpu))
    Budget.probes -= 1
    cpu.probed = Level.NMI
    cpu.irqs_off_below = True
    perhaps_begin_a_reader(reader)
    give(obj)
    start(probe, cpu, obj)
