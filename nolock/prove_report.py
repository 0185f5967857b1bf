"""What `nolock prove start-address` prints: a table, and a picture for each kind of failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from counterexamples.memory_picture import memory_picture, signed_distance
from engines.symbolic.address_verdict import AddressVerdict
from model.kernel.kinds import kind_named
from properties.start_address import NAME, OUTCOME_SAYS, OUTCOMES, Defect, defect_of

if TYPE_CHECKING:  # Z3 takes a while to load
    from engines.symbolic.slab_geometry import CacheVerdict, Reading

_ROOMY = 90
"""From this width on the columns of tables have blanks beside them."""
_NARROWEST = 12
_STYLE = {"proved": "green", "violated": "red", "incomplete": "yellow"}


def render_start_address(
    verdicts: Sequence[AddressVerdict], console: Console, *, interrupted: bool = False
) -> None:
    """Print the verdicts as a table, then each distinct defect with a picture and a paragraph."""
    # On a narrow terminal lines run on: a column of width 0 would say nothing.
    console.print(_table(verdicts, console.width), crop=False)
    for verdict in verdicts:
        if not verdict.as_expected and verdict.verdict != "incomplete":
            expected = f"{verdict.verdict}, expected {verdict.expected or 'nothing'}"
            text = f"! {verdict.recovery}, {_place(verdict)}: {expected}"
            console.print(Text(text), style="bold red")
    for text in _undecided(verdicts):
        console.print(Text(f"? {text}"), style="yellow")
    for verdict, defect in distinct_defects(verdicts):
        console.print()
        # Only the recovery's own file can say that it is this defect and not one like it.
        name = defect.name if defect.name == verdict.reported else f"looks like {defect.name}"
        if not defect.name.startswith("AR-"):
            name = defect.name
        console.print(Text(f"{name}  {verdict.recovery} on {_place(verdict)}", style="bold"))
        console.print(memory_picture(verdict), end="", soft_wrap=True)
        console.print(Text(defect.says))
    console.print()
    covered = "interrupted, this is what was covered; " if interrupted else ""
    console.print(Text(covered + summary(verdicts)))


def _undecided(verdicts: Sequence[AddressVerdict]) -> list[str]:
    """What is incomplete, in a line for each recovery and reason."""
    found: dict[tuple[str, str], list[AddressVerdict]] = {}
    for verdict in verdicts:
        if verdict.verdict == "incomplete":
            found.setdefault((verdict.recovery, verdict.reason), []).append(verdict)
    return [
        f"{recovery}, {_place(group[0]) if len(group) == 1 else f'{len(group)} proofs'}: {reason}"
        for (recovery, reason), group in found.items()
    ]


def distinct_defects(
    verdicts: Sequence[AddressVerdict],
) -> list[tuple[AddressVerdict, Defect]]:
    """Return one violated verdict for each recovery and defect, the worst outcome first."""
    found: dict[tuple[str, str], tuple[AddressVerdict, Defect]] = {}
    for verdict in verdicts:
        w = verdict.witness
        if verdict.verdict != "violated" or w is None:
            continue
        defect = defect_of(kind_named(verdict.kind), w.outcome, w.start, w.recovered)
        key = (verdict.recovery, defect.name)
        best = found.get(key)
        if best is None or _severity(verdict) < _severity(best[0]):
            found[key] = (verdict, defect)
    return [found[key] for key in sorted(found)]


def summary(verdicts: Sequence[AddressVerdict]) -> str:
    """Return one sentence: how many verdicts of which sort, and whether all were expected."""
    counts = {name: sum(v.verdict == name for v in verdicts) for name in _STYLE}
    parts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    seconds = sum(v.seconds for v in verdicts)
    decided = [v for v in verdicts if v.verdict != "incomplete"]
    good = sum(v.as_expected for v in decided)
    end = f"{good} as expected, {len(decided) - good} not, {counts['incomplete']} incomplete"
    if good == len(verdicts):
        end = "all as expected"
    return f"{NAME}: {parts or 'nothing asked'}; {end}; {seconds:.1f} s"


def render_slab_geometry(
    reading: Reading, verdicts: Sequence[CacheVerdict], console: Console
) -> None:
    """Print what each recovery does to the caches of this kernel, counted by kind."""
    merged = sum(cache.aliases for cache in reading.caches)
    console.print(
        Text(f"{len(reading.caches)} caches from {reading.source}, {merged} merged names with them")
    )
    for note in reading.notes:
        console.print(Text(note), style="yellow")
    table = Table(padding=(0, 1) if console.width >= _ROOMY else 0)
    for heading in ("recovery", "kind", *_STYLE, "first violation"):
        table.add_column(heading, min_width=len(heading))
    groups: dict[tuple[str, str], list[CacheVerdict]] = {}
    for verdict in verdicts:
        groups.setdefault((verdict.recovery, verdict.kind), []).append(verdict)
    for (recovery, kind), group in groups.items():
        counts = [sum(v.verdict == name for v in group) for name in _STYLE]
        first = next((v for v in group if v.verdict == "violated"), None)
        example = f"{first.cache.name}: {first.example}" if first else ""
        table.add_row(recovery, kind, *(str(n) if n else "" for n in counts), Text(example))
    console.print(table, crop=False)


def _table(verdicts: Sequence[AddressVerdict], width: int) -> Table:
    """One row for each recovery and kind, one column for each architecture and page size."""
    places = list(dict.fromkeys((v.arch, v.page_size) for v in verdicts))
    table = Table(title=NAME, padding=(0, 1) if width >= _ROOMY else 0)
    table.add_column("recovery", min_width=_longest(["recovery", *(v.recovery for v in verdicts)]))
    table.add_column("allocation", min_width=_NARROWEST)
    for at, (arch, size) in enumerate(places):
        # Broken between the two words where there is no room for both side by side.
        heading = f"{arch} {size // 1024}K"
        shown = [_cell(v).plain for v in verdicts if (v.arch, v.page_size) == places[at]]
        table.add_column(heading, min_width=_longest([*heading.split(), *shown]))
    table.add_column("if wrong", min_width=_NARROWEST)
    rows: dict[tuple[str, str], dict[tuple[str, int], AddressVerdict]] = {}
    for v in verdicts:
        rows.setdefault((v.recovery, v.kind), {})[v.arch, v.page_size] = v
    previous = ""
    for (recovery, kind), cells in rows.items():
        worst = min(
            (v.outcome for v in cells.values() if v.verdict == "violated" and v.outcome),
            key=OUTCOMES.index,
            default=None,
        )
        table.add_row(
            "" if recovery == previous else recovery,
            kind_named(kind).says,
            *(_cell(cells.get(place)) for place in places),
            "" if worst is None else OUTCOME_SAYS[worst],
        )
        previous = recovery
    return table


def _cell(verdict: AddressVerdict | None) -> Text:
    if verdict is None:
        return Text("-", style="dim")  # no such objects there
    if verdict.verdict == "incomplete":
        return Text("?", style=_STYLE["incomplete"])
    odd = "" if verdict.as_expected else " !"
    return Text(verdict.verdict + odd, style="bold red" if odd else _STYLE[verdict.verdict])


def _longest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def _severity(verdict: AddressVerdict) -> tuple[int, int]:
    """The worst outcome first, then the one that is furthest off, which is the plainest to see."""
    if verdict.outcome is None or verdict.witness is None:
        return len(OUTCOMES), 0
    off = signed_distance(verdict.witness.recovered, verdict.witness.start)
    return OUTCOMES.index(verdict.outcome), -abs(off)


def _place(verdict: AddressVerdict) -> str:
    size = verdict.page_size // 1024
    return f"{kind_named(verdict.kind).says}, {verdict.arch} with {size} KiB pages"
