"""Designs: SPIN, Rumur and TLC count their states and find their violations as nolock does."""

from __future__ import annotations

import pytest

from benchmarks.agreement import CASES, TOOLS, Case, ask, difference, found, row
from benchmarks.checkers import missing
from tests.export.oracles import needs

SMALL = [case for case in CASES if not case.large]
TYPICAL = [SMALL[0], SMALL[4], Case("mutants/D-7")]
"""A design with lists, one with sheaves, and a broken invariant; all: `benchmarks.agreement`."""


@needs("spin")
@pytest.mark.parametrize(
    "case", [SMALL[0], Case("mutants/RT-1")], ids=["everything holds", "violated"]
)
def test_spin_agrees_on_a_design(case: Case) -> None:
    """Guards against what no small machine has: hundreds of steps, nested places, long guards."""
    machine = case.machine()
    assert difference("spin", found(machine), ask("spin", machine)) == ""


@pytest.mark.slow
@pytest.mark.parametrize("case", TYPICAL, ids=lambda case: case.name)
def test_all_agree_on_the_designs(case: Case) -> None:
    """The same with every tool that is here."""
    tools = [tool for tool in TOOLS if missing(tool) is None]
    if not tools:
        pytest.skip("there is no other checker here")
    _, differences = row(case, tools)
    assert differences == []
