"""What is known about products and divisions of integers, proved once and used at ground terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import z3

from engines.symbolic.word_terms import Flag

_FACTOR = 1 << 31


@dataclass(frozen=True)
class Product:
    """A product of two unknowns, and the unknown that stands for it."""

    a: z3.ArithRef
    b: z3.ArithRef
    result: z3.ArithRef


@dataclass(frozen=True)
class Lemma:
    """A statement about all integers, as the negation that Z3 must find no model of."""

    name: str
    says: str
    negation: tuple[Flag, ...]


def lemmas() -> tuple[Lemma, ...]:
    """Return the lemmas that the facts below are instances of."""
    a, b, s = z3.Ints("a b s")
    q, r, i, p = z3.Ints("q r i p")
    return (
        Lemma(
            "order",
            "0 <= a < b and s >= 0 give a*s + s <= b*s",
            (a >= 0, a < b, s >= 0, z3.Not(a * s + s <= b * s)),
        ),
        Lemma(
            "bound",
            "a product of factors from 0 is at least 0, below 2**62 if they are below 2**31, "
            "and 0 if one of them is 0",
            (a >= 0, b >= 0, z3.Or(
                a * b < 0,
                z3.And(a < _FACTOR, b < _FACTOR, a * b >= _FACTOR * _FACTOR),
                z3.And(a * b != 0, z3.Or(a == 0, b == 0)))),
        ),
        Lemma(
            "uniqueness",
            "i*s <= x < i*s + s gives: x divided by s is i, remainder x - i*s",
            (s > 0, i >= 0, q >= 0, r >= 0, r < s, p >= 0, p < s, q * s + r == i * s + p,
             z3.Or(q != i, r != p)),
        ),
        Lemma(
            "remainder",
            "x = q*s + r, 0 <= r < s, q >= 0 give r < s, r <= x and q <= x",
            (s > 0, q >= 0, r >= 0, r < s, a == q * s + r,
             z3.Not(z3.And(r < s, r <= a, q <= a))),
        ),
    )  # fmt: skip


@cache
def unproved_lemmas(time_limit: int = 5000) -> tuple[str, ...]:
    """Prove the lemmas (milliseconds each); return the names of those that Z3 did not prove."""
    missing = []
    for lemma in lemmas():
        solver = z3.Solver()
        solver.set("timeout", time_limit)
        solver.add(*lemma.negation)
        if solver.check() != z3.unsat:
            missing.append(lemma.name)
    return tuple(missing)


def bound_fact(product: Product) -> Iterator[Flag]:
    """Lemma `bound` for one product."""
    a, b, result = product.a, product.b, product.result
    words = z3.And(a >= 0, b >= 0)
    small = z3.And(a < _FACTOR, b < _FACTOR)
    yield z3.Implies(words, result >= 0)
    yield z3.Implies(z3.And(words, z3.Or(a == 0, b == 0)), result == 0)
    yield z3.Implies(z3.And(words, small), result < _FACTOR * _FACTOR)


def order_facts(one: Product, other: Product) -> Iterator[Flag]:
    """Lemma `order` for two products with a common factor, and that a*b is b*a."""
    for a, s in ((one.a, one.b), (one.b, one.a)):
        for b, t in ((other.a, other.b), (other.b, other.a)):
            same = z3.And(s == t, s >= 0, a >= 0)
            yield z3.Implies(z3.And(same, a < b), one.result + s <= other.result)
            yield z3.Implies(z3.And(same, a == b), one.result == other.result)


def inside(
    a: z3.ArithRef, b: z3.ArithRef, multiple: z3.ArithRef, i: z3.ArithRef, s: z3.ArithRef
) -> Flag:
    """The condition of lemma `uniqueness` for a divided by b, with `multiple` = i*s."""
    return z3.And(s == b, i >= 0, multiple <= a, a < multiple + s)
