"""Debugging aids that sit in the free path and take raw locks of their own.

kmemleak, debugobjects and the KASAN stack depot are modelled as their locks: what matters to a
caller from NMI or from inside a probe is that such a lock may be held below it.

Abstractions:
* One lock stands for all those of an aid: kmemleak's, debugobjects' buckets and pool, the depot's.
  That adds contention; an order in which two of them are taken is missed.
* A hook takes and releases its lock once and does nothing under it. What it would report is not
  reported here: debugobjects warns of an object that is freed twice, and mainline then leaks it;
  with `freed_twice` the second free goes on all the same.
* The depot's lock is taken each time. The kernel takes it only for a stack that is new to the
  depot; a stack that is not waits for nobody.
* Only hooks on the way of a free are here: who else holds these locks (an allocation, the debug
  object of a work or a timer) is missed. Of kmemleak and debugobjects that hides nothing, for from
  NMI and probes their hooks are reported whether or not the lock is held; nor does it hide that the
  depot's lock can be held.
* KASAN's quarantine, which takes what is freed, is left out: what meets its lock is missed.
"""

from model.kernel.cpu import in_nmi
from model.kernel.forbidden import forbidden_from_nmi_or_probe
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.locks import RawSpinlock, raw_spin_lock, raw_spin_trylock, raw_spin_unlock
from model.kernel.objects import Object
from model.language.syntax import Embed, cfg, inline, knob, record, routine

knob("kmemleak", False, "CONFIG_DEBUG_KMEMLEAK: frees take kmemleak's raw lock")
knob(
    "debugobjects", False, "CONFIG_DEBUG_OBJECTS_RCU_HEAD: queueing takes a hash bucket's raw lock"
)
knob("kasan_generic", False, "CONFIG_KASAN_GENERIC: kasan_record_aux_stack() fills the stack depot")


@record(single=cfg.kmemleak)
class Kmemleak:
    """kmemleak: one lock stands for its several."""

    lock: Embed[RawSpinlock]


@record(single=cfg.debugobjects)
class DebugObjects:
    """One bucket for all objects."""

    bucket: Embed[RawSpinlock]


@record(single=cfg.kasan_generic)
class StackDepot:
    """The depot's pool lock."""

    lock: Embed[RawSpinlock]


@inline
def take_and_release(lock: RawSpinlock) -> None:
    """The model's own: that a hook takes its lock is of interest, not what it does under it."""
    flags = local_irq_save()
    raw_spin_lock(lock)
    raw_spin_unlock(lock)
    local_irq_restore(flags)


@routine(models="mm/kmemleak.c: kmemleak_ignore")
def kmemleak_ignore(obj: Object) -> None:
    """kmemleak_ignore(): the object is queued, it is no leak."""
    if cfg.kmemleak:
        forbidden_from_nmi_or_probe()
        take_and_release(Kmemleak.lock)


@routine(models="mm/kmemleak.c: kmemleak_free")
def kmemleak_free(obj: Object) -> None:
    """kmemleak_free()."""
    if cfg.kmemleak:
        forbidden_from_nmi_or_probe()
        take_and_release(Kmemleak.lock)


@inline(models="lib/debugobjects.c: debug_object_activate, debug_object_deactivate")
def look_up_debug_object() -> None:
    """What debugobjects does with an object, or with an rcu_head, it does in its bucket."""
    if cfg.debugobjects:
        forbidden_from_nmi_or_probe()
        take_and_release(DebugObjects.bucket)


@routine(models="kernel/rcu/rcu.h: debug_rcu_head_queue")
def debug_object_queue(obj: Object) -> None:
    """debug_rcu_head_queue(). A client frees each object once, so it never finds one queued."""
    look_up_debug_object()


@routine(models="kernel/rcu/rcu.h: debug_rcu_head_unqueue")
def debug_object_unqueue(obj: Object) -> None:
    """debug_rcu_head_unqueue()."""
    look_up_debug_object()


@inline(models="lib/stackdepot.c: stack_depot_save_flags")
def save_stack() -> None:
    """Save the stack in the depot. In NMI the depot is tried, elsewhere its lock is taken."""
    if cfg.kasan_generic:
        flags = local_irq_save()
        if in_nmi():
            if raw_spin_trylock(StackDepot.lock):
                raw_spin_unlock(StackDepot.lock)
        else:
            raw_spin_lock(StackDepot.lock)
            raw_spin_unlock(StackDepot.lock)
        local_irq_restore(flags)


@routine(models="mm/kasan/generic.c: kasan_record_aux_stack")
def kasan_record_aux_stack(obj: Object) -> None:
    """kasan_record_aux_stack(): who frees the object."""
    save_stack()
