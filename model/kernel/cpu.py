"""CPUs: who runs, interrupt state, and the contexts stacked on each CPU.

A CPU runs the topmost of task < softirq < hardirq < NMI. A probe runs inside the context it hit, on
the same CPU, at that context's level. `Level` names those places. On PREEMPT_RT softirqs run in
threads (softirqs.py), at the level of tasks.

Abstractions:
* An NMI does not nest in an NMI, a hardirq not in a hardirq, a softirq not in a softirq.
* The NMI entry clears the hardware interrupt flag; `Cpu.irqs_off` keeps the interrupted
  context's flag, and `irqs_disabled()` is true in NMI and hardirq by definition.
"""

from model.kernel.objects import Object
from model.language.syntax import (
    NULL,
    Array,
    Embed,
    Enum,
    Ghost,
    Range,
    active,
    atomic,
    cfg,
    inline,
    knob,
    me,
    my,
    of,
    pure,
    record,
    runs_in,
)

knob("preempt_rt", False, "CONFIG_PREEMPT_RT: irq_works that are not hard run in a thread")
knob(
    "late_nmis",
    True,
    "an NMI or a probe can hit a CPU between the last run of its irq_works and its end",
)
knob("smp", True, "CONFIG_SMP; without it a raw spinlock is no lock at all")


class Level(Enum):
    """Where on a CPU's stack a context runs; PROBE is told apart only as a lock owner."""

    TASK = 0
    SOFTIRQ = 1
    HARDIRQ = 2
    NMI = 3
    PROBE = 4


@record(count=cfg.cpus)
class Cpu:
    """One CPU. `curr` is the task on it, NULL when idle; `probed` is the level a probe hit,
    `irqs_off_below` whether irqs were off there."""

    curr: Task
    irqs_off: bool = cfg.boot
    preempt_count: Range[0, 3]
    probed: Level
    irqs_off_below: bool
    needs_qs: bool


@record()
class Task:
    """A schedulable context: `cpu` is where it runs, NULL while it is switched out."""

    cpu: Cpu


@record()
class Sleeper:
    """A task that waits for something asleep, on no CPU. `woken`: somebody has woken it; `target`:
    the one CPU it may run on next."""

    task: Embed[Task]
    asleep: bool
    woken: bool
    target: Cpu


@record(count=cfg.tasks)
class Client:
    """A task that frees objects."""

    task: Embed[Task]


@record(count=cfg.sleepers)
class SleepingClient:
    """A task that frees objects and may sleep in the call."""

    sleeper: Embed[Sleeper]


@record(count=cfg.workers)
class Kworker:
    """A workqueue worker (an unbound one: it may run on any CPU)."""

    task: Embed[Task]


@record(count=cfg.barriers)
class BarrierCaller:
    """A task that calls the barrier, once.

    `owed` are the objects that must be freed when the barrier returns.
    """

    sleeper: Embed[Sleeper]
    used: bool
    owed: Ghost[Array[bool, Object]]


@record(count=cfg.shrinks)
class Reclaimer:
    """A task that finds memory short and runs the shrinker, once."""

    task: Embed[Task]
    used: bool


@record()
class BoundThread:
    """A thread of one CPU. All that it does is inside one RCU read-side section.

    `waits_for` is that CPU while the thread is switched out; `blocks_gp`: the grace period that
    runs waits for the thread, not for the CPU.
    """

    task: Embed[Task]
    waits_for: Cpu
    blocks_gp: bool


@record(per=Cpu, when=cfg.preempt_rt)
class CpuThreads:
    """PREEMPT_RT: irq_work/N, and one thread for those that run a CPU's softirqs."""

    irq_work: Embed[BoundThread]
    softirq: Embed[BoundThread]


@record(per=Cpu, when=cfg.hotplug > 0)
class Stopper:
    """The last task on a CPU that goes offline. `dying`: from the last run of the CPU's irq_works
    until all that is done for it elsewhere is done; `offline`: the CPU runs nothing any more. Until
    it is back the task stays the CPU's."""

    task: Embed[Task]
    dying: bool
    offline: bool


@record(count=1 if cfg.hotplug > 0 else 0)
class Takedown:
    """The task that takes CPUs offline, on one that stays. There is one: cpu_hotplug_lock."""

    task: Embed[Task]


@pure
def is_online(cpu: Cpu) -> bool:
    """The CPU takes interrupts and NMIs."""
    if cfg.hotplug == 0:
        return True
    return not of(Stopper, cpu).offline


@atomic
def is_in_online_mask(cpu: Cpu) -> bool:
    """One bit: a CPU leaves the mask just before its irq_works are run for the last time."""
    return not of(Stopper, cpu).dying and not of(Stopper, cpu).offline


@inline
def cpu_online(cpu: Cpu) -> bool:
    """cpu_online(): the CPU is in the mask of those that are."""
    if cfg.hotplug == 0:
        return True
    return is_in_online_mask(cpu)


@pure
def cpu_goes_or_comes() -> bool:
    """A CPU is being taken offline: some of that is still to be done, on it or elsewhere."""
    return any(s.task.cpu != NULL and (s.dying or not s.offline) for s in Stopper)


@pure
def can_be_hit(cpu: Cpu) -> bool:
    """An NMI or a probe may hit the CPU."""
    if cfg.hotplug == 0:
        return True
    if not cfg.late_nmis and of(Stopper, cpu).dying:
        return False
    return not of(Stopper, cpu).offline


@pure
def may_go_offline(cpu: Cpu) -> bool:
    """Another CPU stays."""
    return any(c != cpu and c.curr != of(Stopper, c).task for c in Cpu)


