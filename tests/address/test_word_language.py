"""The word language: its three readers agree, and what it refuses it explains."""

from __future__ import annotations

from pathlib import Path

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.symbolic.word_integers import Integers
from engines.symbolic.word_terms import BitVectors, TermBuilder, Word
from model.language.word_error import WordError
from model.language.word_ir import WordProgram
from model.language.word_parser import load_words, routine_named
from model.language.word_run import run
from tests.address.words import HEADER, ROUTINE, NoMemory, load_text

SAMPLES = """
@word_routine(models="")
def mixed(a: Word, b: Word, c: Word) -> Word:
    x = a * b + (c << 3) - (b >> 5)
    if x < a or signed_less(c, b) and not a == c:
        x ^= b | (c & 0xFFFF_0000)
        if x % 24 == 3:
            return ~x
    elif a <= b <= c:
        return -x
    return x // 7 + (a % 4096)


@word_routine(models="")
def signs(a: Word, b: Word, c: Word) -> Word:
    tag = shift_right_signed(a << 8, 8)
    return signed_remainder(tag, 192) + signed_remainder(c, b | 1) if b != 0 else tag


@word_routine(models="")
def masks(a: Word, b: Word, c: Word) -> Word:
    low = a & 0xFFF
    high = b & ~0xFFF
    return (high | low) + (c & 0x00FF_FF00) + (c >> 56 << 56) + bit_length(b)


@word_routine(models="")
def branches(a: Word, b: Word, c: Word) -> Word:
    if a >= b:
        d = a - b
        return ((d | c) + d * c) // (d + 1) + (d & c) + signed_remainder(d, c | 1)
    if c < 4096:
        return (b - a) * c + (b - a - 1) * c + ((b - a) ^ c)
    return b
"""

WORDS = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 4096),
    st.integers((1 << 64) - 4096, (1 << 64) - 1),
    st.sampled_from([0, 1, 1 << 63, (1 << 63) - 1, (1 << 64) - 1, 0xFFFF_8880_0000_0000]),
)


class SymbolicNoMemory:
    """Fails when it is asked."""

    def ask(self, primitive: str, args: tuple[Word, ...], path: z3.BoolRef) -> Word:
        """Refuse."""
        raise AssertionError((primitive, args, path))

    def read(self, record: str, base: Word, name: str) -> Word:
        """Refuse."""
        raise AssertionError((record, base, name))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> WordProgram:
    """The sample routines."""
    return load_text(tmp_path_factory.mktemp("words"), SAMPLES)


@pytest.mark.parametrize("name", ["mixed", "signs", "masks", "branches"])
def test_evaluator_and_bit_vectors_agree(samples: WordProgram, name: str) -> None:
    """Guards against an operator that means one thing in a proof and another in its replay."""
    routine = routine_named(samples, name)
    names = [z3.BitVec(n, 64) for n in "abc"]
    builder = TermBuilder({}, SymbolicNoMemory(), BitVectors())
    term = builder.call(samples, routine, tuple(names))

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(WORDS, WORDS, WORDS)
    def agree(a: int, b: int, c: int) -> None:
        pairs = [(n, z3.BitVecVal(v, 64)) for n, v in zip(names, (a, b, c), strict=True)]
        symbolic = z3.simplify(z3.substitute(term, *pairs)).as_long()
        assert symbolic == run(samples, routine, (a, b, c), {}, NoMemory()).value

    agree()


@pytest.mark.parametrize("name", ["mixed", "signs", "masks", "branches"])
def test_integers_allow_what_the_evaluator_computes(samples: WordProgram, name: str) -> None:
    """Guards against a proof about integers that the words do not satisfy.

    The integers may know less than the words (unknown divisors, odd masks), so the evaluator's
    result must be allowed; where nothing is imprecise it must be the only one.
    """
    routine = routine_named(samples, name)

    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(WORDS, WORDS, WORDS)
    def allowed(a: int, b: int, c: int) -> None:
        algebra = Integers()
        names = [z3.Int(n) for n in "abc"]
        algebra.assume(*(z3.And(n >= 0, n < 1 << 64) for n in names))
        builder = TermBuilder({}, SymbolicNoMemory(), algebra)
        term = builder.call(samples, routine, tuple(names))
        values = [n == v for n, v in zip(names, (a, b, c), strict=True)]
        value = run(samples, routine, (a, b, c), {}, NoMemory()).value
        # A product of unknowns is an unknown: give it the value that it stands for.
        for p in algebra.products:
            algebra.solver.add(p.result == p.a * p.b)
        assert algebra.solver.check(*values, term == value) != z3.unsat
        if not algebra.imprecise and not algebra.divisions:
            assert algebra.solver.check(*values, term != value) != z3.sat

    allowed()


