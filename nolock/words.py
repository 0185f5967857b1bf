"""Numbers in sentences."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 state`, `2,000 states`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def mebibytes(size: int) -> str:
    """A size as the user writes it for `--memory`."""
    return f"{size / (1 << 20):,.0f} MiB"
