"""irq_work (0.3): the claim, the choice of list and of trigger, and what runs again."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, at_rest, looked_at, reachable

HEAD = """\
from model.kernel.contexts import client, hardirq, nmi
from model.kernel.cpu import Cpu
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.objects import Object
from model.language.syntax import (
    NULL, Array, Embed, Range, atomic, container_of, embed, record, routine, runs_in,
)

from .answers import answer


@record(single=True)
class Works:
    soft: Embed[IrqWork] = embed(func=handler, lazy=False, hard=False)
    other: Embed[IrqWork] = embed(func=handler, lazy=False, hard=False)
    lazy: Embed[IrqWork] = embed(func=handler, lazy=True, hard=False)
    hard: Embed[IrqWork] = embed(func=handler, lazy=False, hard=True)
    lazy_hard: Embed[IrqWork] = embed(func=handler, lazy=True, hard=True)
    started: Array[Range[0, 5], IrqWork]
    in_hardirq: bool
    stored: bool
    seen: bool


@atomic
def handler_begins(work: IrqWork) -> None:
    Works.started[work] += 1
    Works.in_hardirq = runs_in(hardirq)


@atomic
def handler_ends(work: IrqWork) -> None:
    Works.seen = Works.stored


@routine(models="test")
def handler(work: IrqWork) -> None:
    handler_begins(work)
    handler_ends(work)
"""
KINDS = ("soft", "other", "lazy", "hard", "lazy_hard")
CALLS = "".join(
    f"""

@routine(models="test", entry=(client, hardirq, nmi))
def queue_{kind}(obj: Object) -> None:
    queued = irq_work_queue(Works.{kind})
    answer(obj, queued)
"""
    for kind in KINDS
)
CELLS = ("IrqWork.pending", "IrqWork.busy", "IrqWork.next", "Works.in_hardirq", "Works.seen")
SOURCE = HEAD + CALLS + looked_at(*CELLS)
STORE = f"""{HEAD}

@routine(models="test", entry=(nmi,))
def store_and_queue(obj: Object) -> None:
    Works.stored = True
    queued = irq_work_queue(Works.soft)
    answer(obj, queued)


@routine(models="test", entry=(client,))
def queue(obj: Object) -> None:
    irq_work_queue(Works.soft)
{looked_at(*CELLS)}"""


def flags(walk: Walk, kind: str = "soft") -> str:
    """PENDING and BUSY of a work: "", "B" or "PB"."""
    work = walk.ref(f"Works.{kind}")
    return "P" * walk.value("IrqWork.pending", work) + "B" * walk.value("IrqWork.busy", work)


def on_list(walk: Walk, name: str, cpu: int = 1) -> list[str]:
    """The kinds of the works on a CPU's list, newest first."""
    found: list[str] = []
    work = walk.value("IrqWorkList.first", walk.ref(f"IrqWorkCpu.{name}", cpu))
    while work:
        found.append(KINDS[work - 1])
        work = walk.value("IrqWork.next", work)
    return found


def started(walk: Walk, kind: str = "soft") -> int:
    """How often the work's function has been called."""
    return walk.value("Works.started", 1, walk.ref(f"Works.{kind}"))


def raised(walk: Walk, cpu: int = 1) -> bool:
    return bool(walk.value("IrqWorkCpu.raised_irq", cpu))


def interrupted(walk: Walk, cpu: int = 1, to: str | None = None) -> Walk:
    """The self-interrupt is taken and runs, to the end or to a routine."""
    return walk.happen("irq_work_interrupts", cpu=cpu).go("hardirq", to, at=cpu)


def one_cpu(kernel: Kernel, **config: int) -> Walk:
    return kernel(SOURCE, cpus=1, tasks=1, objects=5, **config)


