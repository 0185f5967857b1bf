"""call_rcu(): callbacks, the per-CPU list they wait on, and rcu_barrier().

Appending to the callback list is several plain stores with irqs off. That keeps other contexts of
the CPU out, except those that irqs-off does not keep out: an NMI, and a probe inside the append
itself. `callback_lists` says whether the stores are steps of their own; without it call_rcu() is
one step, which is all that matters to a design that never calls it from such a context.

Abstractions:
* One list per CPU stands for the segments of rcu_segcblist; a callback's segment is the grace
  period noted in it. Callbacks of a CPU are invoked in order. No callbacks are offloaded (nocb),
  so the raw locks of that path are not here.
* A callback is invoked in softirq (softirqs.py), on the CPU whose list it is on; without
  `callback_lists` on any CPU.
* A dead CPU's list is put behind that of the CPU that takes it over in one step, under the lock and
  with irqs off; an NMI or a probe that cut into that with a call of call_rcu() is left out. Each
  callback keeps its grace period, where the kernel may give it a later one.
* rcu_barrier() waits for the callbacks that are there when it is called, each by a mark of its own
  instead of one callback behind them on every list. Calls of it are not serialised by a mutex: a
  second one at once waits for what both have marked, which is no less than the kernel waits for.
  The kernel's callback for it takes a debugobjects bucket; a mark does not, which hides contention.
  In runs with a barrier a head is invoked again only when its function has returned; that it could
  be sooner, on another CPU, is left out.
"""

from model.kernel.cpu import Cpu, smp_processor_id, this_cpu
from model.kernel.debug import look_up_debug_object, save_stack
from model.kernel.forbidden import forbidden_from_nmi_or_probe
from model.kernel.interrupts import local_irq_restore, local_irq_save
from model.kernel.rcu import Rcu
from model.language.syntax import (
    NULL,
    Cookie,
    Routine,
    Static,
    atomic,
    cfg,
    check,
    cookie,
    elapsed,
    inline,
    knob,
    of,
    pure,
    record,
    routine,
    tracepoint,
)

knob("callback_lists", False, "call_rcu() appends to a per-CPU list store by store")
knob(
    "probe_in_append",
    False,
    "a kprobe between the stores of that append, entered by a jump and not by an exception",
)


@record()
class RcuHead:
    """struct rcu_head: `waiting` from call_rcu() on, `invoked` while its function runs.

    `marked` says that an rcu_barrier() waits for what waits, `end_marked` for what runs: the
    function may make the head's owner call call_rcu() again before it returns.
    """

    func: Static[Routine]
    waiting: bool
    marked: bool
    invoked: bool
    end_marked: bool
    snapshot: Cookie
    next: RcuHead


@record(per=Cpu)
class RcuData:
    """A CPU's callback list, known by its first and its last callback."""

    first: RcuHead
    last: RcuHead


@routine(models="kernel/rcu/tree.c: call_rcu")
def call_rcu(head: RcuHead) -> None:
    """call_rcu(): not from NMI, and not from a probe that may have cut into this very section.

    A probe that finds irqs on knows that it has not. The debugging aids come first, with irqs as
    they are.
    """
    forbidden_from_nmi_or_probe()
    look_up_debug_object()
    save_stack()
    flags = local_irq_save()
    if cfg.callback_lists:
        append_callback(head)
    note_callback(head)
    local_irq_restore(flags)


@routine(models="kernel/rcu/rcu_segcblist.c: rcu_segcblist_enqueue")
def append_callback(head: RcuHead) -> None:
    """Link the callback behind the last one. The loads and stores are plain: irqs are off."""
    rdp = this_cpu(RcuData)
    last = rdp.last
    perhaps_kprobe()
    if last == NULL:
        link_first(rdp, head)
    else:
        link_behind(last, head)
    perhaps_kprobe()
    rdp.last = head


@inline
def perhaps_kprobe() -> None:
    """No function is called here, but a kprobe can be put on any instruction."""
    if cfg.probe_in_append:
        tracepoint()


@atomic
def link_first(rdp: RcuData, head: RcuHead) -> None:
    """The list was empty when it was looked at; if it is not now, what came meanwhile is lost."""
    check("list_integrity", rdp.first == NULL, "a callback that was added meanwhile is overwritten")
    rdp.first = head


@atomic
def link_behind(last: RcuHead, head: RcuHead) -> None:
    """The same behind the last callback."""
    check("list_integrity", last.next == NULL, "a callback that was added meanwhile is overwritten")
    last.next = head


@atomic
def note_callback(head: RcuHead) -> None:
    """The callback waits for a grace period that begins from now on."""
    head.snapshot = cookie(2) if Rcu.gp_running else cookie(1)
    head.waiting = True


@atomic
def merge_callbacks(dead: Cpu, here: Cpu) -> None:
    """rcu_segcblist_merge(): the dead CPU's callbacks go behind those that are here."""
    theirs = of(RcuData, dead)
    ours = of(RcuData, here)
    if theirs.first != NULL:
        if ours.last == NULL:
            ours.first = theirs.first
        else:
            ours.last.next = theirs.first
        ours.last = theirs.last
        theirs.first = NULL
        theirs.last = NULL


@routine(models="kernel/rcu/tree.c: rcutree_migrate_callbacks")
def rcutree_migrate_callbacks(dead: Cpu) -> None:
    """The running CPU takes over what waits on a dead one."""
    flags = local_irq_save()
    merge_callbacks(dead, smp_processor_id())
    local_irq_restore(flags)


@pure
def callback_waits() -> bool:
    """Some callback needs a grace period."""
    return any(h.waiting and not elapsed(h.snapshot) for h in RcuHead)


@pure
def can_be_invoked(cpu: Cpu, head: RcuHead) -> bool:
    """The callback's grace period is over, and it is the first on its CPU's list."""
    if cfg.callback_lists and of(RcuData, cpu).first != head:
        return False
    if cfg.barriers > 0 and head.invoked:
        return False
    return head.waiting and elapsed(head.snapshot)


@atomic
def take_callback(cpu: Cpu, head: RcuHead) -> None:
    """Take the callback off its list: it is about to be invoked."""
    head.waiting = False
    if cfg.barriers > 0:
        head.invoked = True
        head.end_marked = head.marked
        head.marked = False
    if cfg.callback_lists:
        rdp = of(RcuData, cpu)
        rdp.first = head.next
        if rdp.last == head:
            rdp.last = NULL
        head.next = NULL


@routine(models="kernel/rcu/tree.c: rcu_do_batch")
def invoke_callback(head: RcuHead) -> None:
    """Call the function; an rcu_barrier() that waits for it sees it done."""
    look_up_debug_object()
    head.func(head)
    if cfg.barriers > 0:
        callback_is_done(head)


@atomic
def callback_is_done(head: RcuHead) -> None:
    """Whoever waits for the callback sees it done."""
    head.invoked = False
    head.end_marked = False
