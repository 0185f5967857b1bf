"""The costs of designs side by side, as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from nolock.costs import Costs, NotMeasured, Spread
from nolock.free_calls import OBJECTS
from nolock.report_text import print_table, say

_AT_ONCE = 6
"""Designs in one table."""


def _range(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    if spread.least == spread.most:
        return str(spread.most)
    return f"{spread.least} to {spread.most}"


def _most(spread: Spread | None) -> str:
    return "-" if spread is None else str(spread.most)


def _straight(costs: Costs) -> str:
    return f"{costs.overall.paths['straight']} of {costs.overall.combinations}"


_ROWS: tuple[tuple[str, Callable[[Costs], str]], ...] = (
    ("contexts × paths of one free call", lambda c: str(c.overall.combinations)),
    ("  straight in", _straight),
    ("  deferred", lambda c: str(c.overall.paths["deferred"])),
    ("  not freed without another arrival", lambda c: str(c.overall.paths["left"])),
    ("  wrong: violates, or never returns", lambda c: str(c.overall.paths["wrong"])),
    ("steps with irqs off: in the call", lambda c: _range(c.overall.irqs_off_in_call)),
    ("  until the object is freed", lambda c: _range(c.overall.irqs_off)),
    ("irq_works queued", lambda c: _range(c.overall.irq_works)),
    ("self-IPIs raised", lambda c: _range(c.overall.self_ipis)),
    ("most steps from call to queued", lambda c: _most(c.overall.until_queued)),
    ("most steps from queued to freed", lambda c: _most(c.overall.until_freed)),
    (f"longest llist, of {OBJECTS} objects", lambda c: str(c.longest_llist)),
    ("context tests in the code", lambda c: str(c.context_tests)),
)


def print_costs(found: Sequence[Costs | NotMeasured], console: Console) -> None:
    """Tables of a few designs each."""
    measured = [costs for costs in found if isinstance(costs, Costs)]
    for first in range(0, len(measured), _AT_ONCE):
        some = measured[first : first + _AT_ONCE]
        rows = [[Text(words), *(Text(cell(costs)) for costs in some)] for words, cell in _ROWS]
        heading = f"costs of a free ({some[0].environment})"
        print_table(console, [heading], [costs.design for costs in some], rows)
        say(console)
    for missing in found:
        if isinstance(missing, NotMeasured):
            text = f"? costs of {missing.design}, not measured: {missing.why}"
            say(console, text, "yellow", indent=2)
            say(console)
