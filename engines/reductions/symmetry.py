"""Canonical renaming of interchangeable records, with all that belongs to their instances.

A permutation of a record's instances takes with it the instances of records that are declared per
instance of it or embedded in one, and the processes that run for them. It moves the cells of
variables that have any of these as a dimension, and renames the values of variables that refer to
them. All of it follows from declarations and types. Two states that differ by a permutation have
the same future up to renaming, so the search keeps one of them.

`canonical` here tries every permutation and takes the least state: that is the definition. The
engines compare fewer candidates (representative.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product

from model.language.interpreter import State
from model.language.machine import Dimension, Machine, Variable

Images = Mapping[str, tuple[int, ...]]
"""For each record the instance (from 0) that each of its instances becomes."""


@dataclass(frozen=True)
class Symmetry:
    """The records of a machine that are renamed, each with its number of instances."""

    machine: Machine
    records: tuple[tuple[str, int], ...]

    @cached_property
    def moved(self) -> frozenset[str]:
        """These records, and those whose instances go with theirs."""
        roots = {name for name, _ in self.records}
        names = (*self.machine.sizes, *roots)
        return frozenset(name for name in names if roots & roots_of(self.machine, name))

    @cached_property
    def renamings(self) -> tuple[Renaming, ...]:
        """All combinations of permutations, the identity first."""
        choices = product(*(permutations(range(size)) for _, size in self.records))
        return tuple(self.renaming(*choice) for choice in choices)

    def of_fewer_records(self) -> Symmetry | None:
        """Without the records that have processes; nothing where none has."""
        owners = {
            root for proc in self.machine.processes for root in roots_of(self.machine, proc.record)
        }
        kept = tuple(record for record in self.records if record[0] not in owners)
        return Symmetry(self.machine, kept) if 0 < len(kept) < len(self.records) else None

    def renaming(self, *to: tuple[int, ...]) -> Renaming:
        """One permutation for each of the records."""
        names = (name for name, _ in self.records)
        return Renaming(self.machine, images(self.machine, dict(zip(names, to, strict=True))))

    def canonical(self, state: State) -> State:
        """The least state that is equal up to renaming."""
        return min(renaming.apply(state) for renaming in self.renamings)


@dataclass(frozen=True)
class Renaming:
    """Instance i of a record becomes instance `to[record][i]`."""

    machine: Machine
    to: Images

    @cached_property
    def moves(self) -> tuple[tuple[int, tuple[int, ...] | None], ...]:
        """Per cell of the renamed state: the cell it comes from, and its values' new names."""
        moves: list[tuple[int, tuple[int, ...] | None]] = []
        back = {name: tuple(map(to.index, range(len(to)))) for name, to in self.to.items()}
        for var in self.machine.variables:
            names = self.to.get(var.type.name) if var.type.kind == "ref" else None
            values = None if names is None else (0, *(i + 1 for i in names))
            for index in var.indices():
                moves.append((self._source(var, index, back), values))
        return tuple(moves)

    def packed_moves(self) -> tuple[list[int], list[tuple[int, tuple[int, ...]]]]:
        """For states of `value - lo`: where each cell comes from, and the cells to rename, how."""
        renamed = []
        for at, (_, values) in enumerate(self.moves):
            if values is not None:
                lo = self.machine.cells[at][0].type.lo
                renamed.append((at, tuple(value - lo for value in values[lo:])))
        return [source for source, _ in self.moves], renamed

    def _source(self, var: Variable, index: tuple[int, ...], back: Images) -> int:
        at = 0
        for dim, i in zip(var.dims, index, strict=True):
            known = back.get(record_of(self.machine, dim))
            at = at * dim.size + (i if known is None else known[i])
        return self.machine.offset[var.name] + at

    def apply(self, state: State) -> State:
        """The renamed state."""
        return tuple(
            state[at] if values is None else values[state[at]] for at, values in self.moves
        )


def symmetry(machine: Machine) -> Symmetry | None:
    """What can be renamed, or None."""
    sizes = ((name, machine.sizes.get(name, 0)) for name in machine.symmetric)
    records = tuple((name, size) for name, size in sizes if size > 1)
    return Symmetry(machine, records) if records else None


def renamed(symmetry: Symmetry | None) -> frozenset[str]:
    """The records whose instances are interchanged."""
    return frozenset() if symmetry is None else symmetry.moved


def record_of(machine: Machine, dim: Dimension) -> str:
    """The record whose instances a dimension counts, if any."""
    if dim.kind == "process":
        return machine.process[dim.name].record
    return dim.name if dim.kind == "record" else ""


def roots_of(machine: Machine, record: str) -> frozenset[str]:
    """The records with instances of their own to which the instances of a record belong."""
    if record in machine.per:
        return roots_of(machine, machine.per[record])
    if record in machine.embedded:
        owners = {owner for owner, *_ in machine.embedded[record]}
        return frozenset().union(*(roots_of(machine, owner) for owner in owners))
    return frozenset({record})


def images(machine: Machine, to: Images) -> Images:
    """Where the instances of all records go that go anywhere."""

    def image(record: str) -> tuple[int, ...] | None:
        if record in to:
            return to[record]
        if record in machine.per:
            return image(machine.per[record])
        homes = machine.embedded.get(record, ())
        place = {home: at for at, home in enumerate(homes)}
        moved = []
        for owner, i, field, element in homes:
            names = image(owner)
            moved.append(place[owner, i if names is None else names[i], field, element])
        return tuple(moved) if moved != list(range(len(moved))) else None

    found = {record: image(record) for record in (*machine.sizes, *to)}
    return {record: names for record, names in found.items() if names is not None}
