"""The page-cache worker (`page_worker`): where the pages come from that the bulk channel uses.

A free that finds no page goes to the list, and asks for pages for those that follow. It holds the
krcp's raw lock, so the request hops: an hrtimer, whose function queues a work, whose function may
allocate. After the shrinker has been there the work waits first (back-off).

Abstractions:
* The worker's allocation is a free choice and keeps the CPU; that it sleeps is left out.
* The delay of a back-off has no length, as any delay.
"""

from model.designs.krcp import Krcp, put_cached_bnode
from model.designs.pages import Bnode, any_free_page, put_page
from model.kernel.boot_stages import rcu_scheduler_is_running
from model.kernel.cpu import Cpu
from model.kernel.hrtimer import Hrtimer, hrtimer_start
from model.kernel.locks import raw_spin_lock_irqsave, raw_spin_unlock_irqrestore
from model.kernel.workqueue import DelayedWork, queue_delayed_work, queue_delayed_work_now
from model.language.syntax import (
    NULL,
    READ_ONCE,
    Embed,
    atomic,
    cfg,
    container_of,
    embed,
    inline,
    of,
    record,
    routine,
)


@record(per=Cpu, when=cfg.page_worker)
class PageCache:
    """The part of struct kfree_rcu_cpu that asks for pages."""

    work_in_progress: bool
    backoff: bool
    hrtimer: Embed[Hrtimer] = embed(func=schedule_page_work)
    page_cache_work: Embed[DelayedWork] = embed(func=fill_page_cache)


@atomic
def claim_the_work(cache: PageCache) -> bool:
    """xchg(&krcp->work_in_progress, 1): false if somebody has asked already."""
    if cache.work_in_progress:
        return False
    cache.work_in_progress = True
    return True


@routine(models="mm/slab_common.c: run_page_cache_worker, v6.19 (krcp->lock is held)")
def run_page_cache_worker(krcp: Krcp) -> None:
    """Ask for pages, once at a time; not in early boot."""
    if cfg.min_cached_objs == 0:
        return
    cache = of(PageCache, krcp)
    if rcu_scheduler_is_running() and claim_the_work(cache):
        later = cache.backoff
        if later:
            queue_delayed_work(cache.page_cache_work, True)
        else:
            hrtimer_start(cache.hrtimer)


@routine(models="mm/slab_common.c: schedule_page_work_fn, v6.19")
def schedule_page_work(timer: Hrtimer) -> None:
    """The hop: a hardirq that holds no lock may queue work."""
    cache = container_of(timer, PageCache.hrtimer)
    queue_delayed_work_now(cache.page_cache_work)


@routine(models="mm/slab_common.c: fill_page_cache_func, v6.19")
def fill_page_cache(work: DelayedWork) -> None:
    """Pages up to the limit, or one after a back-off; what there is is read without the lock."""
    cache = container_of(work, PageCache.page_cache_work)
    krcp = of(Krcp, cache)
    few = cache.backoff
    have = READ_ONCE(krcp.nr_bkv_objs)
    for i in range(cfg.min_cached_objs):
        if i >= have and (i == 0 or not few):
            page = any_free_page()
            if page == NULL:
                break
            flags = raw_spin_lock_irqsave(krcp.lock)
            pushed = put_cached_bnode(krcp, page)
            raw_spin_unlock_irqrestore(krcp.lock, flags)
            if not pushed:
                put_page(page)
                break
    cache.work_in_progress = False
    cache.backoff = False


# --- the shrinker -------------------------------------------------------------------------------


@inline
def back_off(krcp: Krcp) -> None:
    """kfree_rcu_shrink_count(): the next request for pages waits."""
    cache = of(PageCache, krcp)
    cache.backoff = True


@routine(models="mm/slab_common.c: drain_page_cache, v6.19")
def drain_page_cache(krcp: Krcp) -> None:
    """Take the cache, then give its pages back."""
    flags = raw_spin_lock_irqsave(krcp.lock)
    page: Bnode = krcp.bkvcache
    krcp.bkvcache = NULL
    krcp.nr_bkv_objs = 0
    raw_spin_unlock_irqrestore(krcp.lock, flags)
    while page != NULL:
        following = page.newer
        put_page(page)
        page = following
