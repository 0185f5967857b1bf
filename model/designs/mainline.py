"""mainline: kvfree_call_rcu() with CONFIG_KVFREE_RCU_BATCHED, before the series (v6.19).

Source: mm/slab_common.c. The 2-argument form from any context the run enables; whether that is
allowed is the question, not an assumption. The machinery behind it is in krcp.py.
"""

from model.designs.krcp import Krcp, add_ptr_to_bulk, add_to_list, schedule_delayed_monitor_work
from model.kernel.contexts import client
from model.kernel.cpu import this_cpu
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.debug import debug_object_queue, kasan_record_aux_stack, kmemleak_ignore
from model.kernel.locks import raw_spin_lock, raw_spin_unlock
from model.kernel.objects import Object
from model.language.syntax import routine


@routine(models="mm/slab_common.c: kvfree_call_rcu, v6.19", entry=("task", "hardirq", "nmi", "probe"))
def kvfree_call_rcu(head: Object) -> None:
    """kvfree_rcu(ptr, head): `head` stands for the object and for its rcu_head alike."""
    debug_object_queue(head)
    kasan_record_aux_stack(head)
    flags = local_irq_save()
    krcp = this_cpu(Krcp)
    raw_spin_lock(krcp.lock)
    if not add_ptr_to_bulk(krcp, head):
        add_to_list(krcp, head)
    kmemleak_ignore(head)
    schedule_delayed_monitor_work(krcp)
    raw_spin_unlock(krcp.lock)
    local_irq_restore(flags)
