"""llist (0.2): what add returns and when that is decided, what del_all takes, what twice does."""

from __future__ import annotations

import pytest

from model.language.interpreter import broken_invariant
from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at, reachable

HEAD = """\
from model.kernel.contexts import client, nmi
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.language.syntax import NULL, Embed, embed, goal, record, routine

from .answers import answer


@record(single=True)
class Shared:
    list: Embed[LlistHead]
    taken: Object
    work: Embed[IrqWork] = embed(func=handler, lazy=False, hard=False)


@routine(models="test")
def handler(work: IrqWork) -> None:
    llist_del_all(Shared.list)


"""
HEAD += looked_at("Shared.taken", "Object.next", "IrqWork.pending", "IrqWork.busy")

CALLS = """

@routine(models="test", entry=(client, nmi))
def add(obj: Object) -> None:
    was_empty = llist_add(obj, Shared.list)
    answer(obj, was_empty)


@routine(models="test", entry=(client, nmi))
def add_twice(obj: Object) -> None:
    llist_add(obj, Shared.list)
    again = llist_add(obj, Shared.list)
    answer(obj, again)


@routine(models="test", entry=(client, nmi))
def take(obj: Object) -> None:
    first = llist_del_all(Shared.list)
    Shared.taken = first


@routine(models="test", entry=(client, nmi))
def park(obj: Object) -> None:
    was_empty = llist_add(obj, Shared.list)
    if was_empty:
        irq_work_queue(Shared.work)
    answer(obj, was_empty)


@routine(models="test", entry=(client, nmi))
def drain(obj: Object) -> None:
    node: Object = llist_del_all(Shared.list)
    while node != NULL:
        following = node.next
        node = following
"""
SOURCE = HEAD + CALLS
RACE = f"""{HEAD}
@routine(models="test", entry=(client,))
def add(obj: Object) -> None:
    was_empty = llist_add(obj, Shared.list)
    answer(obj, was_empty)


@routine(models="test", entry=(nmi,))
def take(obj: Object) -> None:
    first = llist_del_all(Shared.list)
    Shared.taken = first
"""

TAKER = 5  # the object of a call that takes the list; it is never on it


def chain(walk: Walk, first: int) -> list[int]:
    """The objects from here on, as far as they are different."""
    found: list[int] = []
    while first and first not in found:
        found.append(first)
        first = walk.value("Object.next", first)
    return found


def listed(walk: Walk) -> list[int]:
    return chain(walk, walk.value("LlistHead.first"))


def with_list(kernel: Kernel, before: list[int], *properties: str, **config: int) -> Walk:
    """One CPU, with these objects on the list, oldest first."""
    walk = kernel(SOURCE, *properties, cpus=1, tasks=1, objects=5, **config)
    for obj in before:
        walk.call("client", "add", obj)
    return walk


# --- one after the other ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "returned", "after"),
    [
        pytest.param([], True, [4], id="0.2 add to an empty list: true"),
        pytest.param([1], False, [4, 1], id="0.2 add behind one: false, newest first"),
        pytest.param([1, 2, 3], False, [4, 3, 2, 1], id="0.2(a) LIFO"),
    ],
)
def test_add(kernel: Kernel, before: list[int], returned: bool, after: list[int]) -> None:
    """Guards against an inverted return value and against a list that is a queue."""
    walk = with_list(kernel, before).call("client", "add", 4)
    assert (walk.said(4), listed(walk)) == (returned, after)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="0.2 del_all of an empty list: NULL"),
        pytest.param([1], id="0.2 del_all of one"),
        pytest.param([1, 2, 3], id="0.2 del_all: the whole chain, newest first"),
    ],
)
def test_del_all(kernel: Kernel, before: list[int]) -> None:
    """Guards against a chain in the wrong order and against a list that is not left empty."""
    walk = with_list(kernel, before).call("client", "take", TAKER)
    assert chain(walk, walk.value("Shared.taken")) == before[::-1]
    assert listed(walk) == []
    assert walk.call("client", "add", 4).said(4) is True


