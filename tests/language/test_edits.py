"""Edits: a mutant is what it says, or an error; never quietly the design itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.edits import Edit
from model.language.compile import compile_machine
from model.language.machine import Machine
from model.language.source import CompileError, Provenance
from tests.language.files import BASE
from tests.language.test_steps import texts

WHERE = Provenance("mutant.py", 7, 4, "replace(...)")
SOURCE = """\
from model.language.syntax import goal, routine

from .base import Box, Log, work


@routine(entry=(work,))
def use(box: Box) -> None:
    Log.a = 1
    if box.full:
        Log.b = 1
    Log.b = 1
    Log.c = 1


@goal("no_lost_objects", "seen")
def seen() -> bool:
    return Log.a + Log.b + Log.c == 0 and not any(b.full for b in Box)
"""


def edited(folder: Path, *edits: tuple[str, str, str]) -> Machine:
    """The machine after (routine, old, new)."""
    (folder / "base.py").write_text(BASE, encoding="utf-8")
    path = folder / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    shown = str(path.resolve())
    return compile_machine(path, {}, {}, [Edit(shown, *edit, WHERE) for edit in edits])


def test_replace(tmp_path: Path) -> None:
    machine = edited(tmp_path, ("use", "Log.c  =  1", "Log.c = 2"))
    assert texts(machine) == ["Log.a = 1", "if box.full:", "Log.b = 1", "Log.b = 1", "Log.c = 2"]
    where = machine.transitions[4].where
    assert (where.file, where.line) == ("mutant.py", 7)


def test_drop(tmp_path: Path) -> None:
    machine = edited(tmp_path, ("use", "Log.c = 1", ""))
    assert texts(machine) == ["Log.a = 1", "if box.full:", "Log.b = 1", "Log.b = 1"]


def test_several_statements_for_one(tmp_path: Path) -> None:
    machine = edited(tmp_path, ("use", "Log.a = 1", "Log.a = 2\nif box.full:\n    Log.a = 3"))
    assert texts(machine)[:3] == ["Log.a = 2", "if box.full:", "Log.a = 3"]


def test_import_in_an_edit(tmp_path: Path) -> None:
    new = "from model.language.syntax import wait_until\nwait_until(box.full)"
    assert texts(edited(tmp_path, ("use", "Log.a = 1", new)))[0] == "wait_until(box.full)"


def test_edits_add_up(tmp_path: Path) -> None:
    machine = edited(tmp_path, ("use", "Log.a = 1", "Log.a = 2"), ("use", "Log.a = 2", "Log.a = 3"))
    assert texts(machine)[0] == "Log.a = 3"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("use", "Log.c = 3", ""), "`use` has 0 statements `Log.c = 3`, not one"),
        (("use", "Log.c = 3", ""), "did you mean `Log.c = 1`?"),
        (("use", "Log.b = 1", ""), "`use` has 2 statements `Log.b = 1`, not one"),
        (
            ("usee", "Log.a = 1", ""),
            "has no routine `usee`\n    replace(...)\n  did you mean `use`?",
        ),
        (("use", "Log.a = 1", "Log.a ="), "the edit is not valid Python: invalid syntax"),
        (("use", "Log.a = 1", "Log.x = 1"), "mutant.py:7:5: `Log` has no field `x`"),
        (("use", "", ""), "an edit names exactly one statement"),
        (("use", "a\nb", ""), "an edit names exactly one statement"),
    ],
)
def test_an_edit_that_is_wrong(edit: tuple[str, str, str], expected: str, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        edited(tmp_path, edit)
    assert expected in str(caught.value)
    assert caught.value.where is not None and caught.value.where.file == "mutant.py"


def test_an_edit_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Guards against a mutant that is the design itself because its file was renamed."""
    (tmp_path / "base.py").write_text(BASE, encoding="utf-8")
    (tmp_path / "model.py").write_text(SOURCE, encoding="utf-8")
    edit = Edit("model/kernel/lock.py", "use", "Log.a = 1", "", WHERE)
    with pytest.raises(CompileError, match="the design has no file `model"):
        compile_machine(tmp_path / "model.py", {}, {}, [edit])
