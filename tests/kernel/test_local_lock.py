"""local_trylock_t (0.4, 0.7): the flag, who finds it set, and what may run while it is held."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at, reachable

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.interrupts import (
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
)
from model.kernel.local_lock import LocalTrylock, local_trylock, local_unlock, take_over
from model.kernel.objects import Object
from model.language.syntax import Embed, Range, record, routine

from .answers import answer


@record(per=Cpu)
class Percpu:
    lock: Embed[LocalTrylock]
    inside: Range[0, 3]
    any: bool


@routine(models="test")
def inside() -> None:
    this_cpu(Percpu).any = True


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def plain(obj: Object) -> None:
    inside()


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def enter(obj: Object) -> None:
    preempt_disable()
    mine = this_cpu(Percpu)
    taken = local_trylock(mine.lock)
    answer(obj, taken)
    if taken:
        mine.inside += 1
        inside()
        mine.inside -= 1
        local_unlock(mine.lock)
    preempt_enable()


@routine(models="test", entry=(client,))
def enter_irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    enter(obj)
    local_irq_restore(flags)


@routine(models="test", entry=(client,))
def enter_twice(obj: Object) -> None:
    preempt_disable()
    mine = this_cpu(Percpu)
    if local_trylock(mine.lock):
        again = local_trylock(mine.lock)
        answer(obj, again)
        inside()
        local_unlock(mine.lock)
    preempt_enable()
""" + looked_at("Percpu.inside", "Percpu.any")

STRAY = """

@routine(models="test", entry=(client, hardirq, nmi, probe))
def unlock(obj: Object) -> None:
    local_unlock(this_cpu(Percpu).lock)


@routine(models="test", entry=(client, hardirq))
def clean_up(obj: Object) -> None:
    take_over(this_cpu(Percpu).lock)
    inside()
    local_unlock(this_cpu(Percpu).lock)
"""

SMP: dict[str, int] = {}
RT, UP, RT_UP = (
    {"preempt_rt": 1},
    {"smp": 0, "cpus": 1, "tasks": 1},
    {"preempt_rt": 1, "smp": 0, "cpus": 1, "tasks": 1},
)
CONFIGS = {"": SMP, "RT": RT, "UP": UP, "RT on UP": RT_UP}


def system(kernel: Kernel, config: dict[str, int], extra: str = "", **more: int) -> Walk:
    """Handlers and probes may come on any CPU; nothing may be reported."""
    bounds = {"cpus": 2, "tasks": 2, "objects": 4, "nmis": 2, "probes": 1}
    bounds |= {"softirqs": 1, "hardirqs": 1}
    checked = ("forbidden_call", "self_deadlock", "lock_discipline")
    return kernel(SOURCE + extra, *checked, **(bounds | config | more))


def acquired(walk: Walk, cpu: int = 1) -> int:
    """The flag of a CPU's lock."""
    return walk.value("LocalTrylock.acquired", walk.ref("Percpu.lock", cpu))


def stack(walk: Walk, contexts: str) -> int:
    """Put contexts on top of each other on CPU 1; the last stands at its call, with this object."""
    *below, last = (one.split(":") for one in contexts.split())
    for obj, (context, entry) in enumerate(below, 1):
        walk.arrive(context, entry, obj).go(context, "inside")
    walk.arrive(last[0], last[1], len(below) + 1)
    return len(below) + 1


def answered(walk: Walk, context: str, obj: int) -> bool:
    """What the call returns, as soon as it has."""
    while walk.said(obj) is None:
        walk.step(context)
        assert walk.violated is None
    return walk.said(obj) is True


