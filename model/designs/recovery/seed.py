"""The recovery of the rcu_ptr seed patch, mm/slab_common.c: kvfree_rcu_list.

It asks for the slab of the address first and for its range second (AR-1), trusts nearest_obj
for KFENCE objects (AR-2), and lets nearest_obj subtract a tagged address (AR-3).
"""

from __future__ import annotations

from model.kernel.addresses import is_vmalloc_addr, nearest_obj, page_align_down, virt_to_slab
from model.language.words import NULL, Word, word_routine


@word_routine(models="mm/slab_common.c: kvfree_rcu_list, rcu_ptr RFC")
def recover(head: Word) -> Word:
    slab = virt_to_slab(head)  # S1: before any test of the range
    if is_vmalloc_addr(head) or slab == NULL:
        return page_align_down(head)  # S2: keeps the tag
    return nearest_obj(slab, head)  # S3
