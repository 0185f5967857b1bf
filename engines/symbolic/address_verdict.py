"""What the start-address prover reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.kernel.layouts import Layout
from model.kernel.placed import Placed
from model.language.word_run import Ran
from properties.start_address import Outcome

Verdict = Literal["proved", "violated", "incomplete"]


@dataclass(frozen=True)
class Witness:
    """One concrete placement for which the recovery is wrong, as the evaluator replayed it."""

    placed: Placed
    layout: Layout
    words: dict[str, int]  # the layout words, open ones included
    start: int
    head: int
    ran: Ran
    outcome: Outcome

    @property
    def recovered(self) -> int:
        """The address that kvfree() would be given."""
        return self.ran.value

    def as_json(self) -> dict[str, object]:
        """Return addresses as hex texts, sizes as numbers."""
        p = self.placed
        return {
            "area": hex(p.area),
            "bytes": p.bytes,
            "slot_size": p.size,
            "objects": p.objects,
            "index": p.index,
            "red_left_pad": p.pad,
            "requested": p.requested,
            "align": p.align,
            "tag": hex(p.tag),
            "offset": p.offset,
            "start": hex(self.start),
            "head": hex(self.head),
            "recovered": hex(self.recovered),
            "broken": [b.says for b in self.ran.broken],
        }


@dataclass(frozen=True)
class AddressVerdict:
    """The verdict on one recovery for one kind of allocation at one page size."""

    recovery: str
    kind: str
    arch: str
    page_size: int
    verdict: Verdict
    outcome: Outcome | None  # None where the verdict is incomplete
    covers: str
    engine: str
    seconds: float
    witness: Witness | None = None
    expected: str | None = None  # None: the file states no expectation, or several that match
    because: str = ""
    reported: str = ""
    reason: str = ""  # why a verdict is incomplete

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the recovery's file states."""
        return self.verdict == self.expected
