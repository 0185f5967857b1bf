"""How far the boot has come (`boot`), for those who have to ask; boot.py makes it go on."""

from model.kernel.cpu import Cpu, Task
from model.language.syntax import Embed, Enum, cfg, knob, pure, record

knob("boot", False, "the run begins early in boot: no interrupts, no threads, one CPU")


class Stage(Enum):
    """What is there. EARLY: one CPU with irqs off and one task; INITIALISED: the batching machinery
    too; IRQS_ON: interrupts; THREADS: workers, RCU's threads, the other CPUs; RUNNING: the same,
    and RCU_SCHEDULER_RUNNING says so."""

    OFF = 0
    EARLY = 1
    INITIALISED = 2
    IRQS_ON = 3
    THREADS = 4
    RUNNING = 5


@record(single=cfg.boot)
class Boot:
    """The boot: how far it has come, and its task."""

    stage: Stage
    task: Embed[Task]


@pure
def is_up(cpu: Cpu) -> bool:
    """The CPU executes code: the first one from the beginning, the others with the threads."""
    if not cfg.boot:
        return True
    return Boot.stage in (Stage.THREADS, Stage.RUNNING) or Boot.task.cpu == cpu


@pure
def threads_are_up() -> bool:
    """A grace period can begin."""
    if not cfg.boot:
        return True
    return Boot.stage in (Stage.THREADS, Stage.RUNNING)


@pure
def rcu_scheduler_is_running() -> bool:
    """rcu_scheduler_active (kernel/rcu/update.c) == RCU_SCHEDULER_RUNNING: one read."""
    if not cfg.boot:
        return True
    return Boot.stage == Stage.RUNNING
