"""The batching machinery in early boot: when it is initialised, and when monitors may be armed.

Until a krcp is initialised its pages are not used, so everything goes onto the list; until
RCU_SCHEDULER_RUNNING no free arms a monitor. What is queued by then is looked for once.
"""

from model.designs.krcp import Krcp, rearm_monitor
from model.language.syntax import routine


@routine(models="mm/slab_common.c: kvfree_rcu_init, v6.19")
def initialise_every_krcp() -> None:
    """From here on pages can be used."""
    for krcp in Krcp:
        krcp.initialized = True


@routine(models="mm/slab_common.c: kfree_rcu_scheduler_running, v6.19")
def arm_every_monitor() -> None:
    """For each possible CPU whose krcp has something: asked without the lock, armed with it."""
    for krcp in Krcp:
        rearm_monitor(krcp)
