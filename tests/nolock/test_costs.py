"""What `nolock compare` says a free costs: two tiny designs counted by hand, and the real ones."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from nolock.catalogue import design_named
from nolock.costs import COSTS, Costs, Spread, measure, measurement_of, measuring_machine
from nolock.jobs import DESIGNS
from properties.registry import build_machine
from tests.nolock.conftest import Command
from tests.nolock.toy import write_toy

PARKS = '''\
"""Every object is parked; the irq_work's handler takes it in and frees it."""

from model.kernel.contexts import client, nmi
from model.kernel.cpu import Cpu, this_cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.objects import Object
from model.kernel.slab import return_to_allocator
from model.language.syntax import NULL, Embed, atomic, container_of, embed, event, record, routine


@record(per=Cpu)
class Parked:
    list: Embed[LlistHead]
    work: Embed[IrqWork] = embed(func=drain, lazy=False, hard=True)


@routine(models="parks", entry=(client, nmi))
def park(head: Object) -> None:
    parked = this_cpu(Parked)
    if llist_add(head, parked.list):
        irq_work_queue(parked.work)


@routine(models="drains")
def drain(work: IrqWork) -> None:
    parked = container_of(work, Parked.work)
    head: Object = llist_del_all(parked.list)
    while head != NULL:
        following = head.next
        event("taken", head)
        take_in(head)
        return_to_allocator(head)
        head = following


@atomic
def take_in(head: Object) -> None:
    event("queued", head)
