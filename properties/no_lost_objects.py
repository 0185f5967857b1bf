"""no_lost_objects: each object given to a free call is freed in the end.

At rest (nothing can happen but arrivals from outside) every object that was given to a free call
has been freed; from every reachable state the system can still get there by itself; and no fair run
misses it for ever.

Fairness is strong: whoever can step again and again, a context or an action of the system, does
step again and again, though not at once. So a pending interrupt is taken although a loop turns irqs
off and on, and a queued work finds its worker. With weak fairness, where only who can step all the
time has to, a monitor that polls could keep grace periods away for ever. Nothing has to come from
outside (docs/semantics.md; the actors are in model/language/actors.py).

Violated by: an object that is on no list any more, or on a list that nothing will drain.
"""

from model.kernel.objects import Object
from model.language.syntax import goal


@goal("no_lost_objects", "an object was given to a free call and will never be freed")
def everything_given_is_freed() -> bool:
    """The good ending."""
    return all(o.freed or not o.given for o in Object)
