"""The contexts and what makes them run: the most general client, and the system's own work.

Every client context may free any object that nobody has freed yet, at any time, as long as the
bounds allow (`model/kernel/bounds.py`). What the system owes (pending interrupts, timers, queued
work, grace periods that a callback waits for) is a step of the system; what comes from outside
is marked as environment.
"""

from model.kernel.boot import batching_init, boot_client, scheduler_starts
from model.kernel.boot_stages import threads_are_up
from model.kernel.bounds import Budget
from model.kernel.callbacks import (
    RcuHead,
    callback_waits,
)
from model.kernel.handlers import hardirq, nmi
from model.kernel.hotplug import stopper
from model.kernel.idle import idle
from model.kernel.probes import probe
from model.kernel.rcu import (
    Rcu,
    begin_grace_period,
    end_grace_period,
    may_end,
    somebody_looks,
)
from model.kernel.sleepers import barrier, sleeping_client
from model.kernel.softirqs import softirq
from model.kernel.tasks import client, shrinker
from model.language.syntax import (
    action,
    cfg,
    instances,
    require,
)

# Designs import these from here.
__all__ = [
    "barrier",
    "batching_init",
    "boot_client",
    "client",
    "hardirq",
    "idle",
    "nmi",
    "probe",
    "scheduler_starts",
    "shrinker",
    "sleeping_client",
    "softirq",
    "stopper",
]


@action(when=instances(RcuHead) > 0)
def grace_period_begins_for_callback() -> None:
    """rcu_gp_kthread() (kernel/rcu/tree.c): a callback waits, and the grace period that it needs
    begins."""
    require(not Rcu.gp_running and callback_waits() and threads_are_up())
    begin_grace_period()


@action(when=instances(RcuHead) > 0 or cfg.other_gps > 0)
def grace_period_ends(another_begins: bool) -> None:
    """rcu_gp_cleanup() (kernel/rcu/tree.c): a grace period ends; somebody else's next one may begin
    at once."""
    require(Rcu.gp_running and may_end())
    require(cfg.rcu_any_time or callback_waits() or somebody_looks())
    require(not another_begins or (Budget.other_gps > 0 and not cfg.rcu_any_time))
    end_grace_period()
    if another_begins:
        Budget.other_gps -= 1
        begin_grace_period()
