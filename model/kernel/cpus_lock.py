"""cpus_read_lock(): while somebody holds it no CPU goes offline, and none comes back.

Taking a CPU offline holds the lock for writing from its beginning until the last thing that is
done for the dead CPU elsewhere. So whoever has it for reading finds each CPU either online or
cleaned up.

Abstraction: a writer that waits does not keep new readers out.
"""

from model.kernel.cpu import cpu_goes_or_comes, myself
from model.kernel.waiting import schedule
from model.language.syntax import Range, atomic, cfg, pure, record, routine, wait_until


@record(single=cfg.hotplug > 0 and cfg.barriers > 0)
class CpuHotplugLock:
    """cpu_hotplug_lock, as its readers see it."""

    readers: Range[0, cfg.barriers]


@pure
def cpus_are_kept() -> bool:
    """Somebody holds the lock for reading."""
    if cfg.barriers == 0:
        return False
    return CpuHotplugLock.readers > 0


@atomic
def try_to_keep_cpus() -> bool:
    """Take the lock, unless a CPU is on its way."""
    if cpu_goes_or_comes():
        return False
    CpuHotplugLock.readers += 1
    return True


@atomic
def wait_to_keep_cpus() -> None:
    """Asleep until no CPU is on its way."""
    wait_until(not cpu_goes_or_comes())
    CpuHotplugLock.readers += 1
    myself().asleep = False


@routine(models="kernel/cpu.c: cpus_read_lock")
def cpus_read_lock() -> None:
    """By a task that may sleep."""
    if cfg.hotplug > 0:
        if not try_to_keep_cpus():
            schedule()
            wait_to_keep_cpus()


@routine(models="kernel/cpu.c: cpus_read_unlock")
def cpus_read_unlock() -> None:
    """CPUs may go and come again."""
    if cfg.hotplug > 0:
        let_cpus_go()


@atomic
def let_cpus_go() -> None:
    """One reader fewer."""
    CpuHotplugLock.readers -= 1
