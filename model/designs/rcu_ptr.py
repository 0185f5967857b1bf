"""rcu_ptr: RFC v1 patch 1/7, one link word and no stored start address.

Source: "[PATCH 1/7]" of 2026-02-06 to mm/slab_common.c. The list reclaimer recovers the start
address from the address of the link word; queueing is mainline's without the store to
`head->func`. The patch changes nothing about who may call.
"""

from model.designs.mainline import kvfree_call_rcu
from model.kernel.contexts import client
from model.kernel.objects import Object
from model.language.syntax import routine, set_knob

set_knob("rcu_ptr", True)


@routine(
    models="mm/slab_common.c: kvfree_call_rcu_ptr, RFC v1 1/7",
    entry=("task", "hardirq", "nmi", "probe"),
)
def kvfree_call_rcu_ptr(head: Object) -> None:
    """As kvfree_call_rcu(); the whole difference is in krcp.py under cfg.rcu_ptr."""
    kvfree_call_rcu(head)
