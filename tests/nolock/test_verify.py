"""`nolock verify` on small designs: verdicts, what is red, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result

from engines.explicit.compiler import find_compiler
from nolock.catalogue import design_named, runs_named
from nolock.explored import Failure
from nolock.jobs import jobs_of
from nolock.verdicts import verdicts_of
from tests.nolock.conftest import Command
from tests.nolock.toy import EXPECT, RUNS, UNREACHED, write_toy

REQUIRED = {
    *("design", "environment", "run", "property", "verdict", "expected", "because", "message"),
    *("bounds", "engine", "states", "transitions", "depth", "seconds", "trace_length"),
    *("kind", "unreached", "up_to_first_violation", "reductions", "rest_states", "bytes_per_state"),
}


def verify(command: Command, *words: object) -> Result:
    """With the Python engine: the toy has a few dozen states, and C takes a second to compile."""
    return command("verify", *words, "--engine", "python")


def test_a_design_whose_verdicts_are_all_as_expected_is_green(
    command: Command, tmp_path: Path
) -> None:
    """Guards against a green that says nothing: marks, trace, bounds and sums must be there."""
    result = verify(command, write_toy(tmp_path))
    assert result.exit_code == 0, result.output
    assert "✘ nmi self_deadlock, 5 steps" in result.stdout
    assert "expected: taken in NMI too" in result.stdout
    assert f"    nolock trace {tmp_path}/toy.py/nmi/self_deadlock\n" in result.stdout
    assert "toy, nmi: self_deadlock is violated" in result.stdout
    assert "smp; cpus 1, objects 2" in result.stdout
    assert "9 verdicts as expected, 0 not, 0 incomplete" in result.stdout
    assert "\x1b" not in result.stdout
    lines = [line for line in result.stdout.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ("", "! tasks no_double_free: no expectation matches: add expect('no_double_free'"),
        (EXPECT + EXPECT, "! nmi self_deadlock: 2 expectations match: "),
        (
            'expect("*", runs="*", verdict="holds", because="x"),',
            "! nmi self_deadlock: expected that it holds, but it is violated (x)",
        ),
        (
            EXPECT + 'expect("lock_discipline", runs="tasks", verdict="violated", because="y"),',
            "! tasks lock_discipline: expected that it is violated, but no violation was found (y)",
        ),
    ],
    ids=["missing", "doubled", "unexpected", "not found"],
)
def test_each_verdict_needs_exactly_one_expectation(
    command: Command, tmp_path: Path, expect: str, says: str
) -> None:
    """Guards against a known bug that is no longer found, or a verdict nobody thought of."""
    result = verify(command, write_toy(tmp_path, expect=expect))
    assert result.exit_code == 1, result.output
    assert says in " ".join(result.stdout.split())


def test_unreached_statements_are_red_unless_explained(command: Command, tmp_path: Path) -> None:
    """Guards against properties that hold because nothing ran; and against stale explanations."""
    result = verify(command, write_toy(tmp_path, unreached=""))
    assert result.exit_code == 1
    assert "! never reached: model/kernel/locks.py:" in result.stdout
    stale = UNREACHED + 'unreached("task_exits", "*", because="x"),'
    result = verify(command, write_toy(tmp_path, unreached=stale))
    assert result.exit_code == 1
    assert "UNREACHED explains 'task_exits', '*', but every such statement is reached" in " ".join(
        result.stdout.split()
    )


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            '"wait_for_lok", "*"',
            "no run has a step in a routine `wait_for_lok`; did you mean `wait_for_lock`?",
        ),
        ('"task_exits", "x = 1"', "`task_exits` has no step `x = 1`; known: "),
    ],
)
def test_an_explanation_of_nothing_names_the_nearest(
    command: Command, tmp_path: Path, entry: str, says: str
) -> None:
    """Guards against a misspelt name that is called reached."""
    unreached = UNREACHED + f'unreached({entry}, because="x"),'
    result = verify(command, write_toy(tmp_path, unreached=unreached))
    assert result.exit_code == 1, result.output
    assert says in " ".join(result.stdout.split())
    assert "is reached" not in result.stdout


def test_a_model_error_is_red_with_its_trace(command: Command, tmp_path: Path) -> None:
    """Guards against verdicts from a model that is itself wrong."""
    runs = RUNS.replace("objects=1", "objects=2")
    result = verify(command, write_toy(tmp_path, runs=runs, body="Toy.frees += 1"))
    assert result.exit_code == 1, result.output
    assert "! toy/tasks: the model itself is wrong: " in result.stdout
    assert "tasks, all properties: the model is wrong" in result.stdout
    assert "model_error is violated" in result.stdout


def test_other_bounds_are_shown_but_not_judged(command: Command, tmp_path: Path) -> None:
    """Guards against red verdicts that only mean that the user tries something."""
    result = verify(command, write_toy(tmp_path), "--run", "tasks", "--nmis", 1, "--objects", 2)
    assert result.exit_code == 0, result.output
    assert "✘ tasks self_deadlock" in result.stdout
    assert "expected" not in result.stdout
    assert "5 verdicts not judged" in result.stdout
    assert "with: --objects 2 --nmis 1" in result.stdout
    assert "bits per state; every million states needs about" in result.stderr


def test_bounds_make_a_run_for_a_design_that_has_none(command: Command, tmp_path: Path) -> None:
    """Guards against a first contact that demands a finished design file."""
    design = write_toy(tmp_path, runs="", expect="", unreached="")
    result = verify(command, design)
    assert result.exit_code == 2
    assert "declares no RUNS" in result.stderr
    result = verify(command, design, "--cpus", 1, "--objects", 1, "--tasks", 1)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("designs", [["toy.py"], ["toy.py", "two.py"]])
def test_runs_are_moved_to_an_environment_that_none_is_in(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, designs: list[str]
) -> None:
    """Guards `--env`: it chooses runs where it can, and else says that it changes them."""
    monkeypatch.chdir(tmp_path)
    for design in ("toy", "two"):
        write_toy(tmp_path, name=design)
    result = verify(command, *designs, "--env", "kasan", "--run", "tasks")
    assert result.exit_code == 0, result.output
    assert "not judged, as the bounds are not the design's" in result.stdout
    assert "kasan; cpus 1" in result.stdout and "kasan_generic 1" in result.stdout


def test_an_environment_chooses_runs(command: Command, tmp_path: Path) -> None:
    """Guards `--env` where there are such runs; a design that was named is not left out quietly."""
    up = RUNS + 'run("up", env="up", why="UP", objects=1, other_gps=0),'
    one, two = write_toy(tmp_path, runs=up), write_toy(tmp_path, name="two")
    result = verify(command, one, "--env", "up", "--format", "json")
    verdicts = json.loads(result.stdout)["verdicts"]
    assert {(v["run"], v["environment"], v["judged"]) for v in verdicts} == {("up", "up", True)}
    result = verify(command, one, two, "--env", "up")
    assert result.exit_code == 2
    assert "no run of two that was asked for is in up" in result.stderr
    result = verify(command, two, "--env", "up", "--env", "kasan")
    assert result.exit_code == 2
    assert "is in up or kasan" in result.stderr


def test_a_property_or_run_can_be_chosen(command: Command, tmp_path: Path) -> None:
    """Guards against filters that leave the rest as missing or unreached."""
    design = write_toy(tmp_path)
    result = verify(command, design, "--property", "self_deadlock", "--run", "nmi")
    assert result.exit_code == 0, result.output
    assert "1 verdict as expected" in result.stdout
    assert "never reached" not in result.stdout


def test_a_time_limit_gives_incomplete_and_exit_3(command: Command, tmp_path: Path) -> None:
    """Guards against a timed-out search that looks like one that found nothing."""
    design = write_toy(tmp_path)
    result = verify(command, design, "--time-limit", "0.000001", "--run", "tasks")
    assert result.exit_code == 3, result.output
    assert "stopped at the time limit after" in result.stdout


@pytest.mark.parametrize("limit", ["inf", "1e300"])
@pytest.mark.parametrize("engine", ["auto", "python"])
def test_a_time_limit_may_be_as_long_as_one_likes(
    command: Command, tmp_path: Path, limit: str, engine: str
) -> None:
    """Guards against an overflow on the way to the engine's clock."""
    words = ("verify", write_toy(tmp_path), "--time-limit", limit, "--engine", engine)
    result = command(*words)
    assert result.exit_code == 0, result.output