# --- interrupted --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "steps", "nmis", "returned", "after"),
    [
        pytest.param([], 0, ["add"], False, [1, 2], id="0.2(b) filled before the read: false"),
        pytest.param([], 1, ["add"], False, [1, 2], id="0.2(b) filled after the read: false"),
        pytest.param([], 2, ["add"], False, [1, 2], id="0.2(b) filled after the link: false"),
        pytest.param([], 3, ["add"], True, [2, 1], id="0.2(b) filled after the CAS: true"),
        pytest.param([3], 0, ["take"], True, [1], id="0.2(b) emptied before the read: true"),
        pytest.param([3], 1, ["take"], True, [1], id="0.2(b) emptied after the read: true"),
        pytest.param([3], 2, ["take"], True, [1], id="0.2(b) emptied after the link: true"),
        pytest.param([3], 3, ["take"], False, [], id="0.2(b) emptied after the CAS: false"),
        pytest.param([3], 2, ["take", "add"], False, [1, 2], id="0.2 CAS retried: another head"),
        pytest.param([3], 2, ["add"], False, [1, 2, 3], id="0.2 CAS retried: a longer list"),
        pytest.param([], 2, ["add", "take"], True, [1], id="0.2(b) empty, filled, empty: true"),
    ],
)
def test_was_empty_is_decided_at_the_swap(
    kernel: Kernel, before: list[int], steps: int, nmis: list[str], returned: bool, after: list[int]
) -> None:
    """Guards against an add in one step, and against an answer that is as old as the first read.

    The task has done 0 to 3 of: read the head, write the link, swap.
    """
    walk = with_list(kernel, before, nmis=2).arrive("client", "add", 1)
    for _ in range(steps):
        walk.step("client")
    for entry in nmis:
        walk.call("nmi", entry, {"add": 2, "take": TAKER}[entry])
    walk.go("client")
    assert (walk.said(1), listed(walk)) == (returned, after)


def test_the_window_before_the_follow_up(kernel: Kernel) -> None:
    """0.2(c): who adds behind a context that has not queued its work yet does not queue it.

    Guards against an irq_work that is raised as a part of the add.
    """
    walk = with_list(kernel, [], nmis=1).arrive("client", "park", 1)
    walk.go("client", to="irq_work_queue")
    walk.call("nmi", "park", 2)
    assert (walk.said(2), listed(walk)) == (False, [2, 1])
    assert walk.value("IrqWork.pending") == 0
    assert not walk.can("irq_work_interrupts")
    walk.go("client")
    assert walk.can("irq_work_interrupts")


# --- the same node twice ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "then", "cycle"),
    [
        pytest.param([], [], [1], id="0.2(d) at the head: its own successor"),
        pytest.param([2], [], [1], id="0.2(d) at the head of a longer list"),
        pytest.param([], [3], [3, 1], id="0.2(d) another one on top"),
    ],
)
def test_twice_makes_a_cycle(
    kernel: Kernel, before: list[int], then: list[int], cycle: list[int]
) -> None:
    """Guards against an add that sees or repairs what the kernel does not: nobody ever drains it.

    list_integrity must be what reports it.
    """
    walk = with_list(kernel, before, "list_integrity").call("client", "add_twice", 1)
    assert walk.said(1) is False
    for obj in then:
        walk.call("client", "add", obj)
    assert listed(walk) == cycle
    assert walk.value("Object.next", 1) == 1
    broken = broken_invariant(walk.machine, walk.state)
    assert broken is not None and broken.prop == "list_integrity"
    walk.arrive("client", "drain", TAKER)
    assert all(one.running("client") for one in reachable(walk))


# --- every order --------------------------------------------------------------------------------


def test_in_every_order_nothing_is_lost(kernel: Kernel) -> None:
    """0.2: whatever the order, each node is on one list once, and "true" is for the first of it.

    Two CPUs add and an NMI takes the list. Guards against a lost update between the CPUs, and
    against a chain of which nobody was told that it had been empty.
    """
    walk = kernel(RACE, cpus=2, tasks=2, objects=3, nmis=1)
    walk.arrive("client", "add", 1, cpu=1).arrive("client", "add", 2, cpu=2)
    ends = [one for one in reachable(walk) if at_rest(one)]
    assert len(ends) > 4
    for end in ends:
        taken = chain(end, end.value("Shared.taken"))
        added = [obj for obj in (1, 2, 3) if end.said(obj) is not None]
        assert sorted(taken + listed(end)) == added
        for obj in added:
            assert end.said(obj) is (end.value("Object.next", obj) == 0)
