"""call_rcu() (0.6): irqs off around plain stores, what cuts into them, when callbacks run."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, looked_at

SOURCE = """\
from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.contexts import client, hardirq, nmi, probe
from model.kernel.objects import Object
from model.language.syntax import Array, Embed, Range, atomic, embed, record, routine


@record(single=True)
class Shared:
    first: Embed[RcuHead] = embed(func=invoked)
    second: Embed[RcuHead] = embed(func=invoked)
    third: Embed[RcuHead] = embed(func=invoked)
    ran: Array[Range[0, 3], RcuHead]


@atomic
def invoked(head: RcuHead) -> None:
    Shared.ran[head] += 1


@routine(models="test", entry=(client, hardirq, nmi, probe))
def call_first(obj: Object) -> None:
    call_rcu(Shared.first)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def call_second(obj: Object) -> None:
    call_rcu(Shared.second)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def call_third(obj: Object) -> None:
    call_rcu(Shared.third)
"""
HEADS = ("first", "second", "third")


def one_cpu(kernel: Kernel, *properties: str) -> Walk:
    """A callback list that is written store by store."""
    bounds = {"cpus": 1, "tasks": 1, "objects": 3, "nmis": 1, "hardirqs": 1, "probes": 1}
    source = SOURCE + looked_at("RcuHead.waiting")
    return kernel(source, *properties, callback_lists=1, rcu_any_time=1, other_gps=1, **bounds)


def ran(walk: Walk) -> list[str]:
    """The callbacks that have been invoked."""
    return [n for n in HEADS if walk.value("Shared.ran", 1, walk.ref(f"Shared.{n}"))]


# --- what cuts in -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "stop", "lost"),
    [
        pytest.param(False, "local_irq_save", False, id="0.6 call_rcu: before irqs are off"),
        pytest.param(False, "append_callback", False, id="0.6 call_rcu: before the first load"),
        pytest.param(False, "link_first", True, id="0.6 call_rcu: between load and link"),
        pytest.param(True, "link_behind", True, id="0.6 call_rcu: the same behind another one"),
        pytest.param(False, "linked", True, id="0.6 call_rcu: linked, the end not yet stored"),
        pytest.param(False, "note_callback", False, id="0.6 call_rcu: after the last store"),
    ],
)
def test_an_nmi_inside_the_append(kernel: Kernel, before: bool, stop: str, lost: bool) -> None:
    """Non-atomic stores: re-entered from NMI the list is corrupted. Guards against an atomic one.

    The NMI itself is not allowed and would be reported; here only what it does to the list is.
    """
    walk = one_cpu(kernel, "list_integrity")
    if before:
        walk.call("client", "call_third", 3)
    walk.arrive("client", "call_first", 1)
    walk.go("client", "link_first" if stop == "linked" else stop)
    if stop == "linked":
        walk.step("client")
    walk.call("nmi", "call_second", 2)
    if walk.violated is None:
        walk.go("client")
    assert (walk.violated is not None and walk.violated.prop == "list_integrity") is lost
    if not lost:
        walk.happen("others_begin_grace_period").happen("grace_period_ends")
        while walk.can("rcu_callback_is_invoked"):
            walk.happen("rcu_callback_is_invoked").go("softirq")
        assert ran(walk) == ["first", "second"]


def test_irqs_are_off_around_the_append(kernel: Kernel) -> None:
    """0.6: local_irq_save. Guards against a hardirq that could cut in as an NMI can."""
    walk = one_cpu(kernel, "forbidden_call").arrive("client", "call_first", 1)
    assert walk.can("device_interrupts")
    for stop in ("append_callback", "link_first", "note_callback"):
        walk.go("client", stop)
        assert not walk.can("device_interrupts") and walk.can("nmi_arrives")
    walk.go("client")
    assert walk.violated is None and walk.can("device_interrupts")


@pytest.mark.parametrize(
    ("stop", "legal"),
    [
        pytest.param("call_rcu", True, id="0.6 REENTER: irqs on, before the section"),
        pytest.param("append_callback", False, id="0.6 REENTER: inside the irqs-off section"),
    ],
)
def test_a_probe_asks_whether_irqs_are_on(kernel: Kernel, stop: str, legal: bool) -> None:
    """The probed code is call_rcu() itself. Guards against the wrong side of the section."""
    walk = one_cpu(kernel, "forbidden_call").arrive("client", "call_first", 1)
    walk.go("client", stop).call("probe", "call_second", 2)
    assert (walk.violated is None) is legal


@pytest.mark.parametrize(
    ("kprobe", "stop", "hits", "lost"),
    [
        pytest.param(0, "append_callback", True, False, id="0.6 REENTER: the function's entry"),
        pytest.param(0, "link_first", False, False, id="0.6 REENTER: no function between them"),
        pytest.param(1, "tracepoint", True, True, id="0.1 kprobe: between load and link"),
    ],
)
def test_a_probe_inside_the_append(
    kernel: Kernel, kprobe: int, stop: str, hits: bool, lost: bool
) -> None:
    """Only a kprobe on an instruction tears the list. Guards against a list torn by fentry."""
    walk = kernel(
        SOURCE + looked_at("RcuHead.waiting"), "list_integrity", cpus=1, tasks=1, objects=2,
        probes=1, callback_lists=1, probe_in_append=kprobe,
    )  # fmt: skip
    walk.arrive("client", "call_first", 1)
    if stop == "tracepoint":
        walk.go("client", "append_callback").step("client")
    else:
        walk.go("client", stop)
    assert walk.can("probe_hits_task") is hits
    if hits:
        walk.call("probe", "call_second", 2)
    if walk.violated is None:
        walk.go("client")
    assert (walk.violated is not None) is lost


# --- when callbacks run -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "invoked"),
    [
        pytest.param("call", False, id="0.6 callback: no grace period"),
        pytest.param("call begin", False, id="0.6 callback: it runs"),
        pytest.param("call begin end", True, id="0.6 callback: one full one"),
        pytest.param("begin call end", False, id="0.6 callback: what ran does not count"),
        pytest.param("begin call end own end", True, id="0.6 callback: the next one does"),
    ],
)
def test_when_a_callback_may_run(kernel: Kernel, events: str, invoked: bool) -> None:
    """A full grace period that starts after the call. Guards against one that is too early."""
    walk = one_cpu(kernel, "forbidden_call")
    actions = {
        "begin": "others_begin_grace_period",
        "own": "grace_period_begins_for_callback",
        "end": "grace_period_ends",
    }
    for event in events.split():
        if event == "call":
            walk.call("client", "call_first", 1)
        else:
            walk.happen(actions[event])
    assert walk.can("rcu_callback_is_invoked") is invoked


def test_callbacks_run_in_order(kernel: Kernel) -> None:
    """0.6: a segmented list, first in first out. Guards against a list that is a stack."""
    walk = one_cpu(kernel, "forbidden_call")
    for obj, name in enumerate(HEADS, 1):
        walk.call("client", f"call_{name}", obj)
    walk.happen("others_begin_grace_period").happen("grace_period_ends")
    for done in (1, 2, 3):
        walk.happen("rcu_callback_is_invoked").go("softirq")
        assert ran(walk) == list(HEADS[:done])
