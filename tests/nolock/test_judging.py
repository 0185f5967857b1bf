"""Mutants, coverage and exit codes, judged from made-up results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.edits import Mutant
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
