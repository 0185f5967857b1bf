"""Contexts and masking (0.1): what may interrupt what, who runs, and what each of them is told."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.cpu import hits_handler, in_nmi, irqs_disabled
from model.kernel.interrupts import (
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
)
from model.kernel.locks import RawSpinlock, raw_spin_lock_irqsave, raw_spin_unlock_irqrestore
from model.kernel.objects import Object
from model.kernel.workqueue import DelayedWork, queue_delayed_work
from model.language.syntax import (
    Embed, Range, embed, record, routine, runs_in, tracepoint,
)

from .answers import answer


@record(single=True)
class Shared:
    lock: Embed[RawSpinlock]
    work: Embed[DelayedWork] = embed(func=run)
    a: Range[0, 1]
    b: Range[0, 1]


@routine(models="test")
def inside() -> None:
    Shared.a = 1
    Shared.b = 1


@routine(models="test")
def run(dwork: DelayedWork) -> None:
    inside()


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def plain(obj: Object) -> None:
    inside()
    Shared.a = 0


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    inside()
    Shared.a = 0
    local_irq_restore(flags)
    Shared.b = 0


@routine(models="test", entry=(client,))
def preemption_off(obj: Object) -> None:
    preempt_disable()
    inside()
    Shared.a = 0
    preempt_enable()


@routine(models="test", entry=(client,))
def locked(obj: Object) -> None:
    flags = raw_spin_lock_irqsave(Shared.lock)
    inside()
    queue_delayed_work(Shared.work, True)
    raw_spin_unlock_irqrestore(Shared.lock, flags)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def ask(obj: Object) -> None:
    inside()
    answer(obj, in_nmi())


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def ask_in_hardirq(obj: Object) -> None:
    inside()
    answer(obj, runs_in(hardirq) or hits_handler())


@routine(models="test", entry=(softirq, hardirq, probe))
def ask_irqs(obj: Object) -> None:
    inside()
    off = irqs_disabled()
    answer(obj, off)


@routine(models="test", entry=(client,))
def traced(obj: Object) -> None:
    Shared.a = 1
    Shared.b = 1
    tracepoint()
    Shared.a = 0
    Shared.b = 0
""" + looked_at("Shared.a", "Shared.b")

ARRIVALS = ("softirq_frees", "device_interrupts", "nmi_arrives", "probe", "task_is_preempted")
PROBES = ("probe_hits_task", "probe_hits_softirq", "probe_hits_hardirq", "probe_hits_nmi")


def system(kernel: Kernel) -> Walk:
    """Two CPUs; enough arrivals of each kind, so that only masking keeps one from coming."""
    return kernel(
        SOURCE, "lock_discipline", "self_deadlock", "forbidden_call",
        cpus=2, tasks=2, objects=6, softirqs=2, hardirqs=2, nmis=2, probes=2, preemptions=2,
        workers=1,
    )  # fmt: skip


def stacked(walk: Walk, contexts: list[str], entry: str = "plain") -> Walk:
    """Contexts on CPU 1, each interrupting or probing the one before; written context:entry.

    Each stands at the entry of `inside`, which is a probe point; the object of the n-th is n.
    """
    for obj, context in enumerate(contexts, 1):
        name, _, called = context.partition(":")
        walk.arrive(name, called or entry, obj).go(name, "inside")
    return walk


def possible(walk: Walk) -> list[str]:
    """Which arrivals are possible on CPU 1."""
    found = []
    for arrival in ARRIVALS:
        actions = PROBES if arrival == "probe" else (arrival,)
        if any(walk.can(action, cpu=1) for action in actions):
            found.append(arrival)
    return found


# --- who may interrupt whom ---------------------------------------------------------------------

SOFTIRQ, HARDIRQ, NMI, PROBE, PREEMPTION = ARRIVALS


