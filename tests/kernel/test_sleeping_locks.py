"""spinlock_t (0.4, 0.7): who may take it, who may try it, and what may run while it is held.

On PREEMPT_RT it sleeps; elsewhere it is the raw lock.
"""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at, reachable

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.cpu import can_spin_trylock
from model.kernel.interrupts import (
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
)
from model.kernel.locks import (
    RawSpinlock, raw_spin_lock_irqsave, raw_spin_unlock, raw_spin_unlock_irqrestore,
)
from model.kernel.objects import Object
from model.kernel.sleeping_locks import spin_lock, spin_trylock
from model.language.syntax import Embed, Range, record, routine

from .answers import answer


@record(single=True)
class Shared:
    lock: Embed[RawSpinlock]
    raw: Embed[RawSpinlock]
    inside: Range[0, 3]


@routine(models="test")
def inside() -> None:
    Shared.inside += 1
    Shared.inside -= 1


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def plain(obj: Object) -> None:
    inside()


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def lock(obj: Object) -> None:
    spin_lock(Shared.lock)
    answer(obj, True)
    inside()
    raw_spin_unlock(Shared.lock)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def trylock(obj: Object) -> None:
    taken = spin_trylock(Shared.lock)
    answer(obj, taken)
    if taken:
        inside()
        raw_spin_unlock(Shared.lock)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def ask(obj: Object) -> None:
    answer(obj, can_spin_trylock())


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def careful(obj: Object) -> None:
    taken: bool = False
    if can_spin_trylock():
        taken = spin_trylock(Shared.lock)
    answer(obj, taken)
    if taken:
        inside()
        raw_spin_unlock(Shared.lock)


@routine(models="test", entry=(client,))
def raw(obj: Object) -> None:
    flags = raw_spin_lock_irqsave(Shared.lock)
    inside()
    raw_spin_unlock_irqrestore(Shared.lock, flags)
"""
SECTIONS = {
    "irqs_off": (
        "flags = local_irq_save()",
        "local_irq_restore(flags)",
    ),
    "preempt_off": (
        "preempt_disable()",
        "preempt_enable()",
    ),
    "in_raw_lock": (
        "flags = raw_spin_lock_irqsave(Shared.raw)",
        "raw_spin_unlock_irqrestore(Shared.raw, flags)",
    ),
}
SOURCE += "".join(
    f"""

@routine(models="test", entry=(client, softirq))
def {call}_{name}(obj: Object) -> None:
    {begin}
    {call}(obj)
    {end}
