"""The idle loop and a stopped tick (0.3 step 4): who raises, who is seen, what wakes the CPU."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.objects import Object
from model.language.syntax import Embed, Range, atomic, embed, record, routine


@record(single=True)
class Shared:
    lazy: Embed[IrqWork] = embed(func=run, lazy=True, hard=False)
    soft: Embed[IrqWork] = embed(func=run, lazy=False, hard=False)
    ran: Range[0, 3]
    other: bool


@atomic
def run(work: IrqWork) -> None:
    Shared.ran += 1


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def queue_lazy(obj: Object) -> None:
    irq_work_queue(Shared.lazy)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def queue_soft(obj: Object) -> None:
    irq_work_queue(Shared.soft)


@routine(models="test", entry=(client, softirq, hardirq, nmi))
def something_else(obj: Object) -> None:
    Shared.other = True
""" + looked_at("Shared.ran", "Shared.other")


def system(kernel: Kernel, **config: int) -> Walk:
    """One CPU whose tick may stop."""
    bounds = {"cpus": 1, "tasks": 1, "objects": 4, "nmis": 2, "hardirqs": 1, "softirqs": 1}
    return kernel(SOURCE, "lock_discipline", **(bounds | {"probes": 1, "tick_stops": 1} | config))


def halted(walk: Walk) -> Walk:
    return walk.happen("cpu_goes_idle").go("idle")


def stopped(walk: Walk) -> bool:
    return bool(walk.value("TickSched.stopped"))


def ends(walk: Walk) -> bool:
    """Whether the work runs though nothing comes from outside any more."""
    for _ in range(200):
        going = [one for one in walk.options() if not one.firing.transition.environment]
        if not going:
            return walk.value("Shared.ran") == 1
        walk.state = going[0].state
    raise AssertionError("the system does not come to rest")


# --- stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "interrupt", "expected"),
    [
        pytest.param("", 1, True, id="0.3 needs_cpu: nothing queued"),
        pytest.param("lazy", 1, False, id="0.3 needs_cpu: a lazy work"),
        pytest.param("soft", 1, True, id="0.3 needs_cpu: a raised work has its interrupt"),
        pytest.param("soft", 0, False, id="0.3 needs_cpu: no interrupt: the tick runs raised ones"),
        pytest.param("lazy", 0, False, id="0.3 needs_cpu: no interrupt: a lazy work"),
    ],
)
def test_the_tick_stops_if_nobody_needs_it(
    kernel: Kernel, kind: str, interrupt: int, expected: bool
) -> None:
    """Guards against a tick that stops over a list that only it would run.

    What is raised comes as soon as the CPU halts.
    """
    walk = system(kernel, irq_work_interrupt=interrupt)
    if kind:
        walk.call("client", f"queue_{kind}", 1)
    assert stopped(halted(walk)) is expected
    assert ends(walk) is bool(kind)


def test_who_comes_before_the_halt(kernel: Kernel) -> None:
    """Irqs are off: NMIs come, and probes at the tracepoint of the stop; nothing else.

    Guards against a loop in which nothing can come in between.
    """
    walk = system(kernel).happen("cpu_goes_idle")
    found = []
    while walk.running("idle"):
        assert walk.can("nmi_arrives") and not walk.can("client_frees")
        assert not walk.can("device_interrupts") and not walk.can("softirq_frees")
        found.append(walk.can("probe_hits_task"))
        walk.step("idle")
    assert any(found) and not all(found)
    assert walk.can("device_interrupts") and walk.can("client_frees")


# --- a stopped tick -----------------------------------------------------------------------------


@pytest.mark.parametrize("context", ["hardirq", "nmi", "softirq"])
@pytest.mark.parametrize("kind", ["lazy", "soft"])
def test_a_work_raises_where_the_tick_is_stopped(kernel: Kernel, context: str, kind: str) -> None:
    """0.3 step 4. Guards against a lazy work that waits for a tick which does not come."""
    walk = halted(system(kernel)).arrive(context, f"queue_{kind}", 1).go(context)
    assert walk.can("irq_work_interrupts")
    assert ends(walk)


def test_a_task_has_its_tick(kernel: Kernel) -> None:
    """The tick comes back before it: a lazy work raises nothing, and the tick comes.

    Guards against a CPU that stays without a tick.
    """
    walk = halted(system(kernel)).call("client", "queue_lazy", 1)
    assert not walk.can("irq_work_interrupts") and walk.can("tick")
    assert ends(walk)


@pytest.mark.parametrize("waker", ["client", "softirq", "hardirq", "nmi"])
def test_what_wakes_the_cpu(kernel: Kernel, waker: str) -> None:
    """The loop goes round before the CPU halts again. Guards against a tick that is gone for good.

    The work came while the tick was about to stop.
    """
    walk = system(kernel).happen("cpu_goes_idle").go("idle", "stop_tick")
    walk.call("nmi", "queue_lazy", 1).go("idle")
    assert stopped(walk) and at_rest(walk)
    walk.call(waker, "something_else", 2)
    assert walk.can("tick") and not walk.can("irq_work_interrupts")
    assert ends(walk)


# --- while it stops (F-13) ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "before", "kind", "interrupt", "again", "seen"),
    [
        pytest.param("nmi", "irq_work_needs_cpu", "lazy", 1, 0, True, id="0.3 NMI: before it asks"),
        pytest.param("nmi", "stop_tick", "lazy", 1, 0, False, id="0.3 NMI: after, lazy"),
        pytest.param("nmi", "stop_tick", "soft", 1, 0, True, id="0.3 NMI: after, raised"),
        pytest.param("nmi", "stop_tick", "soft", 0, 0, False, id="0.3 NMI: after, no interrupt"),
        pytest.param("nmi", "stop_tick", "lazy", 1, 1, True, id="0.3 NMI: looked for again"),
        pytest.param("nmi", "halt", "lazy", 1, 0, True, id="0.3 NMI: stopped, raises"),
        pytest.param(
            "nmi", "halt", "soft", 0, 1, False, id="0.3 NMI: before the halt, no interrupt"
        ),
        pytest.param("probe", "tracepoint", "lazy", 1, 0, True, id="0.3 probe at the tracepoint"),
        pytest.param("probe", "tracepoint", "soft", 0, 0, False, id="0.3 probe: no interrupt"),
        pytest.param("probe", "tracepoint", "soft", 0, 1, True, id="0.3 probe: looked for again"),
    ],
)
def test_while_the_tick_stops(
    kernel: Kernel, context: str, before: str, kind: str, interrupt: int, again: int, seen: bool
) -> None:
    """Guards against a window that is closed by the model, and against one wider than the kernel's.

    `before`: where the loop stands when the work is queued.
    """
    walk = system(kernel, irq_work_interrupt=interrupt, idle_looks_again=again)
    walk.happen("cpu_goes_idle")
    if before == "tracepoint":
        while not walk.can("probe_hits_task") or not stopped(walk):
            walk.step("idle")
    else:
        walk.go("idle", before)
    walk.call(context, f"queue_{kind}", 1).go("idle")
    assert ends(walk) is seen
