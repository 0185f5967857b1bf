"""The report as text: stable, at most 100 columns, coloured only on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counterexamples.render_terminal import print_trace
from nolock.errors import INCOMPLETE
from nolock.explored import MODEL_ERROR, Explored, Failure
from nolock.jobs import Job
from nolock.mutation import MutantRow
from nolock.prove_report import render_start_address
from nolock.verdicts import Verdict
from nolock.verify import DesignReport, Report, exit_code
from properties.registry import PROPERTIES

WIDTH = 100
_MARKS = {"holds": "✔", "proved": "✔", "violated": "✘", "incomplete": "?"}


def print_report(report: Report, console: Console, *, traces: bool, mutants: bool) -> None:
    """Print everything, the summary last."""
    for design in report.designs:
        print_design(design, console, traces=traces)
    if mutants:
        print_mutants(report, console)
    if report.proofs or report.failed_proofs:
        render_start_address(report.proofs, console)
        for text in report.failed_proofs:
            say(console, f"start_address: {text}", "yellow")
        say(console)
    print_summary(report, console)


def print_design(design: DesignReport, console: Console, *, traces: bool) -> None:
    """A table of verdicts, then what is violated, what is wrong, and the limits of each run."""
    manifest = design.manifest
    say(console, manifest.title or manifest.name, "bold")
    say(console)
    console.print(verdict_table([(v.run, v.environment, v) for v in design.verdicts], "run"))
    for verdict in design.verdicts:
        _print_verdict(verdict, console)
    for text in design.problems:
        say(console, f"! {text}", "bold red", indent=2)
    if design.coverage is not None and not design.coverage.unreached:
        reached = design.coverage.steps - len(design.coverage.explained)
        explained = f", {len(design.coverage.explained)} explained" * bool(design.coverage.explained)
        say(console, f"  {reached} of {design.coverage.steps} statements reached{explained}", "dim")
    say(console)
    for job in design.jobs:
        _print_limits(design, job, console)
    say(console)
    if traces:
        _print_traces(design, console)


def verdict_table(cells: Sequence[tuple[str, str, Verdict]], first: str) -> Table:
    """One row for each (name, environment), one column for each property that was checked."""
    properties = [name for name in PROPERTIES if any(v.property == name for *_, v in cells)]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    table.add_column("env", no_wrap=True)
    for name in properties:
        table.add_column(_heading(name), no_wrap=True, justify="center")
    rows: dict[tuple[str, str], dict[str, Verdict]] = {}
    for name, env, verdict in cells:
        rows.setdefault((name, env), {})[verdict.property] = verdict
    for (name, env), row in rows.items():
        table.add_row(Text(name), env, *(mark(row.get(prop)) for prop in properties))
    return table


def mark(verdict: Verdict | None) -> Text:
    """One cell: ✔ holds, ✘ violated, ? incomplete, - not checked; ! is not as expected."""
    if verdict is None:
        return Text("-", style="dim")
    sign = _MARKS[verdict.verdict]
    match verdict.standing:
        case "unexpected":
            return Text(f"{sign} !", style="bold red")
        case "incomplete":
            return Text(sign, style="yellow")
        case "not judged":
            return Text(sign, style="magenta" if sign == "✘" else "")
    return Text(sign, style="green" if sign == "✔" else "cyan")


def _heading(name: str) -> str:
    """A name in two lines of about the same length."""
    breaks = [at for at, c in enumerate(name) if c == "_"]
    if not breaks:
        return name
    at = min(breaks, key=lambda at: abs(len(name) - 2 * at - 1))
    return f"{name[: at + 1]}\n{name[at + 1 :]}"


def _print_verdict(verdict: Verdict, console: Console) -> None:
    """Violations, and whatever is not as it should be."""
    if verdict.verdict == "violated":
        expected = {"expected": "expected", "not judged": "expected –"}.get(verdict.standing, "")
        style = "cyan" if expected else "bold red"
        wrong = "" if expected else "! "
        why = f": {verdict.because}" if verdict.because and verdict.standing == "expected" else ""
        steps = f"{verdict.trace_length} steps"
        say(console, f"{wrong}✘ {verdict.run} {verdict.property}, {steps}", style, indent=2)
        say(console, f"{verdict.message}", "", indent=4)
        if expected:
            say(console, f"{expected}{why}", "dim", indent=4)
        say(console, f"nolock trace {verdict.trace_id}", "dim", indent=4)
    elif verdict.verdict == "incomplete":
        say(console, f"? {verdict.run} {verdict.property}: {verdict.message}", "yellow", indent=2)
    if verdict.standing == "unexpected":
        if verdict.problem:
            say(console, f"! {verdict.run} {verdict.property}: {verdict.problem}", "bold red", 2)
        else:
            text = (
                f"! {verdict.run} {verdict.property}: expected to be {_past(verdict.expected)}, "
                f"but {_now(verdict)} ({verdict.because})"
            )
            say(console, text, "bold red", indent=2)


def _past(expected: str | None) -> str:
    return "violated" if expected == "violated" else "kept"


def _now(verdict: Verdict) -> str:
    return "it is violated" if verdict.verdict == "violated" else "no violation was found"


def _print_limits(design: DesignReport, job: Job, console: Console) -> None:
    result = design.results[job.key]
    verdicts = design.of_run(job)
    bounds = verdicts[0].bounds if verdicts else {}
    # A bound of 0 says what cannot happen at all; the reader sees that from its absence.
    shown = ", ".join(f"{name} {value}" for name, value in bounds.items() if value)
    kind = f", {job.run.kind} objects" if job.run.kind else ""
    say(console, f"{job.run.name}: {job.run.why}", "", indent=2)
    say(console, f"{job.run.env}{kind}; {shown}", "dim", indent=4)
    if isinstance(result, Failure):
        return
    engine = {"c": "C", "python": "Python"}.get(result.engine, result.engine)
    exact = " with ".join((engine, " and ".join(result.reductions) or "no reductions"))
    size = f"{result.states:,} states, depth {result.depth}"
    took = f"{result.seconds + result.compile_seconds:.1f} s"
    say(console, f"{size}, {took}, {exact}", "dim", indent=4)
    cutting = sorted({name for v in verdicts for name in v.up_to_first_violation})
    if cutting:
        say(console, f"what holds, holds up to the first violation of {', '.join(cutting)}", "dim", 4)
    if result.stuck_states:
        say(console, f"in {result.stuck_states:,} states a context waits for ever", "yellow", 4)
    for note in result.notes:
        say(console, note, "dim", indent=4)


def _print_traces(design: DesignReport, console: Console) -> None:
    for job in design.jobs:
        result = design.results[job.key]
        if not isinstance(result, Explored):
            continue
        names = [name for name in (*PROPERTIES, MODEL_ERROR) if name in result.found]
        for name in names:
            found = result.found[name]
            if found.trace is not None:
                print_trace(found.trace, found.explanation, console=console)
                say(console)


def print_mutants(report: Report, console: Console) -> None:
    """The mutants, and which of them each property kills."""
    if report.mutants:
        table = Table(
            "mutant", "design", "property", "found", "trace", "time",
            title="mutants", title_justify="left", box=SIMPLE_HEAD, pad_edge=False,
            padding=(0, 1, 0, 0),
        )  # fmt: skip
        for row in report.mutants:
            table.add_row(*_mutant_cells(row))
        console.print(table)
    if report.killed_by:
        table = Table(
            "property", "is killed by", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
        )
        for name, by in report.killed_by.items():
            found = Text(", ".join(by)) if by else Text("! no mutant", style="bold red")
            table.add_row(name, found)
        console.print(table)


def _mutant_cells(row: MutantRow) -> tuple[Text, ...]:
    style = {"expected": "green", "incomplete": "yellow"}.get(row.standing, "bold red")
    seconds = ""
    if isinstance(row.result, Explored):
        seconds = f"{row.result.seconds + row.result.compile_seconds:.1f} s"
    wanted = ", ".join(row.mutant.violates) or "(no bug)"
    says = row.says if row.standing != "unexpected" else f"! {row.says}"
    return (
        Text(row.mutant.id),
        Text(row.mutant.design),
        Text(wanted),
        Text(says, style=style),
        Text("" if row.length is None else str(row.length)),
        Text(seconds),
    )


def print_summary(report: Report, console: Console) -> None:
    """The last line."""
    counts = report.counts()
    parts = []
    if counts["not judged"]:
        parts.append(f"{counts['not judged']} verdicts, not judged: the bounds are not the design's")
    if any(counts[name] for name in ("expected", "unexpected", "incomplete")):
        parts.append(
            f"{counts['expected']} verdicts as expected, {counts['unexpected']} not, "
            f"{counts['incomplete']} incomplete"
        )
    problems = sum(len(design.problems) for design in report.designs) + len(report.unkilled)
    if problems:
        parts.append(f"{problems} problem{'s' * (problems > 1)}")
    parts.append(f"{report.states:,} states in {report.seconds:.1f} s")
    code = exit_code(report)
    style = {0: "bold green", INCOMPLETE: "bold yellow"}.get(code, "bold red")
    if report.interrupted:
        parts.insert(0, "interrupted, this is what was covered")
    say(console, "; ".join(parts), style)


def say(console: Console, text: str = "", style: str = "", indent: int = 0) -> None:
    """Print words, folded at the console's width; later lines of a paragraph are indented more."""
    import textwrap

    for line in text.splitlines() or [""]:
        pieces = textwrap.wrap(
            line,
            min(console.width, WIDTH),
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for piece in pieces or [""]:
            console.print(Text(piece, style=style), soft_wrap=True, highlight=False)
