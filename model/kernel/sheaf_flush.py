"""Flushing the CPUs' rcu_free sheaves: by a barrier, and when a CPU has gone offline.

A sheaf that is not full waits on its CPU until somebody flushes it. For a barrier a work on each
online CPU takes it under the CPU's lock and gives it to call_rcu(); CPUs are kept from coming and
going meanwhile. The sheaf of a CPU that has gone is given to call_rcu() by the task that took it
offline. Either way the objects are freed to the slabs then, and the sheaf too, instead of going to
the barn.

Abstractions:
* The flush runs in the task that asked for it, moved to the CPU; the kernel sends a work there and
  waits for it.
* slab_mutex and the mutex of the flush itself are not taken, so two flushes can run at once.
* The main and the spare sheaf of a dead CPU are not kept; what they hold counts as freed already.
"""

from model.kernel.callbacks import call_rcu
from model.kernel.cpu import Cpu, cpu_online, this_cpu
from model.kernel.cpus_lock import cpus_read_lock, cpus_read_unlock
from model.kernel.local_lock import local_unlock, take_over
from model.kernel.sheaves import Pcs, Sheaf, lock_pcs, unlock_pcs
from model.kernel.waiting import move_to
from model.language.syntax import NULL, cfg, inline, of, routine


@inline
def submit_flushed(sheaf: Sheaf) -> None:
    """call_rcu(&sheaf->rcu_head, rcu_free_sheaf_nobarn)."""
    sheaf.nobarn = True
    call_rcu(sheaf.rcu)


@routine(models="mm/slub.c: flush_rcu_sheaf, on the CPU it is for")
def flush_rcu_sheaf(cpu: Cpu) -> None:
    """Hand a sheaf that is not full yet to call_rcu()."""
    if lock_pcs():
        pcs = this_cpu(Pcs)
        sheaf = pcs.rcu_free
        pcs.rcu_free = NULL
        unlock_pcs()
        if sheaf != NULL:
            submit_flushed(sheaf)


@inline
def flush_on_every_cpu() -> None:
    """What each online CPU has; CPUs are kept."""
    for cpu in Cpu:
        if cpu_online(cpu):
            move_to(cpu)
            flush_rcu_sheaf(cpu)


@inline
def flush_all_rcu_sheaves() -> None:
    """flush_all_rcu_sheaves(), up to its rcu_barrier(): of every cache, if it has any."""
    cpus_read_lock()
    if cfg.sheaves > 0:
        flush_on_every_cpu()
    cpus_read_unlock()


@inline
def flush_rcu_sheaves_on_cache() -> None:
    """flush_rcu_sheaves_on_cache(), if the cache has any, with CPUs kept."""
    if cfg.sheaves > 0:
        cpus_read_lock()
        flush_on_every_cpu()
        cpus_read_unlock()


@routine(models="mm/slub.c: slub_cpu_dead, __pcs_flush_all_cpu")
def slub_cpu_dead(dead: Cpu) -> None:
    """What the dead CPU's rcu_free sheaf holds is freed after a grace period."""
    pcs = of(Pcs, dead)
    take_over(pcs.lock)
    sheaf = pcs.rcu_free
    if sheaf != NULL:
        submit_flushed(sheaf)
        pcs.rcu_free = NULL
    local_unlock(pcs.lock)