@pytest.mark.parametrize(
    ("contexts", "arrivals"),
    [
        pytest.param([], [SOFTIRQ, HARDIRQ, NMI], id="0.1 idle"),
        pytest.param(["client"], [SOFTIRQ, HARDIRQ, NMI, PROBE, PREEMPTION], id="0.1 task"),
        pytest.param(["client:irqs_off"], [NMI, PROBE], id="0.1 irqs off mask hardirq, never NMI"),
        pytest.param(
            ["client:preemption_off"],
            [SOFTIRQ, HARDIRQ, NMI, PROBE],
            id="0.1 preempt_disable masks only task switching",
        ),
        pytest.param(["softirq"], [HARDIRQ, NMI, PROBE], id="0.1 softirq"),
        pytest.param(["client", "softirq"], [HARDIRQ, NMI, PROBE], id="0.1 softirq over task"),
        pytest.param(["softirq:irqs_off"], [NMI, PROBE], id="0.1 irqs off in a softirq"),
        pytest.param(["softirq", "hardirq"], [NMI, PROBE], id="0.1 hardirq over softirq"),
        pytest.param(["softirq", "nmi"], [PROBE], id="0.1 NMI over softirq"),
        pytest.param(["softirq", "probe"], [HARDIRQ, NMI], id="0.1 probe in softirq"),
        pytest.param(["client", "probe", "softirq"], [HARDIRQ, NMI], id="0.1 softirq over a probe"),
        pytest.param(["client:locked"], [NMI, PROBE], id="0.1 REENTER inside a raw lock"),
        pytest.param(["hardirq"], [NMI, PROBE], id="0.1 hardirq"),
        pytest.param(["client", "hardirq"], [NMI, PROBE], id="0.1 hardirq over task"),
        pytest.param(["client:preemption_off", "hardirq"], [NMI, PROBE], id="0.1 hardirq, nested"),
        pytest.param(["nmi"], [PROBE], id="0.1 NMI masks hardirq"),
        pytest.param(["client", "hardirq", "nmi"], [PROBE], id="0.1 NMI over hardirq over task"),
        pytest.param(
            ["client", "probe"], [SOFTIRQ, HARDIRQ, NMI], id="0.1 probe: irq state is the task's"
        ),
        pytest.param(["client:irqs_off", "probe"], [NMI], id="0.1 probe: irqs stay off"),
        pytest.param(["hardirq", "probe"], [NMI], id="0.1 probe in hardirq"),
        pytest.param(["nmi", "probe"], [], id="0.1 probe in NMI"),
        pytest.param(["client", "probe", "hardirq"], [NMI], id="0.1 hardirq over a probe"),
    ],
)
def test_what_may_arrive(kernel: Kernel, contexts: list[str], arrivals: list[str]) -> None:
    """Guards against a mask that is too strong (NMI, probe) or too weak (softirq, hardirq)."""
    assert possible(stacked(system(kernel), contexts)) == arrivals


@pytest.mark.parametrize(
    ("entry", "masked"),
    [
        pytest.param("plain", set(), id="0.1 between any two steps: irqs on"),
        pytest.param(
            "irqs_off",
            {"inside", "irqs_off", "irqs_off_restore"},
            id="0.1 between any two steps: irqs off",
        ),
    ],
)
@pytest.mark.parametrize("context", ["client", "softirq"])
def test_between_any_two_steps(kernel: Kernel, context: str, entry: str, masked: set[str]) -> None:
    """An NMI at every step, a hardirq at every step outside the section.

    Guards against a step from which the interrupt was forgotten.
    """
    walk = system(kernel).arrive(context, entry)
    found = set()
    while walk.running(context):
        assert walk.can(NMI, cpu=1)
        if not walk.can(HARDIRQ, cpu=1):
            (here,) = walk.machine.steps_at[context, walk.value(f"{context}.pc")]
            found.add(here.where.chain[-1].routine)
        walk.step(context)
    assert found == masked


