"""Words as integers from 0 to 2**64 - 1, with every wrap written out: the algebra of the proofs.

Ranges of addresses are chains of inequalities.  Z3's linear arithmetic decides such a chain in
about a millisecond, bit-blasting takes seconds or does not end.  So a sum is `a + b` where it is
proved not to wrap and `if a + b >= 2**64` where it is not; a mask is a remainder by a constant; a
tag is a multiple of 2**56.

A product of two unknowns is a new unknown, of which `word_lemmas` tells what is needed; so is a
division by an unknown.  What this algebra cannot express is an unknown with bounds.  It never
claims more than the words satisfy: "proved" carries over to words, a model does not.

A term is a word on the path it was built for.  Elsewhere it may be any integer (`a - b` where
a < b), and nothing may follow from that: so each fact about a new unknown is guarded by the range
of the operands it speaks of.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import z3

from engines.symbolic.word_lemmas import Product, bound_fact, inside, order_facts
from engines.symbolic.word_terms import Flag, Word

M = 1 << 64
_HALF = 1 << 63


@dataclass
class Integers:
    """The algebra, its assumptions, and the solver that decides what follows from them.

    `time_limit` (milliseconds) bounds each small proof; one that does not end proves nothing.
    """

    time_limit: int = 1000
    solver: z3.Solver = field(default_factory=z3.SimpleSolver)
    products: list[Product] = field(default_factory=list)
    divisions: list[tuple[z3.ArithRef, z3.ArithRef, z3.ArithRef, z3.ArithRef]] = field(
        default_factory=list
    )  # dividend, unknown divisor, quotient, remainder
    landmarks: list[z3.ArithRef] = field(default_factory=list)
    proofs: int = 0
    imprecise: list[str] = field(default_factory=list)
    _known: dict[tuple[int, int], bool] = field(default_factory=dict)
    _examples: list[z3.ModelRef] = field(default_factory=list)
    _keep: list[Flag] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.solver.set("timeout", self.time_limit)

    # -- what is known ---------------------------------------------------------------------

    def assume(self, *facts: Flag) -> None:
        """Add assumptions."""
        self.solver.add(*facts)
        self._known = {key: value for key, value in self._known.items() if value}
        self._examples = []  # they need not satisfy the new facts

    def holds(self, path: Flag, claim: Flag) -> bool:
        """Return whether Z3 proves the claim for every case that takes this path."""
        claim = z3.simplify(claim)
        if z3.is_true(claim):
            return True
        if z3.is_false(claim) and z3.is_true(path):
            return False
        key = (path.get_id(), claim.get_id())
        if key not in self._known:
            self._keep += [path, claim]  # ids stay valid while the terms live
            self._known[key] = self._proves(path, claim)
        return self._known[key]

    def _proves(self, path: Flag, claim: Flag) -> bool:
        against = z3.And(path, z3.Not(claim))
        # An example of an earlier answer often settles it, at a tenth of the cost of asking.
        if any(z3.is_true(e.eval(against, model_completion=True)) for e in self._examples):
            return False
        self.proofs += 1
        answer = self.solver.check(path, z3.Not(claim))
        if answer == z3.sat:
            self._examples = [self.solver.model(), *self._examples[:3]]
        return bool(answer == z3.unsat)

    def settle(self, term: Word, path: Flag) -> Word:
        """Return a landmark that is proved equal to the term on this path, else the term.

        Recoveries keep coming back to few addresses (the object, its link, with and without tag).
        Recognising them keeps later terms small and makes differences of them cancel.
        """
        if z3.is_int_value(term):
            return term
        for mark in self.landmarks:
            if mark.eq(term) or self.holds(path, mark == term):
                return mark
        return term

    # -- the algebra -----------------------------------------------------------------------

    def number(self, value: int) -> Word:
        """Return a constant word."""
        return z3.IntVal(value)

    def unknown(self, name: str) -> Word:
        """Return a new word."""
        new = z3.FreshInt(name)
        self.assume(new >= 0, new < M)
        return new

    def compare(self, op: str, a: Word, b: Word) -> Flag:
        """Apply a comparison."""
        x, y = _int(a), _int(b)
        if op == "signed_less":
            x, y = _signed(x), _signed(y)
        table = {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y, "signed_less": x < y}
        return table[op]

    def apply(self, op: str, a: Word, b: Word, path: Flag) -> Word:
        """Apply an operator."""
        x, y = _simple(_int(a)), _simple(_int(b))
        match op:
            case "+":
                return self._wrapped(x + y, path)
            case "-":
                return self._wrapped(x - y, path)
            case "*":
                return self._product(x, y, path)
            case "//":
                return self._division(x, y, path, signed=False)[0]
            case "%":
                return self._division(x, y, path, signed=False)[1]
            case "signed_remainder":
                return self._division(x, y, path, signed=True)[1]
            case "&" | "|" | "^":
                return self._bits(op, x, y, path)
        return self._shift(op, x, y, path)

    def _wrapped(self, total: z3.ArithRef, path: Flag) -> z3.ArithRef:
        """Return a sum or difference of two words as a word."""
        total = _simple(total)
        if self.holds(path, z3.And(total >= 0, total < M)):
            return total
        if self.holds(path, total >= M):
            return _simple(total - M)
        if self.holds(path, total < 0):
            return _simple(total + M)
        return z3.If(total >= M, total - M, z3.If(total < 0, total + M, total))

    def _reduced(self, value: z3.ArithRef, path: Flag) -> z3.ArithRef:
        """Return a non-negative integer modulo 2**64."""
        return value if self.holds(path, value < M) else value % M

    def _product(self, a: z3.ArithRef, b: z3.ArithRef, path: Flag) -> z3.ArithRef:
        if z3.is_int_value(a) or z3.is_int_value(b):
            return self._reduced(_simple(a * b), path)
        for known in self.products:
            for i, s in ((known.a, known.b), (known.b, known.a)):
                if self.holds(path, z3.And(a == i, b == s)):
                    return self._reduced(known.result, path)
        new = Product(a, b, z3.FreshInt("product"))
        self.assume(*bound_fact(new))
        for known in self.products:
            self.assume(*order_facts(new, known), *order_facts(known, new))
        self.products.append(new)
        return self._reduced(new.result, path)

    def _division(
        self, a: z3.ArithRef, b: z3.ArithRef, path: Flag, *, signed: bool
    ) -> tuple[z3.ArithRef, z3.ArithRef]:
        """Return quotient and remainder; the caller has noted that the divisor must not be 0."""
        plain = not signed or self.holds(path, z3.And(a < _HALF, b < _HALF))
        if z3.is_int_value(b) and 0 < b.as_long() < _HALF:
            if plain:
                return a / b, a % b
            value = _signed(a)
            rest = z3.If(value >= 0, value % b, -((-value) % b))
            return self.unknown_int("quotient"), self._wrapped(rest, path)
        if plain:
            for known in self.products:
                for i, s in ((known.a, known.b), (known.b, known.a)):
                    if self.holds(path, inside(a, b, known.result, i, s)):
                        return i, _simple(a - known.result)
            quotient, rest = self.unknown_int("quotient"), self.unknown_int("remainder")
            bounds = z3.And(rest < b, rest <= a, quotient <= a)
            self.assume(z3.Implies(z3.And(a >= 0, b > 0), bounds))
            self.divisions.append((a, b, quotient, rest))
            return quotient, rest
        self.imprecise.append("signed remainder of a negative word by an unknown")
        return self.unknown_int("quotient"), self.unknown_int("remainder")

    def unknown_int(self, name: str) -> z3.ArithRef:
        """Return a new word, typed as the integer it is."""
        return _int(self.unknown(name))

    def _bits(self, op: str, a: z3.ArithRef, b: z3.ArithRef, path: Flag) -> z3.ArithRef:
        if z3.is_int_value(a) and not z3.is_int_value(b):
            a, b = b, a
        if z3.is_int_value(a) and z3.is_int_value(b):
            x, y = a.as_long(), b.as_long()
            return z3.IntVal({"&": x & y, "|": x | y, "^": x ^ y}[op])
        if z3.is_int_value(b):
            known = _mask(op, a, b.as_long())
            if known is not None:
                return known
        if op != "&":
            for bits in (56, 48, 32, 16, 14, 12, 8):  # no bit in common: a sum
                for high, low in ((a, b), (b, a)):
                    if self.holds(path, z3.And(high % (1 << bits) == 0, low < 1 << bits)):
                        return high + low
        self.imprecise.append(f"bitwise {op} of two unknowns")
        low, high = {
            "&": (z3.IntVal(0), z3.If(a < b, a, b)),
            "|": (z3.If(a < b, b, a), a + b),
            "^": (z3.IntVal(0), a + b),
        }[op]
        new = self.unknown_int("bits")
        words = z3.And(a >= 0, a < M, b >= 0, b < M)
        self.assume(z3.Implies(words, z3.And(low <= new, new <= high)))
        return new

    def _shift(self, op: str, a: z3.ArithRef, b: z3.ArithRef, path: Flag) -> z3.ArithRef:
        if not z3.is_int_value(b):
            self.imprecise.append(f"shift {op} by an unknown")
            return self.unknown_int("shifted")
        n = b.as_long()
        if op == "shift_right_signed":
            down = a / (1 << min(n, 63))
            fill = M - (1 << (64 - min(n, 63)))
            return z3.If(a >= _HALF, down + fill, down)
        if n >= 64:
            return z3.IntVal(0)
        return a / (1 << n) if op == ">>" else self._reduced(a * (1 << n), path)


def _mask(op: str, a: z3.ArithRef, mask: int) -> z3.ArithRef | None:
    """Return `a op mask` for the masks that are arithmetic: one run of ones, or all ones."""
    if op == "^":
        return M - 1 - a if mask == M - 1 else (a if mask == 0 else None)
    if op == "|":
        return a if mask == 0 else None
    if mask == 0:
        return z3.IntVal(0)
    low = (mask & -mask).bit_length() - 1
    high = mask.bit_length()
    if mask != (1 << high) - (1 << low):
        return None
    upper = a if high == 64 else a % (1 << high)
    return upper if low == 0 else upper - a % (1 << low)


def _signed(a: z3.ArithRef) -> z3.ArithRef:
    return z3.If(a >= _HALF, a - M, a)


def _int(term: Word) -> z3.ArithRef:
    assert isinstance(term, z3.ArithRef), term
    return term


def _simple(term: z3.ArithRef) -> z3.ArithRef:
    return _int(z3.simplify(term, som=True))
