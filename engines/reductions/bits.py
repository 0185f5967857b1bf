"""Sets of cells as numbers: a bit for each cell of a machine, and for each question about it.

Most who read a program counter only ask whether it is one of a few: whether the process is idle, or
at a probe point. Such a *question* has a bit for each instance. It tells a step that changes the
answer from one that only moves on. One more bit stands for all cookies at once, as they age.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from engines.reductions.footprints import COOKIES, Spot
from engines.reductions.reads import Access
from engines.reductions.values import SELF, Possible
from model.language.fold import flat, rewrite
from model.language.machine import Age, Const, Expr, Load, Machine, Process


@dataclass(frozen=True)
class Bits:
    """The numbers of the bits: cells, then questions, instance by instance, then the cookies."""

    machine: Machine
    questions: Mapping[str, tuple[frozenset[int], ...]]
    _known: dict[tuple[Spot, int, tuple[int, ...]], int] = field(default_factory=dict)

    @staticmethod
    def of(machine: Machine, accesses: Iterable[Access]) -> Bits:
        """With a bit for each question that an access asks."""
        asked: dict[str, set[frozenset[int]]] = {proc.name: set() for proc in machine.processes}
        for access in accesses:
            if access.member is not None and machine.variable[access.var].role == "pc":
                asked[machine.variable[access.var].dims[0].name].add(access.member.members)
        return Bits(
            machine, {name: tuple(sorted(sets, key=sorted)) for name, sets in asked.items()}
        )

    @cached_property
    def first_question(self) -> Mapping[str, int]:
        """The bit of a process's first question about its first instance."""
        firsts, at = {}, len(self.machine.cells)
        for proc in self.machine.processes:
            firsts[proc.name] = at
            at += proc.instances * len(self.questions[proc.name])
        return firsts

    @cached_property
    def cookie_bit(self) -> int:
        """The number of the bit that stands for all cookies."""
        asked = sum(
            proc.instances * len(self.questions[proc.name]) for proc in self.machine.processes
        )
        return len(self.machine.cells) + asked

    @cached_property
    def cookies(self) -> frozenset[str]:
        """The variables that age."""
        ops = (op for tr in self.machine.transitions for op in flat(tr.body))
        return frozenset(name for op in ops if isinstance(op, Age) for name in op.variables)

    def question(self, proc: Process, me: int, which: int) -> int:
        """The bit of one question about an instance."""
        return self.first_question[proc.name] + me * len(self.questions[proc.name]) + which

    def answers(self, proc: Process, me: int, pcs: Iterable[int]) -> int:
        """The questions about an instance whose answer differs among these program counters."""
        asked, mask = set(pcs), 0
        for which, members in enumerate(self.questions[proc.name]):
            if asked & members and asked - members:
                mask |= 1 << self.question(proc, me, which)
        return mask

    def mask(self, spots: Iterable[Spot], me: int = 0, locals_: Mapping[str, int] = {}) -> int:
        """The bits of spots, for an instance and the values of its locals."""
        found = 0
        for spot in spots:
            key = (spot, me, tuple(locals_.get(name, 0) for name in spot.locals))
            if key not in self._known:
                self._known[key] = self._mask(spot, me, locals_)
            found |= self._known[key]
        return found

    def _mask(self, spot: Spot, me: int, locals_: Mapping[str, int]) -> int:
        if spot.var == COOKIES:
            return 1 << self.cookie_bit
        variable = self.machine.variable[spot.var]
        places = [0]
        for dim, part in zip(variable.dims, spot.at, strict=True):
            values = _values(part, me, locals_, dim.size)
            places = [place * dim.size + value for place in places for value in values]
        if spot.asked is None:
            return sum(1 << self.machine.offset[spot.var] + place for place in places)
        proc = self.machine.process[variable.dims[0].name]
        which = self.questions[proc.name].index(spot.asked)
        return sum(1 << self.question(proc, place, which) for place in places)


def _values(part: Possible, me: int, locals_: Mapping[str, int], size: int) -> Sequence[int]:
    """The values of a part of an index that are within bounds; all where it is not known."""

    def put(term: Expr) -> Expr | None:
        if isinstance(term, Load):
            return Const(locals_[term.var])
        return Const(me) if term == SELF else None

    if part is None:
        return range(size)
    found = {rewrite(expr, put) for expr in part}
    if not all(isinstance(value, Const) for value in found):
        return range(size)
    return sorted(v.value for v in found if isinstance(v, Const) and 0 <= v.value < size)


__all__ = ["Bits"]
