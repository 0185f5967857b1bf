"""What the commands do, below the parsing of their options.

Each imports what only it needs: Z3, networkx and rich take a while to load, and a short run should
not wait for what it does not use.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nolock.check import Asked, check
from nolock.errors import EXPECTED, INCOMPLETE, USAGE
from nolock.options import Given
from nolock.output import check_place, publish, write, write_whole
from nolock.verify import Report, exit_code

if TYPE_CHECKING:
    from nolock.costs import Costs, NotMeasured


def verify_command(designs: tuple[str, ...], traces: bool, given: Given) -> int:
    """Check, report, and say how it went by exit code."""
    check_place(given.output)
    single = len(designs) == 1 and designs != ("mutants",)
    asked = given.asked(designs, traces=traces or single)
    whole = not designs and not asked.narrowed
    report = check(asked, whole_product=whole)
    publish(report, given.form, given.output, traces=asked.traces)
    return exit_code(report)


def compare_command(designs: tuple[str, ...], given: Given) -> int:
    """One table for several designs."""
    check_place(given.output)
    asked = given.asked(designs, traces=False)
    report = check(asked, whole_product=False)
    if not report.interrupted:
        report = replace(report, costs=costs_of(asked, report))
    publish(report, given.form, given.output, traces=False, matrix=True)
    return exit_code(report)


def costs_of(asked: Asked, report: Report) -> tuple[Costs | NotMeasured, ...]:
    """What a free costs in each design, in the environment and with the knobs that were given."""
    from nolock.costs import measure_all, measurement_of

    environment = (*asked.envs, "smp")[0]
    designs = [design.manifest for design in report.designs]
    knobs = asked.one_off.knobs
    wanted = [measurement_of(manifest, environment, knobs) for manifest in designs]
    return measure_all(wanted, asked.at_once)


def trace_command(
    target: str, given: Given, save: Path | None, dot: Path | None, full: bool, design: str | None
) -> int:
    """Show a trace, and write it to files."""
    from counterexamples.graph import to_dot
    from counterexamples.render_terminal import render_text
    from counterexamples.store import to_json
    from nolock.console import console_for_stdout
    from nolock.show_trace import print_shown, trace_of_file, trace_of_id

    for path in (save, dot, given.output):
        check_place(path)
    if Path(target).is_file() or target.endswith(".json"):
        given.refuse_bounds("a stored trace has its bounds in it")
        shown = trace_of_file(Path(target), design)
    else:
        shown = trace_of_id(target, given.asked((), traces=True))
    if shown.trace is None:
        click.echo(f"nolock: {shown.missing}", err=True)
        return INCOMPLETE if shown.incomplete else USAGE
    for path, text in ((save, to_json(shown.trace)), (dot, to_dot(shown.trace))):
        if path is not None:
            write_whole(path, text)
    if given.form == "json":
        text = to_json(shown.trace)
    else:
        text = render_text(shown.trace, shown.explanation, full=full)
    if given.output is not None or given.form == "json":
        write(given.output, text)
    else:
        print_shown(shown, console_for_stdout(), full=full)
    return EXPECTED


def prove_command(
    targets: tuple[str, ...],
    jobs: int,
    seconds: float | None,
    caches: bool,
    form: str,
    output: Path | None,
) -> int:
    """Prove, report, exit code."""
    from nolock.proving import prove, publish_proofs

    check_place(output)
    proofs = prove(targets, jobs, seconds, caches)
    publish_proofs(proofs, form, output)
    return proofs.exit_code


def list_command(section: str | None, design: str | None) -> int:
    """Print what there is."""
    from nolock.console import console_for_stdout
    from nolock.listing import print_list

    print_list(section, design, console_for_stdout())
    return EXPECTED


def new_command(name: str) -> int:
    """Write a design to start from, and say what comes next."""
    from nolock.console import console_for_stdout
    from nolock.report_text import say
    from nolock.start_file import write_start

    path = write_start(name)
    say(console_for_stdout(), f"wrote {path}; now: nolock verify {path}")
    return EXPECTED
