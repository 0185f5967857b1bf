"""busy_flag: a per-CPU flag says that this CPU is inside the free path.

An idea that looks right at first. The free call raises a flag around its locked section. Whoever
finds the flag up, in NMI or in a probe, has cut into that section and parks its object; an
irq_work hands it on later. docs/writing-a-design.md takes this file apart.
"""

from model.designs.mainline import kvfree_call_rcu as queue_as_mainline
from model.kernel.contexts import client, nmi, probe
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.interrupts import preempt_disable, preempt_enable
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    event,
    expect,
    knob,
    record,
    routine,
    run,
    unreached,
)

TITLE = "busy_flag: a flag instead of a context test"

RUNS = [
    run(
        "flag",
        env="smp",
        why="an NMI or a probe frees an object while a task frees another",
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "always",
        env="smp",
        why="the repair: every object is parked",
        park_always=True,
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
]

EXPECT = [
    expect(
        "self_deadlock",
        runs=("flag",),
        verdict="violated",
        because="the monitor and the timer take their locks without raising the flag",
    ),
    expect(
        "forbidden_call",
        runs=("flag",),
        verdict="violated",
        because="with the flag down the monitor is armed from NMI or from a probe",
    ),
    expect("*", runs="*", verdict="holds", because="parking waits for nothing"),
]

UNREACHED = [
    unreached("tick", "*", because="the irq_work is not lazy, so no tick is waited for"),
    unreached("wait_for_lock", "*", because="there is one CPU, so nobody can wait for a lock"),
    unreached(
        ("disarm", "take_from_pool"),
        "*",
        because="two objects arm the monitor once at a time, so its timer is never stolen",
    ),
    unreached(
        "test_and_set_pending", "if not test_and_set_pending(dwork):", because="as for disarm"
    ),
]

knob("park_always", False, "park every object, whoever calls")


@routine(models="mm/slab_common.c: irq_work handler of the busy flag")
def hand_on(work: IrqWork) -> None:
    """Queue every parked object; the link is read before it is reused."""
    path = container_of(work, FreePath.work)
    head: Object = llist_del_all(path.parked)
    while head != NULL:
        following = head.next
        event("taken", head)
        start = head.func
        queue_as_mainline(start)
        head = following


@record(per=Cpu)
class FreePath:
    """A CPU's flag, and what it has parked with the irq_work that hands it on."""

    busy: bool
    parked: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=hand_on, lazy=False)


@routine(models="mm/slab_common.c: kvfree_call_rcu with a busy flag", entry=(client, nmi, probe))
def free_with_flag(head: Object) -> None:
    """Park the object where the flag is up, go on as mainline where it is not."""
    preempt_disable()
    path = this_cpu(FreePath)
    busy: bool = cfg.park_always
    if not cfg.park_always:
        busy = path.busy
    if busy:
        head.func = head
        if llist_add(head, path.parked):
            irq_work_queue(path.work)
    else:
        path.busy = True
        queue_as_mainline(head)
        path.busy = False
    preempt_enable()
