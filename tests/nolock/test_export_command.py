"""`nolock export`: what it writes where, which run it takes, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nolock.conftest import Command
from tests.nolock.toy import RUNS, write_toy

ONE_RUN = RUNS.replace("\n", "", 1).partition("\n")[0]


@pytest.mark.parametrize(
    ("language", "first", "step"),
    [
        ("promela", "/*", "inline step_0("),
        ("murphi", "-- toy/tasks", "procedure step_0("),
        ("tla", "---- MODULE toy ----", "client_1(self) =="),
    ],
)
def test_a_model_goes_to_stdout(
    command: Command, tmp_path: Path, language: str, first: str, step: str
) -> None:
    """Guards against anything but the model on stdout: it is piped into a file."""
    result = command("export", write_toy(tmp_path), "--run", "tasks", "--to", language)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(first)
    assert step in result.stdout
    assert result.stderr == ""


def test_the_model_says_how_it_was_written(command: Command, tmp_path: Path) -> None:
    """Guards against a model of which nobody knows the bounds."""
    toy = write_toy(tmp_path)
    words = ("--to", "murphi", "--run", "nmi", "--objects", "1", "--property", "self_deadlock")
    result = command("export", toy, *words)
    head = [line.removeprefix("-- ").strip() for line in result.stdout.splitlines()[:12]]
    assert f"nolock export {toy} --to murphi --run nmi --property self_deadlock --objects 1" in head
    assert "nmis 1, objects 1" in " ".join(head)
    checked = next(line for line in head if line.startswith("Checked here: "))
    assert {*checked[14:-1].split(", ")} == {"self_deadlock", "model_error"}


def test_properties_narrow_what_is_checked(command: Command, tmp_path: Path) -> None:
    """Guards against checks of other properties, which would hide the one that is looked for."""
    toy = write_toy(tmp_path)
    all_of_them = command("export", toy, "--run", "nmi", "--to", "promela").stdout
    one = command(
        "export", toy, "--run", "nmi", "--to", "promela", "--property", "self_deadlock"
    ).stdout
    assert "CHECK(lock_discipline," in all_of_them and "CHECK(self_deadlock," in all_of_them
    assert "CHECK(lock_discipline," not in one and "CHECK(self_deadlock," in one


def test_the_only_run_needs_no_name(command: Command, tmp_path: Path) -> None:
    """Guards against an option that has one possible value."""
    toy = write_toy(tmp_path, runs=ONE_RUN, expect="", unreached="")
    result = command("export", toy, "--to", "promela")
    assert result.exit_code == 0, result.output
    assert "toy/tasks, written by\n" in result.stdout


def test_tla_comes_with_its_configuration(command: Command, tmp_path: Path) -> None:
    """Guards against a module that TLC cannot check, or one whose name is not its file's."""
    output = tmp_path / "My_Toy.tla"
    result = command(
        "export", write_toy(tmp_path), "--run", "nmi", "--to", "tla", "--output", output
    )
    assert result.exit_code == 0, result.output
    assert "My_Toy.tla" in result.stdout and "My_Toy.cfg" in result.stdout
    assert output.read_text(encoding="utf-8").startswith("---- MODULE My_Toy ----")
    config = output.with_suffix(".cfg").read_text(encoding="utf-8")
    assert "INIT Init" in config.splitlines()
    printed = command("export", write_toy(tmp_path), "--run", "nmi", "--to", "tla").stdout
    assert printed.endswith(f"To be saved as toy.cfg:\n\n{config}")


def test_mutants_can_be_exported(command: Command) -> None:
    """Guards against a mutant that is exported without its edits: its violation would be gone."""
    result = command("export", "mutants/K-1", "--to", "promela")
    assert result.exit_code == 0, result.output
    assert "CHECK(forbidden_call" in result.stdout
    assert "nolock export mutants/K-1 --to promela\n" in result.stdout


def test_an_old_model_is_kept_where_a_new_one_cannot_be_written(
    command: Command, tmp_path: Path
) -> None:
    """Guards against half a model."""
    output = tmp_path / "toy.pml"
    output.write_text("old", encoding="utf-8")
    result = command(
        "export", write_toy(tmp_path), "--run", "tsks", "--to", "promela", "--output", output
    )
    assert result.exit_code == 2
    assert output.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["TOY"], "toy has 2 runs, and one model is written", "--run NAME, one of tasks, nmi"),
        (["TOY", "--run", "nmj"], "unknown run of toy `nmj`", "`nmi`"),
        (["mainlin"], "unknown design `mainlin`", "`mainline`"),
        (["mutants/K-55"], "unknown mutant `K-55`", "`K-5`"),
        (["mutants/K-5", "--run", "x"], "its file states", "leave out --run"),
        (["mutants/K-5", "--cpus", "1"], "its file states", "leave out --run"),
        (["TOY", "--run", "nmi", "--env", "upp"], "unknown environment `upp`", "`up`"),
        (["TOY", "--run", "nmi", "--property", "barier"], "unknown property", "`barrier`"),
        (["TOY", "--run", "nmi", "--property", "barrier"], "does not check barrier", "it checks"),
        (
            ["TOY", "--run", "nmi", "--property", "handler_ends"],
            "of handler_ends nothing is exported",
            "what a step or a state can violate",
        ),
        (["TOY", "--run", "nmi", "--knob", "nmi=1"], "no knob `nmi`", "`nmis`"),
        (["TOY", "--run", "nmi", "--output", "DIR/none/a.pml"], "there is no folder", ""),
        (["TOY", "--run", "nmi", "--output", "DIR"], "it is a folder", ""),
    ],
)
def test_mistakes_are_named_with_a_remedy(
    command: Command, tmp_path: Path, words: list[str], message: str, hint: str
) -> None:
    """Guards against tracebacks and messages that leave the user alone."""
    toy = str(write_toy(tmp_path))
    given = [word.replace("TOY", toy).replace("DIR", str(tmp_path)) for word in words]
    result = command("export", *given, "--to", "promela")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert hint in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["toy.txt", "my-toy.tla", "1.tla"])
def test_a_module_has_the_name_of_its_file(command: Command, tmp_path: Path, name: str) -> None:
    """Guards against a file that TLC refuses to read."""
    output = tmp_path / name
    result = command(
        "export", write_toy(tmp_path), "--run", "nmi", "--to", "tla", "--output", output
    )
    assert result.exit_code == 2
    assert "a TLA+ file is called MODULE.tla" in result.stderr
    assert not output.exists()
