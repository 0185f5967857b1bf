"""Mutants, coverage and exit codes, judged from made-up results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.explicit.explore import Options
from engines.result import Exploration, Violation
from model.edits import Mutant
from model.language.interpreter import Firing
from model.language.machine import Const, Machine, Transition
from model.language.source import Provenance
from model.manifest import Manifest, Run, Unreached
from nolock import work
from nolock.coverage import coverage_of
from nolock.errors import EXPECTED, INCOMPLETE, UNEXPECTED
from nolock.explored import Explored, Failure, Found, Result, Step
from nolock.jobs import Job, properties_of
from nolock.mutation import MutantRow, killed_by
from nolock.verdicts import Standing, verdicts_of
from nolock.verify import Report, exit_code
from nolock.work import settings_of
from properties.registry import PROPERTIES
from tests.explicit.machines import counters

HERE = Provenance("a.py", 1, 0, "text")
RUN = Run("r", "smp", "why")
EXPLORED = Explored(
    config={}, reason="complete", engine="c", states=1, transitions=1, depth=1, seconds=0.0,
    compile_seconds=0.0, bits=1, bytes_per_state=1.0, rest_states=1, stuck_states=0, found={},
    cutting=(), reductions=(), notes=(), steps=(),
    tested=frozenset(PROPERTIES), acted=frozenset(),
)  # fmt: skip
MANIFEST = Manifest("d", Path("d.py"), "", "", (RUN,), (), (), {})


def found(*names: str) -> Explored:
    return replace(EXPLORED, found={name: Found(name, "m", "check", 3, True) for name in names})


def mutant(*violates: str) -> Mutant:
    return Mutant("M", "t", "d", RUN, (), violates, "b", "", HERE)


@pytest.mark.parametrize(
    ("violates", "result", "standing"),
    [
        (("grace_period",), found("grace_period"), "expected"),
        (("grace_period",), found("grace_period", "no_double_free"), "expected"),
        (("grace_period",), found("no_double_free"), "unexpected"),
        (("grace_period",), EXPLORED, "unexpected"),
        (("grace_period",), replace(EXPLORED, reason="memory"), "incomplete"),
        (("grace_period",), found("grace_period", "model_error"), "unexpected"),
        ((), EXPLORED, "expected"),
        ((), found("grace_period"), "unexpected"),
        ((), replace(EXPLORED, reason="time"), "incomplete"),
        ((), Failure("crash", "x"), "unexpected"),
        ((), Failure("memory", "x"), "incomplete"),
        ((), replace(EXPLORED, undecided=frozenset({"no_lost_objects"})), "incomplete"),
        (
            ("no_lost_objects",),
            replace(EXPLORED, undecided=frozenset({"no_lost_objects"})),
            "incomplete",
        ),
        (
            ("grace_period",),
            replace(EXPLORED, undecided=frozenset({"no_lost_objects"})),
            "unexpected",
        ),
    ],
)
def test_a_surviving_mutant_is_red(
    violates: tuple[str, ...], result: Result, standing: Standing
) -> None:
    """Guards against a bug that is no longer found, and against an alarm where there is none."""
    assert MutantRow(mutant(*violates), result).standing == standing


def test_a_property_that_nothing_kills_is_red() -> None:
    """Guards against a property that could not fail."""
    row = MutantRow(mutant("grace_period"), found("grace_period"))
    killers = killed_by([row], {"start_address": ["recovery seed"]})
    assert killers["grace_period"] == ("M",)
    assert killers["start_address"] == ("recovery seed",)
    report = Report(mutants=(row,), killed_by=killers)
    assert "no_double_free" in report.unkilled
    assert exit_code(report) == UNEXPECTED
    assert exit_code(Report(mutants=(row,))) == EXPECTED


def test_what_was_not_decided_is_incomplete() -> None:
    """Guards against red where a search was stopped, or a lossy one could not say."""
    stopped = replace(EXPLORED, reason="time")
    lossy = replace(EXPLORED, lossy=1e-9, undecided=frozenset({"grace_period"}))
    for result in (stopped, lossy):
        row = MutantRow(mutant("grace_period"), result)
        report = Report(mutants=(row,), killed_by=killed_by([row], {}))
        assert "grace_period" not in report.unkilled
        assert "no_double_free" in report.unkilled
        assert exit_code(Report(mutants=(row,))) == INCOMPLETE
        assert report.lossy is (result is lossy)
        assert row.says != "not found"


EXPLORATION = Exploration(
    complete=False, reason="memory", engine="c", states=100, transitions=1, levels=(1, 99),
    seconds=1.0, compile_seconds=0.5, memory=1, bits=1, fired={}, rest_states=0, stuck_states=0,
    stuck=None, violations={}, goals={},
)  # fmt: skip


def violated(prop: str, length: int) -> dict[str, Violation]:
    step = Firing(Transition(0, "t", None, 0, (), Const(1), (), HERE), ())
    return {prop: Violation(prop, "m", "check", (step,) * length)}


def begun_again(
    second: Exploration | type[KeyboardInterrupt], monkeypatch: pytest.MonkeyPatch
) -> Exploration:
    """What is told of a search that met the limit and was begun again."""
    first = replace(EXPLORATION, violations={**violated("grace_period", 3), **violated("at", 5)})
    results = iter((first, second))

    def searched(*_: object) -> tuple[Machine, Exploration]:
        result = next(results)
        if isinstance(result, Exploration):
            return counters(1, 1), result
        raise result

    monkeypatch.setattr(work, "_searched_by_size", searched)
    job = Job("d", "d", Path("d.py"), RUN, (), ("grace_period",))
    return work._searched(job, {}, Options(), lambda message: None)[1]


def test_what_the_first_search_found_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a violation that is lost when a search is begun again and stopped."""
    second = replace(EXPLORATION, reason="time", states=7, violations=violated("at", 9))
    found = begun_again(second, monkeypatch)
    assert (found.complete, found.reason, found.states, found.seconds) == (False, "time", 100, 2.0)
    assert {name: len(one.trace) for name, one in found.violations.items()} == {
        "grace_period": 3,
        "at": 5,
    }
    farther = begun_again(replace(second, states=101), monkeypatch)
    assert (farther.states, set(farther.violations)) == (101, {"grace_period", "at"})


