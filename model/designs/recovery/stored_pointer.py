"""The recovery of mainline up to the series: none, head->func holds the start."""

from __future__ import annotations

from model.kernel.addresses import stored_start
from model.language.words import Word, expect, word_routine


@word_routine(models="mm/slab_common.c: kvfree_rcu_list")
def recover(head: Word) -> Word:
    return stored_start(head)


expect(
    property="start_address",
    where="*",
    verdict="proved",
    because="the start is read from the word beside the link, where the call stored it",
)