# --- who runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contexts",
    [
        pytest.param(["client", "hardirq"], id="0.1 hardirq over task"),
        pytest.param(["client", "nmi"], id="0.1 NMI over task"),
        pytest.param(["client", "probe"], id="0.1 probe over task"),
        pytest.param(["client:irqs_off", "nmi"], id="0.1 NMI over irqs off"),
        pytest.param(["client", "hardirq", "nmi"], id="0.1 NMI over hardirq"),
        pytest.param(["client", "hardirq", "probe"], id="0.1 probe over hardirq"),
        pytest.param(["client", "hardirq", "probe", "nmi"], id="0.1 NMI over a probe in hardirq"),
        pytest.param(["client", "hardirq", "nmi", "probe"], id="0.1 probe over NMI over hardirq"),
        pytest.param(["client", "probe", "hardirq"], id="0.1 hardirq over a probe"),
        pytest.param(["client", "softirq"], id="0.1 softirq over task"),
        pytest.param(["client", "softirq", "probe"], id="0.1 probe over softirq over task"),
        pytest.param(["client", "softirq", "probe", "hardirq"], id="0.1 hardirq over that probe"),
        pytest.param(["client", "probe", "softirq"], id="0.1 softirq over a probe"),
        pytest.param(["client", "softirq", "hardirq", "probe", "nmi"], id="0.1 all five"),
    ],
)
def test_the_topmost_runs_to_completion(kernel: Kernel, contexts: list[str]) -> None:
    """Guards against an interrupted context that goes on; another CPU's does, all the time."""
    walk = stacked(system(kernel), contexts)
    names = [context.partition(":")[0] for context in contexts]
    walk.arrive("client", "plain", 6, cpu=2)
    while names:
        assert [walk.can_step(name) for name in names] == [False] * (len(names) - 1) + [True]
        assert walk.can_step("client", at=2)
        walk.go(names.pop())
    assert walk.violated is None


@pytest.mark.parametrize(
    ("contexts", "after"),
    [
        pytest.param(["client", "nmi:irqs_off"], True, id="0.1 NMI saves and restores: on"),
        pytest.param(["client:irqs_off", "nmi:irqs_off"], False, id="0.1 NMI: off below"),
        pytest.param(["client", "probe:irqs_off"], True, id="0.1 probe saves and restores: on"),
        pytest.param(["client:irqs_off", "probe:irqs_off"], False, id="0.1 probe: off below"),
        pytest.param(["client", "softirq:irqs_off"], True, id="0.1 softirq returns: on"),
        pytest.param(["softirq", "hardirq:irqs_off"], True, id="0.1 hardirq returns to softirq"),
        pytest.param(["client", "hardirq:irqs_off"], True, id="0.1 hardirq returns: on"),
        pytest.param(["client", "nmi:irqs_off", "probe:irqs_off"], True, id="0.1 probe in NMI"),
    ],
)
def test_the_interrupted_irq_state_is_back(
    kernel: Kernel, contexts: list[str], after: bool
) -> None:
    """Guards against a handler or probe that leaves irqs on or off in what it interrupted."""
    walk = stacked(system(kernel), contexts)
    for context in contexts[:0:-1]:
        walk.go(context.partition(":")[0])
    assert walk.can(HARDIRQ, cpu=1) is after


def test_a_preempted_task_waits_for_a_cpu(kernel: Kernel) -> None:
    """0.1: switched out it does not run; switched in, perhaps elsewhere, it goes on there.

    Guards against a task that runs nowhere, and against one that cannot migrate.
    """
    walk = stacked(system(kernel), ["client"]).happen(PREEMPTION, cpu=1)
    assert walk.running("client") and not walk.can_step("client")
    assert [walk.can("client_is_switched_in", who=1, cpu=cpu) for cpu in (1, 2)] == [True, True]
    walk.happen("client_is_switched_in", who=1, cpu=2).arrive("nmi", "plain", 2, cpu=2)
    assert not walk.can_step("client")
    walk.go("nmi", at=2).go("client")
    assert walk.violated is None


# --- what they are told -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contexts", "in_nmi"),
    [
        pytest.param(["client"], False, id="0.1 in_nmi(): task"),
        pytest.param(["client", "softirq"], False, id="0.1 in_nmi(): softirq"),
        pytest.param(["client", "hardirq"], False, id="0.1 in_nmi(): hardirq"),
        pytest.param(["nmi"], True, id="0.1 in_nmi(): NMI"),
        pytest.param(["client", "hardirq", "nmi"], True, id="0.1 in_nmi(): NMI over hardirq"),
        pytest.param(["client", "probe"], False, id="0.1 in_nmi(): probe in a task"),
        pytest.param(["client:irqs_off", "probe"], False, id="0.1 in_nmi(): probe, irqs off"),
        pytest.param(["client:locked", "probe"], False, id="0.1 in_nmi(): probe under a lock"),
        pytest.param(["softirq", "probe"], False, id="0.1 in_nmi(): probe in softirq"),
        pytest.param(["hardirq", "probe"], False, id="0.1 in_nmi(): probe in hardirq"),
        pytest.param(["nmi", "probe"], True, id="0.1 in_nmi(): probe in NMI"),
        pytest.param(["client", "probe", "nmi"], True, id="0.1 in_nmi(): NMI over a probe"),
    ],
)
def test_in_nmi(kernel: Kernel, contexts: list[str], in_nmi: bool) -> None:
    """Guards against a probe that in_nmi() tells apart: that is what "unknown context" is."""
    top = contexts[-1]
    walk = stacked(system(kernel), [*contexts[:-1], f"{top}:ask"]).go(top)
    assert walk.said(len(contexts)) is in_nmi


