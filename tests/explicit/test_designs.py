"""The engines on the real designs, in small configurations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from engines.explicit.explore import Options, explore
from engines.reductions.symmetry import symmetry
from engines.reductions.wanted import NO_REDUCTIONS, Reductions
from model.language.interpreter import State, successors
from model.language.machine import Machine
from properties.registry import build_machine
from tests.explicit.test_reductions import lengths, verdicts

DESIGNS = Path(__file__).resolve().parents[2] / "model" / "designs"

RUNS: dict[str, tuple[str, dict[str, int]]] = {
    "mainline, NMI": ("mainline", {"cpus": 1, "tasks": 1, "nmis": 1}),
    "mainline, 2 CPUs": ("mainline", {"cpus": 2, "tasks": 1, "objects": 1, "hardirqs": 1}),
    "rcu_ptr, UP": ("rcu_ptr", {"cpus": 1, "smp": 0, "hardirqs": 1}),
    "allow_spin, probe": ("allow_spin", {"cpus": 1, "tasks": 1, "probes": 1, "nmis": 1}),
    "nmi_detect, reader": ("nmi_detect", {"cpus": 1, "tasks": 1, "probes": 1, "readers": 1}),
    "allow_spin, barrier": ("allow_spin", {"cpus": 1, "objects": 1, "tasks": 1, "barriers": 1}),
    "caller_declared, 3 objects": (
        "caller_declared",
        {"cpus": 1, "objects": 3, "tasks": 0, "probes": 0, "nmis": 2},
    ),
    "rfc_v2, NMI": ("rfc_v2", {"cpus": 1, "tasks": 1, "nmis": 1}),
    "landed, barrier": (
        "landed",
        {"cpus": 1, "objects": 1, "tasks": 1, "barriers": 1, "nmis": 1},
    ),
    "call_rcu_nmi, NMI": ("call_rcu_nmi", {"cpus": 1, "tasks": 1, "nmis": 1}),
    "bpf_mem_alloc, NMI": ("bpf_mem_alloc", {"cpus": 1, "tasks": 1, "nmis": 1}),
}

pytestmark = pytest.mark.slow


@pytest.fixture(params=RUNS, ids=list(RUNS))
def machine(request: pytest.FixtureRequest) -> Machine:
    """One design in one run."""
    name, config = RUNS[request.param]
    return build_machine(DESIGNS / f"{name}.py", config)


def test_reductions_keep_the_verdicts(machine: Machine) -> None:
    whole = explore(machine, Options(reductions=NO_REDUCTIONS))
    assert whole.complete
    for field in fields(Reductions):
        without = explore(machine, Options(reductions=Reductions(**{field.name: False})))
        assert verdicts(without) == verdicts(whole)
        assert lengths(without) == lengths(whole)
    reduced = explore(machine)
    assert verdicts(reduced) == verdicts(whole)
    assert lengths(reduced) == lengths(whole)
    assert reduced.states < whole.states


def test_renaming_objects_commutes_with_every_step(machine: Machine) -> None:
    """What types say about symmetry must be true of the steps: no object is special."""
    renaming = symmetry(machine)
    if renaming is None:
        pytest.skip("nothing to rename")
    for state in _walks(machine):
        after = {(s.state, s.violated is None) for s in successors(machine, state)}
        for one in renaming.renamings[1:]:
            renamed = {(s.state, s.violated is None) for s in successors(machine, one.apply(state))}
            assert renamed == {(one.apply(end), good) for end, good in after}


def _walks(machine: Machine) -> Iterator[State]:
    """States along random walks; the same ones every time."""
    rng = random.Random(1)
    for _ in range(4):
        state = machine.initial
        for step in range(120):
            options = [s.state for s in successors(machine, state) if s.violated is None]
            if not options:
                break
            state = rng.choice(options)
            if step % 8 == 0:
                yield state
