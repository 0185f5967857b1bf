"""llist: the kernel's lock-free singly linked list, over objects' link words.

Kept exactly: adding is a read of the head, a write of the node's link and a compare-and-swap that
is retried; whether the list was empty is decided at the swap; the whole list is taken by one
exchange, newest first.
"""

from model.kernel.objects import Object
from model.language.syntax import NULL, atomic, event, field, record, routine


@record()
class LlistHead:
    """struct llist_head."""

    first: Object = field(link="next")


@atomic
def try_cmpxchg_first(head: LlistHead, old: Object, node: Object) -> Object:
    """If the head is still `old`, make it `node`; returns what the head was."""
    observed = head.first
    if observed == old:
        head.first = node
        event("queued", node)
    return observed


@routine(models="lib/llist.c: llist_add_batch")
def llist_add(node: Object, head: LlistHead) -> bool:
    """llist_add(): true if the list was empty when the node went in."""
    first: Object = head.first
    while True:
        node.next = first
        observed = try_cmpxchg_first(head, first, node)
        if observed == first:
            return first == NULL
        first = observed


@atomic
def xchg_first(head: LlistHead) -> Object:
    """Take the whole list with one exchange."""
    first = head.first
    head.first = NULL
    return first


@routine(models="include/linux/llist.h: llist_del_all")
def llist_del_all(head: LlistHead) -> Object:
    """llist_del_all(): the old chain, newest first."""
    node = xchg_first(head)
    return node
