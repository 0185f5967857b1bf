"""Calls that not every context may make.

The checks are the model's own. Where the kernel has none, it waits for ever if the lock is held,
and lockdep may report the call.
"""

from model.kernel.cpu import smp_processor_id
from model.language.syntax import atomic, check, inline, runs_in


@inline
def forbidden_from_nmi_or_probe() -> None:
    """What follows takes locks that the interrupted or probed code may hold, with irqs off.

    From NMI it is forbidden whether or not such a lock is held just then. So it is from a probe,
    unless the probed code runs with irqs on: then it holds none of them. Whoever relies on that
    has to ask irqs_disabled() first; a call that does not ask is reported where irqs are off.
    """
    if runs_in(nmi):
        call_is_forbidden()
    if runs_in(probe):
        must_have_irqs_on_below()


@atomic
def call_is_forbidden() -> None:
    """Report the call."""
    check(
        "forbidden_call",
        False,
        "called from NMI: it takes locks that may be held below",
    )


@atomic
def must_have_irqs_on_below() -> None:
    """Report the call if the probed code may hold such a lock."""
    check(
        "forbidden_call",
        not smp_processor_id().irqs_off_below,
        "called from a probe with irqs off below: it takes locks that may be held there",
    )
