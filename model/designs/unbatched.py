"""Without CONFIG_KVFREE_RCU_BATCHED (`batched` off): a free is a callback of its own.

The object's rcu_head is the callback, and the start address is found from it when it is invoked.

What an irq_work hands on comes here too, and the link by which it was parked is a word of that
rcu_head: call_rcu() overwrites it.

Abstractions:
* Callbacks are linked through a word of their own, so of what call_rcu() does to the object's link
  only the first store, of NULL, is left.
* kvfree_rcu_cb() recovers every start address right: mainline's has always asked is_vmalloc_addr()
  and KFENCE first, and that of for-7.3 calls kvmalloc_obj_start_addr().
* The kernel has no krcp, no monitor and no shrinker then. They are here, and nothing is on them.
"""

from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.debug import kasan_record_aux_stack
from model.kernel.objects import Object
from model.kernel.slab import kvfree
from model.language.syntax import (
    NULL,
    Embed,
    cfg,
    container_of,
    embed,
    event,
    inline,
    knob,
    of,
    record,
    routine,
)

knob("batched", True, "CONFIG_KVFREE_RCU_BATCHED; without it each free is a callback")


@record(per=Object, when=not cfg.batched)
class ObjectHead:
    """The rcu_head in an object."""

    rcu: Embed[RcuHead] = embed(func=kvfree_rcu_cb)


@inline
def free_by_callback(obj: Object) -> None:
    """kvfree_call_rcu() without the batching: call_rcu(), which begins with a store to the link."""
    head = of(ObjectHead, obj)
    event("queued", obj)
    kasan_record_aux_stack(obj)
    obj.next = NULL
    call_rcu(head.rcu)


@routine(models="mm/slab_common.c: kvfree_rcu_cb, v6.19")
def kvfree_rcu_cb(callback: RcuHead) -> None:
    """The grace period is over."""
    head = container_of(callback, ObjectHead.rcu)
    obj = of(Object, head)
    event("taken", obj)
    kvfree(obj)
