"""The kernel's address arithmetic, as word routines: what a recovery may call.

Retold from Linux 6.18 and the rcu_ptr series.  A pointer to a struct page or slab is a word;
what lies behind it is asked of memory primitives, which have an answer only where the kernel
has one.  All addresses and sizes are in bytes.
"""

from __future__ import annotations

from model.language.words import (
    Flag,
    Record,
    Word,
    bit_length,
    layout_word,
    memory_primitive,
    shift_right_signed,
    signed_remainder,
    word_routine,
)

PAGE_SIZE: Word = layout_word("bytes of a page: 4, 16 or 64 KiB")
PAGE_SHIFT: Word = layout_word("log2 of PAGE_SIZE")
PAGE_OFFSET: Word = layout_word("first address of the linear map")
LINEAR_END: Word = layout_word("end of the linear map: PAGE_OFFSET + memory")
VMALLOC_START: Word = layout_word("first address of the vmalloc area")
VMALLOC_END: Word = layout_word("end of the vmalloc area")
VMEMMAP_START: Word = layout_word("struct page of PAGE_OFFSET")
POINTER_TAGS: Word = layout_word("1 where KASAN keeps a tag in bits 63:56 of pointers, else 0")
KFENCE_POOL: Word = layout_word("first address of the KFENCE pool, page aligned, linear map")
KFENCE_POOL_SIZE: Word = layout_word("bytes of the KFENCE pool")

U32: Word = 0xFFFFFFFF
TAG_SHIFT: Word = 56
STRUCT_PAGE_SIZE: Word = 64


class Slab(Record):
    """struct slab, together with the fields of its struct kmem_cache that recovery reads."""

    address: Word  # slab_address(): carries the match-all tag 0xff, as slab pages do
    size: Word  # cache->size: stride from one slot to the next
    objects: Word  # slab->objects; 1 for a KFENCE page
    red_left_pad: Word  # 0 unless the cache has SLAB_RED_ZONE
    reciprocal_m: Word  # cache->reciprocal_size, three u32 fields
    reciprocal_sh1: Word
    reciprocal_sh2: Word


@word_routine(models="mm/kasan: kasan_reset_tag; arch/arm64: __untagged_addr")
def untag(x: Word) -> Word:
    """Give a kernel address its match-all tag: bit 55 is copied into bits 63:56."""
    if POINTER_TAGS == 1:
        return shift_right_signed(x << 8, 8)
    return x


@word_routine(models="mm/kasan: set_tag")
def with_tag(x: Word, tag: Word) -> Word:
    """Replace bits 63:56 where pointers have tags."""
    if POINTER_TAGS == 1:
        return ((x << 8) >> 8) | (tag << TAG_SHIFT)
    return x


@word_routine(models="include/linux/align.h: PAGE_ALIGN_DOWN")
def page_align_down(x: Word) -> Word:
    return x & ~(PAGE_SIZE - 1)


@word_routine(models="include/linux/mm.h: offset_in_page")
def offset_in_page(x: Word) -> Word:
    return x & (PAGE_SIZE - 1)


@word_routine(models="mm/vmalloc.c: is_vmalloc_addr")
def is_vmalloc_addr(x: Word) -> Flag:
    """Pure arithmetic, so that it may be asked about any address."""
    return VMALLOC_START <= untag(x) < VMALLOC_END


@word_routine(models="arch: virt_addr_valid, for the addresses at hand")
def in_linear_map(x: Word) -> Flag:
    return PAGE_OFFSET <= untag(x) < LINEAR_END


@word_routine(models="include/asm/page.h: virt_to_page")
def virt_to_page(x: Word) -> Word:
    """Compute a struct page address; it is one only for linear-map addresses."""
    return VMEMMAP_START + ((untag(x) - PAGE_OFFSET) >> PAGE_SHIFT) * STRUCT_PAGE_SIZE


@memory_primitive(
    requires="in_linear_map", says="the argument of virt_to_slab is in the linear map"
)
def virt_to_slab(x: Word) -> Slab:  # type: ignore[empty-body]  # read, not run
    """Load from the struct page of `x`: its slab, or NULL for a page that is not a slab."""


@word_routine(models="include/linux/kfence.h: is_kfence_address")
def is_kfence_address(x: Word) -> Flag:
    """One unsigned comparison.  KFENCE objects carry no tag, and none is removed here."""
    return x - KFENCE_POOL < KFENCE_POOL_SIZE


@memory_primitive(
    requires="is_kfence_address", says="the argument of kfence_object_start is in the KFENCE pool"
)
def kfence_object_start(x: Word) -> Word:  # type: ignore[empty-body]  # read, not run
    """Read the KFENCE metadata of the page of `x`: where its object starts."""


@memory_primitive(says="the link of the object is readable")
def stored_start(head: Word) -> Word:  # type: ignore[empty-body]  # read, not run
    """Read the word beside the link, where the free call stored the address it was given."""


@word_routine(models="mm/slub.c: fixup_red_left")
def fixup_red_left(slab: Slab, obj: Word) -> Word:
    """Go from the start of a slot to its object; the pad is 0 without SLAB_RED_ZONE."""
    return obj + slab.red_left_pad


@word_routine(models="mm/slab.h: nearest_obj")
def nearest_obj(slab: Slab, x: Word) -> Word:
    """Round down to a slot, clamp to the last one, skip the left red zone.

    The pointer difference is a signed long and the remainder takes its sign.  No tag is removed
    and KFENCE is not asked.
    """
    diff = x - slab.address
    obj = x - signed_remainder(diff, slab.size)
    last = slab.address + (slab.objects - 1) * slab.size
    if obj > last:
        obj = last
    return fixup_red_left(slab, obj)


@word_routine(models="lib/math/reciprocal_div.c: reciprocal_value, l = ceil(log2 d)")
def reciprocal_log(d: Word) -> Word:
    return bit_length(d - 1)


@word_routine(models="lib/math/reciprocal_div.c: reciprocal_value, the multiplier")
def reciprocal_multiplier(d: Word) -> Word:
    return (((1 << 32) * ((1 << reciprocal_log(d)) - d)) // d + 1) & U32


@word_routine(
    models="include/linux/reciprocal_div.h: reciprocal_divide",
    equals="a // slab.size",
    when="a <= U32 and 0 < slab.size and slab.size <= 1 << 31",
)
def reciprocal_divide(slab: Slab, a: Word) -> Word:
    """Divide a u32 by the slot size with a multiplication and two shifts."""
    t = (a * slab.reciprocal_m) >> 32
    return (t + ((a - t) >> slab.reciprocal_sh1)) >> slab.reciprocal_sh2


@word_routine(models="mm/slab.h: __obj_to_index")
def obj_to_index(slab: Slab, x: Word) -> Word:
    """Return the number of the slot that `x` lies in; the difference is passed as a u32."""
    return reciprocal_divide(slab, (untag(x) - slab.address) & U32)
