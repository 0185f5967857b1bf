"""Which state stands for a symmetry class, found without trying every renaming.

Instances are first put into the order of a key that renaming does not change: what the state says
of an instance in cells that are no references. Only those with equal keys are then permuted, and
of these only such as differ: where an exchange changes nothing, it need not be tried. The
arrangements in key order are the same for the whole class, and the least of them stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

from engines.reductions.symmetry import Renaming, Symmetry, images, record_of
from model.language.machine import Machine, Variable

Cells = tuple[int, ...]
"""A state as `value - lo` of each cell."""


@dataclass(frozen=True)
class Representatives:
    """Finds them for the states of a machine."""

    symmetry: Symmetry

    def of(self, state: Sequence[int]) -> Cells:
        """The representative of a state given as `value - lo` of each cell."""
        now, keys, equal = tuple(state), [], False
        for at, (_, size) in enumerate(self.symmetry.records):
            now, found = self._sorted(at, size, now)
            keys.append(found)
            equal |= len(set(found)) < size
        return min(self._arrangements(0, 0, now, keys)) if equal else now

    def _sorted(self, at: int, size: int, now: Cells) -> tuple[Cells, list[Cells]]:
        """With the instances of a record in the order of their keys, and these keys."""
        keys = [key(now) for key in self._keys[at]]
        for i in range(1, size):
            for j in range(i, 0, -1):
                if keys[j] >= keys[j - 1]:
                    break
                keys[j - 1], keys[j] = keys[j], keys[j - 1]
                now = self._swaps[at, j - 1, j](now)
        return now, keys

    def _arrangements(
        self, at: int, i: int, now: Cells, keys: list[list[Cells]]
    ) -> Iterator[Cells]:
        """All in key order, from place `i` of a record on, with all of the records that follow."""
        if at == len(self.symmetry.records):
            yield now
        elif i == len(keys[at]):
            yield from self._arrangements(at + 1, 0, now, keys)
        else:
            yield from self._arrangements(at, i + 1, now, keys)
            for j in range(i + 1, len(keys[at])):
                if keys[at][j] != keys[at][i]:
                    break
                other = self._swaps[at, i, j](now)
                if other != now:
                    yield from self._arrangements(at, i + 1, other, keys)

    @cached_property
    def _keys(self) -> list[list[Callable[[Cells], Cells]]]:
        """For each record, for each instance, what takes its key out of a state."""
        machine, found = self.symmetry.machine, []
        for record, size in self.symmetry.records:
            chosen = [
                [machine.offset[var.name] + at for at in cells]
                for var, cells in plain_cells(machine, record)
            ]
            found.append([_getter([cells[i] for cells in chosen]) for i in range(size)])
        return found

    @cached_property
    def _swaps(self) -> dict[tuple[int, int, int], Callable[[Cells], Cells]]:
        """What exchanges two instances of a record, by its position and theirs."""
        return {
            (at, a, b): _applied(swap(self.symmetry.machine, record, a, b))
            for at, (record, size) in enumerate(self.symmetry.records)
            for b in range(size)
            for a in range(b)
        }


def swap(machine: Machine, record: str, a: int, b: int) -> Renaming:
    """Two instances change places, with all that belongs to them."""
    to = list(range(machine.sizes[record]))
    to[a], to[b] = b, a
    return Renaming(machine, images(machine, {record: tuple(to)}))


def _applied(renaming: Renaming) -> Callable[[Cells], Cells]:
    sources, renames = renaming.packed_moves()
    take = _getter(sources)

    def apply(state: Cells) -> Cells:
        cells = list(take(state))
        for at, names in renames:
            cells[at] = names[cells[at]]
        return tuple(cells)

    return apply


def _getter(cells: Sequence[int]) -> Callable[[Cells], Cells]:
    """These cells of a state; `itemgetter` alone makes no tuple of less than two."""
    if len(cells) > 1:
        return itemgetter(*cells)
    return lambda state: tuple(state[at] for at in cells)


# --- keys ----------------------------------------------------------------------------------------


def plain_cells(machine: Machine, record: str) -> Iterator[tuple[Variable, list[int]]]:
    """Cells that are no references and belong to instances of one renamed record only."""
    size = machine.sizes[record]
    for var in machine.variables:
        if var.type.kind == "ref":
            continue
        owners: dict[tuple[object, ...], dict[int, int]] = {}
        for at, index in enumerate(var.indices()):
            places = [
                place_of(machine, record_of(machine, dim), i) if record_of(machine, dim) else None
                for dim, i in zip(var.dims, index, strict=True)
            ]
            named = [place for place in places if place is not None]
            if len(named) == 1 and named[0][0] == record:
                rest = tuple(i for i, place in zip(index, places, strict=True) if place is None)
                owners.setdefault((named[0][2], rest), {})[named[0][1]] = at
        for cells in owners.values():
            if len(cells) == size:
                yield var, [cells[instance] for instance in range(size)]


def place_of(machine: Machine, record: str, i: int) -> tuple[str, int, object]:
    """Whose an instance is: a record with instances of its own, one of these, and where in it."""
    if record in machine.per:
        root, owner, _ = place_of(machine, machine.per[record], i)
        return root, owner, record
    if record in machine.embedded:
        name, index, field, element = machine.embedded[record][i]
        root, owner, where = place_of(machine, name, index)
        return root, owner, (where, name, field, element)
    return record, i, record
