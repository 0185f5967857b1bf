"""no_double_free: no object is freed twice, put on two lists, or put twice on one.

Violated by: freeing what was freed before; queueing what is still queued, on whatever list.
"""

from model.kernel.objects import Object
from model.language.syntax import check, on


@on("freed")
def freed(obj: Object) -> None:
    """The allocator takes the object back."""
    check("no_double_free", not obj.freed, "the object is freed a second time")


@on("queued")
def queued(obj: Object) -> None:
    """A list or a page of records takes the object."""
    check(
        "no_double_free", not obj.queued, "the object is queued while it is still queued elsewhere"
    )
    obj.queued = True


@on("taken")
def taken(obj: Object) -> None:
    """Whoever took it off a list is about to free it or to queue it again."""
    obj.queued = False
