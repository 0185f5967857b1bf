"""Recorded counterexamples keep replaying on the designs of today."""

from __future__ import annotations

from pathlib import Path

import pytest

import counterexamples
from counterexamples.store import load
from nolock.show_trace import trace_of_file

CORPUS = sorted((Path(counterexamples.__file__).parent / "corpus").glob("*.json"))


def test_something_is_recorded() -> None:
    """Guards against a corpus test that passes because nothing is replayed."""
    assert len(CORPUS) >= 7


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_recorded_trace_replays(path: Path) -> None:
    """Guards against a change that hides a bug, or quietly excludes an interleaving."""
    stored = load(path)
    run = stored.identity.run.replace("/", "-")
    assert path.stem == f"{stored.identity.design}--{run}--{stored.property}"
    shown = trace_of_file(path, None)
    assert shown.trace is not None, shown.missing
    assert shown.trace.property == stored.property
    assert len(shown.trace.steps) == len(stored.steps)
