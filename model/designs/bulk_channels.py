"""The bulk channels of a krcp: pages of records, of slab objects and of what vmalloc allocated.

The second channel is there in runs with `vmallocs`; elsewhere nothing would use it.
"""

from model.designs.pages import Bnode
from model.kernel.objects import Object, is_vmalloc_addr
from model.kernel.rcu import get_state_synchronize_rcu, poll_state_synchronize_rcu
from model.language.syntax import NULL, Range, cfg, event, guarded, inline, pure, record

SLAB = 0
VMALLOC = 1
CHANNELS = 2 if cfg.vmallocs > 0 else 1


@record()
class BulkList:
    """The pages of a channel: the oldest one (tail), the newest (front), and how many records."""

    tail: Bnode = guarded("Krcp.lock")
    front: Bnode = guarded("Krcp.lock")
    count: Range[0, cfg.objects + 1] = guarded("Krcp.lock")


@pure
def channel_of(obj: Object) -> Range[0, CHANNELS - 1]:
    """The channel for the object's kind."""
    if CHANNELS == 1:
        return SLAB
    return VMALLOC if is_vmalloc_addr(obj) else SLAB


@inline
def attach_page(bulk: BulkList, page: Bnode) -> None:
    """An empty page becomes the newest."""
    front: Bnode = bulk.front
    if front == NULL:
        bulk.tail = page
    else:
        front.newer = page
    bulk.front = page


@inline
def add_record(bulk: BulkList, bnode: Bnode, obj: Object) -> None:
    """A record in a page with room; the page's cookie covers all its records."""
    n = bnode.nr_records
    bnode.records[n] = obj
    event("queued", obj)
    bnode.nr_records = n + 1
    snap = get_state_synchronize_rcu()
    bnode.gp_snap = snap
    bulk.count += 1


@inline
def take_covered_pages(bulk: BulkList) -> Bnode:
    """Detach, oldest first, the pages that a grace period has covered already."""
    ready: Bnode = NULL
    bnode: Bnode = bulk.tail
    while bnode != NULL:
        snap = bnode.gp_snap
        if not poll_state_synchronize_rcu(snap):
            break
        bulk.count -= bnode.nr_records
        newer = bnode.newer
        bulk.tail = newer
        if newer == NULL:
            bulk.front = NULL
        bnode.newer = ready
        ready = bnode
        bnode = newer
    return ready


@inline
def take_all_pages(bulk: BulkList) -> Bnode:
    """Detach the list for a batch."""
    tail = bulk.tail
    bulk.tail = NULL
    bulk.front = NULL
    bulk.count = 0
    return tail
