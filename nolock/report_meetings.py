"""What the runs of a design covered together, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from nolock.meetings import Meetings, Pair, Together
from nolock.words import counted


def meetings_lines(meetings: Meetings) -> list[str]:
    """Paragraphs, each to be folded by itself."""
    lines = []
    if meetings.pairs:
        met = meetings.pairs - len(meetings.never)
        whom = f"{counted(meetings.pairs, 'pair')} of {counted(len(meetings.actors), 'actor')}"
        lines.append(f"{met} of {whom} met in one exhausted run")
    if meetings.never:
        lines.append(f"never met: {_pairs(meetings.never)}")
    if meetings.cut:
        lines.append(f"only in runs that end at a violation: {_pairs(meetings.cut)}")
    if meetings.absent:
        lines.append(f"in no run: {', '.join(meetings.absent)}")
    lines += [f"together, {one.environment}: {_together(one)}" for one in meetings.largest()]
    lines += [
        f"no verdict on {cell.property} ({', '.join(cell.environments)}): {cell.why}"
        for cell in meetings.no_verdict
    ]
    if meetings.no_run:
        lines.append(f"no run in {', '.join(meetings.no_run)}")
    return lines


def meetings_json(meetings: Meetings | None) -> dict[str, object] | None:
    """All of it, for a program."""
    return None if meetings is None else asdict(meetings)


def _pairs(pairs: Sequence[Pair]) -> str:
    """By the first of each pair."""
    with_whom: dict[str, list[str]] = {}
    for first, second in pairs:
        with_whom.setdefault(first, []).append(second)
    return "; ".join(f"{first} and {', '.join(others)}" for first, others in with_whom.items())


def _together(one: Together) -> str:
    only = f", {one.properties[0]} only" if len(one.properties) == 1 else ""
    return f"{', '.join(one.actors)} ({one.run}, {counted(one.objects, 'object')}{only})"
