"""Verification: jobs in, verdicts, coverage and problems out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from engines.symbolic.address_verdict import AddressVerdict
from model.manifest import Manifest
from nolock.coverage import Coverage, coverage_of, stale_text
from nolock.errors import EXPECTED, INCOMPLETE, UNEXPECTED
from nolock.explored import MODEL_ERROR, Explored, Failure, Found, Result
from nolock.jobs import Job
from nolock.meetings import Meetings, meetings_of
from nolock.mutation import MutantRow
from nolock.verdicts import Verdict, verdicts_of
from nolock.words import counted

if TYPE_CHECKING:
    from nolock.costs import Costs, NotMeasured


@dataclass(frozen=True)
class DesignReport:
    """A design: its verdicts by run, and what its runs together reached, if all were done."""

    manifest: Manifest
    jobs: tuple[Job, ...]
    results: Mapping[str, Result]
    verdicts: tuple[Verdict, ...]
    coverage: Coverage | None
    problems: tuple[str, ...]

    def of_run(self, job: Job) -> list[Verdict]:
        """The verdicts of one run."""
        return [v for v in self.verdicts if v.run == job.run.name]

    @cached_property
    def common_notes(self) -> tuple[str, ...]:
        """Notes that several runs have and each of them has: told once."""
        explored = [r for r in self.results.values() if isinstance(r, Explored)]
        if len(explored) < 2:
            return ()
        return tuple(n for n in explored[0].notes if all(n in r.notes for r in explored))

    @cached_property
    def meetings(self) -> Meetings | None:
        """Who met whom in these runs, if all of them were done."""
        if self.coverage is None:
            return None
        return meetings_of(self.jobs, self.results, self.verdicts)

    def found(self, verdict: Verdict) -> Found | None:
        """The violation behind a verdict."""
        result = self.results[f"{verdict.design}/{verdict.run}"]
        return result.found.get(verdict.property) if isinstance(result, Explored) else None


@dataclass(frozen=True)
class Report:
    """All that a command found. `unkilled` properties have no mutant that violates them."""

    designs: tuple[DesignReport, ...] = ()
    mutants: tuple[MutantRow, ...] = ()
    killed_by: Mapping[str, tuple[str, ...]] | None = None
    proofs: tuple[AddressVerdict, ...] = ()
    costs: tuple[Costs | NotMeasured, ...] = ()
    failed_proofs: tuple[str, ...] = ()
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts of all designs."""
        return [v for design in self.designs for v in design.verdicts]

    @property
    def lossy(self) -> bool:
        """Whether a search knew states by their hashes only."""
        results = [row.result for row in self.mutants]
        mutants = any(isinstance(one, Explored) and one.lossy is not None for one in results)
        return mutants or any(verdict.lossy for verdict in self.verdicts)

    @property
    def unkilled(self) -> tuple[str, ...]:
        """Properties that no mutant violates, as far as their mutants were decided."""
        rows = [row for row in self.mutants if row.standing == "incomplete"]
        undecided = {name for row in rows for name in row.mutant.violates}
        killed = self.killed_by or {}
        return tuple(name for name, by in killed.items() if not by and name not in undecided)

    @property
    def states(self) -> int:
        """States of all searches."""
        results = [r for d in self.designs for r in d.results.values()]
        results += [row.result for row in self.mutants]
        return sum(r.states for r in results if isinstance(r, Explored))

    def counts(self) -> dict[str, int]:
        """How many verdicts stand how; mutants and proofs count as verdicts."""
        found = {"expected": 0, "unexpected": 0, "incomplete": 0, "not judged": 0}
        for verdict in self.verdicts:
            found[verdict.standing] += 1
        for row in self.mutants:
            found[row.standing] += 1
        for proof in self.proofs:
            if proof.verdict == "incomplete":
                found["incomplete"] += 1
            else:
                found["expected" if proof.as_expected else "unexpected"] += 1
        found["incomplete"] += len(self.failed_proofs)
        return found


def exit_code(report: Report) -> int:
    """0, 1 or 3; what was interrupted is incomplete, whatever it had found by then."""
    counts = report.counts()
    if report.interrupted:
        return INCOMPLETE
    problems = any(design.problems for design in report.designs)
    if counts["unexpected"] or problems or report.unkilled:
        return UNEXPECTED
    return INCOMPLETE if counts["incomplete"] else EXPECTED


def design_report(
    manifest: Manifest,
    jobs: Sequence[Job],
    results: Mapping[str, Result],
    *,
    judged: bool,
    whole: bool,
) -> DesignReport:
    """Put the results of a design together. `whole`: all its default runs were done as stated."""
    mine = {job.key: results[job.key] for job in jobs}
    coverage = None
    explored = [r for r in mine.values() if isinstance(r, Explored)]
    if whole and len(explored) == len(mine) and all(r.complete for r in explored):
        coverage = coverage_of(manifest, [r.steps for r in explored])
    names = coverage.names if coverage else ()
    verdicts = tuple(
        replace(verdict, unreached=names)
        for job in jobs
        for verdict in verdicts_of(manifest, job, mine[job.key], judged)
    )
    problems = (*_wrong_runs(jobs, mine), *_coverage_problems(coverage))
    return DesignReport(manifest, tuple(jobs), mine, verdicts, coverage, problems)


def _wrong_runs(jobs: Sequence[Job], results: Mapping[str, Result]) -> list[str]:
    """What is wrong with a run whatever its verdicts say."""
    found = []
    for job in jobs:
        result = results[job.key]
        if isinstance(result, Failure):
            if result.kind in ("crash", "disagreement"):
                found.append(f"{job.key}: {result.text}\n{result.detail}".strip())
            continue
        if MODEL_ERROR in result.found:
            error = result.found[MODEL_ERROR]
            trace_id = f"{job.place}/{job.run.name}/{MODEL_ERROR}"
            found.append(
                f"{job.key}: the model itself is wrong: {error.message} "
                f"({counted(error.length, 'step')}); nolock trace {trace_id}"
            )
        if result.stuck_states and not result.found:
            found.append(
                f"{job.key}: in {counted(result.stuck_states, 'state')} a context waits for ever, "
                "and no property says so"
            )
    return found


def _coverage_problems(coverage: Coverage | None) -> list[str]:
    if coverage is None:
        return []
    found = [f"never reached: {name}" for name in coverage.names]
    found += [f"{entry.where}: {stale_text(entry, coverage)}" for entry in coverage.stale]
    return found