def test_a_second_search_that_ends_has_found_all(monkeypatch: pytest.MonkeyPatch) -> None:
    second = replace(EXPLORATION, complete=True, reason="complete", states=7)
    found = begun_again(second, monkeypatch)
    assert (found.complete, found.states, found.violations) == (True, 7, {})


def test_ctrl_c_before_the_second_search(monkeypatch: pytest.MonkeyPatch) -> None:
    found = begun_again(KeyboardInterrupt, monkeypatch)
    assert (found.reason, found.states, len(found.violations)) == ("interrupted", 100, 2)


def test_interrupted_is_incomplete_whatever_was_found() -> None:
    """Guards the exit code that tells a script to look again rather than to blame the change."""
    red = MutantRow(mutant("grace_period"), EXPLORED)
    assert exit_code(Report(mutants=(red,))) == UNEXPECTED
    assert exit_code(Report(mutants=(red,), interrupted=True)) == INCOMPLETE
    assert exit_code(Report(failed_proofs=("x",))) == INCOMPLETE


def test_nothing_is_lost_only_where_rest_was_reached() -> None:
    """Guards against a `no_lost_objects` that holds because nothing ever came to rest."""
    job = Job("d", "d", Path("d.py"), RUN, (), ("no_lost_objects",))
    held = verdicts_of(MANIFEST, job, EXPLORED, judged=False)
    assert [v.verdict for v in held] == ["holds"]
    never = verdicts_of(MANIFEST, job, replace(EXPLORED, rest_states=0), judged=False)
    assert [v.verdict for v in never] == ["incomplete"]
    assert "no state of rest" in never[0].message


def test_start_address_is_not_claimed_for_plain_slab_objects() -> None:
    """Guards against a verdict on a property that the run cannot violate."""
    assert "start_address" not in properties_of(RUN)
    assert "start_address" in properties_of(replace(RUN, kind="vmalloc"))
    assert "start_address" in properties_of(replace(RUN, knobs=(("vmallocs", 1),)))
    assert properties_of(replace(RUN, properties=("start_address",))) == ("start_address",)


@pytest.mark.parametrize(
    ("recovery", "vmallocs", "faults"),
    [("seed", 1, True), ("seed", 0, False), ("corrected", 1, False), ("", 1, False)],
)
def test_some_objects_from_vmalloc(recovery: str, vmallocs: int, faults: bool) -> None:
    """Guards against a run with two kinds in which every recovery is right."""
    knobs = (("vmallocs", vmallocs),)
    job = Job("d", "d", Path("d.py"), RUN, knobs, ("start_address",), recovery=recovery)
    settings = settings_of(job)
    assert isinstance(settings, dict)
    assert ("recovery_faults" in settings) is faults


def test_coverage_is_the_union_of_the_runs() -> None:
    """Guards against red for what another run reaches, and green for what none does."""
    first = (Step("p", "a.py", 1, "f", "x", 3), Step("p", "a.py", 2, "f", "y", 0))
    second = (Step("p", "a.py", 2, "f", "y", 1), Step("p", "a.py", 3, "g", "z", 0))
    coverage = coverage_of(MANIFEST, [first, second])
    assert coverage.names == ("a.py:3 g (p): z",)
    entry = Unreached("g", "z", "because", "", HERE)
    other = Unreached("g", "*", "because", "q", HERE)
    coverage = coverage_of(replace(MANIFEST, unreached=(entry, other)), [first, second])
    assert coverage.unreached == ()
    assert [because for _, because in coverage.explained] == ["because"]
    assert coverage.stale == (other,)


@pytest.mark.parametrize(("kind", "slab"), [("", None), ("kfence_left", None), ("vmalloc", 0)])
def test_a_kind_says_whether_objects_are_slabs(
    kind: str, slab: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against vmalloc objects that a design puts into sheaves."""
    monkeypatch.setattr(work, "recovery_outcome", lambda recovery, kind: "right")
    job = Job("d", "d", Path("d.py"), replace(RUN, kind=kind), (("cpus", 1),), ())
    settings = work.settings_of(job)
    assert isinstance(settings, dict) and settings.get("slab_objects") == slab
