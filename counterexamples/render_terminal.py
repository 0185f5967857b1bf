"""Traces on a terminal: one column per CPU and context, or one in all where those are too many.

Only one lane runs at a time, so a statement may run on over the empty columns to its right. A bar
stands under the name of each context that has begun and not returned.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from counterexamples.explain import Explanation
from counterexamples.rows import Row, clean, rows_of
from counterexamples.trace import Trace, lanes_of

WIDTH = 100
MOST_COLUMNS = 6
_NARROWEST = 60
_COLUMNS_FROM = 70
_ROOM_FOR_TEXT = 46
_WIDEST_GAP = 18
_LONGEST_NAME = 20
_LONGEST_PLACE = 28
_SHORTEST_TEXT = 20
_LONGEST_TAIL = 8
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan")
_FAILS, _KEY = "✗", "•"


@dataclass(frozen=True)
class _Plan:
    """Where things stand: `offsets` of the lanes' texts; `stacked` has the lane's name beside."""

    lanes: tuple[str, ...]
    width: int
    left: int
    offsets: tuple[int, ...]
    stacked: bool

    def offset(self, lane: str) -> int:
        return self.offsets[self.lanes.index(lane)]

    def colour(self, lane: str) -> str:
        return _COLOURS[self.lanes.index(lane) % len(_COLOURS)]


@dataclass
class _Line:
    """A line under construction: characters and styled spans."""

    chars: str = ""
    spans: tuple[tuple[int, int, str], ...] = ()

    def put(self, at: int, text: str, style: str = "") -> None:
        self.chars = self.chars.ljust(at)
        self.chars = self.chars[:at] + text + self.chars[at + len(text) :]
        self.spans = (*self.spans, (at, at + len(text), style))

    def styled(self) -> Text:
        text = Text(self.chars.rstrip(), no_wrap=True)
        for first, last, style in self.spans:
            if style:
                text.stylize(style, first, last)
        return text


def print_trace(
    trace: Trace,
    explanation: Explanation | None = None,
    *,
    console: Console | None = None,
    full: bool = False,
) -> None:
    """Print a trace; colours only where the console is a terminal."""
    console = console or Console()
    width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    for line in _lines(trace, explanation, width, full):
        console.print(line.styled(), soft_wrap=True, highlight=False)


def render_text(
    trace: Trace,
    explanation: Explanation | None = None,
    *,
    width: int = WIDTH,
    full: bool = False,
) -> str:
    """The trace as plain text, the same for the same trace everywhere."""
    lines = _lines(trace, explanation, width, full)
    return "".join(f"{line.chars.rstrip()}\n" for line in lines)


def _lines(
    trace: Trace, explanation: Explanation | None, width: int, full: bool
) -> Iterator[_Line]:
    width = max(width, _NARROWEST)
    rows = rows_of(trace, explanation, full=full)
    shown = len(rows) if full else _tail(trace, rows)
    lanes = {row.lane for row in rows[:shown]}
    plan = _plan(tuple(lane for lane in lanes_of(trace) if lane in lanes), rows, width)
    yield from _title(trace, width)
    yield from _header(plan)
    previous: Row | None = None
    for row in rows[:shown]:
        if previous is not None and previous.lane != row.lane:
            yield _bars(plan, previous.running & row.running)
        if row.loops:
            yield _line(" " * plan.left + "from here for ever:", "bold red")
        yield from _row(plan, row, named=previous is None or previous.lane != row.lane)
        previous = row
    if shown < len(rows):
        text = f"Steps {rows[shown].first}-{rows[-1].last} bring the system to rest (--full)."
        yield _bars(plan, rows[shown - 1].running & rows[shown].running)
        yield _line(" " * plan.left + text, "dim italic")
    yield from _ending(trace, explanation, width)


def _tail(trace: Trace, rows: Sequence[Row]) -> int:
    """How many rows to show: when all is lost, how the system comes to rest is of no interest."""
    keys = [number for number, row in enumerate(rows) if row.key]
    if trace.kind != "rest" or not keys or len(rows) - keys[-1] - 2 < _LONGEST_TAIL:
        return len(rows)
    return keys[-1] + 2


def _plan(lanes: tuple[str, ...], rows: Sequence[Row], width: int) -> _Plan:
    digits = max((len(row.numbers) for row in rows), default=1)
    left = 2 + digits + 2
    names = min(_LONGEST_NAME, max((len(lane) for lane in lanes), default=0))
    if len(lanes) > MOST_COLUMNS or (len(lanes) > 1 and width < _COLUMNS_FROM):
        return _Plan(lanes, width, left, (left + names + 2,) * len(lanes), True)
    gap = 0
    if len(lanes) > 1:
        gap = max(2, min(_WIDEST_GAP, (width - left - _ROOM_FOR_TEXT) // (len(lanes) - 1)))
    return _Plan(lanes, width, left, tuple(left + gap * n for n in range(len(lanes))), False)


def _title(trace: Trace, width: int) -> Iterator[_Line]:
    identity = trace.identity
    run = f", {identity.run}" if identity.run else ""
    title = f"{identity.design}{run}: {trace.property} is violated"
    yield from _wrapped(clean(title), width, "bold")
    yield from _wrapped(clean(trace.message), width, "")
    bounds = ", ".join(f"{name} {value}" for name, value in identity.config if value)
    zero = ", ".join(name for name, value in identity.config if not value)
    for text in (bounds, zero and f"0: {zero}"):
        yield from _wrapped(clean(text), width, "dim")
    yield _Line()


def _header(plan: _Plan) -> Iterator[_Line]:
    """The lanes' names; where they are too long to stand side by side, as a flight of stairs."""
    if plan.stacked:
        return
    waiting = list(plan.lanes)
    while waiting:
        line, end = _Line(), 0
        left_over: list[str] = []
        for lane in waiting:
            at, name = plan.offset(lane), _short(clean(lane), plan.width - plan.offset(lane))
            if at >= end and not left_over:
                line.put(at, name, f"bold {plan.colour(lane)}")
                end = at + len(name) + 2
            else:
                left_over.append(lane)
        named = [lane for lane in plan.lanes if lane not in waiting]
        for lane in named:
            line.put(plan.offset(lane), "│", "dim")
        yield line
        waiting = left_over
    yield _line("─" * plan.width, "dim")


