"""That reciprocal_divide() divides: for every dividend below 2**32, every divisor up to 2**31.

The theorem is Granlund and Montgomery's (division by invariant integers using multiplication,
1994).  Z3 proves it for each l = ceil(log2 d), 32 times, about the bodies of the word routines
`reciprocal_multiplier` and `reciprocal_divide` in model/kernel/addresses.py:

1. the multiplier m of d satisfies 2**(32+l) < (m + 2**32)*d <= 2**(32+l) + 2**l, and m < 2**32;
2. so (m + 2**32)*a lies between q*2**(32+l) and (q+1)*2**(32+l), where q = a // d;
3. so the shifts of the routine give q, without a wrap on the way.

1 and 2 are polynomial and about integers; 3 is linear and about the translated routine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import z3

from engines.symbolic.word_integers import Integers
from engines.symbolic.word_terms import TRUE, Flag, TermBuilder, Word
from model.kernel.placed import ADDRESSES, allocation_words
from model.language.word_ir import WordProgram
from model.language.word_parser import load_words, routine_named

LOGS = range(32)


@dataclass(frozen=True)
class _ReciprocalMemory:
    """A slab of which only the reciprocal of its size is asked."""

    fields: dict[str, Word]

    def ask(self, primitive: str, args: tuple[Word, ...], path: Flag) -> Word:
        """Refuse: a division asks nothing of memory."""
        raise AssertionError(f"{primitive}{args} asked on {path}")

    def read(self, record: str, base: Word, name: str) -> Word:
        """Return a field of the slab."""
        assert record == "Slab", (record, base)
        return self.fields[name]


@cache
def unproved_reciprocals(time_limit: int = 10_000) -> tuple[str, ...]:
    """Prove the contract of reciprocal_divide; return what Z3 did not prove, by name."""
    return tuple(
        f"{name}, l = {log}"
        for log in LOGS
        for name, negation in _claims(log, allocation_words())
        if not _is_impossible(negation, time_limit)
    )


def reciprocal_counterexamples(path: str, time_limit: int = 5000) -> tuple[str, ...]:
    """The same for the routines of another file of addresses: what tests refute mutants with."""
    words = load_words(path)
    return tuple(
        f"{name}, l = {log}"
        for log in LOGS
        for name, negation in _claims(log, words, path)
        if not _is_impossible(negation, time_limit)
    )


def _is_impossible(negation: list[Flag], time_limit: int) -> bool:
    solver = z3.Solver()
    solver.set("timeout", time_limit)
    solver.add(*negation)
    return bool(solver.check() == z3.unsat)


def _claims(
    log: int, words: WordProgram, path: str = ADDRESSES
) -> Iterator[tuple[str, list[Flag]]]:
    """Yield the three statements for one l, each as the negation that must be impossible."""
    d, a, m, q, r = z3.Ints("d a m q r")
    one = 1 << (32 + log)
    divisor = [d == 1] if log == 0 else [d > 1 << (log - 1), d <= 1 << log]
    bounds = [one < (m + (1 << 32)) * d, (m + (1 << 32)) * d <= one + (1 << log)]
    quotient = [a >= 0, a < 1 << 32, q >= 0, r >= 0, r < d, a == q * d + r]

    multiplier, facts = _multiplier(log, d, divisor, words, path)
    holds = [m < 1 << 32, m >= 0, *bounds]
    yield "multiplier", [*divisor, *facts, m == multiplier, z3.Not(z3.And(*holds))]

    between = z3.And(q * one <= (m + (1 << 32)) * a, (m + (1 << 32)) * a < (q + 1) * one)
    yield "product", [*divisor, *bounds, *quotient, z3.Not(between)]

    result, product, facts = _division(log, a, m, words, path)
    # The product of a and m as one unknown p: the rest is linear.
    p = z3.Int("p")
    known = [
        a >= 0, a < 1 << 32, m >= 0, m < 1 << 32, p >= 0, p <= a * ((1 << 32) - 1), q >= 0,
        q * one <= p + (1 << 32) * a, p + (1 << 32) * a < (q + 1) * one,
    ]  # fmt: skip
    if log == 0:
        known += [m == 1, p == a]  # m is what the bounds say for d = 1, and so p = a*m is a
    yield "shifts", [*known, *facts, product == p, result != q]


def _multiplier(
    log: int, d: z3.ArithRef, divisor: list[Flag], words: WordProgram, path: str
) -> tuple[z3.ArithRef, list[Flag]]:
    """Return what reciprocal_multiplier(d) computes, and the facts about its division."""
    algebra = Integers()
    algebra.assume(*divisor)
    # bit_length(d - 1) is l for these d; once recognised, the shift by it is by a number.
    algebra.landmarks.append(z3.IntVal(log))
    builder = TermBuilder({}, _ReciprocalMemory({}), algebra)
    term = builder.call(words, routine_named(words, "reciprocal_multiplier", path), (d,))
    assert isinstance(term, z3.ArithRef)
    # The routine's one division, by its definition; the algebra itself stays linear.
    defined = [z3.And(a == q * b + r, r >= 0, r < b, q >= 0) for a, b, q, r in algebra.divisions]
    return term, [*algebra.solver.assertions(), *defined]


def _division(
    log: int, a: z3.ArithRef, m: z3.ArithRef, words: WordProgram, path: str
) -> tuple[z3.ArithRef, z3.ArithRef, list[Flag]]:
    """Return what reciprocal_divide(a) computes, its product a*m, and the facts used."""
    algebra = Integers()
    algebra.assume(a >= 0, a < 1 << 32, m >= 0, m < 1 << 32)
    fields: dict[str, Word] = {
        "reciprocal_m": m,
        "reciprocal_sh1": z3.IntVal(min(log, 1)),
        "reciprocal_sh2": z3.IntVal(max(log - 1, 0)),
    }
    builder = TermBuilder({}, _ReciprocalMemory(fields), algebra, use_contracts=False)
    routine = routine_named(words, "reciprocal_divide", path)
    term = builder.call(words, routine, (z3.IntVal(1), a), TRUE)
    assert isinstance(term, z3.ArithRef)
    product = algebra.products[0].result if algebra.products else z3.IntVal(0)
    return term, product, list(algebra.solver.assertions())
