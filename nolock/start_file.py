"""`nolock new`: a commented design file to start from. It compiles and verifies as it stands."""

from __future__ import annotations

import keyword
from pathlib import Path

from nolock.catalogue import design_paths
from nolock.errors import InputError

TEMPLATE = '''\
"""{name}: say in one line what the design does.

Source: the patch or mail it is written after, and what was left open there.

A design is written in nolock's modelling language. It reads like the kernel function that it
stands for; it is compiled from its syntax tree and never executed. Every access to shared state is
a step of its own, so an NMI, a probe or another CPU can come in between any two.

    nolock verify {file}
    nolock trace {file}/any-context/PROPERTY
"""

from model.designs.mainline import kvfree_call_rcu as queue_in_normal_context
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.interrupts import preempt_disable, preempt_enable
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.language.syntax import (
    NULL,
    Embed,
    container_of,
    embed,
    event,
    expect,
    record,
    routine,
    run,
    unreached,
)

TITLE = "{name}: every object is parked, an irq_work queues it"

# What is explored. A run is an environment (`nolock list environments`), bounds and knobs. Bounds
# count over a whole execution: nmis=1 is one NMI, anywhere, at any time. Start small.
RUNS = [
    run(
        "any-context",
        env="smp",
        why="an NMI and a probe free an object while a task frees another",
        cpus=2,
        tasks=2,
        objects=2,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
]

# What you expect, for every property (`nolock list properties`). Exactly one line matches each
# verdict; "*" is what no other line of the run names. verdict= is "holds" or "violated".
EXPECT = [
    expect("*", runs="*", verdict="holds", because="nobody waits for a lock in NMI or in a probe"),
]

# Statements that no run reaches are an error unless you say why.
UNREACHED = [
    unreached("tick", "*", because="the irq_work is not lazy, so no tick is waited for"),
    unreached("disarm", "*", because="with two objects the monitor is armed once at a time"),
    unreached("test_and_set_pending", "if not test_and_set_pending(dwork):", because="as above"),
    unreached("take_from_pool", "*", because="as above"),
]


# State. per=Cpu: one for each CPU.
@record(per=Cpu)
class Parked:
    """What this CPU has parked, and the irq_work that hands it on."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=hand_on, lazy=False)


# The function under test. entry= names the contexts that may call it.
@routine(models="mm/slab_common.c: {name}", entry=(client, softirq, hardirq, nmi, probe))
def free_from_anywhere(head: Object) -> None:
    """Park the object; never wait."""
    preempt_disable()
    head.func = head
    parked = this_cpu(Parked)
    if llist_add(head, parked.list):
        irq_work_queue(parked.work)
    preempt_enable()


@routine(models="mm/slab_common.c: irq_work handler of {name}")
def hand_on(work: IrqWork) -> None:
    """Give every parked object to the normal path; the link is read before it is reused."""
    parked = container_of(work, Parked.work)
    head: Object = llist_del_all(parked.list)
    while head != NULL:
        following = head.next
        event("taken", head)
        queue_in_normal_context(head.func)
        head = following
'''


def write_start(name: str) -> Path:
    """Write NAME.py (a name or a path); never over a file that is there. Raises InputError."""
    if not name:
        raise InputError("the name is empty", "for example: nolock new my_design")
    path = Path(name if name.endswith(".py") else f"{name}.py")
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        hint = "use letters, digits and _, for example my_design"
        raise InputError(f"`{path.stem}` cannot name a design", hint)
    if path.stem in design_paths():
        hint = f"choose another name: `nolock verify {path.stem}` means the one that is there"
        raise InputError(f"`{path.stem}` is a design that comes with nolock", hint)
    text = TEMPLATE.replace("{name}", path.stem).replace("{file}", str(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path} is there already", "choose another name") from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    return path
