"""What is read from the output of other checkers, and how measured turns become figures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.checkers import Said, read_rumur, read_spin, read_tlc
from benchmarks.peers_report import (
    NOLOCK,
    REDUCED,
    Race,
    Sample,
    target_lines,
    together_lines,
)

_PAN = """
{error}
(Spin Version 6.5.2 -- 6 December 2019)
State-vector 204 byte, depth reached 91, errors: 0
  4047105 states, stored
  9291485 transitions (= stored+matched)
pan: elapsed time 8.58 seconds
"""
_TLC = """
Finished computing initial states: 1 distinct state generated.
{error}
1066 states generated, 935 distinct states found, 0 states left on queue.
"""
_STEPS = 'State 1: <Initial predicate>\n/\\ violated = ""\nState 2: <a>\n/\\ violated = "{}"'


def test_pan() -> None:
    """Guards against a violation that is overlooked, or told at another depth."""
    found = read_spin(_PAN.format(error=""))
    assert found == Said(4047105, 9291485, told_seconds=8.58)
    for error, prop in (
        ("pan:1: assertion violated self_deadlock (at depth 13)", "self_deadlock"),
        ("pan:1: assertion violated - invalid array index (at depth 13)", "model_error"),
    ):
        found = read_spin(_PAN.format(error=error))
        assert (found.violated, found.before) == (prop, 13)


def test_tlc() -> None:
    """Guards against a step that violates and is counted as one before it."""
    assert read_tlc(_TLC.format(error="")) == Said(935, 1065)
    for error, prop, before in (
        ("Error: Invariant NothingViolated is violated.\n" + _STEPS.format("a_b: no"), "a_b", 0),
        ("Error: Invariant list_ok_2 is violated.\n" + _STEPS.format(""), "list_ok", 1),
        ("Error: Attempted to apply function\n" + _STEPS.format(""), "model_error", 1),
    ):
        found = read_tlc(_TLC.format(error=error))
        assert (found.violated, found.before) == (prop, before)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_spin, "error: max search depth too small\n" + _PAN.format(error="")),
        (read_spin, "pan: out of memory"),
        (read_rumur, "<?xml version='1.0'?><rumur_run><progress/>"),
        (read_rumur, "Segmentation fault"),
        (read_tlc, "Fatal errors while parsing TLA+ spec"),
    ],
)
def test_a_search_that_did_not_end_is_no_result(read: Callable[[str], Said], text: str) -> None:
    """Guards against a count of part of the states that passes for all of them."""
    with pytest.raises(RuntimeError, match="did not come to an end"):
        read(text)


def _sample(states: int, search_seconds: float, seconds: float) -> Sample:
    return Sample(states, search_seconds, seconds, 0.0, seconds, 1 << 20)


def test_ratios_are_taken_within_a_turn() -> None:
    """Guards against medians of different turns: a slow turn slows everybody."""
    turns = [
        {NOLOCK: _sample(600, slow, 9), "Rumur": _sample(600, slow * 30, 9)} for slow in (1, 5, 2)
    ]
    race = Race("m", 600, tuple(turns), {})
    assert race.factor("Rumur") == 30
    assert "30.0 times Rumur; the target of 20 is reached" in target_lines(race)[-1]


def test_a_verdict_is_waited_for_to_its_end() -> None:
    """Guards against a comparison of searches alone, or of rates with different states."""
    turn = {REDUCED: _sample(10, 1, 4), "SPIN, partial order": _sample(1000, 2, 100)}
    race = Race("m", 1000, (turn,), {})
    assert race.factor("SPIN, partial order") == 25
    *_, verdict, why = target_lines(race)
    assert "the target of 50 is NOT reached" in verdict
    assert "the target is 2.00 s; nolock searches for 1.00 s, and needs 3.00 s" in why


def test_verdicts_one_after_the_other() -> None:
    turn = {REDUCED: _sample(10, 1, 4), "SPIN, partial order": _sample(1000, 2, 100)}
    race = Race("m", 1000, (turn, turn), {})
    assert together_lines([race]) == []
    assert together_lines([race, race]) == [
        "- All 2 verdicts, one after the other: 8.0 s and 200 s, 25 times SPIN, partial order."
    ]
