"""Sheaves (a.9): which objects they take, where an empty one comes from, what a full one does."""

from __future__ import annotations

import pytest

from model.kernel.kinds import kind_named
from tests.kernel.conftest import Kernel
from tests.kernel.machine import Walk, ends, looked_at

SOURCE = """\
from model.kernel.contexts import client, hardirq, nmi, probe
from model.kernel.locks import raw_spin_lock_irqsave, raw_spin_unlock_irqrestore
from model.kernel.objects import Object
from model.kernel.sheaves import (
    Barn, Pcs, Place, Sheaf, add_to_sheaf, barn_put_empty_sheaf, get_rcu_sheaf, is_for_sheaves,
    lock_pcs, unlock_pcs,
)
from model.language.syntax import NULL, atomic, record, routine

from .answers import answer


@record(single=True)
class Shared:
    any: bool
    full: bool


@routine(models="test")
def inside() -> None:
    Shared.any = True
    Shared.any = False


@routine(models="test", entry=(client,))
def nothing_held(obj: Object) -> None:
    inside()


@routine(models="test", entry=(client,))
def pcs_held(obj: Object) -> None:
    if lock_pcs():
        inside()
        unlock_pcs()


@routine(models="test", entry=(client,))
def barn_held(obj: Object) -> None:
    flags = raw_spin_lock_irqsave(Barn.lock)
    inside()
    raw_spin_unlock_irqrestore(Barn.lock, flags)


@atomic
def is_taken(sheaf: Sheaf) -> None:
    sheaf.place = Place.USER


@routine(models="test", entry=(client,))
def fill_barn(obj: Object) -> None:
    for sheaf in Sheaf:
        is_taken(sheaf)
        barn_put_empty_sheaf(sheaf)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def ask(obj: Object) -> None:
    wanted = is_for_sheaves(obj)
    answer(obj, wanted)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def put(obj: Object) -> None:
    sheaf = get_rcu_sheaf(True, True)
    if sheaf != NULL:
        Shared.full = add_to_sheaf(sheaf, obj)
        unlock_pcs()
    answer(obj, sheaf != NULL)


@routine(models="test", entry=(client, hardirq, nmi, probe))
def put_nolock(obj: Object) -> None:
    sheaf = get_rcu_sheaf(False, False)
    if sheaf != NULL:
        Shared.full = add_to_sheaf(sheaf, obj)
        unlock_pcs()
    answer(obj, sheaf != NULL)
"""
SOURCE += looked_at("Shared.any", "Shared.full", "Pcs.rcu_free", "Sheaf.place", "Sheaf.size")
ALLOCATOR, BARN, USER = 0, 1, 2


def system(kernel: Kernel, **config: int) -> Walk:
    checked = ("forbidden_call", "lock_discipline", "self_deadlock", "list_integrity")
    bounds = {
        "cpus": 1, "tasks": 1, "objects": 4, "nmis": 2, "hardirqs": 1, "probes": 1, "sheaves": 1,
    }  # fmt: skip
    return kernel(SOURCE, *checked, **(bounds | config))


def outcomes(walk: Walk, context: str, entry: str, held: str = "", obj: int = 2) -> list[Walk]:
    if held:
        walk.arrive("client", held).go("client", "inside")
    return ends(walk.arrive(context, entry, obj), context)


@pytest.mark.parametrize(
    ("config", "answers"),
    [
        pytest.param({}, {True}, id="d.3 a slab object of this node"),
        pytest.param({"slab_objects": 0}, {False}, id="d.3 steps 2, 3: not slab's"),
        pytest.param({"other_nodes": 1}, {True, False}, id="d.3 step 4: this node's, or not"),
        pytest.param({"slab_objects": 0, "other_nodes": 1}, {False}, id="d.3 neither"),
    ],
)
@pytest.mark.parametrize("context", ["client", "hardirq", "nmi"])
def test_what_sheaves_take(
    kernel: Kernel, config: dict[str, int], answers: set[bool], context: str
) -> None:
    """a.2 step 2. Guards against a vmalloc address in a sheaf, and against nodes that all agree."""
    found = outcomes(system(kernel, **config), context, "ask")
    assert {one.said(2) for one in found} == answers


@pytest.mark.parametrize(
    ("kind", "slab"),
    [
        ("slab", True), ("slab_sw_tags", True), ("kfence_right", True), ("vmalloc", False),
        ("large_kmalloc", False), ("large_kmalloc_tagged", False),
    ],
)  # fmt: skip
def test_which_kinds_are_slabs(kind: str, slab: bool) -> None:
    """virt_to_slab(). Guards against a kind of allocation that is taken for another."""
    assert kind_named(kind).in_slab is slab


@pytest.mark.parametrize(
    ("entry", "context", "barn", "held", "answers", "violated"),
    [
        pytest.param("put", "client", 0, "", {True, False}, set(), id="the allocator's, or none"),
        pytest.param("put", "client", 1, "", {True}, set(), id="the barn's"),
        pytest.param("put_nolock", "nmi", 0, "nothing_held", {True, False}, set(),
                     id="nolock: the spare, no allocation"),
        pytest.param("put_nolock", "nmi", 1, "nothing_held", {True}, set(), id="nolock: barn's"),
        pytest.param("put_nolock", "nmi", 1, "barn_held", {False}, set(),
                     id="nolock: the barn's lock is not to be had"),
        pytest.param("put_nolock", "nmi", 1, "pcs_held", {False}, set(),
                     id="nolock: in the CPU's section"),
        pytest.param("put", "probe", 1, "barn_held", {None}, {"self_deadlock"},
                     id="spinning: behind itself"),
        pytest.param("put", "nmi", 0, "nothing_held", {True, None}, {"forbidden_call"},
                     id="spinning: an allocation from NMI"),
    ],
)  # fmt: skip
def test_where_an_empty_one_comes_from(
    kernel: Kernel, entry: str, context: str, barn: int, held: str, answers: set[bool | None],
    violated: set[str],
) -> None:  # fmt: skip
    """a.9 steps 1 and 2. Guards against a wait that is not one, and an allocation that is not."""
    walk = system(kernel)
    if barn:
        walk.call("client", "fill_barn", 4)
        assert walk.value("Sheaf.place", 1) == BARN
    found = outcomes(walk, context, entry, held)
    assert {one.said(2) for one in found} == answers
    assert {one.violated.prop for one in found if one.violated} == violated


@pytest.mark.parametrize("capacity", [1, 2])
def test_a_full_one_is_detached(kernel: Kernel, capacity: int) -> None:
    """a.9 step 3. Guards against a full sheaf that stays, and one that goes too soon."""
    walk = system(kernel, sheaf_capacity=capacity).call("client", "fill_barn", 4)
    for number in range(1, capacity + 1):
        assert not walk.value("Shared.full")
        (walk,) = outcomes(walk, "client", "put", obj=1 + number)
        assert walk.value("Sheaf.size", 1) == number
        assert bool(walk.value("Pcs.rcu_free")) is (number < capacity)
    assert walk.value("Shared.full") and walk.value("Sheaf.place", 1) == USER
