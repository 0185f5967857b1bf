"""The batching machinery of CONFIG_KVFREE_RCU_BATCHED that every design here builds on.

Objects go to the running CPU's krcp: into a page of pointers (a bnode), or, when no page is at
hand, onto a list through their own link word. A monitor work drains what a grace period has
already covered and hands the rest to one of two batches, which free after a grace period of
their own. How objects get in is the design's part; this file is what happens to them then.

Without `page_worker` whether a page is at hand is a free choice, which includes every outcome that
the page-cache worker (page_cache.py) could have. The lists of pages are in bulk_channels.py, the
barrier in krcp_barrier.py, early boot in krcp_boot.py, the shrinker in shrinker.py, the 1-argument
call in one_argument.py. `debug_rcu_head_queue()` never finds an object queued already: a general
client frees each object once.
"""

from model.designs.bulk_channels import (
    CHANNELS,
    SLAB,
    VMALLOC,
    BulkList,
    add_record,
    attach_page,
    channel_of,
    take_all_pages,
    take_covered_pages,
)
from model.designs.pages import Bnode, any_free_page, empty_page, put_page
from model.designs.separate_list import SeparateList, take_covered, take_separate_list
from model.kernel.boot_stages import rcu_scheduler_is_running
from model.kernel.cpu import Cpu
from model.kernel.debug import debug_object_unqueue
from model.kernel.locks import (
    RawSpinlock,
    raw_spin_lock_irqsave,
    raw_spin_unlock_irqrestore,
)
from model.kernel.objects import Object
from model.kernel.rcu import get_state_synchronize_rcu, poll_state_synchronize_rcu
from model.kernel.slab import kvfree, kvfree_record, kvfree_recovered, recover_start
from model.kernel.workqueue import (
    DelayedWork,
    RcuWork,
    delayed_work_pending,
    mod_delayed_work,
    queue_delayed_work,
    queue_rcu_work,
)
from model.language.syntax import (
    NULL,
    READ_ONCE,
    Array,
    Cookie,
    Embed,
    Range,
    cfg,
    container_of,
    embed,
    event,
    guarded,
    inline,
    knob,
    record,
    routine,
)

knob("rcu_ptr", False, "the link word is all there is: the start address is recovered from it")
knob("page_worker", False, "pages come from a cache that a work fills, not by free choice")
knob("min_cached_objs", 1, "pages that the cache holds (5 in the kernel)")


@record()
class KrwBatch:
    """struct kfree_rcu_cpu_work."""

    rcu_work: Embed[RcuWork] = embed(func=kfree_rcu_work)
    head_free: Object = guarded("Krcp.lock", link="next")
    head_free_gp_snap: Cookie = guarded("Krcp.lock")
    bulk_free: Array[Bnode, CHANNELS] = guarded("Krcp.lock")
    separate_free: Object = guarded("Krcp.lock", link="next")


@record(per=Cpu)
class Krcp:
    """struct kfree_rcu_cpu."""

    initialized: bool
    lock: Embed[RawSpinlock]
    head: Object = guarded("lock", link="next", count="head_count")
    head_count: Range[0, cfg.objects + 1] = guarded("lock")
    head_gp_snap: Cookie = guarded("lock")
    separate: Embed[SeparateList]
    bulk: Embed[BulkList, CHANNELS]
    bkvcache: Bnode = guarded("lock")
    nr_bkv_objs: Range[0, cfg.min_cached_objs] = guarded("lock")
    krw: Embed[KrwBatch, 2]
    monitor_work: Embed[DelayedWork] = embed(func=kfree_rcu_monitor)


# --- queueing -----------------------------------------------------------------------------------


@inline
def add_to_list(krcp: Krcp, head: Object) -> None:
    """The list channel: link the object itself; the cookie covers the whole list."""
    if not cfg.rcu_ptr:
        head.func = head
    first = krcp.head
    head.next = first
    krcp.head = head
    event("queued", head)
    krcp.head_count += 1
    snap = get_state_synchronize_rcu()
    krcp.head_gp_snap = snap


@routine(models="mm/slab_common.c: add_ptr_to_bulk_krc_lock, v6.19")
def add_ptr_to_bulk(krcp: Krcp, obj: Object) -> bool:
    """A bulk channel: a record in the newest page, or in a new one if one is at hand."""
    if cfg.bnodes == 0:
        return False
    if cfg.boot:
        if not krcp.initialized:
            return False
    bulk = krcp.bulk[channel_of(obj)]
    bnode: Bnode = bulk.front
    full: bool = bnode == NULL
    if not full:
        full = bnode.nr_records == cfg.bnode_records
    if full:
        page: Bnode = NULL
        if cfg.page_worker:
            page = get_cached_bnode(krcp)
        else:
            page = any_free_page()
        if page == NULL:
            return False
        attach_page(bulk, page)
        bnode = page
    add_record(bulk, bnode, obj)
    return True


