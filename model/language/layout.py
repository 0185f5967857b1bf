"""Bit packing: which bits of which 64-bit word hold each cell of a machine's states.

No cell crosses a word. An array that fits into one word stays in one word, so that an element at a
run-time index costs one shift; a larger array takes words of its own with a fixed number of
elements in each. Values are stored as `value - lo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from model.language.machine import Machine, Variable

WORD_BITS = 64


@dataclass(frozen=True)
class Field:
    """Where a variable lives: cell `i` is `i // per_word` words and `i % per_word` fields on.

    A variable of one value has no bits and no place.
    """

    variable: Variable
    bits: int
    word: int
    shift: int
    per_word: int

    @property
    def mask(self) -> int:
        """A field's bits, at shift 0."""
        return (1 << self.bits) - 1

    def place(self, cell: int) -> tuple[int, int]:
        """Word and shift of one cell of the variable."""
        return self.word + cell // self.per_word, self.shift + cell % self.per_word * self.bits


@dataclass(frozen=True)
class Layout:
    """The packed form of a machine's states."""

    machine: Machine
    fields: dict[str, Field]
    words: int
    bits: int

    @cached_property
    def _places(self) -> tuple[tuple[int, int, int, int], ...]:
        """Word, shift, mask and lowest value of every cell, in state order."""
        places = []
        for var in self.machine.variables:
            field = self.fields[var.name]
            for cell in range(var.size):
                places.append((*field.place(cell), field.mask, var.type.lo))
        return tuple(places)

    def pack(self, state: Sequence[int]) -> tuple[int, ...]:
        """The words of a state; a value outside its type is a ValueError."""
        words = [0] * self.words
        for at, (value, (word, shift, mask, lo)) in enumerate(
            zip(state, self._places, strict=True)
        ):
            if not 0 <= value - lo <= mask:
                var, index = self.machine.cells[at]
                raise ValueError(f"{var.name}{list(index)} = {value} is outside {var.type}")
            words[word] |= (value - lo) << shift
        return tuple(words)

    def unpack(self, words: Sequence[int]) -> tuple[int, ...]:
        """The state that was packed."""
        return tuple((words[word] >> shift & mask) + lo for word, shift, mask, lo in self._places)


def layout(machine: Machine) -> Layout:
    """Places every variable: large arrays first, then the rest by falling size, best fit."""
    fields: dict[str, Field] = {}
    used: list[int] = []
    sized = [(var, var.type.bits) for var in machine.variables]
    for var, bits in sized:
        if bits > WORD_BITS:
            raise ValueError(f"{var.name}: {bits} bits do not fit into a {WORD_BITS}-bit word")
        if bits * var.size > WORD_BITS:
            per_word = _per_word(bits, var.size)
            fields[var.name] = Field(var, bits, len(used), 0, per_word)
            full, rest = divmod(var.size, per_word)
            used += [per_word * bits] * full + ([rest * bits] if rest else [])
    small = [(var, bits) for var, bits in sized if bits * var.size <= WORD_BITS]
    for var, bits in sorted(small, key=lambda item: -item[1] * item[0].size):
        need = bits * var.size
        if not need:
            fields[var.name] = Field(var, 0, 0, 0, max(var.size, 1))
            continue
        fits = [word for word, taken in enumerate(used) if taken + need <= WORD_BITS]
        if not fits:
            fits = [len(used)]
            used.append(0)
        word = max(fits, key=lambda w: (used[w], -w))
        fields[var.name] = Field(var, bits, word, used[word], var.size)
        used[word] += need
    total = sum(bits * var.size for var, bits in sized)
    return Layout(machine, fields, max(len(used), 1), total)


def _per_word(bits: int, size: int) -> int:
    """Elements in each word: a power of two where that takes no more words (cheaper division)."""
    most = WORD_BITS // bits
    power = 1 << (most.bit_length() - 1)
    return power if -(-size // power) == -(-size // most) else most
