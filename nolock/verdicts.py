"""Verdicts: what a run says about a property, beside what the design expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from model.manifest import ALL, Expectation, Manifest, Run
from nolock.explored import MODEL_ERROR, Explored, Failure, Result
from nolock.jobs import Job, bounds_of
from nolock.words import counted

Word = Literal["holds", "violated", "proved", "incomplete"]
Standing = Literal["expected", "unexpected", "incomplete", "not judged"]
AT_REST = "no_lost_objects"
UNDECIDED = "no state of rest violates it, and with --fingerprints no more can be said"


@dataclass(frozen=True)
class Verdict:
    """One verdict with its limits. `problem` says what is wrong with its expectation."""

    design: str
    environment: str
    run: str
    property: str
    verdict: Word
    expected: str | None
    bounds: Mapping[str, int]
    engine: str
    states: int
    transitions: int
    depth: int
    seconds: float
    trace_length: int | None = None
    trace_shortest: bool | None = None
    """Whether no trace of fewer steps violates it in this way; None where nothing is violated."""
    simplified_length: int | None = None
    unreached: tuple[str, ...] = ()
    because: str = ""
    reported: str = ""
    message: str = ""
    kind: str = ""
    """Of a violation: which kind of trace shows it (`rest`, `unreachable`, `lasso`, ...)."""
    problem: str = ""
    judged: bool = True
    up_to_first_violation: tuple[str, ...] = ()
    reductions: tuple[str, ...] = ()
    rest_states: int = 0
    stuck_states: int = 0
    bytes_per_state: float = 0.0
    bits: int = 0
    miss_probability: float | None = None
    """Of a lossy search: that it missed a state, at most."""
    notes: tuple[str, ...] = ()
    trace_id: str = ""
    """What `nolock trace` takes to show the trace; a one-off run needs its bounds beside it."""

    @cached_property
    def lossy(self) -> str:
        """What limits a verdict of a search that kept fingerprints of states; else empty."""
        if self.miss_probability is None:
            return ""
        return f"lossy: a state was missed with a probability of up to {self.miss_probability:.1e}"

    @cached_property
    def standing(self) -> Standing:
        """How it stands to its expectation."""
        if self.problem:
            return "unexpected"
        if self.verdict == "incomplete":
            return "incomplete"
        if not self.judged:
            return "not judged"
        return "expected" if self.verdict == self.expected else "unexpected"


def verdicts_of(manifest: Manifest, job: Job, result: Result, judged: bool) -> list[Verdict]:
    """The verdicts of one run, one for each property that something in it could have violated."""
    return [
        _verdict(manifest, job, prop, result, judged)
        for prop in job.properties
        if _tests(result, prop) or (judged and _is_named(manifest, job.run, prop))
    ]


def _tests(result: Result, prop: str) -> bool:
    """Whether a complete search would have noticed a violation of the property."""
    return not isinstance(result, Explored) or not result.complete or prop in result.tested


def _is_named(manifest: Manifest, run: Run, prop: str) -> bool:
    """Whether the run, or an expectation other than `*`, asks for just this property."""
    expected = (e for e in manifest.expectations if prop in e.properties)
    return prop in run.properties or any(run.name in e.runs or ALL in e.runs for e in expected)


def _verdict(manifest: Manifest, job: Job, prop: str, result: Result, judged: bool) -> Verdict:
    expected, problem = None, ""
    if judged:
        expected, problem = _expectation(manifest, job.run, prop)
    word, message = _word(prop, result)
    verdict = Verdict(
        design=job.owner,
        environment=job.run.env,
        run=job.run.name,
        property=prop,
        verdict=word,
        expected=expected.verdict if expected else None,
        bounds=bounds_of(dict(job.settings), manifest.knobs),
        engine="none",
        states=0,
        transitions=0,
        depth=0,
        seconds=0.0,
        because=expected.because if expected else "",
        reported=expected.reported if expected else "",
        message=message,
        problem=problem,
        judged=judged,
    )
    if isinstance(result, Failure):
        return verdict
    cutting = tuple(name for name in result.cutting if name != prop)
    found = result.found[prop] if word == "violated" else None
    return replace(
        verdict,
        bounds=bounds_of(result.config, manifest.knobs),
        engine=result.engine,
        states=result.states,
        transitions=result.transitions,
        depth=result.depth,
        seconds=round(result.seconds + result.compile_seconds, 3),
        trace_length=found.length if found else None,
        trace_shortest=found.shortest if found else None,
        simplified_length=found.simplified_length if found else None,
        kind=found.kind if found else "",
        trace_id=f"{job.place}/{job.run.name}/{prop}" if found else "",
        up_to_first_violation=cutting if word == "holds" else (),
        reductions=result.reductions,
        rest_states=result.rest_states,
        stuck_states=result.stuck_states,
        bytes_per_state=result.bytes_per_state,
        bits=result.bits,
        miss_probability=result.lossy,
        notes=result.notes,
    )


def _word(prop: str, result: Result) -> tuple[Word, str]:
    """The verdict, and what there is to say about it."""
    if isinstance(result, Failure):
        return "incomplete", result.text
    if prop in result.found:
        return "violated", result.found[prop].message
    if MODEL_ERROR in result.found:
        return "incomplete", f"the model is wrong: {result.found[MODEL_ERROR].message}"
    if not result.complete:
        return "incomplete", stopped(result)
    if prop in result.undecided:
        return "incomplete", UNDECIDED
    if prop not in result.tested:
        return "incomplete", "nothing in this run could have violated it"
    if prop == AT_REST and not result.rest_states:
        return "incomplete", "no state of rest was reached, so nothing was tested"
    return "holds", ""


def stopped(result: Explored) -> str:
    """Why a search ended early and what it had covered."""
    why = {
        "memory": "stopped at the memory limit",
        "time": "stopped at the time limit",
        "interrupted": "interrupted",
    }[result.reason]
    return f"{why} after {counted(result.states, 'state')}, depth {result.depth}"


def _expectation(manifest: Manifest, run: Run, prop: str) -> tuple[Expectation | None, str]:
    """The one expectation that matches, or what is wrong: none does, or several do."""
    of_run = [e for e in manifest.expectations if run.name in e.runs or ALL in e.runs]
    matching = [e for e in of_run if prop in e.properties]
    # `*` is for what no other expectation of the same run names.
    matching = matching or [e for e in of_run if ALL in e.properties]
    if len(matching) == 1:
        return matching[0], ""
    if not matching:
        return None, f"no expectation matches: add expect({prop!r}, runs=({run.name!r},), ...)"
    places = ", ".join(str(e.where) for e in matching)
    return None, f"{len(matching)} expectations match: {places}"