# --- the claim ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "before", "returned", "runs"),
    [
        pytest.param("irq_work_claim", "", True, 1, id="0.3 queue step 1: idle -> claimed"),
        pytest.param("preempt_disable", "PB", False, 1, id="0.3 queue step 1: PENDING -> false"),
        pytest.param("irq_work_list_add", "PB", False, 1, id="0.3 queue step 1: not yet on a list"),
        pytest.param("arch_irq_work_raise", "PB", False, 1, id="0.3 queue step 1: not yet raised"),
        pytest.param("preempt_enable", "PB", False, 1, id="0.3 queue step 1: raised"),
    ],
)
def test_queueing_what_another_context_queues(
    kernel: Kernel, stop: str, before: str, returned: bool, runs: int
) -> None:
    """An NMI queues the work that the task below is queueing: one of them does everything.

    Guards against a claim that is not one step, and against a second list entry or interrupt.
    """
    walk = one_cpu(kernel, nmis=1).arrive("client", "queue_soft", 1).go("client", stop)
    assert flags(walk) == before
    waits, had = on_list(walk, "raised"), raised(walk)
    walk.call("nmi", "queue_soft", 2)
    assert (walk.said(2), flags(walk)) == (returned, "PB")
    if not returned:
        assert (on_list(walk, "raised"), raised(walk)) == (waits, had)
    walk.go("client")
    assert walk.said(1) is not returned
    assert on_list(walk, "raised") == ["soft"]
    assert started(interrupted(walk)) == runs
    assert at_rest(walk)


@pytest.mark.parametrize(
    ("stop", "before", "returned", "runs", "after_first"),
    [
        pytest.param(None, "PB", False, 1, "", id="0.3 run: PENDING still set -> false"),
        pytest.param("handler_begins", "B", True, 2, "PB", id="0.3 run: between clear and fn"),
        pytest.param("handler_ends", "B", True, 2, "PB", id="0.3 run: inside fn"),
        pytest.param(
            "clear_busy_unless_claimed", "B", True, 2, "PB", id="0.3 run: before BUSY is cleared"
        ),
        pytest.param("irq_work_run_list", "", True, 2, "PB", id="0.3 run: after BUSY is cleared"),
    ],
)
def test_queueing_what_runs(
    kernel: Kernel, stop: str | None, before: str, returned: bool, runs: int, after_first: str
) -> None:
    """From the clear of PENDING on a new queue() succeeds, BUSY stays and the work runs again.

    Guards against a work that is lost because BUSY still stood, and against a BUSY that the first
    run takes away from the second.
    """
    walk = one_cpu(kernel, nmis=1).call("client", "queue_soft", 1)
    interrupted(walk, to="irq_work_single")
    if stop == "irq_work_run_list":
        walk.go("hardirq", "clear_busy_unless_claimed").step("hardirq")
    elif stop is not None:
        walk.go("hardirq", stop)
    assert flags(walk) == before
    walk.call("nmi", "queue_soft", 2)
    assert walk.said(2) is returned
    walk.go("hardirq")
    assert (flags(walk), started(walk)) == (after_first, 1)
    if returned:
        interrupted(walk)
    assert (flags(walk), started(walk)) == ("", runs)
    assert at_rest(walk)


def test_the_handler_sees_what_was_stored_before_a_failed_claim(kernel: Kernel) -> None:
    """0.3: an adder that saw PENDING still set knows that the handler reads its earlier stores.

    Guards against PENDING that is cleared after the function, or in the middle of it.
    """
    walk = kernel(STORE, cpus=1, tasks=1, objects=2, nmis=1)
    ends = [one for one in reachable(walk) if at_rest(one) and one.value("Works.stored")]
    assert {one.said(1) for one in ends} | {one.said(2) for one in ends} == {None, False, True}
    assert all(one.value("Works.seen") for one in ends)


# --- which CPU ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "list_of"),
    [
        pytest.param("irq_work_claim", 2, id="0.3 queue step 1: preemptible before the claim"),
        pytest.param("preempt_disable", 2, id="0.3 queue step 1: claim before preempt_disable"),
        pytest.param("irq_work_list_add", None, id="0.3 queue step 2: pinned at the list add"),
        pytest.param("arch_irq_work_raise", None, id="0.3 queue step 4: pinned at the raise"),
        pytest.param("preempt_enable", None, id="0.3 queue step 5: pinned to the end"),
    ],
)
def test_where_a_task_may_migrate(kernel: Kernel, stop: str, list_of: int | None) -> None:
    """A task that claims the work may still move, and then the other CPU runs it.

    Guards against a claim inside the section without preemption, which would hide that the work
    can run on another CPU than the one that its caller looked at.
    """
    walk = kernel(SOURCE, cpus=2, tasks=1, objects=1, preemptions=1)
    walk.arrive("client", "queue_soft").go("client", stop)
    assert walk.can("task_is_preempted", cpu=1) is (list_of is not None)
    if list_of is not None:
        walk.happen("task_is_preempted", cpu=1)
        walk.happen("client_is_switched_in", who=1, cpu=list_of)
    walk.go("client")
    runs_on = list_of or 1
    assert [on_list(walk, "raised", cpu) for cpu in (runs_on, 3 - runs_on)] == [["soft"], []]
    assert walk.can("irq_work_interrupts", cpu=runs_on)
    assert not walk.can("irq_work_interrupts", cpu=3 - runs_on)


