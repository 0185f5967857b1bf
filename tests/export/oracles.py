"""What other checkers say of a machine, set beside what nolock says."""

from __future__ import annotations

import pytest

from benchmarks.agreement import Found, ask, difference, found
from benchmarks.checkers import missing
from model.language.machine import Machine


def needs(tool: str) -> pytest.MarkDecorator:
    """Skips a test where the tool is not installed, and says so."""
    reason = missing(tool)
    return pytest.mark.skipif(reason is not None, reason=str(reason))


TOOLS = [
    pytest.param("spin", marks=needs("spin")),
    pytest.param("rumur", marks=needs("rumur")),
    pytest.param("tlc", marks=[needs("tlc"), pytest.mark.slow]),  # Java takes two seconds to start
]


def agree(tool: str, machine: Machine) -> Found:
    """Assert that a tool's breadth-first search says what nolock says, which is returned."""
    expected = found(machine)
    assert difference(tool, expected, ask(tool, machine)) == ""
    return expected
