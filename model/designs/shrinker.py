"""The shrinker of the batching machinery: memory is short, so what can be freed is freed now.

It runs the monitor's body on every CPU's krcp, in the task that finds memory short, whatever the
monitor's own work is doing: both bodies can run at once for one krcp.

How much the task is asked to reclaim is a free choice: after any krcp it can have enough.

The barrier does not know of it: what the shrinker has taken off a krcp, and neither freed nor given
to a batch that is queued, is nowhere to be seen (F-10). `barrier_waits_for_shrinker` is a mutex
that one shrinker at a time holds and the barrier waits for. A shrinker only tries it, for reclaim
must not wait for a barrier.
"""

from model.designs.krcp import Krcp, kfree_rcu_monitor
from model.designs.page_cache import back_off, drain_page_cache
from model.kernel.mutex import Mutex, mutex_lock, mutex_trylock, mutex_unlock
from model.language.syntax import Embed, cfg, choose, inline, knob, record, routine

knob(
    "barrier_waits_for_shrinker",
    False,
    "the repair of F-10: the barrier waits for a shrinker that is under way",
)


@record(single=cfg.barrier_waits_for_shrinker)
class ShrinkerMutex:
    """Held by a shrinker while it runs."""

    mutex: Embed[Mutex]


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, v6.19")
def shrink_every_krcp() -> None:
    """The shrinker, alone if the barrier waits for it."""
    if cfg.barrier_waits_for_shrinker:
        if not mutex_trylock(ShrinkerMutex.mutex):
            return
    shrink_until_enough()
    if cfg.barrier_waits_for_shrinker:
        mutex_unlock(ShrinkerMutex.mutex)


@inline
def shrink_until_enough() -> None:
    """For each possible CPU its cached pages and the monitor's body, until enough is reclaimed."""
    if cfg.page_worker:
        for counted in Krcp:
            back_off(counted)
    for krcp in Krcp:
        if cfg.page_worker:
            drain_page_cache(krcp)
        kfree_rcu_monitor(krcp.monitor_work)
        enough = choose(False, True)
        if enough:
            return


@inline
def wait_for_shrinker() -> None:
    """The krcps have been seen empty; a shrinker that is under way may have what was on them."""
    if cfg.barrier_waits_for_shrinker:
        mutex_lock(ShrinkerMutex.mutex)
        mutex_unlock(ShrinkerMutex.mutex)