"""
    for name, (begin, end) in SECTIONS.items()
    for call in ("plain", "lock", "trylock", "ask")
)
SOURCE += looked_at("Shared.inside")

SMP: dict[str, int] = {}
RT, UP, RT_UP = (
    {"preempt_rt": 1},
    {"smp": 0, "cpus": 1, "tasks": 1},
    {"preempt_rt": 1, "smp": 0, "cpus": 1, "tasks": 1},
)
CHECKED = ("forbidden_call", "self_deadlock", "lock_discipline")
ELSEWHERE = 4  # the object of the call that another CPU makes


def system(kernel: Kernel, config: dict[str, int], *properties: str, **more: int) -> Walk:
    """Handlers and probes may come on any CPU."""
    bounds = {"cpus": 2, "tasks": 2, "objects": 4, "nmis": 1, "probes": 1}
    bounds |= {"softirqs": 2, "hardirqs": 1}
    return kernel(SOURCE, *(properties or CHECKED), **(bounds | config | more))


def stack(walk: Walk, contexts: str) -> Walk:
    """Put contexts on top of each other on CPU 1: `client:lock hardirq:ask`.

    All but the last stand inside what they call; the last stands at its call. Its object is
    the number of contexts.
    """
    *below, last = (one.split(":") for one in contexts.split())
    for obj, (context, entry) in enumerate(below, 1):
        walk.arrive(context, entry, obj).go(context, "inside")
        assert walk.violated is None
    return walk.arrive(last[0], last[1], len(below) + 1)


def held_elsewhere(walk: Walk) -> Walk:
    """CPU 2 holds the lock."""
    return walk.arrive("client", "lock", ELSEWHERE, cpu=2).go("client", "inside", at=2)


def outcome_of(walk: Walk, contexts: str) -> bool | str | None:
    """What the topmost call returned, or the property that it violated."""
    context, obj = contexts.split()[-1].partition(":")[0], len(contexts.split())
    stack(walk, contexts)
    while walk.said(obj) is None and walk.violated is None:
        walk.step(context)
    return walk.violated.prop if walk.violated else walk.said(obj)


def owner(walk: Walk) -> int:
    """The CPU that holds the lock; 0: nobody."""
    return walk.value("RawSpinlock.owner_cpu", walk.ref("Shared.lock"))


# --- can_spin_trylock() -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "contexts", "may"),
    [
        pytest.param(RT, "client:ask", True, id="0.4 RT: task"),
        pytest.param(RT, "client:ask_irqs_off", True, id="0.4 RT: irqs off alone is allowed"),
        pytest.param(RT, "client:ask_preempt_off", True, id="0.4 RT: preemption off alone"),
        pytest.param(RT, "softirq:ask", True, id="0.4 RT: softirq thread"),
        pytest.param(RT, "softirq:ask_irqs_off", True, id="0.4 RT: softirq thread, irqs off"),
        pytest.param(RT, "client:plain probe:ask", True, id="0.4 RT: probe in a task"),
        pytest.param(RT, "softirq:plain probe:ask", True, id="0.4 RT: probe in a softirq thread"),
        pytest.param(RT, "hardirq:ask", False, id="0.4 RT: hardirq"),
        pytest.param(RT, "client:plain hardirq:ask", False, id="0.4 RT: hardirq over a task"),
        pytest.param(RT, "softirq:plain hardirq:ask", False, id="0.4 RT: hardirq over a softirq"),
        pytest.param(RT, "hardirq:plain probe:ask", False, id="0.4 RT: probe in hardirq"),
        pytest.param(RT, "nmi:ask", False, id="0.4 RT: NMI"),
        pytest.param(RT, "client:plain nmi:ask", False, id="0.4 RT: NMI over a task"),
        pytest.param(RT, "nmi:plain probe:ask", False, id="0.4 RT: probe in NMI"),
        pytest.param(SMP, "client:ask", True, id="0.4 SMP: task"),
        pytest.param(SMP, "client:plain softirq:ask", True, id="0.4 SMP: softirq"),
        pytest.param(SMP, "client:plain hardirq:ask", True, id="0.4 SMP: hardirq"),
        pytest.param(SMP, "client:plain nmi:ask", True, id="0.4 SMP: NMI"),
        pytest.param(SMP, "nmi:plain probe:ask", True, id="0.4 SMP: probe in NMI"),
        pytest.param(UP, "client:ask", True, id="0.4 UP: task"),
        pytest.param(UP, "client:plain softirq:ask", True, id="0.4 UP: softirq"),
        pytest.param(UP, "client:plain hardirq:ask", True, id="0.4 UP: hardirq"),
        pytest.param(UP, "client:plain probe:ask", True, id="0.4 UP: a probe is not noticed"),
        pytest.param(UP, "client:plain nmi:ask", False, id="0.4 UP: NMI"),
        pytest.param(UP, "nmi:plain probe:ask", False, id="0.4 UP: probe in NMI"),
        pytest.param(RT_UP, "client:ask", True, id="0.4 RT on UP: task"),
        pytest.param(RT_UP, "hardirq:ask", False, id="0.4 RT on UP: hardirq"),
        pytest.param(RT_UP, "nmi:ask", False, id="0.4 RT on UP: NMI"),
    ],
)
def test_can_spin_trylock(kernel: Kernel, config: dict[str, int], contexts: str, may: bool) -> None:
    """Guards against a rule that forgets a context, and against one that forbids irqs off."""
    assert outcome_of(system(kernel, config), contexts) is may


# --- spin_trylock() -----------------------------------------------------------------------------

FORBIDDEN = "forbidden_call"


@pytest.mark.parametrize(
    ("config", "contexts", "elsewhere", "outcome"),
    [
        pytest.param(RT, "client:trylock", False, True, id="0.4 RT: free, task"),
        pytest.param(RT, "client:trylock", True, False, id="0.4 RT: held, task"),
        pytest.param(RT, "client:trylock_irqs_off", False, True, id="0.4 RT: free, irqs off"),
        pytest.param(RT, "client:trylock_irqs_off", True, False, id="0.4 RT: held, irqs off"),
        pytest.param(RT, "client:trylock_preempt_off", False, True, id="0.4 RT: preemption off"),
        pytest.param(RT, "client:trylock_in_raw_lock", False, True, id="0.4 RT: in a raw lock"),
        pytest.param(RT, "softirq:trylock", False, True, id="0.4 RT: free, softirq thread"),
        pytest.param(RT, "softirq:trylock", True, False, id="0.4 RT: held, softirq thread"),
        pytest.param(RT, "client:plain probe:trylock", False, True, id="0.4 RT: free, probe"),
        pytest.param(RT, "client:plain probe:trylock", True, False, id="0.4 RT: held, probe"),
        pytest.param(RT, "client:lock probe:trylock", False, False, id="0.4 RT: probed holder"),
        pytest.param(RT, "hardirq:trylock", False, FORBIDDEN, id="0.4 RT: free, hardirq"),
        pytest.param(RT, "hardirq:trylock", True, FORBIDDEN, id="0.4 RT: held, hardirq"),
        pytest.param(
            RT, "client:lock hardirq:trylock", False, FORBIDDEN, id="0.4 RT: held below, hardirq"
        ),
        pytest.param(
            RT, "softirq:lock hardirq:trylock", False, FORBIDDEN, id="0.4 RT: held by the thread"
        ),
        pytest.param(
            RT, "hardirq:plain probe:trylock", False, FORBIDDEN, id="0.4 RT: free, probe in hardirq"
        ),
        pytest.param(RT, "nmi:trylock", False, FORBIDDEN, id="0.4 RT: free, NMI"),
        pytest.param(RT, "nmi:trylock", True, FORBIDDEN, id="0.4 RT: held, NMI"),
        pytest.param(
            RT, "client:lock nmi:trylock", False, FORBIDDEN, id="0.4 RT: held below, NMI"
        ),
        pytest.param(
            RT, "nmi:plain probe:trylock", False, FORBIDDEN, id="0.4 RT: free, probe in NMI"
        ),
        pytest.param(SMP, "client:plain hardirq:trylock", False, True, id="0.4 SMP: free, hardirq"),
        pytest.param(SMP, "client:plain nmi:trylock", False, True, id="0.4 SMP: free, NMI"),
        pytest.param(SMP, "client:lock softirq:trylock", False, False, id="0.4 SMP: held, softirq"),
        pytest.param(SMP, "client:lock hardirq:trylock", False, False, id="0.4 SMP: held, hardirq"),
        pytest.param(SMP, "client:lock nmi:trylock", False, False, id="0.4 SMP: held, NMI"),
        pytest.param(SMP, "client:lock probe:trylock", False, False, id="0.4 SMP: held, probe"),
        pytest.param(UP, "client:trylock", False, True, id="0.4 UP: free, task"),
    ],
)  # fmt: skip
def test_spin_trylock(
    kernel: Kernel, config: dict[str, int], contexts: str, elsewhere: bool, outcome: bool | str
) -> None:
    """What is forbidden is reported whether the lock is free or not, before it is touched.

    Guards against a check that needs a lock that is held to fire, and against one that forbids
    what can_spin_trylock() allows.
    """
    walk = system(kernel, config)
    if elsewhere:
        held_elsewhere(walk)
    before = 2 if elsewhere else int(":lock" in contexts)
    assert outcome_of(walk, contexts) == outcome
    if "smp" not in config:
        assert owner(walk) == (1 if outcome is True else before)


@pytest.mark.parametrize(
    ("config", "contexts", "taken"),
    [
        pytest.param(RT, "client:lock hardirq:careful", False, id="0.4 RT: hardirq"),
        pytest.param(RT, "client:lock nmi:careful", False, id="0.4 RT: NMI"),
        pytest.param(RT, "client:plain nmi:careful", False, id="0.4 RT: NMI, though it is free"),
        pytest.param(RT, "client:lock probe:careful", False, id="0.4 RT: probe"),
        pytest.param(RT, "client:plain probe:careful", True, id="0.4 RT: probe, free"),
        pytest.param(SMP, "client:plain nmi:careful", True, id="0.4 SMP: NMI, free"),
        pytest.param(SMP, "client:lock nmi:careful", False, id="0.4 SMP: NMI"),
        pytest.param(UP, "client:lock nmi:careful", False, id="0.4 UP: NMI"),
        pytest.param(UP, "client:plain nmi:careful", False, id="0.4 UP: NMI, though it is free"),
        pytest.param(UP, "client:lock probe:careful", "lock_discipline", id="0.4 UP: probe"),
        pytest.param(UP, "client:lock nmi:trylock", "lock_discipline", id="0.4 UP: NMI, not asked"),
    ],
)  # fmt: skip
def test_who_asks_first(
    kernel: Kernel, config: dict[str, int], contexts: str, taken: bool | str
) -> None:
    """can_spin_trylock(), then spin_trylock(). Guards against a rule that does not keep NMI out.

    On UP it does not know of a probe at the same level: that one gets in.
    """
    assert outcome_of(system(kernel, config), contexts) == taken


# --- spin_lock() --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "contexts", "outcome"),
    [
        pytest.param(RT, "client:lock", True, id="0.4 RT: task"),
        pytest.param(RT, "softirq:lock", True, id="0.4 RT: softirq thread"),
        pytest.param(RT, "client:lock_irqs_off", FORBIDDEN, id="0.4 RT: irqs off"),
        pytest.param(RT, "client:lock_preempt_off", FORBIDDEN, id="0.4 RT: preemption off"),
        pytest.param(RT, "client:lock_in_raw_lock", FORBIDDEN, id="0.4 RT: in a raw lock"),
        pytest.param(RT, "softirq:lock_irqs_off", FORBIDDEN, id="0.4 RT: softirq thread, irqs off"),
        pytest.param(RT, "hardirq:lock", FORBIDDEN, id="0.4 RT: hardirq"),
        pytest.param(RT, "nmi:lock", FORBIDDEN, id="0.7 RT: NMI"),
        pytest.param(RT, "client:plain probe:lock", FORBIDDEN, id="0.7 RT: probe"),
        pytest.param(RT, "client:plain_irqs_off probe:lock", FORBIDDEN, id="0.7 RT: irqs off"),
        pytest.param(RT, "softirq:plain probe:lock", FORBIDDEN, id="0.7 RT: probe in a softirq"),
        pytest.param(RT, "nmi:plain probe:lock", FORBIDDEN, id="0.7 RT: probe in NMI"),
        pytest.param(SMP, "client:lock_irqs_off", True, id="0.4 SMP: irqs off, it spins"),
        pytest.param(SMP, "client:lock_preempt_off", True, id="0.4 SMP: preemption off, it spins"),
        pytest.param(SMP, "client:lock_in_raw_lock", True, id="0.4 SMP: in a raw lock, it spins"),
        pytest.param(SMP, "client:plain hardirq:lock", True, id="0.4 SMP: hardirq, free"),
        pytest.param(SMP, "client:lock hardirq:lock", "self_deadlock", id="0.4 SMP: hardirq, held"),
    ],
)  # fmt: skip
def test_spin_lock(
    kernel: Kernel, config: dict[str, int], contexts: str, outcome: bool | str
) -> None:
    """A sleeping lock needs a task that may sleep. Guards against a check that waits for a clash.

    The lock is free in all rows for PREEMPT_RT.
    """
    walk = system(kernel, config)
    assert outcome_of(walk, contexts) == outcome
    assert (owner(walk) == 1) is (outcome != FORBIDDEN)


@pytest.mark.parametrize(
    ("context", "entry"),
    [
        pytest.param("client", "lock", id="0.4 RT: a task waits"),
        pytest.param("softirq", "lock", id="0.4 RT: a softirq thread waits"),
    ],
)
def test_a_waiter_has_irqs_on(kernel: Kernel, context: str, entry: str) -> None:
    """Held elsewhere: it waits, hardirqs and NMIs come, and it gets the lock afterwards.

    Guards against a sleeping lock that keeps interrupts out while it waits.
    """
    walk = held_elsewhere(system(kernel, RT)).arrive(context, entry, 1)
    walk.go(context, "lock_or_queue").step(context)
    assert walk.violated is None and not walk.can_step(context)
    assert walk.can("device_interrupts", cpu=1) and walk.can("nmi_arrives", cpu=1)
    walk.go("client", at=2).go(context, "inside")
    assert (owner(walk), walk.said(1)) == (1, True)
    walk.go(context)
    assert (walk.violated, owner(walk)) == (None, 0)


# --- what may run while it is held --------------------------------------------------------------

HARDIRQ, NMI, SOFTIRQ, PROBE, TASK = (
    "device_interrupts",
    "nmi_arrives",
    "softirq_frees",
    "probe_hits_task",
    "client_frees",
)


@pytest.mark.parametrize(
    ("config", "contexts", "come"),
    [
        pytest.param(RT, "client:lock", {HARDIRQ, NMI, PROBE}, id="0.4 RT: held by a task"),
        pytest.param(RT, "client:trylock", {HARDIRQ, NMI, PROBE}, id="0.4 RT: trylock by a task"),
        pytest.param(
            RT, "client:trylock_irqs_off", {NMI, PROBE}, id="0.4 RT: trylock with irqs off"
        ),
        pytest.param(
            RT, "softirq:lock", {HARDIRQ, NMI, PROBE}, id="0.4 RT: held by a softirq thread"
        ),
        pytest.param(RT, "client:raw", {NMI, PROBE}, id="0.4 RT: a raw lock, irqsave"),
        pytest.param(SMP, "client:lock", {HARDIRQ, NMI, SOFTIRQ, PROBE}, id="0.4 SMP: held"),
        pytest.param(SMP, "client:raw", {NMI, PROBE}, id="0.4 SMP: a raw lock, irqsave"),
    ],
)
def test_what_may_run_while_held(
    kernel: Kernel, config: dict[str, int], contexts: str, come: set[str]
) -> None:
    """On the holder's CPU; on the other one everything may but what hits a task there.

    Holding a spinlock_t masks no interrupt. Guards against a sleeping lock with irqs off, and
    against a softirq that interrupts its holder on PREEMPT_RT, where it runs in a thread.
    """
    walk = stack(system(kernel, config), contexts)
    walk.go(contexts.partition(":")[0], "inside")
    assert owner(walk) == 1
    every = {HARDIRQ, NMI, SOFTIRQ, PROBE, TASK}
    assert {one for one in every if walk.can(one, cpu=1)} == come
    assert {one for one in every if walk.can(one, cpu=2)} == every - {PROBE}


@pytest.mark.parametrize(
    ("context", "entry", "outcome"),
    [
        pytest.param("softirq", "trylock", False, id="0.4 RT: softirq thread"),
        pytest.param("softirq", "careful", False, id="0.4 RT: softirq thread that asks"),
        pytest.param("hardirq", "careful", False, id="0.4 RT: hardirq that asks"),
        pytest.param("nmi", "careful", False, id="0.4 RT: NMI that asks"),
        pytest.param("hardirq", "trylock", FORBIDDEN, id="0.4 RT: hardirq"),
    ],
)
def test_the_holder_is_switched_out(
    kernel: Kernel, context: str, entry: str, outcome: bool | str
) -> None:
    """A holder is preemptible: its CPU runs others, which find the lock taken.

    Guards against a sleeping lock that keeps its CPU, and against one that is lost with it.
    """
    walk = system(kernel, RT, preemptions=1).arrive("client", "lock", 3).go("client", "inside")
    walk.happen("task_is_preempted", cpu=1)
    assert outcome_of(walk, f"{context}:{entry}") == outcome
    if outcome == FORBIDDEN:
        return
    walk.go(context).happen("client_is_switched_in", who=1, cpu=1).go("client")
    assert (walk.violated, owner(walk), walk.said(3)) == (None, 0, True)


def test_never_two_inside(kernel: Kernel) -> None:
    """0.4 RT: a task, a softirq thread, and an NMI that asks first, in every order.

    Guards against a trylock that takes what somebody holds.
    """
    config = {"cpus": 2, "tasks": 1, "objects": 3, "hardirqs": 0, "probes": 0}
    walk = system(kernel, RT, **config).arrive("client", "lock", 1)
    walk.arrive("softirq", "trylock", 2, cpu=2).arrive("nmi", "careful", 3)
    found = reachable(walk)
    assert all(one.violated is None and one.value("Shared.inside") <= 1 for one in found)
    ends = [one for one in found if not one.options()]
    assert {(one.said(1), one.said(2), one.said(3)) for one in ends} == {
        (True, True, False),
        (True, False, False),
    }
