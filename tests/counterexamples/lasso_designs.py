"""Designs that go on for ever, in the modelling language."""

from __future__ import annotations

from pathlib import Path

from model.language.machine import Machine
from properties.registry import build_machine

_HEAD = '''\
"""A toy that never comes to its end."""

from model.kernel.contexts import client, nmi
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.kernel.slab import kvfree
from model.language.syntax import NULL, Embed, container_of, embed, record, routine

'''

SELF_LINKED = (
    _HEAD
    + '''
@routine(models="toy: handler")
def drain(work: IrqWork) -> None:
    """Follow the list to its end."""
    inbox = container_of(work, Inbox.work)
    node: Object = llist_del_all(inbox.list)
    while node != NULL:
        node = node.next


@record(per=Cpu)
class Inbox:
    """A list, and the irq_work that drains it."""

    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain, lazy=False)


@routine(models="toy: free", entry=(client,))
def free_twice(head: Object) -> None:
    """The node goes in twice: the second time it is linked to itself."""
    inbox = this_cpu(Inbox)
    llist_add(head, inbox.list)
    llist_add(head, inbox.list)
    irq_work_queue(inbox.work)
'''
)

WAITS_FOR_ANOTHER = (
    _HEAD
    + '''
@record(single=True)
class Toy:
    """Whether somebody is at it."""

    busy: bool


@routine(models="toy: free", entry=(client, nmi))
def free_in_turn(head: Object) -> None:
    """Not atomically: look, then take."""
    while Toy.busy:
        pass
    Toy.busy = True
    kvfree(head)
    Toy.busy = False
'''
)


def lasso_machine(folder: Path, source: str, prop: str, **knobs: int) -> Machine:
    """The machine of a design, with one property."""
    path = folder / "toy.py"
    path.write_text(source, encoding="utf-8")
    small = {"cpus": 1, "objects": 1, "tasks": 1, "workers": 0, "other_gps": 0}
    return build_machine(path, {**small, **knobs}, (prop,))
