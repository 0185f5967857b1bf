"""The barrier of the batching machinery: wait until all that was queued before is freed."""

from model.designs.krcp import (
    Krcp,
    kvfree_rcu_queue_batch,
    rearm_monitor,
    something_is_queued,
)
from model.designs.shrinker import wait_for_shrinker
from model.kernel.waiting import cancel_delayed_work_sync, flush_rcu_work
from model.language.syntax import cfg, inline, knob, routine

knob("barrier_rearms", False, "the repair of F-1: the barrier arms the monitor that it cancelled")


@routine(models="mm/slab_common.c: __kvfree_rcu_barrier, v6.19")
def kvfree_rcu_barrier() -> None:
    """Hand everything that is queued to batches, then wait for monitors and batches."""
    for krcp in Krcp:
        if something_is_queued(krcp):
            hand_to_batches(krcp)
    wait_for_shrinker()
    for krcp in Krcp:
        cancel_delayed_work_sync(krcp.monitor_work)
        if cfg.barrier_rearms:
            rearm_monitor(krcp)
        flush_batches(krcp)


@inline
def hand_to_batches(krcp: Krcp) -> None:
    """Until a batch has taken what is queued, or nothing is; busy batches are waited for."""
    while not kvfree_rcu_queue_batch(krcp):
        if not something_is_queued(krcp):
            return
        flush_batches(krcp)


@inline
def flush_batches(krcp: Krcp) -> None:
    """Wait for both batches."""
    for i in range(2):
        flush_rcu_work(krcp.krw[i].rcu_work)
