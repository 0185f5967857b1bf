"""Calls that not every context may make."""

from model.language.syntax import atomic, check, inline, pure, runs_in


@pure
def in_unknown_context() -> bool:
    """NMI, or inside a probe: any lock may be held below."""
    return runs_in(nmi, probe)


@inline
def forbidden_from_nmi_or_probe() -> None:
    """What follows takes locks that the interrupted or probed code may hold.

    Stated as a call that these contexts must not make, whether or not the lock is held just then.
    """
    if in_unknown_context():
        call_is_forbidden()


@atomic
def call_is_forbidden() -> None:
    """Report the call."""
    check(
        "forbidden_call",
        False,
        "called from NMI or from inside a probe: it takes locks that may be held below",
    )
