"""Recorded counterexamples keep replaying."""

from __future__ import annotations

from pathlib import Path

import counterexamples
from counterexamples.store import load, replay, save
from tests.counterexamples.hand_built import locking_nmi, shortest

CORPUS = Path(counterexamples.__file__).parent / "corpus"


def test_recorded_traces_are_readable() -> None:
    """Guards against a corpus file of an old version, edited by hand or under a wrong name."""
    for path in sorted(CORPUS.glob("*.json")):
        trace = load(path)
        assert path.stem == f"{trace.identity.design}--{trace.identity.run}--{trace.property}"


def test_the_mechanism(tmp_path: Path) -> None:
    """Guards against a corpus test that passes because nothing is replayed."""
    machine = locking_nmi()
    path = tmp_path / "locking_nmi--smp--self_deadlock.json"
    save(shortest(machine, "self_deadlock").trace(machine), path)
    assert replay(path, locking_nmi()).property == "self_deadlock"
