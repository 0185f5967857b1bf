"""The corrected recovery: compute an offset on untagged addresses, subtract it from the link.

The range is asked first, so that a struct page is only read where there is one; KFENCE is asked
for its own object; and the result keeps the tag of the link, which is the tag of the object.
"""

from __future__ import annotations

from model.kernel.addresses import (
    fixup_red_left,
    is_kfence_address,
    is_vmalloc_addr,
    kfence_object_start,
    obj_to_index,
    offset_in_page,
    untag,
    virt_to_slab,
)
from model.language.words import NULL, Word, expect, word_routine


@word_routine(models="mm/slab_common.c: kvmalloc_obj_start_addr")
def recover(head: Word) -> Word:
    if is_vmalloc_addr(head):  # K1
        return head - offset_in_page(head)
    slab = virt_to_slab(head)  # K2
    if slab == NULL:  # K2a: large kmalloc
        return head - offset_in_page(head)
    if is_kfence_address(head):  # K2b
        return head - (head - kfence_object_start(head))
    index = obj_to_index(slab, head)  # K2c
    obj = fixup_red_left(slab, slab.address + slab.size * index)
    return head - (untag(head) - untag(obj))  # K3: the tag of `head` stays


expect(
    property="start_address",
    where="*",
    verdict="proved",
    because="the range is asked first, KFENCE is asked for its object, and an offset computed on "
    "untagged addresses is subtracted from the link",
)
