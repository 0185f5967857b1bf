"""C that replaces a packed state by the representative of its symmetry class.

It does what `representative.py` does, with keys of one word, which for more than a few instances
also say who refers to one. So it may choose another state, but always the same for a whole class.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from engines.reductions.representative import plain_cells, swap
from engines.reductions.symmetry import Renaming, Symmetry
from model.language.layout import WORD_BITS, Layout
from model.language.machine import Variable

_RUNTIME = """
/* Without memcmp(), which costs more than these few words. */
NL_ACCESSOR int are_equal(const word *a, const word *b)
{
	word differ = 0;

	for (int i = 0; i < NL_WORDS; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

NL_ACCESSOR void keep_least(word *least, const word *t)
{
	for (int i = 0; i < NL_WORDS; i++) {
		if (t[i] == least[i])
			continue;
		if (t[i] < least[i])
			memcpy(least, t, NL_WORDS * sizeof(word));
		return;
	}
}"""

_ARRANGE = """
/* Puts the instances of a record in the order of their keys; whether any keys are equal. */
NL_STEP int sort_{at}(word *n, word *key)
{{
	int equal = 0;

	keys_{at}(n, key);
	for (int i = 1; i < {size}; i++) {{
		for (int j = i; j > 0 && key[j] < key[j - 1]; j--) {{
			const word k = key[j];

			key[j] = key[j - 1];
			key[j - 1] = k;
			swap_{at}(n, j - 1, j);
		}}
	}}
	for (int i = 1; i < {size}; i++)
		equal |= key[i] == key[i - 1];
	return equal;
}}

/*
 * Tries all arrangements in key order from place `i` on, with all of the records that follow. Two
 * instances whose exchange changes nothing need not change places.
 */
NL_STEP void arrange_{at}(word *t, word *least, word *const *keys, int i)
{{
	word before[NL_WORDS];

	if (i == {size}) {{
		{then};
		return;
	}}
	arrange_{at}(t, least, keys, i + 1);
	memcpy(before, t, sizeof(before));
	for (int j = i + 1; j < {size} && keys[{at}][j] == keys[{at}][i]; j++) {{
		swap_{at}(t, i, j);
		if (are_equal(t, before))
			continue;
		arrange_{at}(t, least, keys, i + 1);
		memcpy(t, before, sizeof(before));
	}}
}}"""


def canonical_c(layout: Layout, symmetry: Symmetry | None) -> list[str]:
    """Definition of `canonical(word *)`, which does nothing without symmetry."""
    if symmetry is None:
        return ["", "NL_ACCESSOR void canonical(word *n)", "{", "\t(void)n;", "}"]
    return [_RUNTIME, *_canonical(layout, symmetry)]


def _canonical(layout: Layout, symmetry: Symmetry) -> Iterator[str]:
    records = symmetry.records
    moved = {cell for record, size in records for cell in _moved_cells(layout, record, size)}
    for at, (record, size) in enumerate(records):
        yield from _swaps(layout, record, size, at)
        yield from _keys(layout, record, size, at, moved)
    for at in range(len(records) - 1, -1, -1):
        last = at == len(records) - 1
        then = "keep_least(least, t)" if last else f"arrange_{at + 1}(t, least, keys, 0)"
        yield _ARRANGE.format(at=at, size=records[at][1], then=then)
    yield "\nNL_STEP void canonical(word *n)"
    yield "{"
    for at, (_, size) in enumerate(records):
        yield f"\tword key_{at}[{size}];"
    yield f"\tword *const keys[] = {{ {', '.join(f'key_{at}' for at in range(len(records)))} }};"
    yield "\tword t[NL_WORDS];"
    yield "\tint equal = 0;"
    yield ""
    for at in range(len(records)):
        yield f"\tequal |= sort_{at}(n, key_{at});"
    yield "\tif (!equal)"
    yield "\t\treturn;"
    yield "\tmemcpy(t, n, sizeof(t));"
    yield "\tarrange_0(t, n, keys, 0);"
    yield "}"


# --- keys ----------------------------------------------------------------------------------------


_FEW = 2
"""Of so few instances all arrangements are tried sooner than it is found out who refers to them."""


def _keys(layout: Layout, record: str, size: int, at: int, moved: set[int]) -> Iterator[str]:
    """A number per instance: as many of its cells as a word holds, and who refers to it."""
    yield f"\nNL_STEP void keys_{at}(const word *n, word *key)"
    yield "{"
    yield "\t(void)n;"
    chosen = list(_chosen(layout, record))
    for instance in range(size):
        yield f"\tkey[{instance}] = 0;"
        for var, cells in chosen:
            field = layout.fields[var.name]
            word, shift = field.place(cells[instance])
            raw = f"n[{word}] >> {shift} & {field.mask:#x}u"
            yield f"\tkey[{instance}] = key[{instance}] << {field.bits} | ({raw});"
        if size > _FEW:
            for found in _references(layout, record, instance, moved):
                yield f"\tkey[{instance}] = (key[{instance}] ^ ({found})) * {_SPREAD};"
    yield "}"


_SPREAD = "0x9e3779b97f4a7c15u"
"""An odd number, so that different keys stay different; that they are spread keeps the next words'
references from coinciding with these."""


def _references(layout: Layout, record: str, instance: int, moved: set[int]) -> Iterator[str]:
    """Per word, the fields that refer to an instance, of those that stay where they are."""
    machine = layout.machine
    names = swap(machine, record, 0, instance or 1).to
    groups: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    for var in machine.variables:
        field = layout.fields[var.name]
        to = names.get(var.type.name) if var.type.kind == "ref" else None
        if to is None or not field.bits:
            continue
        own = [j if instance else i for i, j in enumerate(to) if i < j]
        for cell in range(var.size):
            word, shift = field.place(cell)
            if machine.offset[var.name] + cell in moved:
                continue
            for which, name in enumerate(own):
                key = (word, field.bits, var.type.lo, which)
                lowest, _ = groups.get(key, (0, 0))
                groups[key] = (lowest | 1 << shift, name + 1 - var.type.lo)
    for (word, bits, _, _), (lowest, value) in groups.items():
        # In the same order for each instance, so what cannot be there is not left out.
        can_be = 0 <= value < 1 << bits
        yield f"{_equal_fields(word, bits, lowest, value)} & {lowest:#x}u" if can_be else "0u"


def _moved_cells(layout: Layout, record: str, size: int) -> Iterator[int]:
    """Cells that belong to instances of a record, which change places when these do."""
    for other in range(1, size):
        moves = swap(layout.machine, record, 0, other).moves
        yield from (cell for cell, (source, _) in enumerate(moves) if cell != source)


def _chosen(layout: Layout, record: str) -> Iterator[tuple[Variable, list[int]]]:
    """The cells that make a key, each as a variable and one cell per instance; the widest first.

    Each belongs to one instance of the record and to no other that is renamed.
    """
    room = WORD_BITS
    found = list(plain_cells(layout.machine, record))
    for var, cells in sorted(found, key=lambda one: -one[0].type.bits):
        if 0 < var.type.bits <= room:
            room -= var.type.bits
            yield var, cells


# --- swapping two instances ----------------------------------------------------------------------


def _swaps(layout: Layout, record: str, size: int, at: int) -> Iterator[str]:
    """A function that exchanges any two instances, with all that belongs to them."""
    pairs = list(combinations(range(size), 2))
    for a, b in pairs:
        yield from _swap(layout, record, a, b, f"swap_{at}_{a}_{b}")
    yield f"\nNL_STEP void swap_{at}(word *n, int a, int b)"
    yield "{"
    yield f"\tswitch (a < b ? {size} * a + b : {size} * b + a) {{"
    for a, b in pairs:
        yield f"\tcase {size * a + b}: swap_{at}_{a}_{b}(n); break;"
    yield "\tdefault: break;"
    yield "\t}"
    yield "}"


def _swap(layout: Layout, record: str, a: int, b: int, name: str) -> Iterator[str]:
    renaming = swap(layout.machine, record, a, b)
    yield f"\n/* {record} {a + 1} and {b + 1} change places. */"
    yield f"NL_STEP void {name}(word *n)"
    yield "{"
    yield "\tword x;"
    yield ""
    yield "\t(void)n;"
    yield "\t(void)x;"
    yield from _exchange_cells(layout, renaming)
    yield from _exchange_references(layout, renaming)
    yield "}"


def _exchange_cells(layout: Layout, renaming: Renaming) -> Iterator[str]:
    """Fields of one word that are equally far apart are exchanged together."""
    groups: dict[tuple[int, int], int] = {}
    for at, (source, _) in enumerate(renaming.moves):
        var = layout.machine.cells[at][0]
        field, first = layout.fields[var.name], layout.machine.offset[var.name]
        if not field.bits or at >= source:
            continue
        (word, shift), (word2, shift2) = field.place(at - first), field.place(source - first)
        if word == word2:
            key = (word, shift2 - shift)
            groups[key] = groups.get(key, 0) | field.mask << shift
            continue
        yield f"\tx = (n[{word}] >> {shift} ^ n[{word2}] >> {shift2}) & {field.mask:#x}u;"
        yield f"\tn[{word}] ^= x << {shift};"
        yield f"\tn[{word2}] ^= x << {shift2};"
    for (word, apart), mask in groups.items():
        yield f"\tx = (n[{word}] ^ n[{word}] >> {apart}) & {mask:#x}u;"
        yield f"\tn[{word}] ^= x | x << {apart};"


def _exchange_references(layout: Layout, renaming: Renaming) -> Iterator[str]:
    """All references of one word at once: find the fields that equal a or b, flip what differs."""
    groups: dict[tuple[int, int, int, tuple[tuple[int, int], ...]], int] = {}
    for var in layout.machine.variables:
        field = layout.fields[var.name]
        to = renaming.to.get(var.type.name) if var.type.kind == "ref" else None
        if to is None or not field.bits:
            continue
        pairs = tuple((i + 1, j + 1) for i, j in enumerate(to) if i < j)
        for at in range(var.size):
            word, shift = field.place(at)
            key = (word, field.bits, var.type.lo, pairs)
            groups[key] = groups.get(key, 0) | 1 << shift
    for (word, bits, lo, pairs), lowest in groups.items():
        for a, b in pairs:
            yield from _exchange_names(word, bits, lowest, a - lo, b - lo)


def _exchange_names(word: int, bits: int, lowest: int, a: int, b: int) -> Iterator[str]:
    if not 0 <= a <= b < 1 << bits:
        return
    found = [_equal_fields(word, bits, lowest, value) for value in (a, b)]
    yield f"\tx = ({' | '.join(found)}) & {lowest:#x}u;"
    yield f"\tn[{word}] ^= x * {a ^ b}u;"


def _equal_fields(word: int, bits: int, lowest: int, value: int) -> str:
    """The lowest bits of the fields that have a value, among other bits that mean nothing."""
    differ = f"n[{word}] ^ {lowest * value:#x}u"
    return f"~({' | '.join(f'({differ}) >> {bit}' for bit in range(bits))})"
