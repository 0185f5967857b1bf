"""What the commands do, below the parsing of their options."""

from __future__ import annotations

from nolock.check import check
from nolock.options import Given
from nolock.output import publish
from nolock.verify import exit_code


def verify_command(designs: tuple[str, ...], traces: bool, given: Given) -> int:
    """Check, report, and say how it went by exit code."""
    asked = given.asked(designs, traces=traces or len(designs) == 1)
    whole = not designs and not asked.narrowed
    report = check(asked, whole_product=whole)
    publish(report, given.form, given.output, traces=asked.traces)
    return exit_code(report)
