"""`nolock trace`, `new`, `list`, `compare`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nolock import show_trace
from nolock.schedule import Task
from properties.registry import PROPERTIES
from tests.nolock.conftest import Command
from tests.nolock.toy import RUNS, write_toy

KNOB = 'knob("loud", True, "a switch")'


def test_a_trace_is_shown_saved_and_replayed(command: Command, tmp_path: Path) -> None:
    """Guards the way from a verdict to a regression test."""
    design = write_toy(tmp_path)
    saved, drawn = tmp_path / "t.json", tmp_path / "t.dot"
    words = ("trace", f"{design}/nmi/self_deadlock", "--engine", "python")
    result = command(*words, "--save", saved, "--dot", drawn)
    assert result.exit_code == 0, result.output
    assert "toy, nmi: self_deadlock is violated" in result.stdout
    assert json.loads(saved.read_text())["property"] == "self_deadlock"
    assert drawn.read_text().startswith("digraph")
    again = command("trace", saved)
    assert again.exit_code == 0, again.output
    assert again.stdout == result.stdout


def test_a_saved_trace_says_when_the_design_has_changed(command: Command, tmp_path: Path) -> None:
    """Guards against a stale trace that is shown as if it still happened."""
    design = write_toy(tmp_path)
    saved = tmp_path / "t.json"
    command("trace", f"{design}/nmi/self_deadlock", "--engine", "python", "--save", saved)
    text = design.read_text().replace("raw_spin_lock(Toy.lock)", "Toy.frees = 1", 1)
    design.write_text(text.replace("    raw_spin_unlock(Toy.lock)\n", ""))
    result = command("trace", saved)
    assert result.exit_code == 2
    assert "the model has changed since" in result.stderr


def test_the_cache_saves_the_search(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against searching for minutes for a trace that verify has just found."""
    design = write_toy(tmp_path)
    words = ("trace", f"{design}/nmi/self_deadlock", "--engine", "python")
    first = command(*words)

    def no_search(tasks: list[Task], *_: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr(show_trace, "run_tasks", no_search)
    assert command(*words).stdout == first.stdout


def test_no_trace_where_a_property_holds(command: Command, tmp_path: Path) -> None:
    """Guards against an empty answer."""
    design = write_toy(tmp_path)
    result = command("trace", f"{design}/nmi/no_double_free", "--engine", "python")
    assert result.exit_code == 2
    assert "toy/nmi does not violate no_double_free" in result.stderr
    assert "violated there: self_deadlock" in result.stderr


def test_new_writes_a_design_that_compiles(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a starting point that is broken, and against overwriting work."""
    monkeypatch.chdir(tmp_path)
    assert command("new", "mine").exit_code == 0
    small = ("--cpus", 1, "--tasks", 1, "--objects", 1, "--nmis", 0, "--engine", "python")
    result = command("verify", "mine.py", *small)
    assert result.exit_code == 0, result.output
    before = (tmp_path / "mine.py").read_text()
    result = command("new", "mine")
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert (tmp_path / "mine.py").read_text() == before


@pytest.mark.slow
def test_new_writes_a_design_that_verifies(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards its expectations and its explanations of unreached statements."""
    monkeypatch.chdir(tmp_path)
    command("new", "mine")
    result = command("verify", "mine.py")
    assert result.exit_code == 0, result.output


def test_compare_puts_like_runs_together(command: Command, tmp_path: Path) -> None:
    """Guards the matrix: a row for each design and run."""
    one = write_toy(tmp_path, name="one")
    two = write_toy(tmp_path, name="two", runs=RUNS)
    result = command("compare", one, two, "--engine", "python")
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    at = lines.index("nmi (smp)")
    assert lines[at + 1].startswith("one ") and "✘" in lines[at + 1]
    assert lines[at + 2].startswith("two ") and "✘" in lines[at + 2]


@pytest.mark.parametrize(
    "section", ["designs", "properties", "environments", "kinds", "mutants", "runs", "knobs"]
)
def test_list_names_what_there_is(command: Command, section: str) -> None:
    """Guards against a list that fails on one of its entries."""
    result = command("list", section)
    assert result.exit_code == 0, result.output
    known = {
        "designs": "nmi_detect",
        "properties": "no_lost_objects",
        "environments": "kmemleak",
        "runs": "nmi_detect/any-context",
        "mutants": "V1-9a",
        "kinds": "kfence_right_red_zone",
        "knobs": "k7_skip_stack_depot",
    }
    assert known[section] in result.stdout


def test_list_has_all_sections(command: Command) -> None:
    """Guards against a section that can only be had by name."""
    result = command("list")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    for heading in ("designs", "properties", "environments", "kinds", "mutants", "runs", "knobs"):
        assert heading in lines


def test_list_names_nothing_twice(command: Command) -> None:
    """Guards against the name of a design beside itself."""
    lines = command("list", "designs").stdout.splitlines()
    at = lines.index("  mainline")
    assert lines[at + 1].strip() == "kvfree_call_rcu() before the series"


def test_list_says_what_violates_each_property(command: Command) -> None:
    """Guards against a property that nobody can imagine to fail."""
    lines = [line.strip() for line in command("list", "properties").stdout.splitlines()]
    for name in PROPERTIES:
        assert lines[lines.index(name) + 1 :][:3] != []
    assert sum(line.startswith("violated by: ") for line in lines) == len(PROPERTIES)


def test_list_shows_the_knobs_and_runs_of_a_design(command: Command, tmp_path: Path) -> None:
    """Guards against knobs that can be set but not found, and bounds left out as defaults."""
    design = write_toy(tmp_path, declarations=KNOB)
    lines = command("list", "knobs", design).stdout.splitlines()
    at = lines.index("  loud")
    assert [line.strip() for line in lines[at + 1 : at + 3]] == [
        "a switch",
        f"default 1; {design}:{design.read_text().splitlines().index(KNOB) + 1}",
    ]
    assert "  cpus" in lines and "  k7_skip_stack_depot" not in lines
    text = " ".join(command("list", "runs", "allow_spin").stdout.split())
    assert (
        "smp; cpus 2, objects 2, tasks 2, workers 1, nmis 1, readers 1, other_gps 1, bnodes 0"
        in text
    )
    text = " ".join(command("list", "knobs").stdout.split())
    assert re.search(r"default \d(, \d in \w+)+; model/designs/krcp.py:", text)
    result = command("list", "kinds", "allow_spin")
    assert result.exit_code == 2
    assert "takes no design" in result.stderr
