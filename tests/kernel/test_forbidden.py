"""What NMI and unknown context may call (0.7, 0.4, 0.6): each call from each context."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk

HEAD = """\
from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.contexts import client, hardirq, nmi, probe, softirq
from model.kernel.debug import (
    debug_object_queue, debug_object_unqueue, kasan_record_aux_stack, kmemleak_free,
    kmemleak_ignore,
)
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.irq_work import IrqWork, irq_work_queue
from model.kernel.llist import LlistHead, llist_add, llist_del_all
from model.kernel.locks import RawSpinlock, raw_spin_trylock, raw_spin_unlock
from model.kernel.objects import Object
from model.kernel.rcu import get_state_synchronize_rcu, poll_state_synchronize_rcu
from model.kernel.slab import kvfree
from model.kernel.workqueue import (
    DelayedWork, RcuWork, delayed_work_pending, mod_delayed_work, queue_delayed_work,
    queue_rcu_work,
)
from model.language.syntax import Cookie, Embed, embed, record, routine

from .answers import answer


@record(single=True)
class Shared:
    list: Embed[LlistHead]
    lock: Embed[RawSpinlock]
    raise_work: Embed[IrqWork] = embed(func=raised, lazy=False, hard=False)
    work: Embed[DelayedWork] = embed(func=run)
    batch: Embed[RcuWork] = embed(func=run_batch)
    callback: Embed[RcuHead] = embed(func=invoked)
    snap: Cookie
    any: bool


@routine(models="test")
def inside() -> None:
    Shared.any = True


@routine(models="test")
def raised(work: IrqWork) -> None:
    inside()


@routine(models="test")
def run(dwork: DelayedWork) -> None:
    inside()


@routine(models="test")
def run_batch(rwork: RcuWork) -> None:
    inside()


@routine(models="test")
def invoked(head: RcuHead) -> None:
    inside()


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def plain(obj: Object) -> None:
    inside()
    Shared.any = False


@routine(models="test", entry=(client, softirq))
def irqs_off(obj: Object) -> None:
    flags = local_irq_save()
    inside()
    local_irq_restore(flags)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def trylock(obj: Object) -> None:
    if raw_spin_trylock(Shared.lock):
        raw_spin_unlock(Shared.lock)


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def snapshot(obj: Object) -> None:
    snap = get_state_synchronize_rcu()
    Shared.snap = snap


@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def poll(obj: Object) -> None:
    done = poll_state_synchronize_rcu(Shared.snap)
    answer(obj, done)
"""
CALLS = {
    "llist_add": "llist_add(obj, Shared.list)",
    "llist_del_all": "llist_del_all(Shared.list)",
    "irq_work_queue": "irq_work_queue(Shared.raise_work)",
    "delayed_work_pending": "delayed_work_pending(Shared.work)",
    "queue_delayed_work": "queue_delayed_work(Shared.work, True)",
    "mod_delayed_work": "mod_delayed_work(Shared.work)",
    "call_rcu": "call_rcu(Shared.callback)",
    "queue_rcu_work": "queue_rcu_work(Shared.batch)",
    "kmemleak_ignore": "kmemleak_ignore(obj)",
    "kmemleak_free": "kmemleak_free(obj)",
    "kvfree": "kvfree(obj)",
    "debug_object_queue": "debug_object_queue(obj)",
    "debug_object_unqueue": "debug_object_unqueue(obj)",
    "kasan_record_aux_stack": "kasan_record_aux_stack(obj)",
}
SOURCE = HEAD + "".join(
    f"""

@routine(models="test", entry=(client, softirq, hardirq, nmi, probe))
def call_{name}(obj: Object) -> None:
    {call}
