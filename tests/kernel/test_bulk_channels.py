"""The bulk channels (a.1, a.2 step 7, a.4, a.5): which one takes an object, and where it goes.

The design is mainline's, on one CPU, so that channel 1 is the list of slab objects and channel 2
that of objects from vmalloc.
"""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, reachable

SOURCE = """\
from model.designs.mainline import kvfree_call_rcu as free
from model.designs.shrinker import shrink_every_krcp
from model.kernel.contexts import client, shrinker
from model.kernel.objects import Object
from model.language.syntax import routine


@routine(models="test", entry=(client,))
def kvfree_call_rcu(head: Object) -> None:
    free(head)


@routine(models="test", entry=(shrinker,))
def shrink() -> None:
    shrink_every_krcp()
"""
SLAB, VMALLOC = 1, 2
PAGE, NO_PAGE = True, False
CHECKED = ("no_double_free", "start_address", "lock_discipline")


def system(kernel: Kernel, **config: int) -> Walk:
    """Each object may come from vmalloc; a page for each."""
    bounds = {"cpus": 1, "tasks": 1, "objects": 3, "vmallocs": 3, "bnodes": 3, "workers": 1}
    return kernel(SOURCE, *CHECKED, **(bounds | config))


def freed(walk: Walk, kinds: str, page: bool) -> Walk:
    """Objects 1, 2... are given to a free call; `kinds` has s or v for each."""
    for obj, kind in enumerate(kinds, 1):
        if kind == "v":
            walk.happen("vmalloc_allocates", obj=obj)
    for obj in range(1, len(kinds) + 1):
        walk.happen("client_frees", obj=obj)
        take(walk, "client", page)
    return walk


def take(walk: Walk, process: str, page: bool = PAGE) -> Walk:
    """A context runs to its end; where it may have a page, the first one or none."""
    while walk.running(process) and walk.violated is None:
        steps = [one for one in walk.options() if one.firing.transition.process == process]
        if len(steps) > 1:
            steps = [one for one in steps if bool(dict(one.firing.args)["choice"]) is page]
        walk.state, walk.violated = steps[0].state, steps[0].violated
    return walk


def queued(walk: Walk) -> list[int]:
    """How many objects the slab channel, the vmalloc channel and the list have."""
    channels = [walk.value("BulkList.count", channel) for channel in (SLAB, VMALLOC)]
    return [*channels, walk.value("Krcp.head_count")]


# --- kinds --------------------------------------------------------------------------------------


def test_what_vmalloc_allocates(kernel: Kernel) -> None:
    """Up to the bound, any of the objects, and none once a free call was made.

    Guards against an object that changes its kind, and against a run with one kind only.
    """
    walk = system(kernel, vmallocs=2)
    assert all(walk.can("vmalloc_allocates", obj=obj) for obj in (1, 2, 3))
    assert walk.can("client_frees", obj=1)
    walk.happen("vmalloc_allocates", obj=2)
    assert not walk.can("vmalloc_allocates", obj=2) and walk.can("vmalloc_allocates", obj=3)
    other = Walk(walk.machine, walk.state).happen("client_frees", obj=1)
    assert not other.can("vmalloc_allocates")
    walk.happen("vmalloc_allocates", obj=1)
    assert not walk.can("vmalloc_allocates", obj=3)


# --- queueing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "page", "expected"),
    [
        pytest.param("s", PAGE, [1, 0, 0], id="a.2 step 7: idx 0 for a slab object"),
        pytest.param("v", PAGE, [0, 1, 0], id="a.2 step 7: idx 1 for a vmalloc object"),
        pytest.param("sv", PAGE, [1, 1, 0], id="a.2 step 7: one of each"),
        pytest.param("vsv", PAGE, [1, 2, 0], id="a.2 step 7: a second page of a channel"),
        pytest.param("s", NO_PAGE, [0, 0, 1], id="a.2 step 8: no page, slab"),
        pytest.param("v", NO_PAGE, [0, 0, 1], id="a.2 step 8: no page, vmalloc"),
        pytest.param("sv", NO_PAGE, [0, 0, 2], id="a.2 step 8: the list takes both kinds"),
    ],
)
def test_the_channel_of_an_object(
    kernel: Kernel, kinds: str, page: bool, expected: list[int]
) -> None:
    """Guards against a channel that takes the other kind, and against a count of the wrong one."""
    assert queued(freed(system(kernel), kinds, page)) == expected


# --- what becomes of them -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param("v", id="a.4 queue_batch: only the vmalloc channel has something"),
        pytest.param("sv", id="a.4 queue_batch: both channels go to one batch"),
    ],
)
def test_a_batch_takes_every_channel(kernel: Kernel, kinds: str) -> None:
    """Guards against a channel that is left on the krcp, and one that counts as nothing queued."""
    walk = freed(system(kernel), kinds, PAGE).happen("timer_expires").go("softirq")
    take(walk.happen("worker_takes_delayed_work"), "kworker")
    assert queued(walk) == [0, 0, 0] and walk.value("RcuWork.pending")
    batch = [walk.value("KrwBatch.bulk_free", 1, channel) for channel in (SLAB, VMALLOC)]
    assert [bool(page) for page in batch] == ["s" in kinds, "v" in kinds]
    walk.happen("grace_period_begins_for_callback").happen("grace_period_ends")
    walk.happen("rcu_callback_is_invoked").go("softirq")
    take(walk.happen("worker_takes_rcu_work"), "kworker")
    assert walk.violated is None
    assert [walk.value("Object.freed", n + 1) for n in range(len(kinds))] == [1] * len(kinds)


@pytest.mark.parametrize("kinds", ["s", "v", "sv"])
def test_a_covered_page_is_drained(kernel: Kernel, kinds: str) -> None:
    """a.4 drain_ready: each channel. Guards against one that is only ever given to batches."""
    walk = freed(system(kernel, other_gps=1, rcu_any_time=1), kinds, PAGE)
    walk.happen("others_begin_grace_period").happen("grace_period_ends")
    walk.happen("timer_expires").go("softirq")
    take(walk.happen("worker_takes_delayed_work"), "kworker")
    assert walk.violated is None and not walk.value("RcuWork.pending")
    assert [walk.value("Object.freed", n + 1) for n in range(len(kinds))] == [1] * len(kinds)


@pytest.mark.parametrize("faults", [0, 1])
def test_recovery_of_a_mixed_list(kernel: Kernel, faults: int) -> None:
    """What a recovery does to vmalloc objects it does to none of the others.

    Guards against an outcome that is applied to every object of a run with two kinds.
    """
    bounds = {"objects": 1, "bnodes": 0, "rcu_ptr": 1, "recovery_faults": faults}
    for kind in "sv":
        walk = freed(system(kernel, **bounds), kind, NO_PAGE)
        violated = {one.violated.prop for one in reachable(walk) if one.violated is not None}
        assert violated == ({"start_address"} if faults and kind == "v" else set())