def test_one_work_on_two_cpus_at_once(kernel: Kernel) -> None:
    """0.3: the first to finish clears BUSY while the second still runs.

    Guards against a model in which a work excludes itself, as a delayed work does.
    """
    walk = kernel(SOURCE, cpus=2, tasks=2, objects=2)
    walk.call("client", "queue_soft", 1, cpu=1)
    interrupted(walk, cpu=1, to="handler_ends")
    walk.call("client", "queue_soft", 2, cpu=2)
    assert walk.said(2) is True
    interrupted(walk, cpu=2, to="handler_ends")
    assert (started(walk), flags(walk)) == (2, "B")
    walk.go("hardirq", at=1)
    assert walk.running("hardirq", 2) and flags(walk) == ""


# --- which list, which trigger ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rt", "kind", "where", "raises", "in_hardirq"),
    [
        pytest.param(0, "soft", "raised", True, True, id="0.3 queue step 2: !RT, soft"),
        pytest.param(0, "hard", "raised", True, True, id="0.3 queue step 2: !RT, hard"),
        pytest.param(0, "lazy", "lazy", False, True, id="0.3 queue step 4: !RT, lazy"),
        pytest.param(0, "lazy_hard", "lazy", False, True, id="0.3 queue step 4: !RT, lazy, hard"),
        pytest.param(1, "soft", "lazy", True, False, id="0.3 queue step 2: RT, soft is rt-lazy"),
        pytest.param(1, "hard", "raised", True, True, id="0.3 queue step 2: RT, hard"),
        pytest.param(1, "lazy", "lazy", False, False, id="0.3 queue step 4: RT, lazy"),
        pytest.param(1, "lazy_hard", "lazy", False, False, id="0.3 queue step 2: LAZY goes first"),
    ],
)
def test_list_trigger_and_context(
    kernel: Kernel, rt: int, kind: str, where: str, raises: bool, in_hardirq: bool
) -> None:
    """A work goes to one list, with or without an interrupt, and runs in one kind of context.

    Guards against a lazy work that raises, and against RT works in the wrong context.
    """
    walk = one_cpu(kernel, preempt_rt=rt).call("client", f"queue_{kind}")
    assert on_list(walk, where) == [kind]
    assert on_list(walk, "lazy" if where == "raised" else "raised") == []
    assert walk.can("irq_work_interrupts") is raises
    assert walk.can("tick") is (where == "lazy")
    walk.happen("irq_work_interrupts" if raises else "tick").go("hardirq")
    assert started(walk, kind) == int(in_hardirq)
    if not in_hardirq:
        walk.happen("irq_workd_runs").go("irq_workd")
    assert (started(walk, kind), flags(walk, kind)) == (1, "")
    assert bool(walk.value("Works.in_hardirq")) is in_hardirq
    assert at_rest(walk)


