"""Packing loses nothing and puts arrays where an index is cheap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.language.layout import WORD_BITS, layout
from model.language.machine import Dimension, Machine, Type, Variable


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Variables of all widths and shapes."""
    variables = []
    for number in range(draw(st.integers(1, 12))):
        lo = draw(st.integers(-5, 5))
        width = draw(st.sampled_from([0, 1, 1, 2, 3, 7, 8, 100, 2**20, 2**63]))
        sizes = draw(st.lists(st.integers(1, 40), max_size=2))
        dims = tuple(Dimension(f"d{at}", size, "array") for at, size in enumerate(sizes))
        kind = Type("range", lo, lo + width)
        variables.append(Variable(f"v{number}", kind, dims, initial=lo))
    return Machine("packed", {}, tuple(variables), (), ())


@given(machines(), st.data())
def test_unpack_inverts_pack(machine: Machine, data: st.DataObject) -> None:
    places = layout(machine)
    state = tuple(data.draw(st.integers(var.type.lo, var.type.hi)) for var, _ in machine.cells)
    words = places.pack(state)
    assert len(words) == places.words
    assert all(0 <= word < 1 << WORD_BITS for word in words)
    assert places.unpack(words) == state


@given(machines())
def test_fields_do_not_overlap(machine: Machine) -> None:
    places = layout(machine)
    taken: set[tuple[int, int]] = set()
    for var in machine.variables:
        field = places.fields[var.name]
        for cell in range(var.size):
            word, shift = field.place(cell)
            bits = {(word, bit) for bit in range(shift, shift + field.bits)}
            assert not bits & taken
            assert not bits or (word < places.words and shift + field.bits <= WORD_BITS)
            taken |= bits


@given(machines())
def test_small_arrays_stay_in_one_word(machine: Machine) -> None:
    places = layout(machine)
    for var in machine.variables:
        if var.type.bits * var.size <= WORD_BITS:
            assert len({places.fields[var.name].place(cell)[0] for cell in range(var.size)}) == 1


def test_a_value_outside_its_type_is_refused() -> None:
    """Packing it would change a neighbour."""
    machine = Machine("m", {}, (Variable("x", Type("range", 1, 3), ()),), (), ())
    with pytest.raises(ValueError, match=r"x\[\] = 5 is outside Range\[1, 3\]"):
        layout(machine).pack((5,))
