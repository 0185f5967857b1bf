"""kvfree() and the recovery of an object's start from the address of its link word."""

from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.debug import kmemleak_free
from model.kernel.forbidden import forbidden_from_nmi_or_probe
from model.kernel.objects import Object, is_vmalloc_addr
from model.language.syntax import (
    NULL,
    Embed,
    atomic,
    cfg,
    check,
    choose,
    container_of,
    embed,
    event,
    inline,
    knob,
    of,
    record,
    routine,
)

knob(
    "typesafe_debug",
    False,
    "a TYPESAFE_BY_RCU cache with CONFIG_SLUB_RCU_DEBUG: a callback of slab's own frees the object",
)
knob(
    "recovery_wrong_place",
    False,
    "start-address recovery gives a place inside the object: invalid free",
)
knob("recovery_neighbour", False, "start-address recovery gives another object of the slab")
knob("recovery_faults", False, "start-address recovery looks up a struct page that does not exist")


@atomic
def return_to_allocator(obj: Object) -> None:
    """The allocator takes the object back."""
    event("freed", obj)
    obj.freed = True
    obj.queued = False
    obj.vmalloc = False
    if cfg.freed_twice:
        obj.freed_for_clients = True


@routine(models="mm/slub.c: kvfree")
def kvfree(obj: Object) -> None:
    """kvfree(): with kmemleak the object's record is removed first, under kmemleak's lock."""
    forbidden_from_nmi_or_probe()
    kmemleak_free(obj)
    if cfg.typesafe_debug:
        if is_delayed(obj):
            return
    return_to_allocator(obj)


@routine(models="mm/slub.c: slab_free_hook after a grace period")
def free_after_grace_period(obj: Object) -> None:
    """kvfree() of what has waited already; nothing delays it."""
    forbidden_from_nmi_or_probe()
    kmemleak_free(obj)
    return_to_allocator(obj)


@record(per=Object, when=cfg.typesafe_debug)
class DelayedFree:
    """struct rcu_delayed_free: allocated beside the object."""

    rcu: Embed[RcuHead] = embed(func=slab_free_after_rcu_debug)


@inline
def is_delayed(obj: Object) -> bool:
    """slab_free_hook(): the object waits for a grace period, if there is memory for that."""
    delayed = choose(False, True)
    if delayed:
        event("queued", obj)
        call_rcu(of(DelayedFree, obj).rcu)
    return delayed


@routine(models="mm/slub.c: slab_free_after_rcu_debug")
def slab_free_after_rcu_debug(head: RcuHead) -> None:
    """The grace period is over."""
    obj = of(Object, container_of(head, DelayedFree.rcu))
    event("taken", obj)
    return_to_allocator(obj)


@inline
def kvfree_record(obj: Object, as_vmalloc: bool) -> None:
    """What a bulk channel does with a record: kfree_bulk(), or vfree()."""
    if cfg.vmallocs > 0:
        must_be_of_its_channel(obj, as_vmalloc)
    kvfree(obj)


@atomic
def must_be_of_its_channel(obj: Object, as_vmalloc: bool) -> None:
    """Neither allocator takes back what the other one gave."""
    check(
        "start_address",
        obj.vmalloc == as_vmalloc,
        "vfree() of a slab object, or kfree_bulk() of one that vmalloc allocated",
    )


@routine(models="mm/slab_common.c: start address from the address of the link")
def recover_start(head: Object) -> Object:
    """The object that start-address recovery gives for a link word; NULL for an invalid place.

    Which outcome a recovery has for an allocation kind is proved bit by bit elsewhere
    (`nolock prove start-address`) and comes here as configuration: right, a wrong place in the
    same slot (KFENCE reports an invalid free and the object stays allocated), another object, or
    a load from a struct page that does not exist. Where slab and vmalloc objects are mixed, the
    outcome is that for vmalloc ones; slab objects are recovered right.
    """
    if cfg.vmallocs > 0 and not is_vmalloc_addr(head):
        return head
    if cfg.recovery_faults:
        fault_on_struct_page()
    if cfg.recovery_wrong_place:
        return NULL
    if cfg.recovery_neighbour:
        other = choose(o for o in Object if o != head)
        return other
    return head


@atomic
def fault_on_struct_page() -> None:
    """The lookup loads from an address at which there is no struct page."""
    check("start_address", False, "virt_to_slab() on an address outside the linear map: page fault")


@routine(models="mm/slab_common.c: kvfree of a recovered address")
def kvfree_recovered(head: Object, ptr: Object) -> None:
    """kvfree() of the address that recovery gave for `head`: an invalid place frees nothing."""
    if cfg.recovery_wrong_place or cfg.recovery_neighbour:
        compare_with_start(head, ptr)
    if cfg.recovery_wrong_place and ptr == NULL:
        return
    kvfree(ptr)


@atomic
def compare_with_start(head: Object, ptr: Object) -> None:
    """KFENCE's or KASAN's report, if the address is not the object's start."""
    check(
        "start_address", ptr == head, "kvfree() is given an address that is not the object's start"
    )
