"""Who met whom: actors that one exhausted search held, and verdicts that a design does not have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model.manifest import Run
from nolock.explored import Explored, Failure, Result
from nolock.jobs import Job
from nolock.meetings import Meetings, meetings_of
from nolock.report_meetings import meetings_lines
from nolock.verdicts import Verdict, verdicts_of
from tests.nolock.conftest import Command
from tests.nolock.test_judging import EXPLORED, MANIFEST
from tests.nolock.toy import write_toy

ACTED = frozenset(("client", "kworker", "nmi", "probe", "barrier", "device_interrupts", "shrinker"))
PROPS = ("grace_period", "barrier")


def explored(**bounds: int) -> Explored:
    """A search of these bounds in which everybody acted."""
    return replace(EXPLORED, config={"objects": 2, **bounds}, acted=ACTED)


def met(*results: Result, env: str = "smp") -> Meetings:
    """The runs `0`, `1`, ... of a design."""
    return met_in(*((env, result) for result in results))


def met_in(*runs: tuple[str, Result], asked: tuple[str, ...] = PROPS) -> Meetings:
    jobs = [
        Job("d", "d", Path("d.py"), Run(str(at), env, "why"), (), asked)
        for at, (env, _) in enumerate(runs)
    ]
    results = {job.key: result for job, (_, result) in zip(jobs, runs, strict=True)}
    verdicts: list[Verdict] = []
    for job in jobs:
        verdicts += verdicts_of(MANIFEST, job, results[job.key], judged=False)
    return meetings_of(jobs, results, verdicts)


@pytest.mark.parametrize(
    ("bounds", "actors"),
    [
        ({"tasks": 1}, ["task"]),
        ({"tasks": 2}, ["task"]),
        ({"tasks": 1, "readers": 1}, ["task", "reader"]),
        ({"workers": 1}, ["worker"]),
        ({"workers": 2}, ["worker", "second worker"]),
        ({"nmis": 2}, ["NMI", "second NMI"]),
        ({"nmis": 2, "objects": 1}, ["NMI"]),
        ({"barriers": 2, "objects": 1}, ["barrier", "second barrier"]),
        ({"hotplug": 1}, []),
        ({"other_gps": 1}, ["others' grace periods"]),
    ],
)
def test_whom_a_run_holds(bounds: dict[str, int], actors: list[str]) -> None:
    """Guards against an actor that the bounds allow and that never takes a step."""
    assert list(met(explored(**bounds)).actors) == actors


@pytest.mark.parametrize(
    ("results", "never", "cut"),
    [
        pytest.param([explored(tasks=1, nmis=1)], [], [], id="one run"),
        pytest.param(
            [explored(tasks=1, nmis=1), explored(tasks=1, probes=1)],
            [("NMI", "probe")],
            [],
            id="two runs that split them",
        ),
        pytest.param([explored(tasks=1, nmis=1, objects=1)], [("task", "NMI")], [], id="an object"),
        pytest.param([explored(tasks=1, readers=1, objects=1)], [], [], id="readers free nothing"),
        pytest.param(
            [
                explored(tasks=1),
                explored(nmis=1),
                replace(explored(tasks=1, nmis=1), reason="time"),
            ],
            [("task", "NMI")],
            [],
            id="a search that did not end",
        ),
        pytest.param(
            [explored(tasks=1), explored(nmis=1), Failure("crash", "x")],
            [("task", "NMI")],
            [],
            id="none",
        ),
        pytest.param(
            [replace(explored(tasks=1, nmis=1), cutting=("self_deadlock",))],
            [],
            [("task", "NMI")],
            id="up to a violation",
        ),
        pytest.param(
            [
                replace(explored(tasks=1, nmis=1), cutting=("self_deadlock",)),
                explored(tasks=1, nmis=1),
            ],
            [],
            [],
            id="and in another run beyond it",
        ),
    ],
)
def test_which_pairs_met(
    results: list[Result], never: list[tuple[str, str]], cut: list[tuple[str, str]]
) -> None:
    """Guards against a pair that counts as covered although no search held both."""
    meetings = met(*results)
    assert (list(meetings.never), list(meetings.cut)) == (never, cut)


def test_pairs_may_meet_in_any_environment_and_sets_are_told_for_each() -> None:
    """Guards against a set that hides behind a larger one of another environment."""
    meetings = met_in(
        ("smp", explored(tasks=1, nmis=1)),
        ("smp", explored(tasks=1, nmis=1, probes=1)),
        ("smp", explored(tasks=1, nmis=1, readers=1, objects=1)),
        ("up", explored(tasks=1)),
    )
    assert meetings.never == (("probe", "reader"),)
    assert [(one.environment, one.run) for one in meetings.largest()] == [
        ("smp", "1"),
        ("smp", "2"),
        ("up", "3"),
    ]
    assert "preempt_rt" in meetings.no_run and "up" not in meetings.no_run


@pytest.mark.parametrize(
    ("tested", "asked", "expected"),
    [
        (PROPS, PROPS, {}),
        (("barrier",), PROPS, {"grace_period": "no run there has a step that could violate it"}),
        (PROPS, ("barrier",), {"grace_period": "no run there asks for it"}),
        (PROPS, ("grace_period",), {"barrier": "nobody calls the barrier there"}),
    ],
)
def test_what_has_no_verdict(
    tested: tuple[str, ...], asked: tuple[str, ...], expected: dict[str, str]
) -> None:
    """Guards against a gap in the table that nobody explains."""
    result = replace(explored(tasks=1), tested=frozenset(tested))
    found = {
        cell.property: cell.why
        for cell in met_in(("smp", result), asked=asked).no_verdict
        if cell.property in PROPS
    }
    assert found == expected


def test_environments_with_the_same_reason_stand_together() -> None:
    """Guards against one line for each cell."""
    meetings = met_in(("smp", explored(tasks=1)), ("up", explored(tasks=1)))
    assert [c.environments for c in meetings.no_verdict if c.property == "start_address"] == [
        ("smp", "up")
    ]


def test_in_words() -> None:
    """Guards the sentences of the report."""
    lines = meetings_lines(met(explored(tasks=1, nmis=1), explored(tasks=1, probes=1)))
    assert lines[0] == "2 of 3 pairs of 3 actors met in one exhausted run"
    assert lines[1] == "never met: NMI and probe"
    assert "together, smp: task, NMI (0, 2 objects)" in lines


def test_the_report_has_it(command: Command, tmp_path: Path) -> None:
    """From real searches. Guards against actions and processes that are called something else."""
    toy = write_toy(tmp_path)
    text = command("verify", toy, "--engine", "python").stdout
    assert "1 of 1 pair of 2 actors met in one exhausted run" in text
    assert "only in runs that end at a violation: task and NMI" in text
    assert "no verdict on start_address (smp): all objects are plain slab there" in text
    found = json.loads(command("verify", toy, "--engine", "python", "--format", "json").stdout)
    meetings = found["designs"][0]["meetings"]
    assert meetings["actors"] == ["task", "NMI"]
    assert meetings["together"][1]["cut_by"] == ["self_deadlock"]
    narrowed = command("verify", toy, "--engine", "python", "--run", "nmi", "--format", "json")
    assert json.loads(narrowed.stdout)["designs"][0]["meetings"] is None
