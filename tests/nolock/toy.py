"""A design of a few dozen states, made to order: what the tests of the command run on."""

from __future__ import annotations

from pathlib import Path

_HEAD = '''\
"""A toy: frees at once under a lock."""

from model.kernel.contexts import client, nmi
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import RawSpinlock, raw_spin_lock, raw_spin_unlock
from model.kernel.objects import Object
from model.kernel.slab import return_to_allocator
from model.language.syntax import Embed, Range, expect, knob, record, routine, run, unreached

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
    unreached("wait_for_lock", "*", because="one CPU"),
"""

_TAIL = '''

@record(single=True)
class Toy:
    """One lock."""

    lock: Embed[RawSpinlock]
    frees: Range[0, 1]


@routine(models="toy", entry=(client, nmi))
def free_now(head: Object) -> None:
    """Free under the lock."""
    flags = local_irq_save()
    raw_spin_lock(Toy.lock)
    return_to_allocator(head)  # BODY
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
    declarations: str = "",
    name: str = "toy",
) -> Path:
    """Write the design, with parts replaced; `body` is one more statement under the lock."""
    data = f"{declarations}\nRUNS = [{runs}]\nEXPECT = [{expect}]\nUNREACHED = [{unreached}]\n"
    path = folder / f"{name}.py"
    path.write_text(_HEAD + data + _TAIL.replace("  # BODY", f"\n    {body}"), encoding="utf-8")
    return path