def _bars(plan: _Plan, running: frozenset[str]) -> _Line:
    line = _Line()
    if not plan.stacked:
        for lane in plan.lanes:
            if lane in running:
                line.put(plan.offset(lane), "│", f"dim {plan.colour(lane)}")
    return line


def _row(plan: _Plan, row: Row, *, named: bool) -> Iterator[_Line]:
    at = plan.offset(row.lane)
    others = row.running - {row.lane}
    colour = plan.colour(row.lane)
    style = "bold red" if row.failing else colour
    if row.heading:
        line = _bars(plan, others)
        line.put(at, _short(row.heading, plan.width - at), f"dim italic {colour}")
        yield line
    room, place = plan.width - at, _short(row.place, _LONGEST_PLACE)
    left_over = room - 2 - len(place)
    beside = len(row.text) <= left_over or (len(row.text) > room and left_over >= _SHORTEST_TEXT)
    pieces = textwrap.wrap(row.text, left_over if beside else room - 2) or [""]
    for number, piece in enumerate(pieces):
        line = _bars(plan, others)
        line.put(at, piece if number == 0 else f"  {piece}", style)
        if number == 0:
            mark = _FAILS if row.failing else _KEY if row.key else " "
            line.put(0, mark, "bold red")
            line.put(2, row.numbers.rjust(plan.left - 4), "dim")
            if plan.stacked and named:
                line.put(plan.left, _short(clean(row.lane), _LONGEST_NAME), f"bold {colour}")
            if beside:
                line.put(plan.width - len(place), place, "dim")
        yield line
    details = [detail.text for detail in row.details]
    for text in details if beside else [place, *details]:
        for number, piece in enumerate(textwrap.wrap(text, room - 4)):
            line = _bars(plan, others)
            line.put(at + (2 if number == 0 else 4), piece, "dim")
            yield line


def _ending(trace: Trace, explanation: Explanation | None, width: int) -> Iterator[_Line]:
    yield _line("─" * width, "dim")
    if trace.kind in ("check", "invariant"):
        yield from _wrapped(clean(f"{_FAILS} {trace.property}: {trace.message}"), width, "bold red")
    elif trace.stem is not None:
        first, last = trace.stem + 1, len(trace.steps)
        again = f"Steps {first}-{last}" if first < last else f"Step {last}"
        text = f"{_FAILS} {again} for ever, and {trace.property} does not hold: {trace.message}"
        yield from _wrapped(clean(text), width, "bold red")
    elif trace.kind == "rest":
        text = f"{_FAILS} At rest, and {trace.property} does not hold: {trace.message}"
        yield from _wrapped(clean(text), width, "bold red")
    else:
        text = f"{_FAILS} From here {trace.property} can no longer be met: {trace.message}"
        yield from _wrapped(clean(text), width, "bold red")
    if explanation is not None:
        yield _Line()
        yield from _wrapped(clean(explanation.paragraph), width, "")
        if explanation.key_steps:
            yield _line(f"{_KEY} marks the steps that this rests on.", "dim")


def _wrapped(text: str, width: int, style: str) -> Iterator[_Line]:
    for piece in textwrap.wrap(text, width, break_on_hyphens=False):
        yield _line(piece, style)


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"


def _line(text: str, style: str) -> _Line:
    line = _Line()
    line.put(0, text, style)
    return line
