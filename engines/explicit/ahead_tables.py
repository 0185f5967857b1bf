"""The tables of footprints in C: areas, and which of them a process has at a program counter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from engines.explicit.c_text import Text
from engines.reductions.independence import Area, Independence, Parts
from model.language.machine import Process

WORD = 64
_CHUNK = 12


@dataclass
class Tables:
    """Collects areas and parts, and prints them when all are known.

    A set of bits has the cells where a state has them, and the questions in words of their own.
    """

    text: Text
    plan: Independence
    areas: list[Area] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)
    keys: dict[str, dict[tuple[str, ...], int]] = field(default_factory=dict)
    _known: dict[tuple[Area, ...], int] = field(default_factory=dict)
    _moved: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def words(self) -> int:
        """Words of a set of bits."""
        questions = self.plan.bits.cookie_bit + 1 - len(self.text.machine.cells)
        return self.text.layout.words - -questions // WORD

    def question(self, bit: int) -> int:
        """Where a question, or the bit of the cookies, is in a set."""
        return WORD * self.text.layout.words + bit - len(self.text.machine.cells)

    def of(self, areas: Sequence[Area]) -> int:
        """The number of the first of these areas, which follow each other."""
        if tuple(areas) not in self._known:
            self._known[tuple(areas)] = len(self.areas)
            self.areas += areas
        return self._known[tuple(areas)]

    def ranges(
        self, name: str, proc: Process, places: int, parts: Callable[[int, int], Parts]
    ) -> Iterator[str]:
        """An array: of each instance and place, where its parts begin and where they end."""
        keys = self.keys.setdefault(proc.name, {(): 0})
        bounds = [len(self.parts)]
        for me in range(proc.instances):
            for place in range(places):
                for part in parts(place, me):
                    key = keys.setdefault(part.locals, len(keys))
                    self.parts.append((key, self.of(list(part.areas.values()))))
                bounds.append(len(self.parts))
        yield from _array("static const uint32_t", name, map(str, bounds))

    def key(self, proc: Process) -> Iterator[str]:
        """A function: how many areas after the first one, by the values of locals."""
        name = self.text.names.of("key", proc.name)
        yield f"\nNL_STEP val {name}(const word *s, val self, uint32_t key)"
        yield "{"
        yield "\t(void)s; (void)self;"
        yield "\tswitch (key) {"
        for names, key in self.keys.get(proc.name, {}).items():
            if names:
                yield f"\tcase {key}: return {self._place(names, proc)};"
        yield "\tdefault: return 0;"
        yield "\t}"
        yield "}"

    def _place(self, names: tuple[str, ...], proc: Process) -> str:
        """Row-major, as the areas are."""
        at = ""
        for name in names:
            kind = self.text.machine.variable[name].type
            value = f"{self.text.names.of('get', name)}(s, self)"
            value = f"{value} - {kind.lo}" if kind.lo else value
            at = f"({at}) * {kind.hi - kind.lo + 1} + {value}" if at else value
        return at

    def lines(self) -> Iterator[str]:
        """The areas and the parts."""
        yield from _array("static const struct nl_area", "areas", map(self._area, self.areas))
        pairs = (f"{{ {key}, {first} }}" for key, first in self.parts)
        yield from _array("static const struct nl_part", "parts", pairs)

    def _area(self, area: Area) -> str:
        sides = (
            ", ".join(f"{word:#x}" for word in self.set(side)) for side in (area.writes, area.looks)
        )
        return "{ " + ", ".join(f"{{ {side} }}" for side in sides) + " }"

    def set(self, mask: int) -> list[int]:
        """The words of a set of bits; whole chunks of bits are moved at once."""
        packed, chunk = 0, 0
        while mask:
            bits = mask & (1 << _CHUNK) - 1
            if bits:
                if (chunk, bits) not in self._moved:
                    places = (self._place_of(chunk + at) for at in range(_CHUNK) if bits >> at & 1)
                    self._moved[chunk, bits] = sum(places)
                packed |= self._moved[chunk, bits]
            mask >>= _CHUNK
            chunk += _CHUNK
        return [packed >> WORD * word & (1 << WORD) - 1 for word in range(self.words)]

    def _place_of(self, bit: int) -> int:
        """A bit as it is in a set."""
        machine = self.text.machine
        if bit >= len(machine.cells):
            return 1 << self.question(bit)
        var, _ = machine.cells[bit]
        where = self.text.layout.fields[var.name]
        word, shift = where.place(bit - machine.offset[var.name])
        return where.mask << WORD * word + shift


def _array(kind: str, name: str, values: Iterator[str]) -> Iterator[str]:
    yield f"\n{kind} {name}[] = {{"
    yield from (f"\t{value}," for value in values)
    yield "};"
