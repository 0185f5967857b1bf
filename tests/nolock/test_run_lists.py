"""The lists of a design file: joined, shared by designs, and with runs that are long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nolock.check import long_text
from tests.nolock.conftest import Command
from tests.nolock.toy import RUNS, write_toy

SHARED = """\
from model.language.syntax import expect, run

MORE = [run("shared", env="smp", why="of another file", cpus=1, tasks=1, objects=1, other_gps=0)]
ALL = MORE + [run("last", env="up", why="joined", objects=1, other_gps=0)]
NUMBER = 3
LOOP = LOOP
"""
LONG = 'run("two", env="smp", why="x", cpus=1, tasks=2, objects=2, other_gps=0, long={}),'


def with_shared(folder: Path, joined: str) -> Path:
    """The toy, its runs joined with something of the file beside it."""
    (folder / "shared.py").write_text(SHARED, encoding="utf-8")
    toy = write_toy(folder, declarations="from .shared import ALL, LOOP, MORE, NUMBER")
    text = toy.read_text(encoding="utf-8")
    toy.write_text(text.replace("]\nEXPECT", f"] + {joined}\nEXPECT"), encoding="utf-8")
    return toy


def names(command: Command, *words: object) -> list[str]:
    """The runs that were done."""
    result = command("verify", *words, "--engine", "python", "--format", "json")
    assert result.exit_code in (0, 1), result.output
    return [run["run"] for run in json.loads(result.stdout)["designs"][0]["runs"]]


@pytest.mark.parametrize(
    ("joined", "runs"),
    [
        ("MORE", ["tasks", "nmi", "shared"]),
        ("ALL", ["tasks", "nmi", "shared", "last"]),
        ("[] + MORE", ["tasks", "nmi", "shared"]),
    ],
)
def test_lists_can_be_joined(
    command: Command, tmp_path: Path, joined: str, runs: list[str]
) -> None:
    """Guards against a part of a list that is left out in silence."""
    assert names(command, with_shared(tmp_path, joined)) == runs


@pytest.mark.parametrize(
    ("joined", "message"),
    [
        ("MORE + MORE", "a second run `shared`"),
        ("NOWHERE", "no constant `NOWHERE`"),
        ("NUMBER", "write RUNS = [run(...), ...]"),
        ("LOOP", "write RUNS = [run(...), ...]"),
    ],
)
def test_what_is_no_list(command: Command, tmp_path: Path, joined: str, message: str) -> None:
    """Guards against a traceback."""
    result = command("verify", with_shared(tmp_path, joined), "--engine", "python")
    assert result.exit_code == 2 and message in result.stderr, result.output
    assert "Traceback" not in result.output


def in_environments(folder: Path, envs: str) -> Path:
    """The toy with one run that names these environments."""
    run = f'run("all", env={envs}, why="x", cpus=1, tasks=1, objects=1, other_gps=0),'
    return write_toy(folder, runs=run, expect="")


@pytest.mark.parametrize(
    ("envs", "runs"),
    [
        ('("up", "smp")', [("all-up", "up"), ("all-smp", "smp")]),
        ('("kasan",)', [("all-kasan", "kasan")]),
        ('"kasan"', [("all", "kasan")]),
    ],
)
def test_a_run_in_several_environments(
    command: Command, tmp_path: Path, envs: str, runs: list[tuple[str, str]]
) -> None:
    """One for each, named after it. Guards against one that runs in the wrong environment."""
    toy = in_environments(tmp_path, envs)
    result = command("verify", toy, "--engine", "python", "--format", "json")
    assert result.exit_code in (0, 1), result.output
    done = json.loads(result.stdout)["designs"][0]["runs"]
    assert [(run["run"], run["environment"]) for run in done] == runs


@pytest.mark.parametrize(
    ("envs", "message"),
    [
        ('("up", "upp")', "unknown environment `upp`"),
        ('("up", 3)', "is a name or a tuple of names"),
        ("()", "is a name or a tuple of names"),
        ('("up", "up")', "a second run `all-up`"),
    ],
)
def test_environments_that_are_none(
    command: Command, tmp_path: Path, envs: str, message: str
) -> None:
    """Guards against a run that is left out in silence."""
    result = command("verify", in_environments(tmp_path, envs), "--engine", "python")
    assert result.exit_code == 2 and message in result.stderr, result.output


def test_a_shared_file_is_no_design(command: Command, tmp_path: Path) -> None:
    """A mistake in it is reported where it stands."""
    toy = with_shared(tmp_path, "MORE")
    (tmp_path / "shared.py").write_text(SHARED.replace("tasks=1", "taks=1"), encoding="utf-8")
    result = command("verify", toy)
    assert result.exit_code == 2
    assert "shared.py:3" in result.stderr and "unknown knob `taks`" in result.stderr


# --- long runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "done", "told"),
    [
        ([], ["tasks", "nmi"], False),
        (["--all"], ["tasks", "nmi", "two"], True),
        (["--run", "two"], ["two"], True),
    ],
)
def test_long_runs_are_done_on_request_and_announced(
    command: Command, tmp_path: Path, options: list[str], done: list[str], told: bool
) -> None:
    """Guards against a default set that takes minutes, and against minutes that nobody told of."""
    toy = write_toy(tmp_path, runs=RUNS + LONG.format("3_000_000"))
    assert names(command, toy, *options) == done
    stderr = command("verify", toy, *options, "--engine", "python").stderr
    assert ("1 long run: about 3 million states, 3 s of one core" in stderr) is told


def test_how_long_they_are() -> None:
    """Guards the sum, and the slower rate of what is searched with the partial order."""
    assert long_text([]) == ""
    assert long_text([3_000_000, 6_700_000]).startswith(
        "2 long runs: about 10 million states, 10 s"
    )
    assert long_text([6_700_000, 39_400_000]).startswith(
        "2 long runs: about 46 million states, 105 s"
    )


def test_the_list_of_runs_says_which_are_long(command: Command, tmp_path: Path) -> None:
    """Guards against a run that is never done because nobody knows of it."""
    toy = write_toy(tmp_path, runs=RUNS + LONG.format("3_000_000"))
    assert "two (only with --all: 3,000,000 states)" in command("list", "runs", toy).stdout


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_long_run_says_how_many_states(command: Command, tmp_path: Path, value: str) -> None:
    """Guards against an announcement of nothing."""
    result = command("verify", write_toy(tmp_path, runs=RUNS + LONG.format(value)))
    assert result.exit_code == 2 and "the number of states the run has had" in result.stderr