"""
    for name, call in CALLS.items()
)

KNOWN = {
    "task": ["client"],
    "softirq": ["softirq"],
    "hardirq over a softirq": ["softirq:plain", "hardirq"],
    "probe in softirq where irqs are on": ["softirq:plain", "probe"],
    "hardirq": ["hardirq"],
    "hardirq over a task": ["client:plain", "hardirq"],
    "probe where irqs are on": ["client:plain", "probe"],
}
UNKNOWN = {
    "NMI": ["nmi"],
    "NMI over irqs off": ["client:irqs_off", "nmi"],
    "probe in irqs off": ["client:irqs_off", "probe"],
    "probe in irqs off in a softirq": ["softirq:irqs_off", "probe"],
    "probe in hardirq": ["hardirq:plain", "probe"],
    "probe in NMI": ["nmi:plain", "probe"],
}
ANYWHERE = {
    "call_llist_add": "0.7 llist_add",
    "call_llist_del_all": "0.2 llist_del_all",
    "call_irq_work_queue": "0.7 irq_work_queue",
    "call_delayed_work_pending": "0.5 delayed_work_pending, one read",
    "trylock": "0.7 raw_spin_trylock (SMP)",
    "snapshot": "0.7 get_state_synchronize_rcu",
    "poll": "0.6 poll_state_synchronize_rcu",
}
NOT_UNKNOWN = {
    "call_queue_delayed_work": "0.7 queue_delayed_work",
    "call_mod_delayed_work": "0.7 mod_delayed_work",
    "call_queue_rcu_work": "0.7 queue_rcu_work",
    "call_kmemleak_ignore": "0.7 kmemleak_ignore",
    "call_kmemleak_free": "0.7 kmemleak_free",
    "call_kvfree": "0.7 kvfree with kmemleak",
    "call_debug_object_queue": "0.7 debugobjects, queueing",
    "call_debug_object_unqueue": "0.7 debugobjects, unqueueing",
    "call_call_rcu": "0.6 call_rcu",
}


def system(kernel: Kernel) -> Walk:
    """One CPU, every debugging aid on."""
    return kernel(
        SOURCE, "forbidden_call", "self_deadlock", "lock_discipline",
        cpus=1, tasks=1, objects=3, nmis=1, softirqs=1, hardirqs=1, probes=1,
        kmemleak=1, debugobjects=1, kasan_generic=1,
    )  # fmt: skip


def called(walk: Walk, contexts: list[str], entry: str) -> str | None:
    """The property that the call violates from the topmost of these contexts."""
    for obj, context in enumerate(contexts[:-1], 1):
        name, _, below = context.partition(":")
        walk.arrive(name, below, obj).go(name, "inside")
    walk.call(contexts[-1], entry, len(contexts))
    return walk.violated.prop if walk.violated else None


@pytest.mark.parametrize("context", [*KNOWN, *UNKNOWN])
@pytest.mark.parametrize("entry", ANYWHERE, ids=lambda entry: ANYWHERE[entry])
def test_legal_anywhere(kernel: Kernel, entry: str, context: str) -> None:
    """Guards against a nolock primitive that reports the contexts it is made for."""
    assert called(system(kernel), {**KNOWN, **UNKNOWN}[context], entry) is None


@pytest.mark.parametrize("context", [*KNOWN, *UNKNOWN])
@pytest.mark.parametrize("entry", NOT_UNKNOWN, ids=lambda entry: NOT_UNKNOWN[entry])
def test_not_from_unknown_context(kernel: Kernel, entry: str, context: str) -> None:
    """Reported whether or not the lock is held just then, and only there.

    A probe that finds irqs on has cut into no section that these locks protect. Guards against a
    check that needs bad luck to fire, and against one that forbids hardirq or every probe.
    """
    expected = None if context in KNOWN else "forbidden_call"
    assert called(system(kernel), {**KNOWN, **UNKNOWN}[context], entry) == expected


@pytest.mark.parametrize(
    ("context", "violates"),
    [
        pytest.param("nmi", None, id="a.2 step 4: NMI over the depot's lock only tries it"),
        pytest.param("probe", "self_deadlock", id="a.2 step 4: a probe inside the lock deadlocks"),
    ],
)
def test_the_stack_depot(kernel: Kernel, context: str, violates: str | None) -> None:
    """The depot is tried in NMI alone. Guards against a probe that is taken for an NMI."""
    walk = system(kernel).arrive("client", "call_kasan_record_aux_stack", 1)
    walk.go("client", "raw_spin_unlock")
    assert walk.value("RawSpinlock.owner_cpu", walk.ref("StackDepot.lock")) == 1
    walk.call(context, "call_kasan_record_aux_stack", 2)
    assert (walk.violated.prop if walk.violated else None) == violates
    if violates is None:
        walk.go("client")
        assert walk.violated is None
