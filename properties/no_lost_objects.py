"""no_lost_objects: each object given to a free call is freed in the end.

At rest (nothing can happen but arrivals from outside) every object that was given to a free call
has been freed; and from every reachable state the system can still get there by itself.

Violated by: an object that is on no list any more, or on a list that nothing will drain.
"""

from model.kernel.objects import Object
from model.language.syntax import goal


@goal("no_lost_objects", "an object was given to a free call and will never be freed")
def everything_given_is_freed() -> bool:
    """The good ending."""
    return all(o.freed or not o.given for o in Object)
