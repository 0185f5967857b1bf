"""Knob K6 of allow_spin taken the other way: calls that may not spin have a list of their own.

Each krcp then has two lists with a length and a cookie each, under the same lock. Whatever drains
the one drains the other, and a batch takes both.
"""

from model.kernel.objects import Object
from model.kernel.rcu import get_state_synchronize_rcu, poll_state_synchronize_rcu
from model.language.syntax import NULL, Cookie, Range, cfg, event, guarded, inline, knob, record

knob("separate_list", False, "K6: calls that may not spin have a list of their own")


@record(when=cfg.separate_list)
class SeparateList:
    """The second list of a krcp."""

    head: Object = guarded("Krcp.lock", link="next", count="count")
    count: Range[0, cfg.objects + 1] = guarded("Krcp.lock")
    gp_snap: Cookie = guarded("Krcp.lock")


@inline
def add_to_separate_list(separate: SeparateList, head: Object) -> None:
    """Link the object; the cookie covers the whole list."""
    if not cfg.rcu_ptr:
        head.func = head
    first = separate.head
    head.next = first
    separate.head = head
    event("queued", head)
    separate.count += 1
    snap = get_state_synchronize_rcu()
    separate.gp_snap = snap


@inline
def take_covered(separate: SeparateList) -> Object:
    """Detach the list if a grace period has covered it already, else NULL."""
    head = separate.head
    if head == NULL:
        return NULL
    snap = separate.gp_snap
    if not poll_state_synchronize_rcu(snap):
        return NULL
    separate.count = 0
    separate.head = NULL
    return head


@inline
def take_separate_list(separate: SeparateList) -> Object:
    """Detach the list for a batch."""
    head = separate.head
    separate.count = 0
    separate.head = NULL
    return head