def test_obligations_on_the_right_of_and_hold_only_where_it_is_reached(tmp_path: Path) -> None:
    """Guards against false alarms: `b != 0 and a // b > 1` never divides by zero."""
    text = ROUTINE + "def safe(a: Word, b: Word) -> Flag:\n    return b != 0 and a // b > 1\n"
    program = load_text(tmp_path, text)
    routine = routine_named(program, "safe")
    builder = TermBuilder({}, SymbolicNoMemory(), BitVectors())
    builder.call(program, routine, (z3.BitVec("a", 64), z3.BitVec("b", 64)))
    solver = z3.Solver()
    solver.add(z3.Or(*(o.broken() for o in builder.obligations)))
    assert builder.obligations and solver.check() == z3.unsat
    assert not run(program, routine, (5, 0), {}, NoMemory()).broken


def test_division_by_zero_is_a_broken_obligation(tmp_path: Path) -> None:
    """Guards against a divisor of zero that passes silently."""
    text = ROUTINE + "def divide(a: Word, b: Word) -> Word:\n    return signed_remainder(a, b)\n"
    program = load_text(tmp_path, text)
    ran = run(program, routine_named(program, "divide"), (5, 0), {}, NoMemory())
    assert [b.says for b in ran.broken] == ["the divisor is not 0"]


ERRORS = {
    "loop": ("def f(a: Word) -> Word:\n    while a > 0:\n        a -= 1\n    return a\n",
             "loops are not supported in a word routine", "write a closed form"),
    "no return": ("def f(a: Word) -> Word:\n    if a > 0:\n        return a\n",
                  "f can end without a result", "end every path with `return ...`"),
    "truth of a word": ("def f(a: Word) -> Word:\n    return 1 if a else 0\n",
                        "a Word is not a Flag", "compare it: `... != NULL`, `... > 0`"),
    "fraction": ("def f(a: Word) -> Word:\n    return a / 2\n", "operator not supported",
                 "words have no fractions: use // (unsigned) or signed_remainder"),
    "unset local": ("def f(a: Word) -> Word:\n    if a > 0:\n        b = a\n    return b\n",
                    "b has no value here", "assign it on every path before, or import it"),
    "recursion": ("def f(a: Word) -> Word:\n    return f(a)\n", "recursion: f -> f",
                  "calls are inlined; write the cases out"),
    "arguments": ("def f(a: Word) -> Word:\n    return signed_remainder(a)\n",
                  "2 arguments are needed, 1 given", "pass: argument 1, argument 2"),
    "unknown call": ("def f(a: Word) -> Word:\n    return page_of(a)\n",
                     "page_of is not a word routine or memory primitive",
                     "import it, or define it with @word_routine(...)"),
    "store": ("def f(a: Word) -> Word:\n    a.next = a\n    return a\n",
              "a word routine does not write memory", "keep the value in a local and return"),
    "type": ("def f(a: int) -> Word:\n    return a\n", "not a type of the word language",
             "use Word, Flag (import them from model.language.words) or a Record class"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_name_place_problem_and_remedy(tmp_path: Path, name: str) -> None:
    """Guards against an error that leaves its reader without place, line, rule or way out."""
    text, problem, instead = ERRORS[name]
    with pytest.raises(WordError) as raised:
        load_text(tmp_path, ROUTINE + text)
    error = raised.value
    assert (error.problem, error.instead) == (problem, instead)
    assert str(error).startswith(f"{tmp_path / 'sample.py'}:{error.where.line}:")
    assert error.where.text in str(error)


def test_error_text_is_as_documented(tmp_path: Path) -> None:
    """Golden text of one error."""
    path = tmp_path / "mine.py"
    path.write_text(HEADER + ROUTINE + "def f(a: Word) -> Word:\n    return a / 2\n")
    with pytest.raises(WordError) as raised:
        load_words(path)
    assert str(raised.value) == (
        f"{path}:9:12: operator not supported\n    return a / 2\n".replace(
            "    return", "        return"
        )
        + "               ^\n"
        "  words have no fractions: use // (unsigned) or signed_remainder"
    )


@pytest.mark.parametrize("text", ["", "def f(:\n", "import os\n", "x = 1.5\n", "print(1)\n"])
def test_anything_but_a_word_file_is_a_word_error(tmp_path: Path, text: str) -> None:
    """Guards against bare Python exceptions for a file that is something else, or empty."""
    path = tmp_path / "other.py"
    path.write_text(text)
    with pytest.raises(WordError):
        routine_named(load_words(path), "recover")