'''


@cache
def costs_of(design: str, **knobs: int) -> Costs:
    """Measured once."""
    return measure(measurement_of(design_named(design), "smp", tuple(knobs.items())))


def test_a_call_that_frees_at_once_is_counted_as_by_hand(tmp_path: Path) -> None:
    """A task: irqs off, lock, free, unlock, irqs on. An NMI: lock, free, unlock, or a deadlock."""
    costs = costs_of(str(write_toy(tmp_path)))
    task, nmi = costs.contexts["client_frees"], costs.contexts["nmi_arrives"]
    assert set(costs.contexts) == {"client_frees", "nmi_arrives"}
    assert dict(task.paths) == {"straight": 1, "deferred": 0, "left": 0, "wrong": 0}
    assert dict(nmi.paths) == {"straight": 1, "deferred": 0, "left": 0, "wrong": 1}
    assert task.irqs_off_in_call == task.irqs_off == Spread(4, 4)
    assert nmi.irqs_off_in_call == Spread(3, 3)
    assert task.until_queued == Spread(3, 3) and task.until_freed == Spread(0, 0)
    assert nmi.until_queued == Spread(2, 2)
    assert costs.overall.irqs_off == Spread(3, 4)
    assert costs.overall.irq_works == costs.overall.self_ipis == Spread(0, 0)
    assert (costs.longest_llist, costs.context_tests) == (0, 0)


def test_a_call_that_parks_is_counted_as_by_hand(tmp_path: Path) -> None:
    """Parking: read, link, swap; then, for the first: claim, pin, add, raise, unpin.

    Until it is taken in: the interrupt, acknowledge, take works, next work, PENDING, take list,
    next object, take in; then it is freed. A task is pinned in two steps that an NMI does not need.
    An NMI before the list is taken has its object taken in by the handler that it cut into. One
    between a task's read and swap is first on the list, so taken in last: three steps later.
    """
    (tmp_path / "parks.py").write_text(PARKS, encoding="utf-8")
    costs = costs_of(str(tmp_path / "parks.py"))
    task, nmi = costs.contexts["client_frees"], costs.contexts["nmi_arrives"]
    for context in (task, nmi):
        assert dict(context.paths) == {"straight": 0, "deferred": 2, "left": 0, "wrong": 0}
        assert context.irq_works == context.self_ipis == Spread(0, 1)
    assert task.until_queued == Spread(3 + 8, 8 + 8)
    assert task.until_freed == Spread(1, 1)
    assert task.irqs_off_in_call == Spread(0, 0) and task.irqs_off == Spread(8, 8)
    assert nmi.until_queued == Spread(3, 6 + 8 + 3)
    assert nmi.irqs_off_in_call == Spread(3, 6) and nmi.irqs_off == Spread(3, 6 + 8 + 3)
    assert costs.longest_llist == 2


@pytest.mark.slow
def test_the_real_designs_cost_what_their_code_says() -> None:
    """Guards against numbers that are not the design's."""
    mainline, detect = costs_of("mainline"), costs_of("nmi_detect")
    declared, spin = costs_of("caller_declared"), costs_of("allow_spin")
    assert mainline.overall.irq_works == mainline.overall.self_ipis == Spread(0, 0)
    assert mainline.overall.paths["deferred"] == mainline.longest_llist == 0
    assert mainline.contexts["nmi_arrives"].paths["wrong"] > 0
    in_nmi = detect.contexts["nmi_arrives"]
    assert in_nmi.irq_works == in_nmi.self_ipis == Spread(0, 1)
    # The first one parked, and one that finds another there.
    assert dict(in_nmi.paths) == {"straight": 0, "deferred": 2, "left": 0, "wrong": 0}
    assert detect.contexts["client_frees"] == mainline.contexts["client_frees"]
    assert detect.contexts["probe_hits_task"].paths["wrong"] > 0
    for costs in (declared, spin):
        assert costs.overall.paths["wrong"] == costs.overall.paths["left"] == 0
    assert all(declared.contexts[name].paths["straight"] == 0 for name in _nolock_only(declared))
    assert spin.contexts["nmi_arrives"].paths["straight"] > 0
    assert spin.contexts["nmi_arrives"].paths["deferred"] > 0
    assert [c.context_tests for c in (mainline, declared, detect, spin)] == [0, 0, 1, 1]


def _nolock_only(costs: Costs) -> list[str]:
    return [name for name in costs.contexts if name.startswith(("nmi", "probe"))]


@pytest.mark.slow
def test_context_tests_follow_the_knobs() -> None:
    """Guards against counting tests in code that the configuration does not have."""
    assert costs_of("nmi_detect", detect_hardirq=1).context_tests == 2
    assert costs_of("nmi_detect", detect_irqs_off=1).context_tests == 1


def test_only_measuring_machines_have_the_monitors() -> None:
    """Guards against a verification that pays for being measurable."""
    settings = {"nmis": 1, "objects": 1}
    machine = build_machine(DESIGNS / "nmi_detect.py", settings, ("no_double_free",))
    assert not [v.name for v in machine.variables if v.name.startswith(("Life.", "Raised."))]
    measured = measuring_machine(measurement_of(design_named("nmi_detect"), "smp", ()))
    names = {v.name for v in measured.variables}
    assert {
        "Life.given",
        "Life.queued",
        "Life.freed",
        "Raised.irq_work",
        "Raised.self_ipi",
    } <= names
    assert COSTS.path.exists()


def test_compare_shows_costs_and_verify_does_not(command: Command, tmp_path: Path) -> None:
    """Guards the table and its form for other programs."""
    design = write_toy(tmp_path)
    shown = command("compare", design, "--engine", "python")
    assert shown.exit_code == 0, shown.output
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["contexts", "×", "paths", "of", "one", "free", "call", "3"] in lines
    assert ["straight", "in", "2", "of", "3"] in lines
    assert ["steps", "with", "irqs", "off:", "in", "the", "call", "3", "to", "4"] in lines
    assert " verdicts as expected, 0 not" in shown.stdout.splitlines()[-1]
    told = command("compare", design, "--engine", "python", "--format", "json")
    (costs,) = json.loads(told.stdout)["costs"]
    assert costs["design"] == "toy" and costs["environment"] == "smp"
    assert costs["overall"]["paths"] == {"straight": 2, "deferred": 0, "left": 0, "wrong": 1}
    assert costs["contexts"]["nmi_arrives"]["until_queued"] == {"least": 2, "most": 2}
    verified = command("verify", design, "--engine", "python", "--format", "json")
    assert json.loads(verified.stdout)["costs"] == []
