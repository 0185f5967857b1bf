"""Slab sheaves, as far as kfree_rcu() uses them: the per-CPU rcu_free sheaf and the barn.

A sheaf is an array of objects of one cache. Each CPU fills one (`rcu_free`) with objects that wait
for a grace period, under a local_trylock, and hands it to call_rcu() when it is full. Empty ones
come from the CPU's spare, from the node's barn (a list under a lock), or from the allocator.

What empties them is in sheaf_flush.py, what else uses a CPU's sheaves in kfree_nolock.py.

Abstractions:
* One cache, and one barn for all nodes: more contention, none hidden. That an object is of another
  node than the CPU's is a free choice each time that is asked (`other_nodes`): the same object may
  be found remote first and local later, and then goes ways that local ones go too.
* The main and the spare sheaf serve allocation, and are not kept. That a CPU has an empty spare is
  a free choice, as is that the allocator has a sheaf: others use the cache too.
* The barn's list of empty sheaves is a count and a mark on each sheaf, changed in one step under
  its lock. Full sheaves are not put there: their objects are freed and the empty sheaf goes back.
  The barn takes any number of empty ones.
* A sheaf that is not needed after all is back with the allocator in one step, whoever frees it.
* In early boot (`boot`) sheaves can be had or not, as later. A cache has none at first, and a free
  into it fails; so it does where neither spare nor barn nor allocator has one. The kmalloc caches
  get theirs from bootstrap_kmalloc_sheaves() in kmem_cache_init(), as far as we know before
  kvfree_rcu_init(). We know of nothing else that sheaves do differently there.

The barn's lock is a spinlock_t. Where it must not be tried on PREEMPT_RT nobody comes: the CPU's
own lock is tried first, and fails there. On UP that is not so (F-11): `barn_asks_first` is the test
that is missing.
"""

from model.kernel.callbacks import RcuHead
from model.kernel.cpu import Cpu, can_spin_trylock, this_cpu
from model.kernel.debug import debug_object_unqueue
from model.kernel.forbidden import forbidden_from_nmi_or_probe
from model.kernel.interrupts import (
    local_irq_restore,
    local_irq_save,
    preempt_disable,
    preempt_enable,
)
from model.kernel.local_lock import LocalTrylock, local_trylock, local_unlock
from model.kernel.locks import (
    RawSpinlock,
    raw_lock_is_free,
    raw_spin_lock,
    raw_spin_lock_irqsave,
    raw_spin_trylock,
    raw_spin_unlock,
    raw_spin_unlock_irqrestore,
)
from model.kernel.objects import Object, is_vmalloc_addr
from model.kernel.slab import free_after_grace_period
from model.language.syntax import (
    NULL,
    READ_ONCE,
    Array,
    Embed,
    Enum,
    Range,
    atomic,
    cfg,
    choose,
    choose_or_null,
    container_of,
    count,
    embed,
    event,
    guarded,
    inline,
    invariant,
    knob,
    record,
    routine,
)

knob("sheaves", 0, "sheaves that there can be; 0: the cache has none")
knob("sheaf_capacity", 1, "objects that a sheaf holds (some dozens in the kernel)")
knob("other_nodes", False, "objects may be of another node than the CPU's, which no sheaf takes")
knob(
    "barn_asks_first",
    False,
    "the repair of F-11: can_spin_trylock() before the barn's lock is tried",
)


class Place(Enum):
    """Who has a sheaf."""

    ALLOCATOR = 0
    BARN = 1
    USER = 2


@record(count=cfg.sheaves)
class Sheaf:
    """struct slab_sheaf. `next` links it on a list of its own kind, where a design has one.

    `nobarn`: its callback is rcu_free_sheaf_nobarn(), for it was flushed.
    """

    rcu: Embed[RcuHead] = embed(func=rcu_free_sheaf)
    place: Place
    nobarn: bool
    size: Range[0, cfg.sheaf_capacity]
    objects: Array[Object, cfg.sheaf_capacity]
    next: Sheaf