# --- trying -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "contexts", "before", "taken"),
    [
        pytest.param("", "client:enter", 0, True, id="0.4 free, task"),
        pytest.param("", "client:enter_irqs_off", 0, True, id="0.4 free, irqs off"),
        pytest.param("", "client:plain softirq:enter", 0, True, id="0.4 free, softirq"),
        pytest.param("", "client:plain hardirq:enter", 0, True, id="0.4 free, hardirq"),
        pytest.param("", "client:plain nmi:enter", 0, True, id="0.4 free, NMI"),
        pytest.param("", "client:plain probe:enter", 0, True, id="0.4 free, probe"),
        pytest.param("", "hardirq:plain nmi:enter", 0, True, id="0.4 free, NMI over hardirq"),
        pytest.param("", "nmi:plain probe:enter", 0, True, id="0.4 free, probe in NMI"),
        pytest.param("", "client:enter softirq:enter", 1, False, id="0.4 held below, softirq"),
        pytest.param("", "client:enter hardirq:enter", 1, False, id="0.4 held below, hardirq"),
        pytest.param("", "client:enter nmi:enter", 1, False, id="0.4 held below, NMI"),
        pytest.param("", "client:enter probe:enter", 1, False, id="0.4 held by the probed code"),
        pytest.param("", "softirq:enter hardirq:enter", 1, False, id="0.4 held by a softirq"),
        pytest.param("", "hardirq:enter nmi:enter", 1, False, id="0.4 held by a hardirq, NMI"),
        pytest.param("", "hardirq:enter probe:enter", 1, False, id="0.4 held by a hardirq, probe"),
        pytest.param("", "nmi:enter probe:enter", 1, False, id="0.4 held by an NMI, probe"),
        pytest.param(
            "", "client:enter hardirq:plain nmi:enter", 1, False, id="0.4 held two contexts below"
        ),
        pytest.param("UP", "client:enter", 0, True, id="0.4 UP: free, task"),
        pytest.param("UP", "client:plain nmi:enter", 0, True, id="0.4 UP: free, NMI"),
        pytest.param("UP", "client:enter nmi:enter", 1, False, id="0.4 UP: held below, NMI"),
        pytest.param("UP", "client:enter hardirq:enter", 1, False, id="0.4 UP: held, hardirq"),
        pytest.param("UP", "client:enter probe:enter", 1, False, id="0.4 UP: held by the probed"),
        pytest.param("RT", "client:enter", 0, True, id="0.4 RT: free, task"),
        pytest.param("RT", "client:enter_irqs_off", 0, True, id="0.4 RT: free, irqs off"),
        pytest.param("RT", "softirq:enter", 0, True, id="0.4 RT: free, softirq thread"),
        pytest.param("RT", "client:plain probe:enter", 0, True, id="0.4 RT: free, probe"),
        pytest.param("RT", "softirq:plain probe:enter", 0, True, id="0.4 RT: free, probe, softirq"),
        pytest.param("RT", "client:enter probe:enter", 1, False, id="0.4 RT: held by the probed"),
        pytest.param("RT", "softirq:enter probe:enter", 1, False, id="0.4 RT: held by the thread"),
        pytest.param("RT", "hardirq:enter", 0, False, id="0.4 RT: free, hardirq fails"),
        pytest.param("RT", "client:plain hardirq:enter", 0, False, id="0.4 RT: hardirq over task"),
        pytest.param("RT", "client:enter hardirq:enter", 1, False, id="0.4 RT: held, hardirq"),
        pytest.param("RT", "hardirq:plain probe:enter", 0, False, id="0.4 RT: probe in hardirq"),
        pytest.param("RT", "nmi:enter", 0, False, id="0.4 RT: free, NMI fails"),
        pytest.param("RT", "client:plain nmi:enter", 0, False, id="0.4 RT: NMI over a task"),
        pytest.param("RT", "client:enter nmi:enter", 1, False, id="0.4 RT: held below, NMI"),
        pytest.param("RT", "nmi:plain probe:enter", 0, False, id="0.4 RT: probe in NMI"),
        pytest.param("RT on UP", "client:plain nmi:enter", 0, False, id="0.4 RT on UP: NMI"),
        pytest.param("RT on UP", "client:enter probe:enter", 1, False, id="0.4 RT on UP: held"),
    ],
)  # fmt: skip
def test_trylock(kernel: Kernel, config: str, contexts: str, before: int, taken: bool) -> None:
    """The flag says it all, but for hardirq and NMI on PREEMPT_RT. A refusal leaves it as it is.

    Afterwards whoever was interrupted goes on, and in the end the lock is free. Guards against a
    nested user that gets in, on UP too, and against one that clears what it has not set.
    """
    walk = system(kernel, CONFIGS[config])
    obj, context = stack(walk, contexts), contexts.split()[-1].partition(":")[0]
    assert acquired(walk) == before
    assert answered(walk, context, obj) is taken
    assert acquired(walk) == (1 if taken else before)
    walk.go(context)
    assert acquired(walk) == before
    for one in reversed(contexts.split()[:-1]):
        walk.go(one.partition(":")[0])
    assert (walk.violated, acquired(walk)) == (None, 0)


