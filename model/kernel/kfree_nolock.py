"""kmalloc_nolock() and kfree_nolock(): slab for any context, by trylocks only.

kfree_nolock() puts the object into the CPU's main sheaf, under the CPU's local_trylock; a full one
is exchanged, with the barn by trylock. What no sheaf takes is parked on a per-CPU llist for an
irq_work (its owner is defer_free.py, or the design). It is linked through the word of the free
pointer and not through an rcu_head: with a constructor no other word of an object is free, and the
object need not have a head at all. kfree_nolock() never takes a slab by itself, and tells neither
kmemleak nor debugobjects, which do not know such objects.

Such an object needs no grace period. That no reader can find it is its user's duty; nolock_user()
is a user who knows it.

Abstractions:
* The main and the spare sheaf are not kept: whether there is room, an object or a spare is a free
  choice, since others fill and empty them. An object that is in a main sheaf counts as freed.
* What main and spare exchange with the barn leaves its empty sheaves as they are; that it has what
  is asked for is a free choice. The lock is taken.
* The slabs' partial lists and the page allocator are only tried by kmalloc_nolock(): whether they
  have something is a free choice.
* Which object is allocated is the one that the user came with: all are alike. None is allocated a
  second time.
"""

from model.kernel.cpu import can_spin_trylock
from model.kernel.forbidden import forbidden_from_nmi_or_probe
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import raw_spin_unlock
from model.kernel.objects import Object
from model.kernel.rcu import Reader
from model.kernel.sheaves import Barn, lock_pcs, trylock_barn, unlock_pcs
from model.kernel.slab import return_to_allocator
from model.language.syntax import (
    NULL,
    Enum,
    atomic,
    cfg,
    choose,
    event,
    field,
    inline,
    record,
    routine,
)


class From(Enum):
    """Where a CPU's main sheaf gets another one from."""

    SPARE = 0
    BARN = 1
    NOWHERE = 2


# --- the user -----------------------------------------------------------------------------------


@inline
def nolock_user(obj: Object) -> bool:
    """Allocate, unless the object is allocated already; true if it is to be freed now.

    What is not freed now can be freed by anybody later, in any way.
    """
    if not is_allocated(obj):
        if not kmalloc_nolock():
            nothing_is_freed(obj)
            return False
        later = choose(False, True)
        if later:
            is_left_to_others(obj)
            return False
    no_reader_finds(obj)
    return True


@atomic
def is_allocated(obj: Object) -> bool:
    """The object was left to others before."""
    return obj.from_nolock


@atomic
def nothing_is_freed(obj: Object) -> None:
    """NULL: this call has no object."""
    obj.kept = True


@atomic
def is_left_to_others(obj: Object) -> None:
    """The object is allocated, and somebody else frees it."""
    obj.kept = True
    obj.from_nolock = True


@atomic
def no_reader_finds(obj: Object) -> None:
    """The object was never where a reader could find it.

    Until now a reader that holds whatever it could find had it too: nothing has come of that.
    """
    for reader in Reader:
        reader.holds[obj] = False


# --- the CPU's main sheaf -----------------------------------------------------------------------


@routine(models="mm/slub.c: kmalloc_nolock, for-7.3")
def kmalloc_nolock() -> bool:
    """Whether there is an object: from the CPU's sheaf, else from a slab."""
    if not can_spin_trylock():
        return False
    if cfg.sheaves > 0:
        if alloc_from_pcs():
            return True
    found = choose(False, True)
    return found


@routine(models="mm/slub.c: alloc_from_pcs, without spinning")
def alloc_from_pcs() -> bool:
    """An object of the main sheaf; an empty one is replaced if another is at hand."""
    if not lock_pcs():
        return False
    empty = choose(False, True)
    found: bool = not empty
    if empty:
        found = replace_main()
    unlock_pcs()
    return found


@routine(models="mm/slub.c: free_to_pcs, allow_spin is false")
def free_to_pcs(obj: Object) -> bool:
    """Put the object into the main sheaf; a full one is replaced if another is at hand."""
    if not lock_pcs():
        return False
    full = choose(False, True)
    taken: bool = not full
    if full:
        taken = replace_main()
    if taken:
        return_to_allocator(obj)
    unlock_pcs()
    return taken


@routine(models="mm/slub.c: __pcs_replace_full_main, __pcs_replace_empty_main; without spinning")
def replace_main() -> bool:
    """The spare sheaf, else one of the barn if its lock can be had."""
    where = choose(From.SPARE, From.BARN, From.NOWHERE)
    if where == From.BARN:
        return exchange_with_barn()
    return where == From.SPARE


@routine(models="mm/slub.c: barn_replace_full_sheaf, barn_replace_empty_sheaf; without spinning")
def exchange_with_barn() -> bool:
    """One sheaf for another, under the barn's lock."""
    flags = local_irq_save()
    if not trylock_barn():
        local_irq_restore(flags)
        return False
    raw_spin_unlock(Barn.lock)
    local_irq_restore(flags)
    return True


# --- parked objects -----------------------------------------------------------------------------


@record()
class SlotLlist:
    """An llist of objects, linked through their free pointers' words."""

    first: Object = field(link="free_slot")


@atomic
def slot_llist_add(obj: Object, list: SlotLlist) -> bool:
    """llist_add(): true if the list was empty. Its retry repeats only what nobody sees."""
    event("queued", obj)
    was_empty = list.first == NULL
    obj.free_slot = list.first
    list.first = obj
    return was_empty


@atomic
def slot_llist_del_all(list: SlotLlist) -> Object:
    """llist_del_all()."""
    first = list.first
    list.first = NULL
    return first


@inline
def free_parked_objects(list: SlotLlist) -> None:
    """Every object of the list to its slab; the link is read before slab has the word back."""
    obj: Object = slot_llist_del_all(list)
    while obj != NULL:
        following = obj.free_slot
        event("link_read", obj)
        event("taken", obj)
        obj.free_slot = NULL
        slab_free(obj)
        obj = following


@routine(models="mm/slub.c: __slab_free")
def slab_free(obj: Object) -> None:
    """To the object's slab, which may take the node's list_lock."""
    forbidden_from_nmi_or_probe()
    return_to_allocator(obj)