@routine(models="mm/slab_common.c: get_cached_bnode, v6.19 (krcp->lock is held)")
def get_cached_bnode(krcp: Krcp) -> Bnode:
    """The first page of the cache, or NULL."""
    cached = krcp.nr_bkv_objs
    if cached == 0:
        return NULL
    krcp.nr_bkv_objs = cached - 1
    page = krcp.bkvcache
    krcp.bkvcache = page.newer
    page.newer = NULL
    return page


@routine(models="mm/slab_common.c: put_cached_bnode, v6.19 (krcp->lock is held)")
def put_cached_bnode(krcp: Krcp, page: Bnode) -> bool:
    """The page goes into the cache, unless that is full."""
    cached = krcp.nr_bkv_objs
    if cached >= cfg.min_cached_objs:
        return False
    empty_page(page)
    page.newer = krcp.bkvcache
    krcp.bkvcache = page
    krcp.nr_bkv_objs = cached + 1
    return True


@routine(models="mm/slab_common.c: schedule_delayed_monitor_work, v6.19 (krcp->lock is held)")
def schedule_delayed_monitor_work(krcp: Krcp) -> None:
    """Arm the monitor: soon if a page's worth waits, else later."""
    waiting: Range[0, 4 * cfg.objects + 4] = krcp.head_count
    for channel in range(CHANNELS):
        waiting += krcp.bulk[channel].count
    if cfg.separate_list:
        waiting += krcp.separate.count
    soon = waiting >= cfg.bnode_records
    if delayed_work_pending(krcp.monitor_work):
        if soon:
            far = krcp.monitor_work.far
            if far:
                mod_delayed_work(krcp.monitor_work)
        return
    queue_delayed_work(krcp.monitor_work, not soon)


@inline
def arm_monitor(krcp: Krcp) -> None:
    """What a free does last, with krcp->lock held: not in early boot."""
    if rcu_scheduler_is_running():
        schedule_delayed_monitor_work(krcp)


# --- the monitor --------------------------------------------------------------------------------


@routine(models="mm/slab_common.c: kfree_rcu_monitor, v6.19")
def kfree_rcu_monitor(work: DelayedWork) -> None:
    """Free what is ready, hand the rest to a batch, come back if both batches are busy."""
    krcp = container_of(work, Krcp.monitor_work)
    kvfree_rcu_drain_ready(krcp)
    kvfree_rcu_queue_batch(krcp)
    rearm_monitor(krcp)


@inline
def rearm_monitor(krcp: Krcp) -> None:
    """The monitor comes back if something is queued."""
    if something_is_queued(krcp):
        flags = raw_spin_lock_irqsave(krcp.lock)
        schedule_delayed_monitor_work(krcp)
        raw_spin_unlock_irqrestore(krcp.lock, flags)


@inline
def something_is_queued(krcp: Krcp) -> bool:
    """need_offload_krc(): without the lock, on purpose."""
    if cfg.bnodes > 0:
        for channel in range(CHANNELS):
            front = READ_ONCE(krcp.bulk[channel].front)
            if front != NULL:
                return True
    if cfg.separate_list:
        separate = READ_ONCE(krcp.separate.head)
        if separate != NULL:
            return True
    head = READ_ONCE(krcp.head)
    return head != NULL


@routine(models="mm/slab_common.c: kvfree_rcu_drain_ready, v6.19")
def kvfree_rcu_drain_ready(krcp: Krcp) -> None:
    """Detach, oldest first, what a grace period has covered already; then free it."""
    ready: Bnode = NULL
    vmalloc_ready: Bnode = NULL
    head_ready: Object = NULL
    separate_ready: Object = NULL
    flags = raw_spin_lock_irqsave(krcp.lock)
    if cfg.bnodes > 0:
        ready = take_covered_pages(krcp.bulk[SLAB])
        if CHANNELS > 1:
            vmalloc_ready = take_covered_pages(krcp.bulk[VMALLOC])
    head = krcp.head
    if head != NULL:
        head_snap = krcp.head_gp_snap
        if poll_state_synchronize_rcu(head_snap):
            head_ready = head
            krcp.head_count = 0
            krcp.head = NULL
    if cfg.separate_list:
        separate_ready = take_covered(krcp.separate)
    raw_spin_unlock_irqrestore(krcp.lock, flags)
    if cfg.bnodes > 0:
        kvfree_rcu_bulk_list(krcp, SLAB, ready)
        if CHANNELS > 1:
            kvfree_rcu_bulk_list(krcp, VMALLOC, vmalloc_ready)
    if head_ready != NULL:
        kvfree_rcu_list(head_ready)
    if cfg.separate_list:
        kvfree_rcu_list(separate_ready)


