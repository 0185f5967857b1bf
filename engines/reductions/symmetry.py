"""Canonical renaming of interchangeable records.

A permutation of a record's instances moves the cells of variables that have the record as a
dimension, and renames the values of variables that refer to it; both follow from the variables'
types. Two states that differ by a permutation have the same future up to renaming, so the search
keeps one of them: the one whose packed words are least.

`canonical` here tries every permutation and is the definition. The generated C and Python compare
fewer candidates; they may choose another representative, but always the same one for a whole class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product

from model.language.interpreter import State
from model.language.machine import Machine, Variable


@dataclass(frozen=True)
class Symmetry:
    """The records of a machine that are renamed, each with its number of instances."""

    machine: Machine
    records: tuple[tuple[str, int], ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def renamings(self) -> tuple[Renaming, ...]:
        """All combinations of permutations, the identity first."""
        names = [name for name, _ in self.records]
        choices = product(*(permutations(range(size)) for _, size in self.records))
        return tuple(
            Renaming(self.machine, dict(zip(names, choice, strict=True))) for choice in choices
        )

    def canonical(self, state: State) -> State:
        """The least state that is equal up to renaming."""
        return min(renaming.apply(state) for renaming in self.renamings)


@dataclass(frozen=True)
class Renaming:
    """Instance i of a record becomes instance `to[record][i]`."""

    machine: Machine
    to: dict[str, tuple[int, ...]]

    @cached_property
    def _moves(self) -> tuple[tuple[int, tuple[int, ...] | None], ...]:
        """Per cell of the renamed state: the cell it comes from, and its values' new names."""
        moves: list[tuple[int, tuple[int, ...] | None]] = []
        back = {name: tuple(to.index(i) for i in range(len(to))) for name, to in self.to.items()}
        for var in self.machine.variables:
            names = self.to.get(var.type.name) if var.type.kind == "ref" else None
            values = None if names is None else (0, *(i + 1 for i in names))
            for index in var.indices():
                moves.append((self._source(var, index, back), values))
        return tuple(moves)

    def packed_moves(self) -> tuple[list[int], list[tuple[int, tuple[int, ...]]]]:
        """For states of `value - lo`: where each cell comes from, and the cells to rename, how."""
        renamed = []
        for at, (_, values) in enumerate(self._moves):
            if values is not None:
                lo = self.machine.cells[at][0].type.lo
                renamed.append((at, tuple(value - lo for value in values[lo:])))
        return [source for source, _ in self._moves], renamed

    def _source(
        self, var: Variable, index: tuple[int, ...], back: dict[str, tuple[int, ...]]
    ) -> int:
        at = 0
        for dim, i in zip(var.dims, index, strict=True):
            known = back.get(dim.name) if dim.kind == "record" else None
            at = at * dim.size + (i if known is None else known[i])
        return self.machine.offset[var.name] + at

    def apply(self, state: State) -> State:
        """The renamed state."""
        return tuple(
            state[at] if values is None else values[state[at]] for at, values in self._moves
        )


def symmetry(machine: Machine) -> Symmetry | None:
    """What can be renamed, or None; records whose instances have processes of their own cannot."""
    owned = {proc.record for proc in machine.processes if proc.instances > 1}
    records, notes = [], []
    for name in machine.symmetric:
        size = instances(machine, name)
        if name in owned:
            notes.append(f"{name} is not renamed: its instances have processes of their own")
        elif size > 1:
            records.append((name, size))
    return Symmetry(machine, tuple(records), tuple(notes)) if records or notes else None


def renamed(symmetry: Symmetry | None) -> frozenset[str]:
    """The records whose instances are interchanged."""
    return frozenset() if symmetry is None else frozenset(name for name, _ in symmetry.records)


def instances(machine: Machine, record: str) -> int:
    """How many instances a record has, as far as any variable knows them."""
    sizes = {
        dim.size
        for var in machine.variables
        for dim in var.dims
        if dim.kind == "record" and dim.name == record
    } | {
        var.type.hi
        for var in machine.variables
        if var.type.kind == "ref" and var.type.name == record
    }
    return max(sizes, default=0)


def transpositions(size: int) -> Iterator[tuple[int, int]]:
    """Swaps which, done one after the other, go through all permutations (Heap's algorithm)."""
    counters = [0] * size
    at = 1
    while at < size:
        if counters[at] < at:
            yield (counters[at] if at % 2 else 0, at)
            counters[at] += 1
            at = 1
        else:
            counters[at] = 0
            at += 1


def cells_of(machine: Machine, record: str, instance: int) -> list[tuple[Variable, int]]:
    """The cells that belong to one instance, as variable and position, in a fixed order."""
    found = []
    for var in machine.variables:
        for at, index in enumerate(var.indices()):
            for dim, i in zip(var.dims, index, strict=True):
                if dim.kind == "record" and dim.name == record and i == instance:
                    found.append((var, at))
                    break
    return found


def references(machine: Machine, record: str) -> Sequence[Variable]:
    """The variables that refer to a record."""
    return [v for v in machine.variables if v.type.kind == "ref" and v.type.name == record]
