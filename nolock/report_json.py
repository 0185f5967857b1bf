"""The report as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from engines.symbolic.address_verdict import AddressVerdict
from engines.symbolic.slab_geometry import CacheVerdict
from nolock.costs_report import costs_json
from nolock.coverage import Coverage, step_name
from nolock.explored import Explored
from nolock.mutation import MutantRow
from nolock.prove_report import start_address_json
from nolock.verdicts import Verdict
from nolock.verify import DesignReport, Report, exit_code

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
            "costs": costs_json(report.costs),
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