@routine(models="mm/slab_common.c: kvfree_rcu_queue_batch, v6.19")
def kvfree_rcu_queue_batch(krcp: Krcp) -> bool:
    """Move everything queued to a batch that is idle, and start its grace period; true if so."""
    queued: bool = False
    flags = raw_spin_lock_irqsave(krcp.lock)
    for i in range(2):
        batch = krcp.krw[i]
        busy: bool = batch.head_free != NULL
        for channel in range(CHANNELS):
            if cfg.bnodes > 0 and not busy:
                busy = batch.bulk_free[channel] != NULL
        if cfg.separate_list and not busy:
            busy = batch.separate_free != NULL
        if not busy:
            head = krcp.head
            separate: Object = NULL
            if cfg.separate_list:
                separate = krcp.separate.head
            if head != NULL or separate != NULL or has_pages(krcp):
                if cfg.bnodes > 0:
                    move_pages(krcp, batch)
                if cfg.separate_list:
                    batch.separate_free = take_separate_list(krcp.separate)
                batch.head_free = head
                snap = get_state_synchronize_rcu()
                batch.head_free_gp_snap = snap
                krcp.head_count = 0
                krcp.head = NULL
                queued = queue_rcu_work(batch.rcu_work)
            break
    raw_spin_unlock_irqrestore(krcp.lock, flags)
    return queued


@inline
def has_pages(krcp: Krcp) -> bool:
    """Some bulk channel has a page."""
    if cfg.bnodes > 0:
        for channel in range(CHANNELS):
            tail = krcp.bulk[channel].tail
            if tail != NULL:
                return True
    return False


@inline
def move_pages(krcp: Krcp, batch: KrwBatch) -> None:
    """The pages of each channel go to the batch, whose own lists are empty."""
    for channel in range(CHANNELS):
        batch.bulk_free[channel] = take_all_pages(krcp.bulk[channel])


# --- freeing ------------------------------------------------------------------------------------


@routine(models="mm/slab_common.c: kfree_rcu_work, v6.19")
def kfree_rcu_work(work: RcuWork) -> None:
    """A batch's grace period is over: take what it holds and free it."""
    batch = container_of(work, KrwBatch.rcu_work)
    krcp = container_of(batch, Krcp.krw)
    flags = raw_spin_lock_irqsave(krcp.lock)
    bulk: Bnode = NULL
    vmalloc_bulk: Bnode = NULL
    if cfg.bnodes > 0:
        bulk = batch.bulk_free[SLAB]
        batch.bulk_free[SLAB] = NULL
        if CHANNELS > 1:
            vmalloc_bulk = batch.bulk_free[VMALLOC]
            batch.bulk_free[VMALLOC] = NULL
    head = batch.head_free
    batch.head_free = NULL
    separate: Object = NULL
    if cfg.separate_list:
        separate = batch.separate_free
        batch.separate_free = NULL
    snap = batch.head_free_gp_snap
    raw_spin_unlock_irqrestore(krcp.lock, flags)
    if cfg.bnodes > 0:
        kvfree_rcu_bulk_list(krcp, SLAB, bulk)
        if CHANNELS > 1:
            kvfree_rcu_bulk_list(krcp, VMALLOC, vmalloc_bulk)
    if head != NULL and poll_state_synchronize_rcu(snap):
        kvfree_rcu_list(head)
    if cfg.separate_list:
        if separate != NULL and poll_state_synchronize_rcu(snap):
            kvfree_rcu_list(separate)


@inline
def kvfree_rcu_bulk_list(krcp: Krcp, channel: Range[0, CHANNELS - 1], first: Bnode) -> None:
    """Every page of a detached list; the next one is read before the page is given back."""
    while first != NULL:
        following = first.newer
        kvfree_rcu_bulk(krcp, channel, first)
        first = following


@routine(models="mm/slab_common.c: kvfree_rcu_bulk, v6.19")
def kvfree_rcu_bulk(krcp: Krcp, channel: Range[0, CHANNELS - 1], bnode: Bnode) -> None:
    """Free a page's records; if its grace period is not over they are leaked (and warned about)."""
    snap = bnode.gp_snap
    if poll_state_synchronize_rcu(snap):
        n = bnode.nr_records
        for i in range(cfg.bnode_records):
            if i < n:
                ptr = bnode.records[i]
                event("taken", ptr)
                debug_object_unqueue(ptr)
                kvfree_record(ptr, channel == VMALLOC)
    if cfg.page_worker:
        flags = raw_spin_lock_irqsave(krcp.lock)
        cached = put_cached_bnode(krcp, bnode)
        raw_spin_unlock_irqrestore(krcp.lock, flags)
        if cached:
            return
    put_page(bnode)


@routine(models="mm/slab_common.c: kvfree_rcu_list, v6.19")
def kvfree_rcu_list(head: Object) -> None:
    """Free a detached list; the link is read before the object is gone."""
    while head != NULL:
        if cfg.rcu_ptr:
            ptr = recover_start(head)
            following = take_next(head)
            debug_object_unqueue(head)
            kvfree_recovered(head, ptr)
            head = following
        else:
            start = head.func
            after = take_next(head)
            debug_object_unqueue(head)
            kvfree(start)
            head = after


@inline
def take_next(head: Object) -> Object:
    """Read the link word of an object that is about to leave the list."""
    following = head.next
    event("link_read", head)
    event("taken", head)
    return following
