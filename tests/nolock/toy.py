"""A design of a few dozen states, made to order: what the tests of the command run on."""

from __future__ import annotations

from pathlib import Path

_HEAD = '''\
"""A toy: frees at once under a lock."""

from model.kernel.contexts import client, nmi
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import RawSpinlock, raw_spin_lock, raw_spin_unlock
from model.kernel.objects import Object
from model.kernel.slab import kvfree
from model.kernel.workqueue import DelayedWork, RcuWork
from model.language.syntax import Embed, Range, embed, expect, record, routine, run, unreached

TITLE = "toy: frees at once under a lock"
SMALL = 1
'''

RUNS = """
    run("tasks", env="smp", why="no " + "NMI", cpus=1, tasks=SMALL, objects=1, other_gps=0),
    run("nmi", env="smp", why="an NMI", cpus=1, tasks=1, objects=2, nmis=1, other_gps=0),
"""

EXPECT = """
    expect("self_deadlock", runs=("nmi",), verdict="violated", because="taken in NMI too"),
    expect("*", runs="*", verdict="holds", because="nothing else can happen"),
"""

UNREACHED = """
    unreached(
        ("worker_takes_delayed_work", "worker_takes_rcu_work", "timer_expires", "disarm",
         "rcu_callback_is_invoked", "grace_period_begins_for_callback", "grace_period_ends",
         "insert_delayed_work", "begin_delayed_work", "end_delayed_work", "insert_rcu_work",
         "begin_rcu_work", "end_rcu_work", "hardirq_returns", "task_exits"),
        "*", because="no work is ever queued",
    ),
    unreached("wait_for_lock", "*", because="one CPU"),
"""

_TAIL = '''

@record(single=True)
class Toy:
    """One lock; the works are never queued."""

    lock: Embed[RawSpinlock]
    work: Embed[DelayedWork] = embed(func=no_work)
    later: Embed[RcuWork] = embed(func=no_later)
    frees: Range[0, 1]


@routine(models="toy")
def no_work(work: DelayedWork) -> None:
    """Never queued."""
    return


@routine(models="toy")
def no_later(work: RcuWork) -> None:
    """Never queued."""
    return


@routine(models="toy", entry=(client, nmi))
def free_now(head: Object) -> None:
    """Free under the lock."""
    flags = local_irq_save()
    raw_spin_lock(Toy.lock)
    kvfree(head)  # BODY
    raw_spin_unlock(Toy.lock)
    local_irq_restore(flags)
'''


def write_toy(
    folder: Path,
    *,
    runs: str = RUNS,
    expect: str = EXPECT,
    unreached: str = UNREACHED,
    body: str = "",
    name: str = "toy",
) -> Path:
    """Write the design, with parts replaced; `body` is one more statement under the lock."""
    data = f"RUNS = [{runs}]\nEXPECT = [{expect}]\nUNREACHED = [{unreached}]\n"
    path = folder / f"{name}.py"
    path.write_text(_HEAD + data + _TAIL.replace("  # BODY", f"\n    {body}"), encoding="utf-8")
    return path
