"""Which records are renamed: nothing that a model does may tell their instances apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.reductions.symmetry import symmetry
from model.language.interpreter import successors
from tests.language.files import compiled

HEAD = """\
from model.language.syntax import (
    Array, Embed, Range, atomic, choose_or_null, inline, of, record, routine,
)

from .base import Box, Log, work


@record(count=2)
class Cpu:
    on: bool
    first: bool


@record(per=Cpu)
class Pool:
    lid: Embed[Lid]
    n: Range[0, 3]


@record()
class Lid:
    up: bool
    box: Box


@record(single=True)
class Seen:
    cpu: Cpu
    any: bool


"""

SYMMETRIC = {
    "each turn is about one instance": """\
@atomic
def act() -> None:
    for cpu in Cpu:
        cpu.on = not cpu.first
        of(Pool, cpu).n = 1
""",
    "a condition in a turn": """\
@atomic
def act() -> None:
    for cpu in Cpu:
        if cpu.on:
            cpu.first = True
""",
    "what all turns only read": """\
@atomic
def act() -> None:
    for cpu in Cpu:
        cpu.on = Seen.any
""",
    "any instance": """\
@atomic
def act() -> None:
    Seen.any = any(cpu.on for cpu in Cpu)


@inline
def pick() -> None:
    Seen.cpu = choose_or_null(cpu for cpu in Cpu if cpu.on)
""",
}

ORDERED = {
    "several steps": """\
@inline
def act() -> None:
    for cpu in Cpu:
        cpu.on = True
""",
    "several steps, over what belongs to it": """\
@inline
def act() -> None:
    for pool in Pool:
        pool.n = 1
""",
    "several steps, over what is embedded in what belongs to it": """\
@inline
def act() -> None:
    for lid in Lid:
        lid.up = True
""",
    "the first": """\
@atomic
def act() -> None:
    found: bool = False
    for cpu in Cpu:
        if cpu.on and not found:
            cpu.first = True
            found = True
""",
    "the last": """\
@atomic
def act() -> None:
    for cpu in Cpu:
        if cpu.on:
            Seen.cpu = cpu
""",
    "a turn looks at the others": """\
@atomic
def act() -> None:
    for cpu in Cpu:
        cpu.on = not any(other.on for other in Cpu)
""",
    "leaving early": """\
@atomic
def act() -> None:
    for cpu in Cpu:
        if cpu.on:
            return
        cpu.on = True
""",
}

USE = "\n\n@routine(entry=(work,))\ndef use(box: Box) -> None:\n    act()\n"


def model(acts: str) -> str:
    """A design that does it, and in which CPUs are otherwise alike."""
    return HEAD + acts + USE


@pytest.mark.parametrize("acts", SYMMETRIC.values(), ids=SYMMETRIC)
def test_what_is_the_same_for_all_is_renamed(tmp_path: Path, acts: str) -> None:
    """Guards against a reduction that is given up without need; and renaming must commute."""
    machine = compiled(tmp_path, model(acts))
    assert "Cpu" in machine.symmetric
    renaming = symmetry(machine)
    assert renaming is not None
    assert {"Cpu", "Pool", "Lid", "Box", "Lock"} <= renaming.moved
    state = machine.initial
    for _ in range(4):
        after = {s.state for s in successors(machine, state)}
        for one in renaming.renamings:
            renamed = {s.state for s in successors(machine, one.apply(state))}
            assert renamed == {one.apply(end) for end in after}
        state = min(after, default=state)


@pytest.mark.parametrize("acts", ORDERED.values(), ids=ORDERED)
def test_what_goes_by_number_is_not_renamed(tmp_path: Path, acts: str) -> None:
    """Guards against states taken for the same that have different futures."""
    assert "Cpu" not in compiled(tmp_path, model(acts)).symmetric
