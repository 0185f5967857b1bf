"""`nolock prove`: start addresses, for all addresses at once and for this machine's slab caches."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from engines.symbolic.address_verdict import AddressVerdict
from engines.symbolic.slab_geometry import CacheVerdict, Reading, judge_caches, read_caches
from engines.symbolic.start_address import recovery_names
from nolock.catalogue import design_named, design_paths, unknown
from nolock.check import refuse_mistakes, was_interrupted
from nolock.console import console_for_stdout, text_console
from nolock.errors import EXPECTED, INCOMPLETE, UNEXPECTED, InputError
from nolock.explored import Failure
from nolock.output import write
from nolock.progress import ProgressLines
from nolock.proofs import ProofTasks
from nolock.prove_report import render_slab_geometry, render_start_address
from nolock.report_json import proofs_json
from nolock.report_junit import junit, proof_cases
from nolock.report_text import say
from nolock.schedule import Task, run_tasks

START_ADDRESS = "start-address"
_CACHES = "slab caches"


@dataclass(frozen=True)
class Proofs:
    """What was proved and refuted, and what could not be decided."""

    verdicts: tuple[AddressVerdict, ...]
    failed: tuple[str, ...]
    reading: Reading | None
    caches: tuple[CacheVerdict, ...]
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0, 1 or 3. Caches are findings about this machine: nobody states what to expect."""
        if self.interrupted:
            return INCOMPLETE
        decided = [v for v in self.verdicts if v.verdict != "incomplete"]
        if any(not v.as_expected for v in decided):
            return UNEXPECTED
        whole = not self.failed and len(decided) == len(self.verdicts)
        return EXPECTED if whole else INCOMPLETE


def prove(targets: Sequence[str], at_once: int, seconds: float | None, caches: bool) -> Proofs:
    """Prove recoveries, each in a process. Raises InputError for unknown names."""
    recoveries = recoveries_of(targets)
    proofs = ProofTasks(tuple(recoveries), seconds)
    tasks = proofs.tasks
    reading = read_caches() if caches else None
    if reading is not None:
        tasks.append(Task(_CACHES, _judge, (reading, tuple(recoveries), seconds)))
    with ProgressLines(len(tasks), 0) as lines:
        results = run_tasks(tasks, at_once, proofs.hooks(lines.hooks), refuse_mistakes)
    judged, failed = results.get(_CACHES, []), proofs.failed(results)
    if isinstance(judged, Failure):
        reason = "interrupted" if was_interrupted(judged) else judged.text
        failed, judged = (*failed, f"{_CACHES}: not judged: {reason}"), []
    return Proofs(
        proofs.verdicts(results),
        failed,
        reading,
        tuple(judged),
        any(was_interrupted(result) for result in results.values()),
    )


def recoveries_of(targets: Sequence[str]) -> list[str]:
    """The recoveries that are meant by `start-address` (all), by designs, recoveries or files."""
    found: dict[str, None] = {}
    for target in targets or [START_ADDRESS]:
        if target in (START_ADDRESS, "start_address"):
            found.update(dict.fromkeys(recovery_names()))
        elif target in recovery_names():
            found[target] = None
        elif target in design_paths() or Path(target).is_file():
            found[_recovery_of(target)] = None
        else:
            known = [START_ADDRESS, *design_paths(), *recovery_names()]
            raise unknown("design or recovery", target, known)
    return list(found)


def _recovery_of(target: str) -> str:
    if Path(target).is_file() and "def recover(" in Path(target).read_text(errors="replace"):
        return target
    manifest = design_named(target)
    if not manifest.recovery:
        raise InputError(
            f"design {manifest.name} recovers no start addresses, so there is nothing to prove",
            'a design that does says RECOVERY = "..."',
        )
    return manifest.recovery


def publish_proofs(proofs: Proofs, form: str, output: Path | None) -> None:
    """Print in a form, or write it to the file. Raises InputError."""
    code = proofs.exit_code
    if form == "json":
        write(output, proofs_json(proofs.verdicts, proofs.caches, proofs.interrupted, code))
    elif form == "junit":
        write(output, junit(proof_cases(proofs.verdicts)))
    elif output is None:
        _print(proofs, console_for_stdout())
    else:
        file = io.StringIO()
        _print(proofs, text_console(file))
        write(output, file.getvalue())


def _print(proofs: Proofs, console: Console) -> None:
    render_start_address(proofs.verdicts, console, interrupted=proofs.interrupted)
    if proofs.reading is not None:
        say(console)
        say(console, "slab caches of the running kernel", "bold")
        if proofs.reading.caches:
            render_slab_geometry(proofs.reading, proofs.caches, console)
        else:
            for note in proofs.reading.notes:
                say(console, note, "yellow")
    for text in proofs.failed:
        say(console, f"? {text}", "yellow")


def _judge(
    request: tuple[Reading, tuple[str, ...], float | None], _report: Any
) -> list[CacheVerdict]:
    reading, recoveries, seconds = request
    return judge_caches(reading.caches, recoveries, time_limit=seconds)