@pytest.mark.parametrize(
    ("contexts", "in_hardirq"),
    [
        pytest.param(["client"], False, id="0.1 in_hardirq(): task"),
        pytest.param(["client", "softirq"], False, id="0.1 in_hardirq(): softirq"),
        pytest.param(["softirq", "probe"], False, id="0.1 in_hardirq(): probe in softirq"),
        pytest.param(["softirq", "hardirq"], True, id="0.1 in_hardirq(): hardirq over softirq"),
        pytest.param(["hardirq", "probe"], True, id="0.1 in_hardirq(): probe in hardirq"),
    ],
)
def test_in_hardirq(kernel: Kernel, contexts: list[str], in_hardirq: bool) -> None:
    """Guards against a softirq that counts as a hardirq."""
    top = contexts[-1]
    walk = stacked(system(kernel), [*contexts[:-1], f"{top}:ask_in_hardirq"]).go(top)
    assert walk.said(len(contexts)) is in_hardirq


@pytest.mark.parametrize(
    ("contexts", "off"),
    [
        pytest.param(["softirq"], False, id="0.1 irqs_disabled(): softirq"),
        pytest.param(["softirq", "probe"], False, id="0.1 irqs_disabled(): probe in softirq"),
        pytest.param(["softirq:irqs_off", "probe"], True, id="0.1 irqs_disabled(): off in softirq"),
        pytest.param(["softirq", "hardirq"], True, id="0.1 irqs_disabled(): hardirq over softirq"),
    ],
)
def test_irqs_disabled(kernel: Kernel, contexts: list[str], off: bool) -> None:
    """Guards against a softirq that has irqs off by itself, as a hardirq has."""
    top = contexts[-1]
    walk = stacked(system(kernel), [*contexts[:-1], f"{top}:ask_irqs"]).go(top)
    assert walk.said(len(contexts)) is off


@pytest.mark.parametrize(
    ("contexts", "above"),
    [
        pytest.param(["client", "probe:ask", "nmi"], 2, id="0.1 in_nmi(): back from an NMI"),
        pytest.param(["client:ask", "probe", "hardirq"], 1, id="0.1 in_nmi(): back from hardirq"),
    ],
)
def test_in_nmi_afterwards(kernel: Kernel, contexts: list[str], above: int) -> None:
    """Guards against an answer that stays with the CPU when the NMI has gone."""
    walk = stacked(system(kernel), contexts)
    for context in contexts[::-1]:
        walk.go(context.partition(":")[0])
    assert walk.said(above) is False


# --- probe points -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param("traced", [1, 0, 1, 0], id="0.1 probe points: entry and tracepoint"),
        pytest.param("plain", [1, 0, 1], id="0.1 probe points: entry and exit of a callee"),
    ],
)
def test_where_a_probe_can_hit(kernel: Kernel, entry: str, expected: list[int]) -> None:
    """At each step of the routine. Guards against probes in the middle of straight code."""
    walk = system(kernel).arrive("client", entry)
    found = []
    while walk.at("client", entry):
        found.append(int(walk.can("probe_hits_task", cpu=1)))
        walk.step("client")
    assert found == expected


def test_a_probe_inside_the_timer_code_under_a_lock(kernel: Kernel) -> None:
    """0.1: the timer tracepoints fire inside queue_delayed_work() under the caller's raw lock.

    Guards against a probe that only comes where nothing is held.
    """
    walk = system(kernel).arrive("client", "locked").go("client", "arm")
    locks = [walk.ref("Shared.lock"), walk.ref("TimerBase.lock")]
    assert [walk.value("RawSpinlock.owner_cpu", lock) for lock in locks] == [1, 1]
    assert possible(walk) == [NMI, PROBE]
    walk.arrive("probe", "ask", 2).go("probe")
    assert walk.violated is None and walk.said(2) is False
