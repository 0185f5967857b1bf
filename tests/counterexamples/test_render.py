"""What a trace looks like.

Where a golden file differs, the failure names a file with the new text, to be compared and copied.
"""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from counterexamples.explain import explain
from counterexamples.render_terminal import print_trace, render_text
from counterexamples.trace import Trace
from model.language.machine import Machine
from tests.counterexamples.hand_built import locking_nmi, lockless_nmi, lost_update, shortest
from tests.counterexamples.test_store import traces

GOLDEN = Path(__file__).parent / "golden"
CASES: list[tuple[str, Machine, str, int, bool]] = [
    ("check", locking_nmi(), "self_deadlock", 100, False),
    ("rest", lockless_nmi(), "no_lost_objects", 100, False),
    ("rest_full", lockless_nmi(), "no_lost_objects", 100, True),
    ("invariant_narrow", lost_update(), "list_integrity", 72, False),
    ("stacked", lost_update(), "list_integrity", 60, False),
]


@pytest.mark.parametrize(
    ("name", "machine", "prop", "width", "full"), CASES, ids=[case[0] for case in CASES]
)
def test_golden(
    name: str, machine: Machine, prop: str, width: int, full: bool, tmp_path: Path
) -> None:
    """Guards against any unseen change of the picture."""
    trace = shortest(machine, prop).trace(machine)
    text = render_text(trace, explain(machine, trace), width=width, full=full)
    golden = GOLDEN / f"{name}.txt"
    actual = tmp_path / f"{name}.txt"
    actual.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"the new text: {actual}"
    assert all(len(line) <= width for line in text.splitlines())


def many_lanes() -> Trace:
    """Eight tasks that each take one step."""
    machine = lost_update()
    step = shortest(machine, "list_integrity").trace(machine).steps[1]
    base = shortest(machine, "list_integrity").trace(machine)
    steps = tuple(replace(step, number=n, lane=f"cpu {n} task") for n in range(1, 9))
    return replace(base, steps=steps)


def test_many_lanes_are_stacked_with_their_names() -> None:
    """Guards against eight columns of nothing."""
    text = render_text(many_lanes())
    assert all(f"cpu {n} task" in text for n in range(1, 9))
    assert all(len(line) <= 100 for line in text.splitlines())


def test_six_lanes_stand_as_stairs() -> None:
    """Guards against lane names that run into each other."""
    trace = many_lanes()
    text = render_text(replace(trace, steps=trace.steps[:6]))
    assert all(len(line) <= 100 for line in text.splitlines())
    header = text.split("───")[0]
    assert all(f"cpu {n} task" in header for n in range(1, 7))


def test_how_the_system_comes_to_rest_is_left_out() -> None:
    """Guards against sixty rows after the one that matters."""
    machine = lockless_nmi()
    trace = shortest(machine, "no_lost_objects").trace(machine)
    last = trace.steps[-1]
    more = tuple(replace(last, number=n, where=replace(last.where, line=n)) for n in range(17, 40))
    more = tuple(replace(s, statement=s.where) for s in more)
    long = replace(trace, steps=(*trace.steps, *more))
    explanation = explain(machine, trace)
    assert "Steps 13-39 bring the system to rest (--full)." in render_text(long, explanation)
    assert "Steps 13" not in render_text(long, explanation, full=True)


def test_a_terminal_gets_colour_and_a_pipe_does_not() -> None:
    """Guards against escape codes in a log."""
    machine = locking_nmi()
    trace = shortest(machine, "self_deadlock").trace(machine)
    pipe, terminal = StringIO(), StringIO()
    print_trace(trace, console=Console(file=pipe, force_terminal=False))
    print_trace(trace, console=Console(file=terminal, force_terminal=True, width=100))
    assert pipe.getvalue() == render_text(trace)
    assert "\x1b[" in terminal.getvalue()


def test_a_trace_file_cannot_steer_the_terminal() -> None:
    """Guards against escape codes in a file that someone sends."""
    machine = locking_nmi()
    trace = replace(shortest(machine, "self_deadlock").trace(machine), message="evil\x1b[2J\nline")
    assert "\x1b" not in render_text(trace)


def test_an_empty_trace_is_told() -> None:
    """Guards against a crash when the initial state violates."""
    machine = lost_update()
    trace = replace(shortest(machine, "list_integrity").trace(machine), steps=())
    assert "list_integrity is violated" in render_text(trace)


@settings(max_examples=60, deadline=None)
@given(traces, st.integers(60, 120), st.booleans())
def test_any_trace_can_be_shown(trace: Trace, width: int, full: bool) -> None:
    """Guards against a crash, a line too long or a control character for odd names and texts."""
    steps = tuple(replace(step, number=n) for n, step in enumerate(trace.steps * 3, start=1))
    text = render_text(replace(trace, steps=steps), width=width, full=full)
    assert all(len(line) <= width for line in text.split("\n"))
    assert all(char.isprintable() for char in text.replace("\n", ""))