@pure
def task_runs(task: Task) -> bool:
    """The task is on a CPU and nothing runs on top of it."""
    return (
        task.cpu != NULL
        and not in_softirq(task.cpu)
        and not active(hardirq, task.cpu)
        and not active(nmi, task.cpu)
        and not (active(probe, task.cpu) and task.cpu.probed == Level.TASK)
    )


@pure
def in_softirq(cpu: Cpu) -> bool:
    """A softirq runs on top of the CPU's task."""
    if cfg.preempt_rt:
        return False
    return active(softirq, cpu)


@pure
def softirq_runs(cpu: Cpu) -> bool:
    """Nothing runs on top of the softirq; on PREEMPT_RT, of its thread."""
    if cfg.preempt_rt:
        return task_runs(of(CpuThreads, cpu).softirq.task)
    return (
        not active(hardirq, cpu)
        and not active(nmi, cpu)
        and not (active(probe, cpu) and cpu.probed == Level.SOFTIRQ)
    )


@pure
def hardirq_runs(cpu: Cpu) -> bool:
    """No NMI and no probe runs on top of the hardirq handler."""
    return not active(nmi, cpu) and not (active(probe, cpu) and cpu.probed == Level.HARDIRQ)


@pure
def nmi_runs(cpu: Cpu) -> bool:
    """No probe runs on top of the NMI handler."""
    return not (active(probe, cpu) and cpu.probed == Level.NMI)


@pure
def probe_runs(cpu: Cpu) -> bool:
    """Nothing runs on top of the probe."""
    return (
        cpu.probed == Level.NMI
        or (cpu.probed == Level.HARDIRQ and not active(nmi, cpu))
        or (cpu.probed == Level.SOFTIRQ and not active(nmi, cpu) and not active(hardirq, cpu))
        or (not active(nmi, cpu) and not active(hardirq, cpu) and not in_softirq(cpu))
    )


@pure
def myself() -> Sleeper:
    """The running task, one that may sleep."""
    if runs_in(sleeping_client):
        return of(SleepingClient, me()).sleeper
    return of(BarrierCaller, me()).sleeper


@pure
def smp_processor_id() -> Cpu:
    """The CPU the caller runs on.

    For a task this is a read: it can change while preemptible. In a run without preemptions it
    cannot, and the CPU is the one that the task was started on.
    """
    if runs_in(boot_client, batching_init, scheduler_starts):
        return my(cpu)
    if runs_in(client, kworker, shrinker) and cfg.preemptions == 0:
        return my(cpu)
    if runs_in(client):
        return of(Client, me()).task.cpu
    if runs_in(kworker):
        return of(Kworker, me()).task.cpu
    if runs_in(stopper):
        return of(Stopper, me()).task.cpu
    if runs_in(takedown):
        return of(Takedown, me()).task.cpu
    if runs_in(shrinker):
        return of(Reclaimer, me()).task.cpu
    if runs_in(barrier, sleeping_client):
        return myself().task.cpu
    return me()


@pure
def this_cpu(kind: type) -> Cpu:
    """this_cpu_ptr(): the running CPU's instance of a per-CPU record."""
    return of(kind, smp_processor_id())


@pure
def level() -> Level:
    """The caller's own level; a probe is PROBE whatever it hit."""
    if runs_in(probe):
        return Level.PROBE
    if runs_in(nmi):
        return Level.NMI
    if runs_in(hardirq):
        return Level.HARDIRQ
    if runs_in(softirq) and not cfg.preempt_rt:
        return Level.SOFTIRQ
    return Level.TASK


@pure
def in_nmi() -> bool:
    """in_nmi(): true in an NMI handler and in a probe that hit one; false in other probes."""
    if runs_in(probe):
        return smp_processor_id().probed == Level.NMI
    return runs_in(nmi)


@pure
def can_spin_trylock() -> bool:
    """can_spin_trylock(): whether trying a spinlock_t tells the truth and does no harm here.

    On PREEMPT_RT such a lock sleeps and must not be tried in NMI or hardirq; on UP a trylock always
    succeeds, so that an NMI cannot rely on it.
    """
    if cfg.preempt_rt:
        return not runs_in(nmi, hardirq) and not hits_handler()
    if not cfg.smp:
        return not in_nmi()
    return True


@pure
def hits_handler() -> bool:
    """The running code is a probe that hit a hardirq or NMI handler."""
    return runs_in(probe) and smp_processor_id().probed in (Level.HARDIRQ, Level.NMI)


@atomic
def irqs_disabled() -> bool:
    """irqs_disabled(): no other context of the CPU can change what it reads."""
    if runs_in(hardirq, nmi):
        return True
    cpu = smp_processor_id()
    if runs_in(probe):
        return cpu.probed in (Level.HARDIRQ, Level.NMI) or cpu.irqs_off
    return cpu.irqs_off


@pure
def is_in_no_section(cpu: Cpu) -> bool:
    """The CPU's task, or idle, has irqs and preemption on and is no RCU reader."""
    return (
        not cpu.irqs_off and cpu.preempt_count == 0 and all(t.task.cpu != cpu for t in BoundThread)
    )


@pure
def quiescent_task_level(cpu: Cpu) -> bool:
    """The same, and no probe runs inside it."""
    return is_in_no_section(cpu) and not active(probe, cpu)


@pure
def quiescent_below_handlers(cpu: Cpu) -> bool:
    """The same, and no softirq runs on top of it."""
    return quiescent_task_level(cpu) and not in_softirq(cpu)


@pure
def quiescent(cpu: Cpu) -> bool:
    """The CPU is not inside any region that a grace period must wait for."""
    return quiescent_below_handlers(cpu) and not active(hardirq, cpu) and not active(nmi, cpu)
