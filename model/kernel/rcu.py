"""RCU: readers, grace periods and polled cookies.

A grace period ends when every CPU that was inside a region it must wait for (irqs or preemption
off, a handler, a probe) when it began has been quiescent since, and every reader that existed
then has ended. Cookies are kept relative to the present, so that they stay finite: a cookie is
the number of grace-period ends it still needs (0: elapsed; taken while idle: 1; taken while a
grace period runs: 2, since that one does not count).

Abstractions:
* One grace-period counter stands for the kernel's three (polled, global, root node). The real
  snapshots read the global counter so that they are never too short; lag between the counters
  only makes a poll say "not yet" longer, which the model's free choice of when a grace period
  ends covers.
* Normal and expedited grace periods are one: either may end at any time its readers allow.
* An explicit reader is off every CPU (with PREEMPT_RCU a preempted reader), so it can end at any
  time. It holds every object that was not yet given to a free call when it began: all that it
  could have found. Holding more objects than a real reader would is what makes it general.
* A CPU reports its quiescent state the moment it has one. The kernel may report later, which
  only delays the end of the grace period, and that end is already free to come late.
"""

from model.kernel.cpu import Cpu, quiescent
from model.kernel.objects import Object
from model.language.syntax import (
    Array,
    Cookie,
    action,
    age_cookies,
    atomic,
    cfg,
    cookie,
    elapsed,
    pure,
    record,
    require,
    routine,
)


@record(single=True)
class Rcu:
    """The grace-period automaton."""

    gp_running: bool


@record(count=cfg.readers)
class Reader:
    """An RCU read-side critical section; `used` once it has begun (each reader comes once)."""

    used: bool
    active: bool
    blocks_gp: bool
    holds: Array[bool, Object]


@action(environment=True, when=cfg.readers > 0)
def reader_enters(reader: Reader) -> None:
    """rcu_read_lock(), and every object still reachable may be found."""
    require(not reader.used)
    reader.used = True
    reader.active = True
    for obj in Object:
        reader.holds[obj] = not obj.given


@action(when=cfg.readers > 0)
def reader_leaves(reader: Reader) -> None:
    """rcu_read_unlock()."""
    require(reader.active)
    reader.active = False
    reader.blocks_gp = False
    for obj in Object:
        reader.holds[obj] = False


@atomic
def get_state_synchronize_rcu() -> Cookie:
    """get_state_synchronize_rcu() and the _full variant: loads and a barrier, safe anywhere."""
    if Rcu.gp_running:
        return cookie(2)
    return cookie(1)


@pure
def poll_state_synchronize_rcu(snapshot: Cookie) -> bool:
    """poll_state_synchronize_rcu(): a full grace period has ended since the snapshot."""
    return elapsed(snapshot)


@atomic
def begin_grace_period() -> None:
    """Note whom the grace period must wait for."""
    Rcu.gp_running = True
    for cpu in Cpu:
        cpu.needs_qs = not quiescent(cpu)
    for reader in Reader:
        reader.blocks_gp = reader.active


@pure
def nobody_blocks() -> bool:
    """Every CPU and reader that the grace period waits for is done."""
    return all(not cpu.needs_qs for cpu in Cpu) and all(not r.blocks_gp for r in Reader)


@action()
def grace_period_ends() -> None:
    """Every cookie, stored or in somebody's hands, needs one grace period less."""
    require(Rcu.gp_running and nobody_blocks())
    Rcu.gp_running = False
    age_cookies()
