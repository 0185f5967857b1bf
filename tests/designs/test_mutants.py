"""Known bugs are found, and by their edits alone.

Guards against a mutant that the search no longer finds, against one that has quietly become the
design itself, and against a design that has come to contain the bug.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.explicit.explore import Options, explore
from engines.result import Exploration
from model.edits import Edit, Mutant, read_mutant
from model.language.declarations import ROOT
from model.language.source import CompileError, Provenance
from properties.registry import PROPERTIES, build_machine

FILES = sorted(p for p in (ROOT / "model" / "mutants").glob("*.py") if p.stem != "__init__")


MISUSE = "freed_twice"
"""The knob of the client that breaks a rule: what it shows needs no edit of the design."""


def _explore(mutant: Mutant, edits: tuple[Edit, ...], misuse: bool = True) -> Exploration:
    design = ROOT / "model" / "designs" / f"{mutant.design}.py"
    properties = mutant.run.properties or tuple(PROPERTIES)
    settings = {k: v for k, v in mutant.run.settings.items() if misuse or k != MISUSE}
    machine = build_machine(design, settings, properties, edits)
    found = explore(machine, Options(memory=4 * 2**30))
    assert found.complete
    return found


def _violated(found: Exploration) -> set[str]:
    goals = {name for name, goal in found.goals.items() if goal.failing or goal.doomed}
    return set(found.violations) | goals


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_search_finds_the_mutant(path: Path) -> None:
    """The named properties are violated; one that is no bug violates nothing."""
    mutant = read_mutant(path, PROPERTIES)
    violated = _violated(_explore(mutant, mutant.edits))
    if mutant.violates:
        assert set(mutant.violates) <= violated
    else:
        assert violated == set()


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_design_itself_has_not_the_bug(path: Path) -> None:
    """In the same run without the edits the properties hold, so the edits are the cause."""
    mutant = read_mutant(path, PROPERTIES)
    assert _violated(_explore(mutant, (), misuse=False)) == set()


def test_an_edit_that_finds_no_statement_is_an_error() -> None:
    """A mutant whose statement is gone must not pass for the design."""
    where = Provenance("mutant.py", 1, 0, "")
    edit = Edit("model/designs/krcp.py", "add_to_list", "krcp.head = nobody", "", where)
    design = ROOT / "model" / "designs" / "mainline.py"
    with pytest.raises(CompileError, match="0 statements"):
        build_machine(design, {}, (), (edit,))


def test_an_edit_of_a_missing_routine_names_the_nearest() -> None:
    """A renamed routine is reported with the name it probably has now."""
    where = Provenance("mutant.py", 1, 0, "")
    edit = Edit("model/designs/krcp.py", "add_to_lst", "krcp.head = head", "", where)
    design = ROOT / "model" / "designs" / "mainline.py"
    with pytest.raises(CompileError, match="add_to_list"):
        build_machine(design, {}, (), (edit,))
