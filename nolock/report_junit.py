"""The report as JUnit XML, which CI systems show: a test case for each verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as xml

from engines.symbolic.address_verdict import AddressVerdict
from nolock.explored import Explored
from nolock.mutation import MutantRow
from nolock.verdicts import Standing, Verdict
from nolock.verify import Report

# XML 1.0 has no way to write these, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One test case."""

    suite: str
    name: str
    standing: Standing
    says: str
    seconds: float


def report_junit(report: Report) -> str:
    """Suites are designs, the mutants and the proofs."""
    cases = [_verdict(verdict) for verdict in report.verdicts]
    for design in report.designs:
        for text in design.problems:
            name = text.partition("\n")[0]
            cases.append(Case(design.manifest.name, name, "unexpected", text, 0.0))
    cases += [_mutant(row) for row in report.mutants]
    cases += [
        Case("mutants", f"{name} is killed", "unexpected", f"no mutant violates {name}", 0.0)
        for name in report.unkilled
    ]
    cases += proof_cases(report.proofs)
    cases += [
        Case("start_address", "proof", "incomplete", text, 0.0) for text in report.failed_proofs
    ]
    return junit(cases)


def proof_cases(proofs: Iterable[AddressVerdict]) -> list[Case]:
    """A test case for each proof."""
    return [_proof(proof) for proof in proofs]


def junit(cases: Iterable[Case]) -> str:
    """The document. What is not as expected is a failure, what is incomplete an error."""
    suites: dict[str, list[Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    root = xml.Element("testsuites", name="nolock")
    for suite, members in suites.items():
        element = xml.SubElement(root, "testsuite", name=_clean(suite))
        element.set("tests", str(len(members)))
        element.set("failures", str(sum(c.standing == "unexpected" for c in members)))
        element.set("errors", str(sum(c.standing == "incomplete" for c in members)))
        element.set("time", f"{sum(c.seconds for c in members):.3f}")
        for case in members:
            test = xml.SubElement(element, "testcase", classname=_clean(suite))
            test.set("name", _clean(case.name))
            test.set("time", f"{case.seconds:.3f}")
            tag = {"unexpected": "failure", "incomplete": "error"}.get(case.standing)
            if tag:
                xml.SubElement(test, tag, message=_clean(case.says))
            elif case.says:
                xml.SubElement(test, "system-out").text = _clean(case.says)
    xml.indent(root)
    # As bytes first: as text, the declaration would name the locale's encoding.
    document: bytes = xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _verdict(verdict: Verdict) -> Case:
    says = f"{verdict.verdict}, expected {verdict.expected or 'nothing'}"
    for text in (verdict.problem, verdict.message, verdict.because, verdict.lossy):
        says += f"; {text}" if text else ""
    name = f"{verdict.run} ({verdict.environment}): {verdict.property}"
    return Case(verdict.design, name, verdict.standing, says, verdict.seconds)


def _mutant(row: MutantRow) -> Case:
    explored = row.result if isinstance(row.result, Explored) else None
    seconds = explored.seconds + explored.compile_seconds if explored else 0.0
    wanted = ", ".join(row.mutant.violates) or "nothing"
    return Case("mutants", f"{row.mutant.id} violates {wanted}", row.standing, row.says, seconds)


def _proof(proof: AddressVerdict) -> Case:
    name = f"{proof.recovery}: {proof.kind}, {proof.arch}, {proof.page_size // 1024} KiB pages"
    says = f"{proof.verdict}, expected {proof.expected or 'nothing'}"
    says += f"; {proof.reason}" if proof.reason else ""
    standing: Standing = "expected" if proof.as_expected else "unexpected"
    if proof.verdict == "incomplete":
        standing = "incomplete"
    return Case("start_address", name, standing, says, proof.seconds)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
