"""Without CONFIG_KVFREE_RCU_BATCHED (`batched` off): a free is a callback of its own.

The object's rcu_head is the callback, and the start address is found from it when it is invoked.

Abstraction: two objects' heads are never the same word, so each object has one of its own; nothing
else uses it here.
"""

from model.kernel.callbacks import RcuHead, call_rcu
from model.kernel.debug import kasan_record_aux_stack
from model.kernel.objects import Object
from model.kernel.slab import kvfree
from model.language.syntax import (
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
    """kvfree_call_rcu() without the batching: call_rcu()."""
    head = of(ObjectHead, obj)
    event("queued", obj)
    kasan_record_aux_stack(obj)
    call_rcu(head.rcu)


@routine(models="mm/slab_common.c: kvfree_rcu_cb, v6.19")
def kvfree_rcu_cb(callback: RcuHead) -> None:
    """The grace period is over."""
    head = container_of(callback, ObjectHead.rcu)
    obj = of(Object, head)
    event("taken", obj)
    kvfree(obj)
