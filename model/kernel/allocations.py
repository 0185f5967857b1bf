"""What the allocators permit, and where they let an object start, as word routines.

One `..._permits` and one `..._start` per way of allocating.  The prover quantifies over every
placement that `permits` holds for; a replay asks the same routines about a concrete one.
All sizes in bytes.  The sets are slightly larger than what a kernel really builds (no cache has
every size below, and no slab starts at just any page), so that a proof covers every kernel; a
witness is chosen to be a real one.
"""

from __future__ import annotations

from model.kernel.addresses import (
    KFENCE_POOL,
    KFENCE_POOL_SIZE,
    LINEAR_END,
    PAGE_OFFSET,
    PAGE_SIZE,
    POINTER_TAGS,
    VMALLOC_END,
    VMALLOC_START,
    with_tag,
)
from model.language.words import Flag, Record, Word, layout_word, word_routine

LINEAR_LIMIT: Word = layout_word("where the linear map would end with the most memory")

# 64 KiB pages, order 13: the largest block the page allocator gives on arm64.
LARGEST_BLOCK: Word = 1 << 29
# slab->objects is a 15-bit field.
MOST_OBJECTS: Word = 32767
# kvfree_rcu() refuses larger offsets at compile time, whatever the page size.
OFFSET_LIMIT: Word = 4096
# The link is one pointer and aligned like one.
POINTER: Word = 8


class Placement(Record):
    """One allocated object, where the allocator put it, and where in it the link lies."""

    area: Word  # untagged address of the slab, the pages or the vmalloc area
    bytes: Word  # bytes from there that belong to it
    size: Word  # slot stride, cache->size
    objects: Word  # slots in the slab
    pad: Word  # red_left_pad of the cache
    index: Word  # slot of the object
    requested: Word  # bytes that the object's user may use
    offset: Word  # link address - object address
    align: Word  # cache->align, matters to KFENCE only
    right: Word  # KFENCE only: 1 if the object ends at the end of its page
    tag: Word  # bits 63:56 of the pointer; 0xff matches all


@word_routine(models="boot: where memory and the KFENCE pool may lie")
def layout_permits(at: Placement) -> Flag:
    return (
        PAGE_OFFSET < LINEAR_END <= LINEAR_LIMIT
        and (LINEAR_END & (PAGE_SIZE - 1)) == 0
        and PAGE_OFFSET <= KFENCE_POOL < LINEAR_END
        and (KFENCE_POOL & (PAGE_SIZE - 1)) == 0
        and (KFENCE_POOL_SIZE & (PAGE_SIZE - 1)) == 0
        and 4 * PAGE_SIZE <= KFENCE_POOL_SIZE <= LINEAR_END - KFENCE_POOL
        and POINTER_TAGS <= 1
        and at.tag <= 0xFF
    )


@word_routine(models="kvfree_rcu(): BUILD_BUG_ON(offset >= 4096), struct alignment")
def link_permits(at: Placement) -> Flag:
    return (
        at.offset < OFFSET_LIMIT
        and (at.offset & (POINTER - 1)) == 0
        and at.offset + POINTER <= at.requested <= LARGEST_BLOCK
    )


@word_routine(models="the linear map outside the KFENCE pool")
def in_plain_memory(at: Placement) -> Flag:
    return (
        PAGE_OFFSET <= at.area < LINEAR_END
        and PAGE_SIZE <= at.bytes <= LINEAR_END - at.area
        and (at.area & (PAGE_SIZE - 1)) == 0
        and (at.area - KFENCE_POOL >= KFENCE_POOL_SIZE)
        and (KFENCE_POOL - at.area >= at.bytes)
    )


@word_routine(models="mm/slub.c: calculate_sizes, allocate_slab")
def slab_permits(at: Placement) -> Flag:
    """Any stride that is a multiple of 8, any number of slots that fit, any slot."""
    return (
        in_plain_memory(at)
        and at.bytes <= LARGEST_BLOCK
        and POINTER <= at.size <= at.bytes
        and (at.size & (POINTER - 1)) == 0
        and 1 <= at.objects <= MOST_OBJECTS
        and at.objects * at.size <= at.bytes
        and at.index < at.objects
        and (at.pad & (POINTER - 1)) == 0
        and at.pad <= at.size
        and at.requested <= at.size - at.pad
        and link_permits(at)
    )


@word_routine(models="mm/slub.c: the slot layout")
def slab_start(at: Placement) -> Word:
    return with_tag(at.area + at.index * at.size + at.pad, at.tag)


@word_routine(models="mm/slub.c: ___kmalloc_large_node")
def large_kmalloc_permits(at: Placement) -> Flag:
    return (
        in_plain_memory(at)
        and at.bytes <= LARGEST_BLOCK
        and at.requested <= at.bytes
        and link_permits(at)
    )


@word_routine(models="mm/slub.c: ___kmalloc_large_node")
def large_kmalloc_start(at: Placement) -> Word:
    return with_tag(at.area, at.tag)


@word_routine(models="mm/vmalloc.c: __vmalloc_node_range")
def vmalloc_permits(at: Placement) -> Flag:
    """Any alignment from a page up; the guard page is not part of it."""
    return (
        VMALLOC_START <= at.area < VMALLOC_END
        and PAGE_SIZE <= at.bytes <= VMALLOC_END - at.area
        and (at.area & (PAGE_SIZE - 1)) == 0
        and at.requested <= at.bytes
        and link_permits(at)
    )


@word_routine(models="mm/vmalloc.c: __vmalloc_node_range")
def vmalloc_start(at: Placement) -> Word:
    return with_tag(at.area, at.tag)


@word_routine(models="mm/kfence/core.c: kfence_guarded_alloc")
def kfence_permits(at: Placement) -> Flag:
    """Any request up to a page, any cache it may come from, any page of the pool."""
    return (
        at.area - KFENCE_POOL < KFENCE_POOL_SIZE
        and (at.area & (PAGE_SIZE - 1)) == 0
        and at.bytes == PAGE_SIZE
        and at.objects == 1
        and at.index == 0
        and at.requested <= PAGE_SIZE
        and POINTER <= at.size <= LARGEST_BLOCK
        and (at.size & (POINTER - 1)) == 0
        and (at.pad & (POINTER - 1)) == 0
        and at.pad <= at.size
        and at.requested <= at.size - at.pad
        and POINTER <= at.align <= PAGE_SIZE
        and (at.align & (at.align - 1)) == 0
        and at.right <= 1
        and link_permits(at)
    )


@word_routine(models="mm/kfence/core.c: kfence_guarded_alloc")
def kfence_start(at: Placement) -> Word:
    """Left: the page.  Right: the object ends with the page, up to the cache's alignment.

    The pad of the cache plays no part: KFENCE objects have no left red zone.
    """
    if at.right == 1:
        return with_tag((at.area + PAGE_SIZE - at.requested) & ~(at.align - 1), at.tag)
    return with_tag(at.area, at.tag)
