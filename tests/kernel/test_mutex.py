"""Mutexes of barriers and the shrinker, and barriers that are called when nobody frees any more."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.contexts import barrier, client, hardirq, nmi, probe, shrinker
from model.kernel.mutex import Mutex, mutex_lock, mutex_trylock, mutex_unlock
from model.kernel.objects import Object
from model.language.syntax import Embed, record, routine


@record(single=True)
class Shared:
    mutex: Embed[Mutex]
    tried: bool
    taken: bool


@routine(models="test")
def inside() -> None:
    Shared.tried = Shared.tried


@routine(models="test", entry=(barrier,))
def lock() -> None:
    mutex_lock(Shared.mutex)
    inside()
    mutex_unlock(Shared.mutex)


@routine(models="test", entry=(shrinker,))
def try_it() -> None:
    Shared.tried = True
    if mutex_trylock(Shared.mutex):
        Shared.taken = True
        mutex_unlock(Shared.mutex)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def free(obj: Object) -> None:
    inside()
"""


def system(kernel: Kernel, **config: int) -> Walk:
    """Three CPUs, two that take the mutex and one that tries it."""
    source = SOURCE + looked_at("Shared.taken")
    bounds = {"cpus": 3, "tasks": 1, "objects": 2, "barriers": 2, "shrinks": 1}
    return kernel(source, "forbidden_call", "lock_discipline", **(bounds | config))


def begun(walk: Walk, who: int) -> Walk:
    """A task that is about to take the mutex."""
    return walk.happen("barrier_is_called", who=who, cpu=who).enter("barrier", "lock", who)


def test_one_has_it_and_the_other_sleeps(kernel: Kernel) -> None:
    """mutex_lock(). Guards against two inside, and against a waiter that keeps its CPU."""
    walk = begun(begun(system(kernel), 1).go("barrier", "inside"), 2)
    walk.step("barrier", 2).step("barrier", 2)
    assert not walk.can_step("barrier", 2) and not walk.value("Cpu.curr", 2)
    walk.go("barrier")
    assert (
        walk.step("barrier", 2).happen("barrier_is_switched_in", who=2).go("barrier", "inside", 2)
    )
    assert walk.value("Mutex.held") and not walk.go("barrier", at=2).value("Mutex.held")


@pytest.mark.parametrize(("stop", "taken"), [("mutex_lock", 1), ("inside", 0), (None, 1)])
def test_a_try_takes_it_if_it_is_free(kernel: Kernel, stop: str | None, taken: int) -> None:
    """mutex_trylock(). Guards against a shrinker that waits for a barrier, or is let in."""
    walk = begun(system(kernel), 1)
    if stop != "mutex_lock":
        walk.go("barrier", stop)
    held = walk.value("Mutex.held")
    walk.happen("memory_is_short", cpu=3).go("shrinker")
    assert (walk.value("Shared.taken"), walk.value("Mutex.held")) == (taken, held)


@pytest.mark.parametrize(
    ("given", "inside", "can"),
    [
        pytest.param(0, "", False, id="objects are left"),
        pytest.param(1, "", False, id="one is left"),
        pytest.param(2, "", True, id="all were freed"),
        pytest.param(1, "client", False, id="in a free call: task"),
        pytest.param(1, "nmi", False, id="in a free call: NMI"),
        pytest.param(1, "hardirq", False, id="in a free call: hardirq"),
    ],
)
def test_a_barrier_that_is_called_when_unused(
    kernel: Kernel, given: int, inside: str, can: bool
) -> None:
    """f.4 destroy: all elements are back. Guards against a user that destroys what it uses."""
    walk = system(kernel, barrier_when_unused=1, nmis=1, hardirqs=1)
    for obj in range(1, given + 1):
        walk.call("client", "free", obj)
    if inside:
        walk.arrive(inside, "free", 2)
    assert walk.can("barrier_is_called", cpu=3) is can
    if inside:
        assert walk.go(inside).can("barrier_is_called", cpu=3)
    assert system(kernel, nmis=1, hardirqs=1).can("barrier_is_called", cpu=3)
