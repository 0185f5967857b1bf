"""start_address: kvfree() is given the address that the allocator returned.

In words: for every object that the allocators permit, and every place in it where the link may
lie, the recovery gives back the object's own address, its KASAN tag included; and on the way it
reads a struct page only for an address that has one.

The obligations, in the order in which a kernel would notice:

1. `virt_to_slab` is asked about linear-map addresses only, no NULL slab is read through,
   KFENCE's metadata is read for its own pool only, nothing is divided by 0;
2. recovered == start, all 64 bits.

Violated by: one placement for which one of these fails; the witness is that placement, replayed by
the evaluator on plain integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.kernel.kinds import Kind
from model.kernel.layouts import Layout
from model.kernel.placed import Placed, compute
from model.language.word_run import Ran
from model.language.words import MASK

NAME = "start_address"

Outcome = Literal["right", "wrong_place", "neighbour", "faults"]
# The worst first: a kind's outcome is the worst that one of its placements can have.
OUTCOMES: tuple[Outcome, ...] = ("faults", "neighbour", "wrong_place", "right")

OUTCOME_SAYS: dict[Outcome, str] = {
    "right": "the object is freed",
    "wrong_place": "the free is refused as invalid or corrupts; the object stays allocated",
    "neighbour": "the address of another object is freed; this one stays allocated",
    "faults": "memory is read where there is none to read",
}


@dataclass(frozen=True)
class Defect:
    """A known way to violate the property, in one paragraph."""

    name: str
    says: str


AR_1 = Defect(
    "AR-1",
    "The recovery looks up the slab of the link's address before it knows that the address is in "
    "the linear map. virt_to_page() is arithmetic that is only meant for linear-map addresses: "
    "for a vmalloc address it computes a struct page that does not exist, and page_slab() loads "
    "from it. On x86-64 that address is an unmapped hole behind vmemmap and the load faults in "
    "the worker; on arm64 it may also wrap into user addresses. That the lookup's result would "
    "be thrown away does not help. Remedy: ask is_vmalloc_addr() first.",
)
AR_2 = Defect(
    "AR-2",
    "A KFENCE object lies alone in its page, at the left end or right-aligned at the right end. "
    "Its page is typed as a slab with one object, so nearest_obj() gives the start of the page, "
    "plus the left red-zone pad if the cache has one, which KFENCE objects never have. KFENCE "
    "reports an invalid free and the object stays allocated for ever. Right-aligned objects are "
    "right by luck where aligning down lands on the start of the page or where the pad equals "
    "their distance from it. Remedy: ask kfence_object_start().",
)
AR_3 = Defect(
    "AR-3",
    "The link's address carries the object's KASAN tag in bits 63:56, slab_address() carries the "
    "match-all tag 0xff. Their difference is not the offset in the slab but differs from it by a "
    "multiple of 2**56, and is negative for tags from 0x7f up. C's remainder truncates towards "
    "zero, so that rounding down becomes rounding up: with power-of-two strides the next object "
    "is freed, with others some address between. Only tags below 0x7f with power-of-two strides "
    "come out right. Remedy: subtract an offset computed on untagged addresses.",
)
TAG_LOST = Defect(
    "tag lost",
    "The address is the object's, its KASAN tag is not: the recovery rebuilt the pointer from "
    "slab_address(), which carries the match-all tag 0xff. A free must be done with the object's "
    "own tag, otherwise KASAN reports an invalid free and the object stays allocated. Remedy: "
    "subtract an offset from the link's address, which has the tag.",
)
OTHER = Defect(
    "new",
    "Not one of the known defects: follow the witness through the recovery's lines.",
)


def is_only_the_tag(start: int, recovered: int) -> bool:
    """Return whether two addresses differ in bits 63:56 and nowhere else."""
    return start != recovered and (start ^ recovered) & ((1 << 56) - 1) == 0


def defect_of(kind: Kind, outcome: Outcome, start: int, recovered: int) -> Defect:
    """Return the known defect that a violation on this kind looks like."""
    if is_only_the_tag(start, recovered):
        return TAG_LOST
    if kind.family == "vmalloc" and outcome == "faults":
        return AR_1
    if kind.family == "kfence":
        return AR_2
    if kind.family == "slab" and kind.tagged:
        return AR_3
    return OTHER


def classify(start: int, ran: Ran, kind: Kind, placed: Placed, layout: dict[str, int]) -> Outcome:
    """Return what freeing the recovered address amounts to."""
    if ran.broken:
        return "faults"
    if ran.value == start:
        return "right"
    if kind.family == "slab":
        plain = compute("untag", (ran.value,), layout)
        distance = (plain - placed.area - placed.pad) & MASK
        slot, rest = divmod(distance, placed.size)
        if rest == 0 and slot < placed.objects and slot != placed.index:
            return "neighbour"
    return "wrong_place"


def covers(kind: Kind, layout: Layout) -> str:
    """Return the sentence that says what a proof for this kind quantifies over."""
    page = f"{layout.page_size // 1024} KiB pages on {layout.arch}"
    link = "every pointer-aligned offset below 4096 inside the object"
    tags = (
        f"every tag 0x{kind.tags[0]:02x}..0x{kind.tags[1]:02x}"
        if kind.tagged
        else "untagged pointers, with and without KASAN tags in use"
        if layout.can_tag
        else "untagged pointers"
    )
    memory = "every memory size and KFENCE pool"
    if kind.family == "slab":
        stride = (
            "every power-of-two stride 8..2**29"
            if kind.power_of_two
            else "every stride that is a multiple of 8 up to the slab"
        )
        pad = (
            "no red zone"
            if kind.fixed.get("pad") == 0
            else "every left red-zone pad"
            if kind.red_zone
            else "every left red-zone pad or none"
        )
        return (
            f"{page}: {stride}, slabs up to 2**29 bytes and 32767 objects at any page, every slot, "
            f"{pad}, {link}, {tags}, {memory}"
        )
    if kind.family == "kfence":
        pad = "every red-zone pad of the cache" if kind.red_zone else "caches without red zone"
        align = ", every power-of-two alignment from 8 to a page" if kind.fixed["right"] else ""
        return f"{page}: every pool page, every request up to a page{align}, {pad}, {link}, {tags}"
    where = "vmalloc area" if kind.family == "vmalloc" else "block of the linear map"
    return f"{page}: every page-aligned {where}, {link}, {tags}, {memory}"