@pytest.mark.parametrize(
    ("rt", "first", "second", "raises"),
    [
        pytest.param(0, "soft", "other", [1, 1], id="0.3 queue step 3: raised already"),
        pytest.param(0, "lazy", "soft", [0, 1], id="0.3 queue step 3: !RT, lists of their own"),
        pytest.param(0, "soft", "lazy", [1, 1], id="0.3 queue step 4: !RT, lazy behind soft"),
        pytest.param(1, "lazy", "soft", [0, 0], id="0.3 RT: soft behind lazy waits for the tick"),
        pytest.param(1, "soft", "lazy", [1, 1], id="0.3 RT: lazy behind soft comes along"),
        pytest.param(1, "lazy", "hard", [0, 1], id="0.3 RT: hard has a list of its own"),
        pytest.param(0, "lazy", "lazy_hard", [0, 0], id="0.3 queue step 4: lazy behind lazy"),
    ],
)
def test_behind_another_work(
    kernel: Kernel, rt: int, first: str, second: str, raises: list[int]
) -> None:
    """Whether the interrupt is raised after the first and after the second work.

    Guards against an interrupt for each work, and on RT against one for a soft work behind a lazy
    one. Both run in the end.
    """
    walk = one_cpu(kernel, preempt_rt=rt)
    for obj, (kind, raises_now) in enumerate(zip((first, second), raises, strict=True), 1):
        assert raised(walk.call("client", f"queue_{kind}", obj)) is bool(raises_now)
    while not at_rest(walk):
        for action in ("irq_work_interrupts", "tick", "irq_workd_runs"):
            if walk.can(action):
                context = "irq_workd" if action == "irq_workd_runs" else "hardirq"
                walk.happen(action).go(context)
                break
    assert (started(walk, first), started(walk, second)) == (1, 1)


@pytest.mark.parametrize(
    ("rt", "trigger", "runs"),
    [
        pytest.param(0, "irq_work_interrupts", {"soft", "lazy"}, id="0.3 interrupt, !RT: both"),
        pytest.param(0, "tick", {"lazy"}, id="0.3 tick, !RT: the lazy list only"),
        pytest.param(1, "irq_work_interrupts", {"hard"}, id="0.3 interrupt, RT: hard; wakes"),
        pytest.param(1, "tick", set(), id="0.3 tick, RT: wakes the thread"),
    ],
)
def test_what_a_trigger_runs(kernel: Kernel, rt: int, trigger: str, runs: set[str]) -> None:
    """Guards against a tick that runs raised works where there is an interrupt for them."""
    walk = one_cpu(kernel, preempt_rt=rt)
    kinds = ("lazy", "hard" if rt else "soft")
    for obj, kind in enumerate(kinds, 1):
        walk.call("client", f"queue_{kind}", obj)
    walk.happen(trigger).go("hardirq")
    assert {kind for kind in kinds if started(walk, kind)} == runs
    if rt:
        walk.happen("irq_workd_runs").go("irq_workd")
        assert started(walk, "lazy") == 1


# --- running ------------------------------------------------------------------------------------


def test_the_list_is_taken_whole_and_each_link_is_read_first(kernel: Kernel) -> None:
    """0.3 run(list), 0.2 for_each_safe: what is queued meanwhile is not of this pass.

    Guards against a walk that follows the link of a work that has been queued again, which would
    leave the rest of the list or never end.
    """
    walk = one_cpu(kernel, nmis=1)
    walk.call("client", "queue_soft", 1).call("client", "queue_other", 2)
    assert on_list(walk, "raised") == ["other", "soft"]
    interrupted(walk, to="handler_begins")
    assert on_list(walk, "raised") == []
    walk.step("hardirq")
    assert (started(walk, "other"), started(walk, "soft")) == (1, 0), "newest first"
    walk.call("nmi", "queue_other", 3)
    assert on_list(walk, "raised") == ["other"]
    walk.go("hardirq")
    assert (started(walk, "other"), started(walk, "soft")) == (1, 1)
    interrupted(walk)
    assert started(walk, "other") == 2 and at_rest(walk)


def test_the_interrupt_waits_for_irqs_on(kernel: Kernel) -> None:
    """0.3 queue step 4: a self-interrupt is a hardirq: raised in NMI or irq, taken later.

    Guards against a work that runs on top of the section that it was deferred out of.
    """
    walk = one_cpu(kernel, nmis=1, hardirqs=1)
    walk.arrive("hardirq", "queue_other", 1).call("nmi", "queue_soft", 2)
    assert raised(walk) and not walk.can("irq_work_interrupts")
    walk.go("hardirq")
    assert started(interrupted(walk)) == 1


def test_a_raise_before_the_list_is_taken_is_not_lost(kernel: Kernel) -> None:
    """0.3: the list is not empty until it is taken, so a late adder needs no interrupt of its own.

    Guards against an interrupt that is acknowledged after the list was taken.
    """
    walk = one_cpu(kernel, nmis=1).call("client", "queue_soft", 1)
    interrupted(walk, to="take_works")
    walk.call("nmi", "queue_other", 2).go("hardirq")
    assert started(walk, "other") == 1 and at_rest(walk)
