"""grace_period: no object is freed while a reader that could hold it remains.

Violated by: freeing before a grace period that began after the free call has ended; reading a
link word of an object that the allocator already has.
"""

from model.kernel.objects import Object
from model.kernel.rcu import Reader
from model.language.syntax import check, on


@on("freed")
def freed(obj: Object) -> None:
    """The allocator takes the object back."""
    check(
        "grace_period",
        all(not r.holds[obj] for r in Reader),
        "the object is freed while a reader that began before the free call may still use it",
    )


@on("link_read")
def link_read(obj: Object) -> None:
    """A reclaimer reads the object's link word."""
    check("grace_period", not obj.freed, "the link word is read after the object was freed")