@record(per=Cpu, when=cfg.sheaves > 0)
class Pcs:
    """struct slub_percpu_sheaves."""

    lock: Embed[LocalTrylock]
    rcu_free: Sheaf = guarded("lock")


@record(single=cfg.sheaves > 0)
class Barn:
    """struct node_barn."""

    lock: Embed[RawSpinlock]
    nr_empty: Range[0, cfg.sheaves] = guarded("lock")


@invariant("list_integrity", "the barn counts more or fewer empty sheaves than it has")
def barn_counts_what_it_has() -> bool:
    """While nobody is inside."""
    if cfg.sheaves == 0:
        return True
    empty = count(s for s in Sheaf if s.place == Place.BARN)
    return not raw_lock_is_free(Barn.lock) or READ_ONCE(Barn.nr_empty) == empty


# --- the CPU's lock -----------------------------------------------------------------------------


@inline
def lock_pcs() -> bool:
    """local_trylock(&s->cpu_sheaves->lock)."""
    preempt_disable()
    pcs = this_cpu(Pcs)
    if local_trylock(pcs.lock):
        return True
    preempt_enable()
    return False


@inline
def unlock_pcs() -> None:
    """local_unlock(&s->cpu_sheaves->lock)."""
    pcs = this_cpu(Pcs)
    local_unlock(pcs.lock)
    preempt_enable()


# --- empty sheaves ------------------------------------------------------------------------------


@atomic
def take_from_allocator(sheaf: Sheaf) -> bool:
    """The allocator gives the sheaf; false if somebody else has just got it."""
    if sheaf.place != Place.ALLOCATOR:
        return False
    sheaf.place = Place.USER
    return True


@atomic
def return_sheaf(sheaf: Sheaf) -> None:
    """The allocator takes the sheaf back."""
    sheaf.place = Place.ALLOCATOR
    sheaf.nobarn = False


@routine(models="mm/slub.c: alloc_empty_sheaf")
def alloc_empty_sheaf(allow_spin: bool) -> Sheaf:
    """A sheaf or NULL; the spinning allocation takes slab locks."""
    if allow_spin:
        forbidden_from_nmi_or_probe()
    return any_free_sheaf()


@inline
def any_free_sheaf() -> Sheaf:
    """A free choice among what the allocator has, nothing included."""
    sheaf = choose_or_null(s for s in Sheaf if s.place == Place.ALLOCATOR)
    if sheaf == NULL:
        return NULL
    if not take_from_allocator(sheaf):
        return NULL
    return sheaf


@atomic
def take_first_empty() -> Sheaf:
    """Under the barn's lock: the first empty sheaf, or NULL."""
    found: Sheaf = NULL
    for sheaf in Sheaf:
        if found == NULL and sheaf.place == Place.BARN:
            found = sheaf
    if found != NULL:
        found.place = Place.USER
    return found


@inline
def trylock_barn() -> bool:
    """spin_trylock(&barn->lock), with irqs off; on UP it succeeds whoever is inside."""
    if cfg.barn_asks_first:
        if not can_spin_trylock():
            return False
    return raw_spin_trylock(Barn.lock)


@routine(models="mm/slub.c: barn_get_empty_sheaf")
def barn_get_empty_sheaf(allow_spin: bool) -> Sheaf:
    """An empty sheaf of the barn, or NULL: there is none, or its lock is not to be had."""
    seen = READ_ONCE(Barn.nr_empty)
    if seen == 0:
        return NULL
    flags = local_irq_save()
    if allow_spin:
        raw_spin_lock(Barn.lock)
    elif not trylock_barn():
        local_irq_restore(flags)
        return NULL
    empty = take_first_empty()
    if empty != NULL:
        Barn.nr_empty -= 1
    raw_spin_unlock(Barn.lock)
    local_irq_restore(flags)
    return empty


@atomic
def put_into_barn(sheaf: Sheaf) -> None:
    """Under the barn's lock."""
    sheaf.place = Place.BARN


@routine(models="mm/slub.c: barn_put_empty_sheaf")
def barn_put_empty_sheaf(sheaf: Sheaf) -> None:
    """The barn takes an empty sheaf."""
    forbidden_from_nmi_or_probe()
    flags = raw_spin_lock_irqsave(Barn.lock)
    put_into_barn(sheaf)
    Barn.nr_empty += 1
    raw_spin_unlock_irqrestore(Barn.lock, flags)


