"""Traces of a real design: compiled, violated, explained."""

from __future__ import annotations

import json
from pathlib import Path

import model
from counterexamples.explain import explain
from counterexamples.graph import to_dot
from counterexamples.render_terminal import render_text
from counterexamples.simplify import simplify
from counterexamples.store import from_content, to_json
from model.language.compile import compile_machine
from tests.counterexamples.hand_built import shortest

ROOT = Path(model.__file__).parents[1]
BOUNDS = {"cpus": 1, "objects": 2, "tasks": 1, "nmis": 1, "bnodes": 0}


def test_mainlines_deadlock_is_told_in_its_own_words() -> None:
    """Guards against a renderer that only knows hand-built machines."""
    machine = compile_machine(
        ROOT / "model/designs/mainline.py",
        BOUNDS,
        {"self_deadlock": ROOT / "properties/self_deadlock.py"},
    )
    trace = simplify(machine, shortest(machine, "self_deadlock").trace(machine))
    explanation = explain(machine, trace)
    assert "cpu 0 NMI interrupts client" in explanation.paragraph
    assert "when client ran `raw_spin_lock(krcp.lock)` (mainline.py:" in explanation.paragraph
    assert trace.steps[-1].statement.text == "raw_spin_lock(krcp.lock)"
    assert "[client" not in explanation.paragraph
    text = render_text(trace, explanation)
    assert "client            cpu 0 NMI" in text
    assert "Krcp[1]" not in text  # per-CPU records are counted from 0
    assert from_content(json.loads(to_json(trace))) == trace
    assert "raw_spin_lock(krcp.lock)" in to_dot(trace)
