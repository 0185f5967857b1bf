"""The shrinker of the batching machinery: memory is short, so what can be freed is freed now.

It runs the monitor's body on every CPU's krcp, in the task that finds memory short, whatever the
monitor's own work is doing: both bodies can run at once for one krcp.

How much the task is asked to reclaim is a free choice: after any krcp it can have enough.
"""

from model.designs.krcp import Krcp, kfree_rcu_monitor
from model.designs.page_cache import back_off, drain_page_cache
from model.language.syntax import cfg, choose, routine


@routine(models="mm/slab_common.c: kfree_rcu_shrink_scan, v6.19")
def shrink_every_krcp() -> None:
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
