"""The kinds of allocation that kvfree() accepts, as the start-address property tells them apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from model.kernel.layouts import Layout

UNTAGGED = (0xFF, 0xFF)
# KASAN's tag policy: 0xff matches all and 0xfe marks invalid memory; hardware tags start at 0xf0.
SW_TAGS = (0x00, 0xFD)
# Below 0x7f the difference to 0xff, times 2**56, wraps to a positive signed long.  0x7f itself
# gives -2**63 and is on the other side.
SW_TAGS_LOW = (0x00, 0x7E)
HW_TAGS = (0xF0, 0xFD)


@dataclass(frozen=True)
class Kind:
    """One kind: how it is allocated and which of its placements' fields are decided by it."""

    name: str
    says: str
    family: str  # slab, large_kmalloc, vmalloc or kfence: whose permits and start apply
    tags: tuple[int, int] = UNTAGGED  # first and last tag
    fixed: dict[str, int] = field(default_factory=dict, hash=False)
    red_zone: bool = False
    power_of_two: bool = False  # slot strides are powers of two

    @property
    def in_slab(self) -> bool:
        """Whether its page is a slab's, so that virt_to_slab() finds a cache."""
        return self.family in ("slab", "kfence")

    @property
    def tagged(self) -> bool:
        """Whether its pointers carry a KASAN tag."""
        return self.tags != UNTAGGED


# What a family leaves unused is fixed, so that it cannot vary in a witness either.
_SLAB = {"align": 8, "right": 0}
_PAGES = {"size": 0, "objects": 0, "pad": 0, "index": 0, "align": 8, "right": 0}
_KFENCE = {"objects": 1, "index": 0}

KINDS: tuple[Kind, ...] = (
    Kind("slab", "slab object", "slab", fixed={**_SLAB, "pad": 0}),
    Kind("slab_red_zone", "slab object behind a left red zone", "slab", fixed=_SLAB, red_zone=True),
    Kind("large_kmalloc", "large kmalloc", "large_kmalloc", fixed=_PAGES),
    Kind("vmalloc", "vmalloc", "vmalloc", fixed=_PAGES),
    Kind(
        "kfence_left", "KFENCE, left in its page", "kfence", fixed={**_KFENCE, "pad": 0, "right": 0}
    ),
    Kind(
        "kfence_left_red_zone",
        "KFENCE, left, cache with red zones",
        "kfence",
        fixed={**_KFENCE, "right": 0},
        red_zone=True,
    ),
    Kind(
        "kfence_right",
        "KFENCE, right in its page",
        "kfence",
        fixed={**_KFENCE, "pad": 0, "right": 1},
    ),
    Kind(
        "kfence_right_red_zone",
        "KFENCE, right, cache with red zones",
        "kfence",
        fixed={**_KFENCE, "right": 1},
        red_zone=True,
    ),
    Kind("slab_sw_tags", "slab object, KASAN software tag", "slab", SW_TAGS, _SLAB),
    Kind("slab_hw_tags", "slab object, KASAN hardware tag", "slab", HW_TAGS, _SLAB),
    Kind(
        "slab_sw_tags_low",
        "slab object, software tag below 0x7f, power-of-two stride",
        "slab",
        SW_TAGS_LOW,
        _SLAB,
        power_of_two=True,
    ),
    Kind("vmalloc_tagged", "vmalloc, KASAN tag", "vmalloc", SW_TAGS, _PAGES),
    Kind("large_kmalloc_tagged", "large kmalloc, KASAN tag", "large_kmalloc", SW_TAGS, _PAGES),
)

KIND_NAMES = tuple(kind.name for kind in KINDS)


def kind_named(name: str) -> Kind:
    """Return the kind of this name."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise ValueError(f"no such kind of allocation: {name!r}; known: {', '.join(KIND_NAMES)}")


def exists_on(kind: Kind, layout: Layout) -> bool:
    """Return whether the layout has such objects: tags need an architecture that ignores them."""
    return layout.can_tag or not kind.tagged