def test_limits_show_what_differs_from_the_defaults(command: Command, tmp_path: Path) -> None:
    """Guards against a knob that is switched off and not shown, and against bounds that are."""
    runs = RUNS.replace("objects=2", "objects=2, loud=False, quick=False")
    knob = 'knob("loud", True, "a switch")\nknob("quick", False, "another")'
    design = write_toy(tmp_path, runs=runs, declarations=knob)
    result = verify(command, design, "--run", "nmi")
    assert result.exit_code == 0, result.output
    assert "smp; cpus 1, objects 2, tasks 1, workers 1, nmis 1, loud 0\n" in result.stdout
    result = verify(command, design, "--run", "nmi", "--time-limit", "1e-9", "--format", "json")
    stopped = json.loads(result.stdout)["verdicts"][0]
    assert stopped["bounds"]["workers"] == 1 and stopped["bounds"]["readers"] == 0
    assert stopped["bounds"]["loud"] == 0 and "quick" not in stopped["bounds"]


def test_a_run_that_never_begins_has_all_its_bounds() -> None:
    """Guards against verdicts without a search that leave half of their bounds out."""
    manifest = design_named("allow_spin")
    (run,) = runs_named(manifest, ["nmi-gps"])
    (job,) = jobs_of(manifest, (run,))
    for verdict in verdicts_of(manifest, job, Failure("interrupted", "x"), judged=True):
        assert {"cpus": 2, "tasks": 2, "workers": 1, "other_gps": 1, "readers": 1}.items() <= (
            verdict.bounds.items()
        )


