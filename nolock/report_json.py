"""The report as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from engines.symbolic.address_verdict import AddressVerdict
from nolock.coverage import Coverage, step_name
from nolock.explored import Explored
from nolock.mutation import MutantRow
from nolock.report_meetings import meetings_json
from nolock.verdicts import Verdict
from nolock.verify import DesignReport, Report, exit_code
from properties.start_address import NAME

if TYPE_CHECKING:  # Z3 takes a while to load
    from engines.symbolic.slab_geometry import CacheVerdict

FORMAT = 1


def report_json(report: Report) -> str:
    """All verdicts under `verdicts`; what else was found beside them."""
    return _text(
        {
            "format": FORMAT,
            "verdicts": [_verdict(v) for v in report.verdicts] + start_address_json(report.proofs),
            "designs": [_design(design) for design in report.designs],
            "mutants": [_mutant(row) for row in report.mutants],
            "killed_by": report.killed_by or {},
            "problems": [text for design in report.designs for text in design.problems],
            "costs": [asdict(costs) for costs in report.costs],
            "failed_proofs": list(report.failed_proofs),
            "summary": report.counts(),
            "states": report.states,
            "seconds": round(report.seconds, 3),
            "interrupted": report.interrupted,
            "exit_code": exit_code(report),
        }
    )


def proofs_json(
    proofs: Sequence[AddressVerdict],
    caches: Sequence[CacheVerdict],
    interrupted: bool,
    code: int,
) -> str:
    """What `prove` found."""
    return _text(
        {
            "format": FORMAT,
            "verdicts": start_address_json(proofs),
            "caches": [asdict(verdict) for verdict in caches],
            "interrupted": interrupted,
            "exit_code": code,
        }
    )


def start_address_json(verdicts: Sequence[AddressVerdict]) -> list[dict[str, object]]:
    """Return the verdicts in the project's format, with what is particular to this property."""
    return [
        {
            "design": verdict.recovery,
            "environment": f"{verdict.arch}, {verdict.page_size // 1024} KiB pages",
            "property": NAME,
            "verdict": verdict.verdict,
            "expected": verdict.expected,
            "bounds": verdict.covers,
            "engine": verdict.engine,
            "states": None,
            "depth": None,
            "seconds": round(verdict.seconds, 3),
            "trace_length": len(verdict.witness.ran.lines) if verdict.witness else None,
            "unreached": [],
            "recovery": verdict.recovery,
            "kind": verdict.kind,
            "arch": verdict.arch,
            "page_size": verdict.page_size,
            "outcome": verdict.outcome,
            "covers": verdict.covers,
            "because": verdict.because,
            "reported": verdict.reported,
            "reason": verdict.reason,
            "witness": verdict.witness.as_json() if verdict.witness else None,
        }
        for verdict in verdicts
    ]


def _text(content: dict[str, object]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        **asdict(verdict),
        "bounds": dict(verdict.bounds),
        "unreached": list(verdict.unreached),
        "standing": verdict.standing,
    }


def _design(design: DesignReport) -> dict[str, object]:
    return {
        "design": design.manifest.name,
        "title": design.manifest.title,
        "runs": [
            {"run": job.run.name, "environment": job.run.env, "why": job.run.why}
            for job in design.jobs
        ],
        "coverage": _coverage(design.coverage),
        "meetings": meetings_json(design.meetings),
    }


def _coverage(coverage: Coverage | None) -> dict[str, object] | None:
    if coverage is None:
        return None
    return {
        "statements": coverage.steps,
        "unreached": list(coverage.names),
        "explained": {step_name(step): because for step, because in coverage.explained},
    }


def _mutant(row: MutantRow) -> dict[str, object]:
    explored = row.result if isinstance(row.result, Explored) else None
    return {
        "mutant": row.mutant.id,
        "title": row.mutant.title,
        "design": row.mutant.design,
        "violates": list(row.mutant.violates),
        "found": list(row.found),
        "standing": row.standing,
        "says": row.says,
        "trace_length": row.length,
        "states": explored.states if explored else 0,
        "seconds": round(explored.seconds + explored.compile_seconds, 3) if explored else 0.0,
    }
