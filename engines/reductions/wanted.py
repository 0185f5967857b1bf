"""The reductions, by name: each can be switched off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reductions:
    """Which reductions a search is to use.

    `merge_local`: steps that nobody else could ever notice. `merge_locks`: what a lock protects is
    private to its holder, for the other reductions too. `partial_order`: steps that nobody else can
    notice in the state at hand. `place_interrupts`: the same for what may arrive from outside.
    `symmetry`: states that differ by a renaming.
    """

    merge_local: bool = True
    merge_locks: bool = True
    partial_order: bool = True
    place_interrupts: bool = True
    symmetry: bool = True


ALL_REDUCTIONS = Reductions()
NO_REDUCTIONS = Reductions(False, False, False, False, False)
"""Every state is explored."""
