"""The exported text: golden files, and names and comments that other languages accept.

Where a golden file differs, the failure names a file with the new text, to be compared and copied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engines.export.expressions import neighbours
from engines.export.identifiers import Identifiers
from engines.export.murphi import murphi
from engines.export.promela import promela
from engines.export.steps import Source
from engines.export.tla import tla, tla_config
from model.language.machine import Machine
from model.language.source import Provenance
from tests.export.tiny import tiny

GOLDEN = Path(__file__).parent / "golden"
SOURCE = Source("tiny/run", "nolock export tiny --run run")

WRITERS: dict[str, Callable[[Machine], str]] = {
    "pml": lambda machine: promela(machine, SOURCE),
    "m": lambda machine: murphi(machine, SOURCE),
    "tla": lambda machine: tla(machine, SOURCE, "tiny"),
    "cfg": tla_config,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_golden(suffix: str, tmp_path: Path) -> None:
    """Guards against changes of what is written that nobody has looked at."""
    golden = GOLDEN / f"tiny.{suffix}"
    text = WRITERS[suffix](tiny())
    actual = tmp_path / golden.name
    actual.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"the new text: {actual}"


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_not_exported_is_said(suffix: str) -> None:
    """Guards against a model that is taken for the whole: goals are left out."""
    if suffix != "cfg":
        assert "Not exported: what must come true in the end, in no_lost_objects." in " ".join(
            WRITERS[suffix](tiny()).replace("*", " ").split()
        )


def test_names_are_legal_and_different() -> None:
    """Guards against two names that become one, and against words of the language."""
    names = Identifiers({"if", "self"})
    given = [
        names.of("variable", "Cpu.curr"),
        names.of("variable", "Cpu_curr"),
        names.of("parameter", "Cpu.curr"),
        names.of("variable", "if"),
        names.of("variable", "IF"),
        names.of("variable", "_x"),
        names.of("variable", "2nd"),
        names.of("variable", "größe"),
    ]
    assert given == [
        "Cpu_curr", "Cpu_curr_2", "Cpu_curr_3", "if_2", "IF_2", "v_x", "v2nd", "gr__e",
    ]  # fmt: skip
    assert names.of("variable", "Cpu.curr") == "Cpu_curr"


def test_sets_are_told_as_runs() -> None:
    """Guards against a member that is lost at the border of two runs."""
    assert neighbours(frozenset({5, 1, 2, 3, -1, 7, 8})) == [(-1, -1), (1, 3), (5, 5), (7, 8)]
    assert neighbours(frozenset()) == []


def test_no_source_line_ends_a_comment_or_a_string() -> None:
    """Guards against a statement of a design that changes how the rest of the model is read."""
    machine = tiny()
    odd = Provenance("odd.py", 1, 0, 'x = "a" */ /* \\ `b` × -- % (* *)\nnext')
    named = replace(machine, transitions=tuple(replace(t, where=odd) for t in machine.transitions))
    spin, rumur, tlc = (WRITERS[suffix](named) for suffix in ("pml", "m", "tla"))
    assert spin.count("*/") == WRITERS["pml"](machine).count("*/")
    assert spin.count("/*") == WRITERS["pml"](machine).count("/*")
    assert all(line.count('"') in (0, 2) for line in rumur.splitlines() if line[:4] == "rule")
    assert tlc.isascii()
    assert len(tlc.splitlines()) == len(WRITERS["tla"](machine).splitlines())
