"""The recovery of the rcu_ptr seed patch, mm/slab_common.c: kvfree_rcu_list.

It asks for the slab of the address first and for its range second (AR-1), trusts nearest_obj
for KFENCE objects (AR-2), and lets nearest_obj subtract a tagged address (AR-3).
"""

from __future__ import annotations

from model.kernel.addresses import is_vmalloc_addr, nearest_obj, page_align_down, virt_to_slab
from model.language.words import NULL, Word, expect, word_routine


@word_routine(models="mm/slab_common.c: kvfree_rcu_list, rcu_ptr RFC")
def recover(head: Word) -> Word:
    slab = virt_to_slab(head)  # S1: before any test of the range
    if is_vmalloc_addr(head) or slab == NULL:
        return page_align_down(head)  # S2: keeps the tag
    return nearest_obj(slab, head)  # S3


expect(
    property="start_address",
    where="slab slab_red_zone slab_sw_tags_low",
    verdict="proved",
    because="the remainder by the stride is taken relative to the slab, the pad is added back; "
    "for tags below 0x7f it wraps by a multiple of 2**56, which a power of two divides",
)

expect(
    property="start_address",
    where="large_kmalloc large_kmalloc_tagged",
    verdict="proved",
    because="not a slab; the offset is below 4096, so the page of the link is the first one",
)

expect(
    property="start_address",
    where="kfence_left",
    verdict="proved",
    because="the one object of the page starts where the page does",
)

expect(
    property="start_address",
    where="vmalloc vmalloc_tagged",
    verdict="violated",
    because="AR-1: the slab lookup comes before the range test and reads a struct page that "
    "does not exist; the address found afterwards is right",
    reported="AR-1",
)

expect(
    property="start_address",
    where="kfence_right kfence_right_red_zone kfence_left_red_zone",
    verdict="violated",
    because="AR-2: nearest_obj gives the start of the page plus the red-zone pad, whatever KFENCE "
    "chose",
    reported="AR-2",
)

expect(
    property="start_address",
    where="slab_sw_tags slab_hw_tags",
    verdict="violated",
    because="AR-3: the difference of a tagged and an untagged address is negative or wraps, its "
    "remainder by the stride is not the offset",
    reported="AR-3",
)
