"""C that replaces a packed state by the representative of its symmetry class.

Few permutations are simply all tried, going from one to the next by a swap of two instances. For
more, instances are first put into the order of a key that renaming does not change, and only those
with equal keys are permuted: the arrangements in key order are the same for the whole class, and
the least of them is the representative.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import factorial, prod

from engines.reductions.symmetry import Symmetry, cells_of, references, transpositions
from model.language.layout import Field, Layout
from model.language.machine import Variable

MOST_TRIED = 24
"""Permutations up to this number are tried without sorting first."""

_KEEP_LEAST = """
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
static void arrange(word *t, word *least, const uint64_t *key, int at)
{{
	if (at == {size}) {{
		keep_least(least, t);
		return;
	}}
	for (int i = at; i < {size} && key[i] == key[at]; i++) {{
		swap(t, at, i);
		arrange(t, least, key, at + 1);
		swap(t, at, i);
	}}
}}

static void canonical(word *n)
{{
	uint64_t key[{size}];
	word t[NL_WORDS];

	keys(n, key);
	for (int i = 1; i < {size}; i++) {{
		for (int j = i; j > 0 && key[j] < key[j - 1]; j--) {{
			const uint64_t k = key[j];

			key[j] = key[j - 1];
			key[j - 1] = k;
			swap(n, j - 1, j);
		}}
	}}
	memcpy(t, n, sizeof(t));
	arrange(t, n, key, 0);
}}"""


def canonical_c(layout: Layout, symmetry: Symmetry | None) -> list[str]:
    """Definition of `canonical(word *)`, which does nothing without symmetry."""
    records = symmetry.records if symmetry is not None else ()
    if not records:
        return ["", "NL_ACCESSOR void canonical(word *n)", "{", "\t(void)n;", "}"]
    if len(records) == 1 and factorial(records[0][1]) > MOST_TRIED:
        ((record, size),) = records
        return [*_sorted(layout, record, size)]
    return [*_tried(layout, records)]


def _tried(layout: Layout, records: tuple[tuple[str, int], ...]) -> Iterator[str]:
    """All combinations of permutations; the last record changes fastest."""
    yield _KEEP_LEAST
    swaps: list[list[str]] = []
    for number, (record, size) in enumerate(records):
        steps = list(transpositions(size))
        for a, b in sorted(set(steps)):
            yield from _swap(layout, record, a, b, f"swap_{number}_{a}_{b}")
        swaps.append([f"swap_{number}_{a}_{b}(t);" for a, b in steps])
    total = prod(len(steps) + 1 for steps in swaps)
    yield f"\n/* Tries {total} arrangements. */"
    yield "NL_STEP void canonical(word *n)"
    yield "{"
    yield "\tword t[NL_WORDS];"
    yield ""
    yield "\tmemcpy(t, n, sizeof(t));"
    for step in _odometer(swaps):
        yield f"\t{step}"
        yield "\tkeep_least(n, t);"
    yield "}"


def _odometer(swaps: list[list[str]]) -> Iterator[str]:
    """One swap per further combination: all of the rest, then one of the first, and again."""
    if not swaps:
        return
    first, rest = swaps[0], swaps[1:]
    yield from _odometer(rest)
    for swap in first:
        yield swap
        yield from _odometer(rest)


def _sorted(layout: Layout, record: str, size: int) -> Iterator[str]:
    """Sorting by keys, then trying the arrangements of equal keys."""
    yield _KEEP_LEAST
    pairs = list(combinations(range(size), 2))
    for a, b in pairs:
        yield from _swap(layout, record, a, b, f"swap_{a}_{b}")
    yield "\nstatic void swap(word *n, int a, int b)"
    yield "{"
    yield f"\tswitch (a < b ? {size} * a + b : {size} * b + a) {{"
    for a, b in pairs:
        yield f"\tcase {size * a + b}: swap_{a}_{b}(n); break;"
    yield "\tdefault: break;"
    yield "\t}"
    yield "}"
    yield from _keys(layout, record, size)
    yield _ARRANGE.format(size=size)


def _keys(layout: Layout, record: str, size: int) -> Iterator[str]:
    """A number per instance, made of what belongs to it and of who refers to it."""
    yield "\nstatic void keys(const word *n, uint64_t *key)"
    yield "{"
    for instance in range(size):
        yield f"\tkey[{instance}] = 0;"
        for value in _key_parts(layout, record, instance):
            yield f"\tkey[{instance}] = (key[{instance}] ^ ({value})) * 0x9e3779b97f4a7c15u;"
    yield "}"


def _key_parts(layout: Layout, record: str, instance: int) -> Iterator[str]:
    for var, at in cells_of(layout.machine, record, instance):
        field = layout.fields[var.name]
        if not field.bits or sum(dim.name == record for dim in var.dims) > 1:
            continue
        raw = _raw(field, at)
        if var.type.kind == "ref" and var.type.name == record:
            # Only whether it refers to nothing, to itself or to another: names do not count.
            lo = var.type.lo
            nothing = f"{raw} == 0" if lo == 0 else "0"
            yield f"{nothing} ? 0u : {raw} == {instance + 1 - lo} ? 1u : 2u"
        else:
            yield raw
    for var in references(layout.machine, record):
        if any(dim.kind == "record" and dim.name == record for dim in var.dims):
            continue
        field = layout.fields[var.name]
        if field.bits:
            for at in range(var.size):
                yield f"{_raw(field, at)} == {instance + 1 - var.type.lo}"


def _raw(field: Field, at: int) -> str:
    word, shift = field.place(at)
    return f"(n[{word}] >> {shift} & {field.mask:#x}u)"


# --- swapping two instances ----------------------------------------------------------------------


def _swap(layout: Layout, record: str, a: int, b: int, name: str) -> Iterator[str]:
    """A function that exchanges two instances: their cells, and who refers to them."""
    yield f"\n/* {record} {a + 1} and {b + 1} change places. */"
    yield f"NL_ACCESSOR void {name}(word *n)"
    yield "{"
    yield "\tword x;"
    yield ""
    yield "\t(void)n;"
    yield "\t(void)x;"
    yield from _exchange_cells(layout, record, a, b)
    yield from _exchange_references(layout, record, a + 1, b + 1)
    yield "}"


def _exchange_cells(layout: Layout, record: str, a: int, b: int) -> Iterator[str]:
    """Fields of one word that are equally far apart are exchanged together."""
    groups: dict[tuple[int, int], int] = {}
    for var in layout.machine.variables:
        field = layout.fields[var.name]
        for one, other in _pairs(var, record, a, b) if field.bits else ():
            (word, shift), (word2, shift2) = field.place(one), field.place(other)
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


def _pairs(var: Variable, record: str, a: int, b: int) -> Iterator[tuple[int, int]]:
    """Cells of a variable that change places, the lower first."""
    position = {index: at for at, index in enumerate(var.indices())}
    swapped = {a: b, b: a}
    ours = [dim.kind == "record" and dim.name == record for dim in var.dims]
    for index, at in position.items():
        other = tuple(swapped.get(i, i) if mine else i for i, mine in zip(index, ours, strict=True))
        if at < position[other]:
            yield at, position[other]


def _exchange_references(layout: Layout, record: str, a: int, b: int) -> Iterator[str]:
    """All references of one word at once: find the fields that equal a or b, flip what differs."""
    groups: dict[tuple[int, int, int], int] = {}
    for var in references(layout.machine, record):
        field = layout.fields[var.name]
        for at in range(var.size) if field.bits else ():
            word, shift = field.place(at)
            key = (word, field.bits, var.type.lo)
            groups[key] = groups.get(key, 0) | 1 << shift
    for (word, bits, lo), lowest in groups.items():
        if not 0 <= min(a, b) - lo <= max(a, b) - lo < 1 << bits:
            continue
        found = []
        for value in (a - lo, b - lo):
            differ = f"n[{word}] ^ {lowest * value:#x}u"
            spread = " | ".join(f"({differ}) >> {bit}" for bit in range(bits))
            found.append(f"~({spread})")
        yield f"\tx = ({' | '.join(found)}) & {lowest:#x}u;"
        yield f"\tn[{word}] ^= x * {(a - lo) ^ (b - lo)}u;"