def test_what_slows_every_run_is_told_once(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against compiling anew each time without a word, and against a word for each run."""
    if find_compiler() is None:
        pytest.skip("no C compiler")
    design = write_toy(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    text = " ".join(command("verify", design, "--engine", "c").stdout.split())
    assert text.count(f"the cache {tmp_path}/file/nolock cannot be written") == 1
    assert "all runs: the cache" in text


def test_one_is_not_many(command: Command, tmp_path: Path) -> None:
    """Guards `1 states`."""
    result = verify(command, write_toy(tmp_path), "--time-limit", "1e-9", "--run", "tasks")
    assert "after 1 state, depth 0" in result.stdout


def test_json_is_one_object_with_all_verdicts(command: Command, tmp_path: Path) -> None:
    """Guards the form that other programs read."""
    result = verify(command, write_toy(tmp_path), "--format", "json")
    content = json.loads(result.stdout)
    assert result.exit_code == content["exit_code"] == 0
    assert len(content["verdicts"]) == 9
    for verdict in content["verdicts"]:
        assert not REQUIRED - set(verdict)
        assert verdict["verdict"] in ("holds", "violated", "proved", "incomplete")
    violated = next(v for v in content["verdicts"] if v["verdict"] == "violated")
    assert (violated["trace_length"], violated["kind"]) == (5, "check")
    assert violated["bounds"]["nmis"] == 1
    assert violated["expected"] == "violated"
    held = next(v for v in content["verdicts"] if v["run"] == "nmi" and v["verdict"] == "holds")
    assert held["up_to_first_violation"] == ["self_deadlock"]


def test_junit_is_well_formed_and_counts_failures(command: Command, tmp_path: Path) -> None:
    """Guards the form that CI systems read."""
    expect = 'expect("*", runs="*", verdict="holds", because="<&\\x07>"),'
    result = verify(command, write_toy(tmp_path, expect=expect), "--format", "junit")
    assert result.exit_code == 1
    root = ElementTree.fromstring(result.stdout)
    suite = root.find("testsuite[@name='toy']")
    assert suite is not None and suite.get("failures") == "1"
    assert len(suite.findall("testcase")) == 9


def test_output_is_written_whole_or_not_at_all(command: Command, tmp_path: Path) -> None:
    """Guards against half a report, and against learning of a bad path after the search."""
    design = write_toy(tmp_path)
    report = tmp_path / "report.json"
    result = verify(command, design, "--format", "json", "--output", report)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert len(json.loads(report.read_text())["verdicts"]) == 9
    result = verify(command, design, "--output", tmp_path / "none" / "report.txt")
    assert result.exit_code == 2
    assert "there is no folder" in result.stderr
    if Path("/dev/full").exists():
        result = verify(command, design, "--output", "/dev/full")
        assert result.exit_code == 2
        assert "cannot write /dev/full: No space left on device" in result.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"toy.py", "report.json", "cache"}