def test_not_recursive(kernel: Kernel) -> None:
    """0.4: the holder itself fails as well. Guards against a lock that asks who holds it."""
    walk = system(kernel, SMP).arrive("client", "enter_twice", 1).go("client", "inside")
    assert (walk.said(1), acquired(walk)) == (False, 1)
    walk.go("client")
    assert (walk.violated, acquired(walk)) == (None, 0)


@pytest.mark.parametrize("context", ["softirq", "hardirq", "nmi"])
@pytest.mark.parametrize("config", ["", "UP"])
def test_between_load_and_store(kernel: Kernel, config: str, context: str) -> None:
    """0.4: who comes between the load of 0 and the store of 1 restores 0 before it returns.

    Guards against a plain flag that needs an atomic, or that is modelled as one.
    """
    walk = system(kernel, CONFIGS[config]).arrive("client", "enter", 1)
    walk.go("client", "set_acquired")
    assert acquired(walk) == 0
    walk.arrive(context, "enter", 2).go(context, "inside")
    assert (walk.said(2), acquired(walk)) == (True, 1)
    walk.go(context)
    assert acquired(walk) == 0
    walk.go("client", "inside")
    assert (walk.said(1), acquired(walk)) == (True, 1)
    walk.go("client")
    assert (walk.violated, acquired(walk)) == (None, 0)


def test_nobody_comes_between_on_rt(kernel: Kernel) -> None:
    """0.4 RT: a trylock of a lock, one compare-and-swap. Guards against the flag of !RT there."""
    walk = system(kernel, RT).arrive("client", "enter", 1).go("client", "try_sleeping_lock")
    assert acquired(walk) == 0
    walk.step("client")
    assert acquired(walk) == 1


@pytest.mark.parametrize("context", ["hardirq", "nmi"])
def test_fails_at_once_on_rt(kernel: Kernel, context: str) -> None:
    """0.4 RT: without a look at the lock. Guards against a handler that touches a sleeping lock."""
    walk = system(kernel, RT).arrive(context, "enter", 1)
    while walk.said(1) is None:
        assert not walk.at(context, "try_sleeping_lock") and not walk.at(context, "set_acquired")
        walk.step(context)
    assert (walk.said(1), walk.violated, acquired(walk)) == (False, None, 0)


@pytest.mark.parametrize("config", ["", "UP"])
def test_never_two_inside(kernel: Kernel, config: str) -> None:
    """0.4: a task, a hardirq and NMIs on one CPU, at any moment.

    Guards against a nesting in which the flag is wrong.
    """
    small = {"cpus": 1, "tasks": 1, "objects": 3, "nmis": 1, "probes": 0, "softirqs": 0}
    walk = system(kernel, CONFIGS[config] | small)
    walk.arrive("client", "enter", 1)
    found = []
    for one in reachable(walk, 50000):
        assert one.violated is None and one.value("Percpu.inside", 1) <= 1
        found.append(one)
    done = [one for one in found if not one.running("client")]
    assert done and all(one.said(1) is not None for one in done)
    over = [one for one in done if not one.running("hardirq") and not one.running("nmi")]
    assert over and not any(acquired(one) for one in over)


# --- what may run while it is held --------------------------------------------------------------

HARDIRQ, NMI, SOFTIRQ, PROBE, TASK, SWITCH = (
    "device_interrupts",
    "nmi_arrives",
    "softirq_frees",
    "probe_hits_task",
    "client_frees",
    "task_is_preempted",
)


