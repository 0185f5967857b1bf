"""`nolock prove`: what is kept of proofs that were stopped, and how it is shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engines.symbolic.address_verdict import AddressVerdict
from engines.symbolic.start_address import prove_start_address, undecided
from nolock.explored import Failure
from nolock.proofs import ProofTasks, Proved
from nolock.prove_report import render_start_address, summary
from nolock.schedule import Hooks
from tests.nolock.conftest import Command


def proved(kind: str = "vmalloc") -> AddressVerdict:
    (verdict,) = prove_start_address(["corrected"], [kind], [4096], "x86-64")
    return verdict


@pytest.mark.parametrize("kind", ["interrupted", "memory"])
def test_finished_proofs_outlive_their_process(kind: str) -> None:
    """Guards against minutes of proving that are lost at the first Ctrl-C."""
    verdict = proved()
    proofs = ProofTasks(("corrected",))
    (task,) = proofs.tasks
    passed_on: list[object] = []
    hooks = proofs.hooks(Hooks(said=lambda key, message: passed_on.append(message)))
    hooks.said(task.key, Proved(verdict, 1, 47))
    results = {task.key: Failure(kind, "killed")}
    found = proofs.verdicts(results)
    assert [str(message) for message in passed_on] == ["1 of 47 proofs"]
    assert found[0] is verdict and len(found) == 47
    assert {v.verdict for v in found[1:]} == {"incomplete"}
    interrupted = kind == "interrupted"
    reason = "not done: interrupted" if interrupted else "not done: killed"
    assert {v.reason for v in found[1:]} == {reason}
    assert proofs.failed(results) == (() if interrupted else ("corrected: killed",))


def test_the_summary_counts_like_that_of_verify() -> None:
    """Guards against a limit that reads as if everything were wrong."""
    assert "all as expected" in summary([proved()])
    rest = undecided("corrected", 1, "x")
    text = summary([proved(), *rest])
    assert "1 proved, 46 incomplete; 1 as expected, 0 not, 46 incomplete;" in text


@pytest.mark.parametrize("width", [20, 40, 70, 80, 100])
def test_the_table_keeps_its_columns(width: int) -> None:
    """Guards against columns of width 0 on narrow terminals and beside long texts."""
    file = io.StringIO()
    render_start_address(undecided("corrected", 0, "why"), Console(file=file, width=width))
    lines = file.getvalue().splitlines()
    words = "".join(line for line in lines[1:4])
    for heading in ("recovery", "allocation", "x86-64", "64K", "if wrong"):
        assert heading in words
    rows = [line for line in lines if line.startswith("│")]
    assert rows[0].count("?") == 4
    assert max(map(len, rows)) <= max(width, 80)
    assert lines.count("? corrected, 47 proofs: why") == (1 if width > 30 else 0)


def test_a_time_limit_reads_as_in_verify(command: Command) -> None:
    """Guards the words and the exit code of proofs that had no time."""
    result = command("prove", "seed", "--no-caches", "--time-limit", "0.000001")
    assert result.exit_code == 3, result.output
    assert "0 as expected, 0 not, 47 incomplete" in " ".join(result.stdout.split())
    assert "expected proved" not in result.stdout
