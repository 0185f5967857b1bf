"""Word routines: short functions over 64-bit words, written beside the kernel's C.

A word routine is Python that is parsed and never executed.  It has parameters, locals, `if`,
early `return`, and calls; no loops, no memory of its own.  What it knows of memory it asks
*memory primitives*, which may be partial: `virt_to_slab` has an answer for linear-map addresses
only, so that every call of it carries the obligation "the argument is in the linear map".

The words are unsigned and wrap at 2**64, as in C:

    + - *  & | ^ ~  << >>   wrap; a shift by 64 or more gives 0
    //  %                   unsigned; the divisor must not be 0 (an obligation)
    <  <=  >  >=  ==  !=    unsigned
    signed_remainder(a, b), signed_less(a, b), shift_right_signed(a, n)   two's complement

Flags are `True`, `False`, comparisons, and `and`, `or`, `not` over flags.  `and` and `or` decide
from left to right, and an obligation on the right holds only where the right side is reached.

This module is what a word file imports.  `word_parser.load_words` reads one, `word_run.run` runs
its routines, `engines.symbolic.word_terms` translates them for Z3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from model.language.word_error import WordError

__all__ = [
    "HELPERS",
    "MASK",
    "NULL",
    "Flag",
    "Record",
    "Word",
    "WordError",
    "bit_length",
    "expect",
    "layout_word",
    "memory_primitive",
    "shift_right_signed",
    "signed_less",
    "signed_remainder",
    "word_routine",
]

Word = int
Flag = bool

# Compared with words and with pointers to records alike.
NULL: Any = 0
MASK = (1 << 64) - 1

F = TypeVar("F", bound=Callable[..., object])


class Record:
    """A structure that memory holds; a parameter of such a type is a pointer to one."""


def word_routine(
    *, models: str = "", equals: str | None = None, when: str | None = None
) -> Callable[[F], F]:
    """Mark a function as a word routine.

    `models` names the kernel function it stands for.  `equals` and `when` state a contract over
    the parameters; the prover proves it once and then uses it in place of the body.
    """
    del models, equals, when  # read from the syntax tree

    def keep(function: F) -> F:
        return function

    return keep


def memory_primitive(*, requires: str | None = None, says: str = "") -> Callable[[F], F]:
    """Declare something that reads memory; `requires` names a word routine over its arguments."""
    del requires, says  # read from the syntax tree

    def keep(function: F) -> F:
        return function

    return keep


def expect(*, property: str, where: str, verdict: str, because: str, reported: str = "") -> None:
    """State what a file expects of itself; `where` lists patterns of kinds, separated by spaces."""
    del property, where, verdict, because, reported  # read from the syntax tree


def layout_word(says: str) -> Word:
    """Declare a word that the memory layout decides."""
    del says
    return 0


def to_signed(word: Word) -> int:
    """Return the two's complement reading of a 64-bit word."""
    return word - (1 << 64) if word >> 63 else word


def signed_remainder(a: Word, b: Word) -> Word:
    """Return C's remainder of two signed longs: it takes the sign of `a`.

    By 0 it gives `a`, as Z3's bit-vectors do; an obligation forbids that case anyway.
    """
    x, y = to_signed(a), to_signed(b)
    if y == 0:
        return a
    rest = abs(x) % abs(y)
    return (-rest if x < 0 else rest) & MASK


def signed_less(a: Word, b: Word) -> Flag:
    """Return whether `a` is less than `b` as signed longs."""
    return to_signed(a) < to_signed(b)


def shift_right_signed(a: Word, n: Word) -> Word:
    """Return `a >> n` on a signed long: the sign bit moves in from the left."""
    return (to_signed(a) >> min(n, 63)) & MASK


def bit_length(a: Word) -> Word:
    """Return the position of the highest set bit counted from 1, 0 for 0 (the kernel's fls64)."""
    return a.bit_length()


# The helpers a routine may call, with the number of their arguments and whether the result is
# a flag.  The evaluator runs the functions above; the Z3 translation has its own operators.
HELPERS: dict[str, tuple[Callable[..., int], int, bool]] = {
    "signed_remainder": (signed_remainder, 2, False),
    "signed_less": (signed_less, 2, True),
    "shift_right_signed": (shift_right_signed, 2, False),
    "bit_length": (bit_length, 1, False),
}
