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
* Readers and grace periods come and go at the moments that matter, and at no others:
  - A reader that begins between two free calls finds the same objects as one that begins just
    before the second, and the later one can only block fewer grace periods; so readers begin
    together with a free call, or not at all.
  - A reader that ends sooner than a grace period needs only holds its objects for a shorter time;
    so the readers that block a grace period end with it.
  - A grace period that somebody else asked for waits for fewer CPUs and readers the earlier it
    begins, unless a cookie is taken, a CPU becomes quiescent or a grace period ends in between;
    so it begins right after one of those, or is running from the start.
  - A grace period that ends earlier than anybody looks at a cookie, takes one, or waits for a
    callback only ends its readers sooner; so it ends just before such a step.
  Each of these moves a step to a place from which at least as much can follow, so every violation
  has a witness among the executions kept. `rcu_any_time` drops all four; the tests compare the
  verdicts.
* A CPU reports its quiescent state the moment it has one. The kernel may report later, which
  only delays the end of the grace period, and that end is already free to come late.
"""

from model.kernel.boot_stages import threads_are_up
from model.kernel.bounds import Budget
from model.kernel.cpu import (
    BarrierCaller,
    BoundThread,
    Client,
    Cpu,
    Kworker,
    Reclaimer,
    SleepingClient,
    Takedown,
    quiescent,
)
from model.kernel.objects import Object
from model.language.syntax import (
    NULL,
    Array,
    Cookie,
    action,
    age_cookies,
    atomic,
    before_cookie_use,
    cfg,
    choose,
    cookie,
    elapsed,
    knob,
    pure,
    record,
    require,
)

knob(
    "rcu_any_time",
    False,
    "readers and grace periods begin and end at every moment, not only where it matters",
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


@atomic(models="include/linux/rcupdate.h: rcu_read_lock")
def reader_begins(reader: Reader) -> None:
    """rcu_read_lock(), and every object still reachable may be found."""
    reader.used = True
    reader.active = True
    for obj in Object:
        reader.holds[obj] = not obj.given


@atomic(models="include/linux/rcupdate.h: rcu_read_unlock")
def reader_ends(reader: Reader) -> None:
    """rcu_read_unlock()."""
    reader.active = False
    reader.blocks_gp = False
    for obj in Object:
        reader.holds[obj] = False


@pure
def can_begin_a_reader(wanted: bool) -> bool:
    """The model's own: a reader is to begin just before a free call, and one is left."""
    if cfg.readers == 0:
        return not wanted
    if cfg.rcu_any_time:
        return not wanted
    return not wanted or any(not r.used for r in Reader)


@atomic
def perhaps_begin_a_reader(wanted: bool) -> None:
    """The model's own: the first reader that has not come yet begins, if one is to."""
    if cfg.readers > 0 and not cfg.rcu_any_time:
        missing: bool = wanted
        for reader in Reader:
            if missing and not reader.used:
                reader_begins(reader)
                missing = False


@action(environment=True, when=cfg.readers > 0 and cfg.rcu_any_time)
def reader_enters(reader: Reader) -> None:
    """rcu_read_lock() (include/linux/rcupdate.h): a reader begins at any time."""
    require(not reader.used)
    reader_begins(reader)


@action(when=cfg.readers > 0 and cfg.rcu_any_time)
def reader_leaves(reader: Reader) -> None:
    """rcu_read_unlock() (include/linux/rcupdate.h): a reader ends at any time."""
    require(reader.active)
    reader_ends(reader)


@atomic(models="kernel/rcu/tree.c: get_state_synchronize_rcu")
def get_state_synchronize_rcu() -> Cookie:
    """get_state_synchronize_rcu() and the _full variant: loads and a barrier, safe anywhere."""
    snapshot: Cookie = cookie(1)
    if Rcu.gp_running:
        snapshot = cookie(2)
    others_may_begin()
    return snapshot


@pure
def poll_state_synchronize_rcu(snapshot: Cookie) -> bool:
    """poll_state_synchronize_rcu() (kernel/rcu/tree.c): a full grace period has ended since the
    snapshot."""
    return elapsed(snapshot)


# --- grace periods ------------------------------------------------------------------------------


@atomic(models="kernel/rcu/tree.c: rcu_gp_init")
def begin_grace_period() -> None:
    """Note whom the grace period must wait for."""
    Rcu.gp_running = True
    for cpu in Cpu:
        cpu.needs_qs = not quiescent(cpu)
    for reader in Reader:
        reader.blocks_gp = reader.active
    if cfg.preemptions > 0:
        for thread in BoundThread:
            thread.blocks_gp = thread.waits_for != NULL


@atomic
def others_may_begin() -> None:
    """The model's own: a grace period that nobody here needs may begin right after this step."""
    if cfg.other_gps > 0 and not cfg.rcu_any_time:
        begins = choose(False, True)
        if begins and Budget.other_gps > 0 and not Rcu.gp_running and threads_are_up():
            Budget.other_gps -= 1
            begin_grace_period()


@atomic(models="kernel/rcu/tree.c: rcu_report_qs_rdp")
def note_quiescent_state(cpu: Cpu, quiet: bool) -> None:
    """A step that may leave a CPU quiescent; `quiet` says whether it does."""
    if quiet:
        others_may_begin()
        cpu.needs_qs = False


@action(environment=True, when=cfg.other_gps > 0)
def others_begin_grace_period() -> None:
    """rcu_gp_init() (kernel/rcu/tree.c) of a grace period that nobody here needs; at the start,
    unless any time is a time."""
    require(Budget.other_gps > 0 and not Rcu.gp_running and threads_are_up())
    require(cfg.rcu_any_time or not any(o.given for o in Object))
    Budget.other_gps -= 1
    begin_grace_period()


@pure
def may_end() -> bool:
    """rcu_gp_fqs_loop() (kernel/rcu/tree.c) can end: every CPU that the grace period waits for is
    done, and every thread that was switched out in a read-side section; and every reader, if it
    ends by itself."""
    if cfg.rcu_any_time and any(r.blocks_gp for r in Reader):
        return False
    if cfg.preemptions > 0 and any(t.blocks_gp for t in BoundThread):
        return False
    return all(not cpu.needs_qs for cpu in Cpu)


@pure
def somebody_looks() -> bool:
    """The model's own: the next step of some context takes or looks at a cookie."""
    return (
        any(before_cookie_use(client, c) for c in Client)
        or any(before_cookie_use(sleeping_client, c) for c in SleepingClient)
        or any(before_cookie_use(kworker, w) for w in Kworker)
        or any(before_cookie_use(barrier, b) for b in BarrierCaller)
        or any(before_cookie_use(shrinker, s) for s in Reclaimer)
        or any(before_cookie_use(irq_workd, c) for c in Cpu)
        or any(before_cookie_use(stopper, c) for c in Cpu)
        or any(before_cookie_use(takedown, t) for t in Takedown)
        or any(before_cookie_use(softirq, c) for c in Cpu)
        or any(before_cookie_use(hardirq, c) for c in Cpu)
        or any(before_cookie_use(nmi, c) for c in Cpu)
        or any(before_cookie_use(probe, c) for c in Cpu)
    )


@atomic(models="kernel/rcu/tree.c: rcu_gp_cleanup")
def end_grace_period() -> None:
    """Every cookie, stored or in somebody's hands, needs one grace period less."""
    Rcu.gp_running = False
    age_cookies()
    if not cfg.rcu_any_time:
        for reader in Reader:
            if reader.blocks_gp:
                reader_ends(reader)
