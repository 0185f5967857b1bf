"""kmem_cache_destroy(): the client that barriers are for.

Whoever destroys a cache has freed every object of it and frees no more. What is still on its way is
waited for; then the cache is shut down. An object that is not freed by then is reported as left
over, and its free goes into a cache that is gone. That is what property `barrier` asks at the end
of this call, as of any barrier. With `cache_destroy` the callers of the barrier are such clients:
each design has an entry kmem_cache_destroy(), with its own barrier for one cache.

`barrier_when_unused` belongs to it: when it is called nobody frees anything any more.

A cache that is SLAB_TYPESAFE_BY_RCU, with CONFIG_SLUB_RCU_DEBUG, frees an object a grace period
after kfree(), by a callback of its own (`typesafe_debug`); for those rcu_barrier() is what to wait
with.

Abstractions:
* A cache is created before the run, with all its objects allocated.
* What is freed of other caches meanwhile is left out. They share the krcps with this one; what that
  can do to a barrier shows in runs that call the one for all caches.
* Shutting down is one step, at the return of the call: no lock of its own is waited for, and that
  slabs of a TYPESAFE cache wait for a grace period too is left out.
"""

from model.kernel.waiting import rcu_barrier
from model.language.syntax import cfg, inline, knob

knob("cache_destroy", False, "whoever calls the barrier destroys a cache")


@inline(models="mm/slab_common.c: kmem_cache_destroy, its rcu_barrier()")
def wait_for_delayed_frees() -> None:
    """rcu_barrier(), for what a TYPESAFE cache delays."""
    if cfg.typesafe_debug:
        rcu_barrier()
