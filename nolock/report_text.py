"""The report as text: stable, at most 100 columns, coloured only on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from counterexamples.render_terminal import print_trace
from model.environments import ENVIRONMENTS
from nolock.console import WIDTH, spelled
from nolock.errors import INCOMPLETE
from nolock.explored import MODEL_ERROR, Explored, Failure, Result
from nolock.jobs import Job, bounds_text
from nolock.mutation import MutantRow
from nolock.prove_report import summary
from nolock.report_meetings import meetings_lines
from nolock.verdicts import Verdict
from nolock.verify import DesignReport, Report, exit_code
from nolock.words import counted
from properties.registry import PROPERTIES

_MARKS = {"holds": "✔", "proved": "✔", "violated": "✘", "incomplete": "?"}


def print_report(report: Report, console: Console, *, traces: bool) -> None:
    """Print everything, the summary last."""
    for design in report.designs:
        print_design(design, console, traces=traces)
    print_mutants(report, console)
    if traces:
        for row in report.mutants:
            _print_traces(row.result, console)
    _print_proofs(report, console)
    print_summary(report, console)


def print_matrix(report: Report, console: Console) -> None:
    """The verdicts of all designs in one table, those of like runs together; no summary."""
    order = list(ENVIRONMENTS)
    verdicts = sorted(report.verdicts, key=lambda v: (order.index(v.environment), v.run))
    rows: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        rows.setdefault((f"{verdict.run} ({verdict.environment})", verdict.design), []).append(
            verdict
        )
    columns = properties_in(verdicts)
    table: list[list[Text]] = []
    previous = ""
    for (run, design), row in rows.items():
        if run != previous:
            table.append([Text(run, style="bold")])
        previous = run
        table.append([Text(f"  {design}"), *cells_of(row, columns, console)])
    print_table(console, ["run and design"], columns, table)
    say(console)
    for design_report in report.designs:
        for verdict in design_report.verdicts:
            if verdict.trace_id:
                text = f"✘ {_steps(verdict)}: nolock trace {verdict.trace_id}"
                say(console, text, "", indent=2)
        for text in design_report.problems:
            say(console, f"! {design_report.manifest.name}: {text}", "bold red", indent=2)
    for options in {options_of(design_report): None for design_report in report.designs}:
        _print_options(options, console)
    say(console)


def options_of(design: DesignReport) -> str:
    """The one-off bounds that its traces need beside their IDs."""
    traced = any(verdict.trace_id for verdict in design.verdicts)
    return design.jobs[0].options if traced else ""


def _print_options(options: str, console: Console) -> None:
    if options:
        say(console, f"each `nolock trace` with:{options}", "dim", indent=2)


def print_design(design: DesignReport, console: Console, *, traces: bool) -> None:
    """A table of verdicts, then what is violated, what is wrong, and the limits of each run."""
    manifest = design.manifest
    say(console, manifest.title or manifest.name, "bold")
    say(console)
    columns = properties_in(design.verdicts)
    rows = [
        [Text(job.run.name), Text(job.run.env), *cells_of(design.of_run(job), columns, console)]
        for job in design.jobs
    ]
    print_table(console, ["run", "env"], columns, rows)
    say(console)
    for verdict in design.verdicts:
        _print_verdict(verdict, console)
    _print_options(options_of(design), console)
    for job in design.jobs:
        _print_incomplete(design.of_run(job), console)
    for text in design.problems:
        say(console, f"! {text}", "bold red", indent=2)
    if design.coverage is not None and not design.coverage.unreached:
        reached = design.coverage.steps - len(design.coverage.explained)
        text = f"{reached} of {design.coverage.steps} statements reached"
        if design.coverage.explained:
            text += f", {len(design.coverage.explained)} explained"
        say(console, text, "dim", indent=2)
    if design.coverage or any(v.standing != "expected" or v.trace_id for v in design.verdicts):
        say(console)
    for job in design.jobs:
        _print_limits(design, job, console)
    for note in design.common_notes:
        say(console, f"all runs: {note}", "dim", indent=2)
    say(console)
    if design.meetings is not None:
        for text in meetings_lines(design.meetings):
            say(console, text, "dim", indent=2)
        say(console)
    if traces:
        for job in design.jobs:
            _print_traces(design.results[job.key], console)


def properties_in(verdicts: Sequence[Verdict]) -> list[str]:
    """The properties that were checked, in the order of the registry."""
    checked = {verdict.property for verdict in verdicts}
    return [name for name in PROPERTIES if name in checked]


def cells_of(verdicts: Sequence[Verdict], columns: Sequence[str], console: Console) -> list[Text]:
    """The marks of one row."""
    by_property = {verdict.property: verdict for verdict in verdicts}
    return [mark(by_property.get(name), console) for name in columns]


def print_table(
    console: Console, first: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Text]]
) -> None:
    """Columns of words, then one column for each property, named in two lines.

    Not a rich table: those pad every line with blanks, which end up in files and diffs.
    """
    names = [(heading, "") for heading in first] + [_heading(name) for name in columns]
    headings = 2 if columns else 1
    widths = [max(map(len, name)) for name in names]
    for row in rows:
        if len(row) > 1:
            widths[: len(row)] = [max(w, len(c)) for w, c in zip(widths, row, strict=False)]
    lines = [[Text(name[at]) for name in names] for at in range(headings)]
    gap = 2 if sum(widths) + 2 * len(widths) <= WIDTH else 1
    rule = "─" * (sum(widths) + gap * (len(widths) - 1))
    for number, cells in enumerate([*lines, [Text(rule, style="dim")], *rows]):
        line = Text("  ")
        for at, cell in enumerate(cells):
            room = max(0, widths[at] - len(cell))
            left = room // 2 if at >= len(first) else 0
            line.append(" " * left).append_text(cell).append(" " * (room - left + gap))
        line.rstrip()
        console.print(
            line, soft_wrap=True, highlight=False, style="bold" if number < headings else ""
        )


def mark(verdict: Verdict | None, console: Console) -> Text:
    """One cell: ✔ holds, ✘ violated, ? incomplete, - not checked; ! is not as expected, ~ lossy."""
    if verdict is None:
        return Text("-", style="dim")
    sign = spelled(_MARKS[verdict.verdict], console)
    match verdict.standing:
        case "unexpected":
            return Text(f"{sign} !", style="bold red")
        case "incomplete":
            return Text(sign, style="yellow")
    if verdict.lossy and verdict.verdict == "holds":
        return Text(f"{sign} ~", style="yellow")
    match verdict.standing:
        case "not judged":
            return Text(sign, style="magenta" if verdict.verdict == "violated" else "")
    return Text(sign, style="cyan" if verdict.verdict == "violated" else "green")


def _heading(name: str) -> tuple[str, str]:
    """A name in two lines of about the same length."""
    breaks = [at for at, c in enumerate(name) if c == "_"]
    if not breaks:
        return name, ""
    at = min(breaks, key=lambda at: abs(len(name) - 2 * at - 1))
    return name[: at + 1], name[at + 1 :]


def _steps(verdict: Verdict) -> str:
    """The length of a trace; of most it is known that there is no shorter one."""
    steps = counted(verdict.trace_length or 0, "step")
    return steps if verdict.trace_shortest else f"{steps} or fewer"


def _print_verdict(verdict: Verdict, console: Console) -> None:
    """Violations, and whatever is not as it should be."""
    if verdict.verdict == "violated":
        wrong = "! " if verdict.standing == "unexpected" else ""
        style = "bold red" if wrong else "cyan"
        text = f"{wrong}✘ {verdict.run} {verdict.property}, {_steps(verdict)}"
        say(console, text, style, indent=2)
        say(console, f"{verdict.message}", "", indent=4)
        if verdict.standing == "expected":
            why = f": {verdict.because}" if verdict.because else ""
            say(console, f"expected{why}", "dim", indent=4)
        # Not folded: it is there to be copied.
        line = Text(f"    nolock trace {verdict.trace_id}", style="dim")
        console.print(line, soft_wrap=True, highlight=False)
    if verdict.standing == "unexpected":
        if verdict.problem:
            say(console, f"! {verdict.run} {verdict.property}: {verdict.problem}", "bold red", 2)
        else:
            expected = f"expected that it {_stands(verdict.expected)}, but {_now(verdict)}"
            text = f"! {verdict.run} {verdict.property}: {expected} ({verdict.because})"
            say(console, text, "bold red", indent=2)


def _print_incomplete(verdicts: Sequence[Verdict], console: Console) -> None:
    """One line for each reason, with the properties that it leaves undecided."""
    reasons: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.verdict == "incomplete":
            reasons.setdefault(verdict.message, []).append(verdict)
    for message, undecided in reasons.items():
        every = len(undecided) == len(verdicts)
        names = "all properties" if every else ", ".join(v.property for v in undecided)
        say(console, f"? {undecided[0].run}, {names}: {message}", "yellow", indent=2)


def _stands(expected: str | None) -> str:
    return "is violated" if expected == "violated" else "holds"


def _now(verdict: Verdict) -> str:
    return "it is violated" if verdict.verdict == "violated" else "no violation was found"


def _print_limits(design: DesignReport, job: Job, console: Console) -> None:
    result = design.results[job.key]
    verdicts = design.of_run(job)
    bounds = verdicts[0].bounds if verdicts else {}
    shown = bounds_text(bounds, design.manifest.knobs)
    kind = f", {job.run.kind} objects" if job.run.kind else ""
    why = f": {job.run.why}" if job.run.why else ""
    say(console, f"{job.run.name}{why}", "", indent=2)
    say(console, f"{job.run.env}{kind}; {shown}", "dim", indent=4)
    if isinstance(result, Failure):
        return
    engine = {"c": "C", "python": "Python"}.get(result.engine, "C, fingerprints")
    exact = " with ".join((engine, " and ".join(result.reductions) or "no reductions"))
    size = f"{counted(result.states, 'state')}, depth {result.depth}"
    took = f"{result.seconds + result.compile_seconds:.1f} s"
    say(console, f"{size}, {took}, {exact}", "dim", indent=4)
    if verdicts and verdicts[0].lossy:
        say(console, verdicts[0].lossy, "yellow", 4)
    cutting = sorted({name for v in verdicts for name in v.up_to_first_violation})
    if cutting:
        say(
            console,
            f"what holds, holds up to the first violation of {', '.join(cutting)}",
            "dim",
            4,
        )
    if result.stuck_states:
        stuck = counted(result.stuck_states, "state")
        say(console, f"in {stuck} a context waits for ever", "yellow", 4)
    for note in result.notes:
        if note in design.common_notes:
            continue
        say(console, note, "dim", indent=4)


def _print_traces(result: Result, console: Console) -> None:
    """The traces that were asked for: searches explain their violations only then."""
    for name in (*PROPERTIES, MODEL_ERROR):
        found = result.found.get(name) if isinstance(result, Explored) else None
        if found is not None and found.trace is not None:
            print_trace(found.trace, found.explanation, console=console)
            say(console)


def print_mutants(report: Report, console: Console) -> None:
    """The mutants, and which of them each property kills."""
    if report.mutants:
        say(console, "mutants", "bold")
        say(console)
        headings = ["mutant", "design", "property", "found", "trace", "time"]
        print_table(console, headings, [], [_mutant_cells(row) for row in report.mutants])
        say(console)
        for row in report.mutants:
            if row.standing != "expected":
                style = "yellow" if row.standing == "incomplete" else "bold red"
                say(console, f"{row.mutant.id}: {row.says}", style, indent=2)
                say(console, row.mutant.because, indent=4)
                for name in row.found:
                    trace = f"nolock trace mutants/{row.mutant.id}/{name}"
                    say(console, trace, "dim", indent=4)
    if report.killed_by:
        rows = [
            [Text(name), Text(", ".join(by)) if by else Text("! no mutant", style="bold red")]
            for name, by in report.killed_by.items()
        ]
        print_table(console, ["property", "is killed by"], [], rows)
        say(console)


def _mutant_cells(row: MutantRow) -> list[Text]:
    result, seconds = row.result, ""
    if isinstance(result, Explored):
        seconds = f"{result.seconds + result.compile_seconds:.1f} s"
    found = {
        "expected": Text("found" if row.mutant.violates else "holds", style="green"),
        "incomplete": Text("? incomplete", style="yellow"),
    }.get(row.standing, Text("! not found" if row.missing else "! wrong", style="bold red"))
    wanted = ", ".join(row.mutant.violates) or "(no bug)"
    length = "" if row.length is None else str(row.length)
    texts = (row.mutant.id, row.mutant.design, wanted)
    return [*map(Text, texts), found, Text(length), Text(seconds)]


def _print_proofs(report: Report, console: Console) -> None:
    """One line for each recovery; `nolock prove` has the table and the pictures."""
    if not report.proofs and not report.failed_proofs:
        return
    say(console, "start addresses", "bold")
    say(console)
    for recovery in dict.fromkeys(proof.recovery for proof in report.proofs):
        proofs = [proof for proof in report.proofs if proof.recovery == recovery]
        say(console, f"{recovery}: {summary(proofs)}", indent=2)
        for proof in proofs:
            if proof.verdict == "incomplete":
                say(console, f"? {proof.kind}, {proof.arch}: {proof.reason}", "yellow", indent=4)
            elif not proof.as_expected:
                text = f"! {proof.kind}, {proof.arch}, {proof.page_size // 1024} KiB pages: "
                text += f"{proof.verdict}, expected {proof.expected or 'nothing'}"
                say(console, text, "bold red", indent=4)
    for text in report.failed_proofs:
        say(console, f"? {text}", "yellow", indent=2)
    say(console, "nolock prove start-address", "dim", indent=2)
    say(console)


def print_summary(report: Report, console: Console) -> None:
    """The last lines: how many verdicts stand how, what else is wrong, what it took."""
    counts = report.counts()
    shown, done = counts["not judged"], counts["expected"] + counts["unexpected"]
    parts = []
    if done or not shown:
        parts.append(
            f"{counted(counts['expected'], 'verdict')} as expected, {counts['unexpected']} not, "
            f"{counts['incomplete']} incomplete"
        )
    if shown:
        incomplete = counts["incomplete"] if not done else 0
        undecided = f", {incomplete} incomplete" if incomplete else ""
        bounds = "the bounds are not the design's"
        parts.append(f"{counted(shown, 'verdict')} not judged, as {bounds}{undecided}")
    problems = sum(len(design.problems) for design in report.designs) + len(report.unkilled)
    if problems:
        parts.append(counted(problems, "problem"))
    parts.append(f"{counted(report.states, 'state')} in {report.seconds:.1f} s")
    if report.lossy:
        parts.append("lossy, as states were known by their hashes only")
    code = exit_code(report)
    style = {0: "bold green", INCOMPLETE: "bold yellow"}.get(code, "bold red")
    if report.interrupted:
        parts.insert(0, "interrupted, this is what was covered")
    say(console, "; ".join(parts), style)


def say(console: Console, text: str = "", style: str = "", indent: int = 0) -> None:
    """Print words, folded at the console's width; later lines of a paragraph are indented more."""
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
