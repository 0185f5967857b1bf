"""Objects: what a client frees, and the one link word each has.

The link word is the object's own memory: a list node and the list link are the same word, so an
object that is on one list and is put on another loses the first link.
"""

from model.language.syntax import (
    Ghost,
    action,
    atomic,
    cfg,
    count,
    event,
    inline,
    knob,
    pure,
    record,
    require,
)

knob(
    "slab_objects",
    True,
    "objects of slab, not of vmalloc or large kmalloc: the run's kind says which",
)
knob("nolock_users", False, "clients use kmalloc_nolock() and kfree_nolock() too")
knob("freed_twice", False, "misuse: an object may be given to a free call a second time")


@record(count=cfg.objects)
class Object:
    """An allocated object. `given`: a free call was made with it; `freed`: the allocator has it;
    `returned`: that free call is back at its caller.

    `vmalloc`: vmalloc allocated it, which shows in its address.

    `given_again` and `freed_for_clients` are for the client that frees an object twice: it does so
    while the first free is under way.

    `from_nolock` and `kept` are for users of kmalloc_nolock() (kfree_nolock.py): the object is
    allocated, and the call under way frees nothing.

    `next` and `func` are the two words of its rcu_head (only `next` of an rcu_ptr). `free_slot` is
    the word that slab has for its free pointer: elsewhere in the object, or behind it.
    """

    vmalloc: bool
    next: Object
    func: Object
    free_slot: Object
    from_nolock: bool
    kept: bool
    given: bool
    given_again: bool
    freed_for_clients: bool
    freed: Ghost[bool]
    returned: Ghost[bool]
    queued: Ghost[bool]


@pure
def may_be_given(obj: Object) -> bool:
    """A client may free the object: nobody has yet, or it breaks the rule on purpose."""
    if cfg.freed_twice:
        return not obj.given_again and not obj.freed_for_clients
    return not obj.given


@atomic
def give(obj: Object) -> None:
    """A client passes the object to a free call."""
    if cfg.freed_twice and obj.given:
        obj.given_again = True
    obj.given = True
    event("given", obj)


@inline
def free_call_returns(obj: Object) -> None:
    """The call is back at the client, which has freed the object with it."""
    if cfg.nolock_users:
        call_returns(obj)
    elif cfg.barriers > 0:
        event("free_returned", obj)


@atomic
def call_returns(obj: Object) -> None:
    """The same, or it was a call that frees nothing: the object can still be freed."""
    if obj.kept:
        obj.kept = False
        obj.given = False
    else:
        event("free_returned", obj)


@action(environment=True, when=cfg.vmallocs > 0)
def vmalloc_allocates(obj: Object) -> None:
    """Before anything else happens: the object comes from vmalloc, not from a slab."""
    require(not obj.vmalloc and not any(o.given for o in Object))
    require(count(o for o in Object if o.vmalloc) < cfg.vmallocs)
    obj.vmalloc = True


@pure
def is_vmalloc_addr(obj: Object) -> bool:
    """is_vmalloc_addr(): arithmetic on the object's address."""
    if cfg.vmallocs == 0:
        return False
    return obj.vmalloc
