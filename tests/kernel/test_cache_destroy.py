"""Destroying a cache (a.7): what slab itself delays, and who waits for it."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, ends, looked_at

SOURCE = """\
from model.kernel.cache_destroy import wait_for_delayed_frees
from model.kernel.contexts import barrier, client, hardirq, nmi
from model.kernel.objects import Object
from model.kernel.slab import free_after_grace_period, kvfree
from model.language.syntax import cfg, routine


@routine(models="test", entry=(client, hardirq, nmi))
def free(obj: Object) -> None:
    kvfree(obj)


@routine(models="test", entry=(client, hardirq))
def free_late(obj: Object) -> None:
    free_after_grace_period(obj)


@routine(models="test", entry=(barrier,), when=cfg.cache_destroy)
def destroy() -> None:
    wait_for_delayed_frees()
"""
SOURCE += looked_at("Object.freed")


def system(kernel: Kernel, **config: int) -> Walk:
    """Two CPUs: one for free calls, one for who destroys the cache."""
    checked = ("forbidden_call", "no_double_free", "lock_discipline")
    bounds = {
        "cpus": 2, "tasks": 1, "objects": 2, "hardirqs": 1, "nmis": 1, "barriers": 1,
        "cache_destroy": 1, "typesafe_debug": 1, "rcu_any_time": 1,
    }  # fmt: skip
    return kernel(SOURCE, *checked, **(bounds | config))


def freed(walk: Walk, wanted: bool, entry: str = "free", context: str = "client") -> Walk | None:
    """A call after which the object is freed, or is not."""
    for one in ends(walk.arrive(context, entry, 1), context):
        assert one.violated is None
        if bool(one.value("Object.freed", 1)) is wanted:
            return one
    return None


@pytest.mark.parametrize(
    ("debug", "entry", "outcomes"),
    [
        pytest.param(0, "free", {True}, id="kvfree: at once"),
        pytest.param(1, "free", {True, False}, id="TYPESAFE: delayed, if there is memory"),
        pytest.param(1, "free_late", {True}, id="TYPESAFE: not after a grace period"),
    ],
)
@pytest.mark.parametrize("context", ["client", "hardirq"])
def test_when_slab_frees(
    kernel: Kernel, debug: int, entry: str, outcomes: set[bool], context: str
) -> None:
    """slab_free_hook(). Guards against an object that is freed late twice, or too soon."""
    for wanted in (True, False):
        walk = system(kernel, typesafe_debug=debug)
        assert (freed(walk, wanted, entry, context) is not None) is (wanted in outcomes)


def test_not_from_nmi(kernel: Kernel) -> None:
    """Guards against a kvfree() that is legal anywhere."""
    found = ends(system(kernel).arrive("nmi", "free", 1), "nmi")
    assert {one.violated.prop for one in found if one.violated} == {"forbidden_call"}


@pytest.mark.parametrize("delayed", [False, True])
def test_who_destroys_waits(kernel: Kernel, delayed: bool) -> None:
    """rcu_barrier() for TYPESAFE caches. Guards against a cache that goes with objects in it."""
    walk = freed(system(kernel), not delayed)
    assert walk is not None
    walk.happen("barrier_is_called", cpu=2).enter("barrier", "destroy")
    if delayed:
        walk.go("barrier", "wait_for_marked_callbacks")
        assert not walk.can_step("barrier")
        walk.happen("grace_period_begins_for_callback").happen("grace_period_ends")
        walk.happen("rcu_callback_is_invoked", cpu=1).go("softirq").step("barrier")
        walk.happen("barrier_is_switched_in", cpu=2)
    assert not walk.go("barrier").running("barrier") and walk.value("Object.freed", 1)