@pytest.mark.parametrize(
    ("config", "entry", "come"),
    [
        pytest.param("", "plain", {HARDIRQ, NMI, SOFTIRQ, PROBE, SWITCH}, id="0.4 not held"),
        pytest.param("", "enter", {HARDIRQ, NMI, SOFTIRQ, PROBE}, id="0.4 held: no switch"),
        pytest.param("", "enter_irqs_off", {NMI, PROBE}, id="0.4 held, irqs were off"),
        pytest.param("UP", "enter", {HARDIRQ, NMI, SOFTIRQ, PROBE}, id="0.4 UP: held"),
        pytest.param("RT", "enter", {HARDIRQ, NMI, PROBE}, id="0.4 RT: held, no softirq on top"),
    ],
)
def test_what_may_run_while_held(kernel: Kernel, config: str, entry: str, come: set[str]) -> None:
    """preempt_disable(), no more: irqs stay on. Guards against a lock that masks interrupts.

    That the section cannot be switched out on PREEMPT_RT either is the model's abstraction.
    """
    walk = system(kernel, CONFIGS[config], preemptions=1).arrive("client", entry, 1)
    walk.go("client", "inside")
    every = {HARDIRQ, NMI, SOFTIRQ, PROBE, TASK, SWITCH}
    assert {one for one in every if walk.can(one, cpu=1)} == come
    walk.go("client")
    assert walk.violated is None and not walk.value("Cpu.irqs_off", 1)
    assert walk.value("Cpu.preempt_count", 1) == 0


@pytest.mark.parametrize(
    ("config", "context"),
    [
        pytest.param("", "client", id="0.4 task on the other CPU"),
        pytest.param("", "softirq", id="0.4 softirq on the other CPU"),
        pytest.param("", "hardirq", id="0.4 hardirq on the other CPU"),
        pytest.param("", "nmi", id="0.4 NMI on the other CPU"),
        pytest.param("RT", "client", id="0.4 RT: task on the other CPU"),
        pytest.param("RT", "softirq", id="0.4 RT: softirq thread on the other CPU"),
    ],
)
def test_another_cpu(kernel: Kernel, config: str, context: str) -> None:
    """Each CPU has its own. Guards against a lock that all CPUs share."""
    walk = system(kernel, CONFIGS[config]).arrive("client", "enter", 1).go("client", "inside")
    walk.arrive(context, "enter", 2, cpu=2).go(context, "inside", at=2)
    assert (walk.said(2), acquired(walk, 1), acquired(walk, 2)) == (True, 1, 1)
    walk.go(context, at=2)
    assert (acquired(walk, 1), acquired(walk, 2)) == (1, 0)
    walk.go("client")
    assert (walk.violated, acquired(walk, 1)) == (None, 0)


# --- unlocking ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contexts", "reported"),
    [
        pytest.param("client:unlock", True, id="0.4 unlock: nobody holds it"),
        pytest.param("client:enter hardirq:unlock", True, id="0.4 unlock: held below, hardirq"),
        pytest.param("client:enter nmi:unlock", True, id="0.4 unlock: held below, NMI"),
        pytest.param("client:enter probe:unlock", True, id="0.4 unlock: held by the probed code"),
        pytest.param("client:enter", False, id="0.4 unlock: by its holder"),
        pytest.param("client:enter hardirq:clean_up", True, id="0.4 a dead CPU's lock: held"),
        pytest.param("client:clean_up", False, id="0.4 a dead CPU's lock: free"),
    ],
)
def test_unlock(kernel: Kernel, contexts: str, reported: bool) -> None:
    """Guards against a release that nobody checks."""
    walk = system(kernel, SMP, STRAY)
    stack(walk, contexts)
    walk.go(contexts.split()[-1].partition(":")[0])
    assert (walk.violated.prop if walk.violated else None) == (
        "lock_discipline" if reported else None
    )
    if not reported:
        assert acquired(walk) == 0