# --- filling ------------------------------------------------------------------------------------


@inline
def is_for_sheaves(obj: Object) -> bool:
    """Neither vmalloc nor large kmalloc, and of the running CPU's node."""
    if not cfg.slab_objects or is_vmalloc_addr(obj):
        return False
    if cfg.other_nodes:
        local = choose(False, True)
        return local
    return True


@routine(models="mm/slub.c: __kfree_rcu_sheaf, its first half")
def get_rcu_sheaf(allow_spin: bool, may_allocate: bool) -> Sheaf:
    """The CPU's rcu_free sheaf, with its lock held; or NULL, with the lock not held.

    The lock is dropped for the allocation, so the CPU may be another one afterwards. A cache
    without sheaves fails here; that it takes its lock first makes no difference.
    """
    if cfg.sheaves == 0:
        return NULL
    if not lock_pcs():
        return NULL
    pcs = this_cpu(Pcs)
    sheaf: Sheaf = pcs.rcu_free
    if sheaf != NULL:
        return sheaf
    sheaf = any_free_sheaf()
    if sheaf == NULL:
        sheaf = barn_get_empty_sheaf(allow_spin)
    if sheaf != NULL:
        pcs.rcu_free = sheaf
        return sheaf
    unlock_pcs()
    if not may_allocate:
        return NULL
    sheaf = alloc_empty_sheaf(allow_spin)
    if sheaf == NULL:
        return NULL
    if not lock_pcs():
        return_sheaf(sheaf)
        return NULL
    again = this_cpu(Pcs)
    present = again.rcu_free
    if present != NULL:
        if allow_spin:
            barn_put_empty_sheaf(sheaf)
        else:
            return_sheaf(sheaf)
        return present
    again.rcu_free = sheaf
    return sheaf


@inline
def add_to_sheaf(sheaf: Sheaf, obj: Object) -> bool:
    """Put the object into the CPU's sheaf; true if it is full now, and then it is detached."""
    n = sheaf.size
    sheaf.objects[n] = obj
    event("queued", obj)
    sheaf.size = n + 1
    if n + 1 == cfg.sheaf_capacity:
        pcs = this_cpu(Pcs)
        pcs.rcu_free = NULL
        return True
    return False


# --- freeing ------------------------------------------------------------------------------------


@routine(models="mm/slub.c: rcu_free_sheaf; flushed ones: rcu_free_sheaf_nobarn")
def rcu_free_sheaf(head: RcuHead) -> None:
    """The grace period is over: free the objects; the empty sheaf goes to the barn, or is freed."""
    sheaf = container_of(head, Sheaf.rcu)
    n = sheaf.size
    for i in range(cfg.sheaf_capacity):
        if i < n:
            obj = sheaf.objects[i]
            event("taken", obj)
            debug_object_unqueue(obj)
            free_after_grace_period(obj)
    empty_sheaf(sheaf)
    if sheaf.nobarn:
        return_sheaf(sheaf)
    else:
        barn_put_empty_sheaf(sheaf)


@atomic
def empty_sheaf(sheaf: Sheaf) -> None:
    """Nobody else has the sheaf: what it held is of no interest any more."""
    sheaf.size = 0
    for i in range(cfg.sheaf_capacity):
        sheaf.objects[i] = NULL


# --- parked sheaves -----------------------------------------------------------------------------


@record()
class SheafLlist:
    """An llist of sheaves. Adding is one step: its retry repeats only what nobody sees."""

    first: Sheaf


@atomic
def sheaf_llist_add(sheaf: Sheaf, list: SheafLlist) -> bool:
    """llist_add(): true if the list was empty."""
    was_empty = list.first == NULL
    sheaf.next = list.first
    list.first = sheaf
    return was_empty


@atomic
def sheaf_llist_del_all(list: SheafLlist) -> Sheaf:
    """llist_del_all()."""
    first = list.first
    list.first = NULL
    return first
