"""One concrete placement of an object, and the memory that answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from model.kernel.kinds import Kind
from model.language.word_ir import Routine, WordProgram
from model.language.word_parser import load_words, routine_named
from model.language.word_run import Memory, Ran, run
from model.language.words import MASK

_HERE = Path(__file__).resolve().parent
ADDRESSES = str(_HERE / "addresses.py")

PLACEMENT_FIELDS = (
    "area", "bytes", "size", "objects", "pad", "index", "requested", "offset", "align", "right",
    "tag",
)  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """The fields of `model.kernel.allocations.Placement` with their values, in bytes."""

    area: int
    bytes: int
    size: int
    objects: int
    pad: int
    index: int
    requested: int
    offset: int
    align: int
    right: int
    tag: int


@cache
def allocation_words() -> WordProgram:
    """Return the routines of model/kernel/allocations.py and all that they use."""
    return load_words(_HERE / "allocations.py")


def allocation_constant(name: str) -> int:
    """Return a constant of model/kernel/allocations.py."""
    words = allocation_words()
    return words.constants[f"{words.path}::{name}"]


def address_routine(name: str) -> Routine:
    """Return a routine of model/kernel/addresses.py."""
    return routine_named(allocation_words(), name, ADDRESSES)


class _NoMemory:
    """For routines that only compute."""

    def ask(self, primitive: str, args: tuple[int, ...]) -> int:
        raise AssertionError(f"{primitive}{args} is asked by a routine that should only compute")

    def read(self, record: str, base: int, name: str) -> int:
        raise AssertionError(f"{record}.{name} is read by a routine that should only compute")


def compute(name: str, args: tuple[int, ...], layout: Mapping[str, int]) -> int:
    """Run an address routine that asks nothing of memory."""
    return run(allocation_words(), address_routine(name), args, layout, _NoMemory()).value


class _PlacementMemory(_NoMemory):
    def __init__(self, placed: Placed) -> None:
        self.values = asdict(placed)

    def read(self, record: str, base: int, name: str) -> int:
        assert record == "Placement" and base
        return int(self.values[name])


def _about(routine: str, placed: Placed, layout: Mapping[str, int]) -> int:
    """Run a routine of allocations.py on a placement; its address is a dummy, 1."""
    words = allocation_words()
    return run(words, routine_named(words, routine), (1,), layout, _PlacementMemory(placed)).value


def is_permitted(kind: Kind, placed: Placed, layout: Mapping[str, int]) -> bool:
    """Return whether the allocator may place an object of this kind so."""
    values = asdict(placed)
    return (
        all(values[name] == value for name, value in kind.fixed.items())
        and kind.tags[0] <= placed.tag <= kind.tags[1]
        and (not kind.red_zone or placed.pad > 0)
        and (not kind.power_of_two or placed.size.bit_count() == 1)
        and _about("layout_permits", placed, layout) == 1
        and _about(f"{kind.family}_permits", placed, layout) == 1
    )


def start_of(kind: Kind, placed: Placed, layout: Mapping[str, int]) -> int:
    """Return the address that the allocator returned, tag included."""
    return _about(f"{kind.family}_start", placed, layout)


@dataclass(frozen=True)
class PlacedMemory:
    """Answers the primitives of addresses.py for one object.

    Where the real memory would hold something unrelated the answer is 0 (no slab, a field of 0):
    the run has recorded a broken obligation by then, or the caller sees a wrong address anyway.
    """

    kind: Kind
    placed: Placed
    layout: Mapping[str, int]

    def _inside(self, x: int) -> bool:
        return (compute("untag", (x,), self.layout) - self.placed.area) & MASK < self.placed.bytes

    def slab_pointer(self) -> int:
        """Return the address of the slab's struct page."""
        return compute("virt_to_page", (self.placed.area,), self.layout)

    def ask(self, primitive: str, args: tuple[int, ...]) -> int:
        """Answer a memory primitive of addresses.py."""
        if primitive == "virt_to_slab":
            is_slab = self.kind.family in ("slab", "kfence") and self._inside(args[0])
            return self.slab_pointer() if is_slab else 0
        start = start_of(self.kind, self.placed, self.layout)
        if primitive == "kfence_object_start":
            return start if self.kind.family == "kfence" and self._inside(args[0]) else 0
        if primitive == "stored_start":
            return start if args[0] == (start + self.placed.offset) & MASK else 0
        raise AssertionError(f"no memory primitive {primitive!r} in addresses.py")

    def read(self, record: str, base: int, name: str) -> int:
        """Read a field of the object's slab."""
        assert record == "Slab"
        is_slab = self.kind.family in ("slab", "kfence")
        if base != self.slab_pointer() or not is_slab:
            return 0
        return slab_field(self.placed, name, self.layout)


def slab_field(placed: Placed, name: str, layout: Mapping[str, int]) -> int:
    """Return the value of a field of `Slab` for a placement in that slab."""
    match name:
        case "address":
            return placed.area
        case "size":
            return placed.size
        case "objects":
            return placed.objects
        case "red_left_pad":
            return placed.pad
        case "reciprocal_m":
            return compute("reciprocal_multiplier", (placed.size,), layout)
        case "reciprocal_sh1":
            return min(compute("reciprocal_log", (placed.size,), layout), 1)
        case "reciprocal_sh2":
            return max(compute("reciprocal_log", (placed.size,), layout) - 1, 0)
    raise AssertionError(f"no field {name!r} in addresses.Slab")


def recover(
    program: WordProgram, head: int, kind: Kind, placed: Placed, layout: Mapping[str, int]
) -> Ran:
    """Run a recovery on the link of a placed object."""
    memory: Memory = PlacedMemory(kind, placed, layout)
    return run(program, routine_named(program, "recover"), (head,), layout, memory)
