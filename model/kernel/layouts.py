"""Where the kernel's address ranges lie, per architecture and page size.

Sources: Documentation/arch/x86/x86_64/mm.rst (4-level paging, no KASLR) and
arch/arm64/include/asm/memory.h of Linux 6.18 (48-bit addresses).
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE_SIZES = (4096, 16384, 65536)
ARCHES = ("x86-64", "arm64")


@dataclass(frozen=True)
class Layout:
    """Addresses that the architecture fixes; memory size and KFENCE pool stay open."""

    arch: str
    page_size: int
    page_offset: int
    linear_limit: int
    vmalloc_start: int
    vmalloc_end: int
    vmemmap_start: int
    vmemmap_end: int
    can_tag: bool

    @property
    def page_shift(self) -> int:
        """Log2 of the page size."""
        return self.page_size.bit_length() - 1

    def fixed_words(self) -> dict[str, int]:
        """Return the layout words that this layout decides."""
        return {
            "PAGE_SIZE": self.page_size,
            "PAGE_SHIFT": self.page_shift,
            "PAGE_OFFSET": self.page_offset,
            "LINEAR_LIMIT": self.linear_limit,
            "VMALLOC_START": self.vmalloc_start,
            "VMALLOC_END": self.vmalloc_end,
            "VMEMMAP_START": self.vmemmap_start,
        }


# The layout words that no architecture fixes: a proof holds for all their values.
OPEN_WORDS = ("LINEAR_END", "KFENCE_POOL", "KFENCE_POOL_SIZE", "POINTER_TAGS")


def _x86_64() -> Layout:
    return Layout(
        arch="x86-64",
        page_size=4096,
        page_offset=0xFFFF_8880_0000_0000,
        linear_limit=0xFFFF_C880_0000_0000,
        vmalloc_start=0xFFFF_C900_0000_0000,
        vmalloc_end=0xFFFF_E900_0000_0000,
        vmemmap_start=0xFFFF_EA00_0000_0000,
        vmemmap_end=0xFFFF_EB00_0000_0000,
        can_tag=False,
    )


def _arm64(page_size: int) -> Layout:
    shift = page_size.bit_length() - 1
    vmemmap_end = 0xFFFF_FFFF_C000_0000  # 1 GiB below the top
    # One 64-byte struct page for each page of the 2**47 bytes of linear map.
    vmemmap_start = vmemmap_end - ((1 << 47) >> (shift - 6))
    return Layout(
        arch="arm64",
        page_size=page_size,
        page_offset=0xFFFF_0000_0000_0000,
        linear_limit=0xFFFF_8000_0000_0000,
        vmalloc_start=0xFFFF_8000_8000_0000,  # behind 2 GiB of modules
        vmalloc_end=vmemmap_start - (8 << 20),
        vmemmap_start=vmemmap_start,
        vmemmap_end=vmemmap_end,
        can_tag=True,
    )


def layouts(
    arches: tuple[str, ...] = ARCHES, page_sizes: tuple[int, ...] = PAGE_SIZES
) -> tuple[Layout, ...]:
    """Return the layouts that exist for these; x86-64 has 4 KiB pages only."""
    found: list[Layout] = []
    for arch in arches:
        if arch == "x86-64" and 4096 in page_sizes:
            found.append(_x86_64())
        elif arch == "arm64":
            found.extend(_arm64(size) for size in PAGE_SIZES if size in page_sizes)
        elif arch not in ARCHES:
            raise ValueError(f"no such architecture: {arch!r}; known: {', '.join(ARCHES)}")
    return tuple(found)
