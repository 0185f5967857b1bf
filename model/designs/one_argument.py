"""The batching path of the 1-argument call, kvfree_rcu_mightsleep(): there is no link word to use.

The object has a record in a page or no place at all. If no page is at hand one is allocated, and
the krcp's lock is dropped for that: the task may sleep and come back on another CPU, and goes on
with the krcp that it had. If there is none even then, the caller waits for a grace period itself.

Abstractions:
* The allocation always gives the CPU up. That is no less than one which does not: the task may get
  its CPU back at once, and was preemptible there in any case.
* That a page is at hand is a free choice under the lock, as for the other call; so is that the
  allocation succeeds.
"""

from model.designs.bulk_channels import add_record, attach_page, channel_of
from model.designs.krcp import Krcp, add_ptr_to_bulk, arm_monitor
from model.designs.page_cache import run_page_cache_worker
from model.designs.pages import Bnode, any_free_page
from model.kernel.cpu import this_cpu
from model.kernel.debug import kmemleak_ignore
from model.kernel.locks import raw_spin_lock_irqsave, raw_spin_unlock_irqrestore
from model.kernel.objects import Object
from model.kernel.waiting import sleep_for_memory
from model.language.syntax import NULL, cfg, inline, routine


@routine(
    models="mm/slab_common.c: kvfree_call_rcu, the steps under krcp->lock, head is NULL, v6.19"
)
def queue_record(obj: Object) -> bool:
    """Queue the object in a page; false if there is none."""
    krcp = this_cpu(Krcp)
    flags: bool = raw_spin_lock_irqsave(krcp.lock)
    queued: bool = add_ptr_to_bulk(krcp, obj)
    if not queued and cfg.bnodes > 0:
        raw_spin_unlock_irqrestore(krcp.lock, flags)
        page = allocate_page()
        flags = raw_spin_lock_irqsave(krcp.lock)
        if page != NULL:
            bulk = krcp.bulk[channel_of(obj)]
            attach_page(bulk, page)
            add_record(bulk, page, obj)
            queued = True
    if queued:
        kmemleak_ignore(obj)
        arm_monitor(krcp)
    elif cfg.page_worker:
        run_page_cache_worker(krcp)
    raw_spin_unlock_irqrestore(krcp.lock, flags)
    return queued


@inline
def allocate_page() -> Bnode:
    """__get_free_page(GFP_KERNEL | __GFP_NORETRY | ...): may sleep, may fail."""
    sleep_for_memory()
    return any_free_page()
