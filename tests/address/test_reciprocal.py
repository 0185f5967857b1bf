"""Division by the reciprocal of the slot size."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.symbolic.reciprocal import reciprocal_counterexamples, unproved_reciprocals
from model.kernel.layouts import layouts
from model.kernel.placed import (
    ADDRESSES,
    PLACEMENT_FIELDS,
    Placed,
    address_routine,
    allocation_words,
    slab_field,
)
from model.language.word_run import run


class _Slab:
    """Answers for the slab of a cache with the given stride."""

    def __init__(self, size: int) -> None:
        placed = Placed(**dict.fromkeys(PLACEMENT_FIELDS, 0) | {"size": size})
        names = ("reciprocal_m", "reciprocal_sh1", "reciprocal_sh2")
        self.fields = {name: slab_field(placed, name, {}) for name in names}

    def ask(self, primitive: str, args: tuple[int, ...]) -> int:
        """Refuse."""
        raise AssertionError((primitive, args))

    def read(self, record: str, base: int, name: str) -> int:
        """Return a field."""
        return self.fields[name]


def _divide(size: int, dividends: list[int]) -> list[int]:
    slab = _Slab(size)
    routine = address_routine("reciprocal_divide")
    return [run(allocation_words(), routine, (1, a), {}, slab).value for a in dividends]


@pytest.mark.parametrize(
    "size", [8, 16, 24, 96, 192, 576, 4096, 6000, 8192, (1 << 22) + 8, 1 << 31]
)
def test_reciprocal_table_against_plain_division(size: int) -> None:
    """Guards the reciprocal's three words and the division against an off-by-one at multiples."""
    dividends = [
        0,
        1,
        size - 1,
        size,
        size + 1,
        7 * size - 1,
        7 * size,
        (1 << 20) - 1,
        (1 << 32) - 1,
    ]
    dividends = [a for a in dividends if a < 1 << 32]
    assert _divide(size, dividends) == [a // size for a in dividends]


@pytest.mark.slow
def test_reciprocal_every_stride_to_8192() -> None:
    """Guards the same around every multiple near the ends of the largest slab of 4 KiB pages."""
    for size in range(8, 8193, 8):
        last = (1 << 20) // size * size
        dividends = [size - 1, size, last - 1, last, (1 << 20) - 1, (1 << 32) - 1]
        assert _divide(size, dividends) == [a // size for a in dividends], size


@pytest.mark.slow
def test_reciprocal_is_proved_for_all() -> None:
    """Guards the contract that the slab proofs use: all dividends and divisors, by Z3."""
    assert unproved_reciprocals() == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [(" // d + 1) & U32", " // d) & U32"), ("(t + ((a - t) >> ", "(t + ((a + t) >> ")],
)
def test_reciprocal_mutants_are_not_proved(tmp_path: Path, old: str, new: str) -> None:
    """Guards the proof itself: with a wrong multiplier or shift it must fail."""
    source = Path(ADDRESSES).read_text()
    assert source.count(old) == 1
    path = tmp_path / "addresses.py"
    path.write_text(source.replace(old, new))
    assert reciprocal_counterexamples(str(path), 500) != ()


def test_layouts_match_known_addresses() -> None:
    """Guards the address maps by struct pages computed by hand for the first vmalloc page."""
    from model.kernel.placed import compute

    pages = {
        (layout.arch, layout.page_size): compute(
            "virt_to_page", (layout.vmalloc_start,), layout.fixed_words() | {"POINTER_TAGS": 0}
        )
        for layout in layouts()
    }
    assert pages["x86-64", 4096] == 0xFFFF_EB02_0000_0000
    assert pages["arm64", 4096] == 0xFFFF_FFFF_C200_0000
