"""barrier: when it returns, every object whose free call had returned before it began is freed.

And it does return. Only checked in runs in which somebody calls the barrier.

Violated by: a barrier that overlooks a place where objects wait, looks there before what is still
to come has arrived, returns before the last of them has been freed, or waits for ever.
"""

from model.kernel.cpu import BarrierCaller
from model.kernel.objects import Object
from model.kernel.sleepers import barrier
from model.language.syntax import active, check, goal, on


@on("free_returned")
def free_returned(obj: Object) -> None:
    """A free call is back at its caller."""
    obj.returned = True


@on("barrier_begins")
def barrier_begins(who: BarrierCaller) -> None:
    """What the barrier must see freed."""
    for obj in Object:
        who.owed[obj] = obj.returned and not obj.freed


@on("barrier_returns")
def barrier_returns(who: BarrierCaller) -> None:
    """The barrier is back at its caller."""
    check(
        "barrier",
        all(obj.freed or not who.owed[obj] for obj in Object),
        "the barrier returns, and an object that was given to a free call before is not freed",
    )
    for obj in Object:
        who.owed[obj] = False


@goal("barrier", "the barrier never returns")
def every_barrier_returns() -> bool:
    """Nobody is left waiting."""
    return all(not active(barrier, who) for who in BarrierCaller)
