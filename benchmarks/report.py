"""The figures as a table for the terminal, as Markdown and as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import Case, target_of
from benchmarks.measure import Measured
from benchmarks.memory_rate import MemoryRate
from engines.explicit.compiler import find_compiler

_COLUMNS = (
    *("machine", "search", "bits", "states", "states/s", "B/state", "compile", "search time"),
    "to verdict",
)
_LEFT = ("machine", "search")


@dataclass(frozen=True)
class Row:
    """A case with all its measurements; the figures shown are their medians."""

    case: Case
    measured: tuple[Measured, ...]
    wall_seconds: tuple[float, ...]

    @property
    def rate(self) -> float:
        """States per second of searching."""
        return statistics.median(m.rate for m in self.measured)

    def median(self, name: str) -> float:
        """The median of one of the figures."""
        return statistics.median(float(getattr(m, name)) for m in self.measured)

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it. A search that was cut off by time has no verdict."""
        complete = all(m.complete for m in self.measured)
        states = int(self.median("states"))
        compiled = self.case.engine == "c"
        return (
            self.case.machine,
            self.case.search,
            f"{self.measured[0].bits}",
            f"{states:,}" if complete else f"> {states:,}",
            f"{self.rate:,.0f}",
            f"{self.median('bytes_per_state'):.0f}",
            f"{self.median('compile_seconds'):.2f} s" if compiled else "-",
            f"{self.median('search_seconds'):.2f} s",
            f"{statistics.median(self.wall_seconds):.2f} s" if complete else "-",
        )


@dataclass(frozen=True)
class Host:
    """Where it was measured."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    compiler: str
    flags: str
    date: str

    @property
    def words(self) -> str:
        """In one sentence."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB; "
            f"{self.system}; Python {self.python}; {self.compiler} with {self.flags}; {self.date}"
        )


def this_host() -> Host:
    """The machine that this runs on."""
    compiler = find_compiler()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    flags = compiler.generated_flags if compiler else ()
    return Host(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        memory_gib=memory / (1 << 30),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        compiler=compiler.version.splitlines()[0] if compiler else "no C compiler",
        flags=next((flag for flag in reversed(flags) if flag.startswith("-O")), ""),
        date=datetime.now(UTC).date().isoformat(),
    )


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def as_table(rows: Sequence[Row]) -> str:
    """Columns of text."""
    cells = [_COLUMNS, *(row.cells for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(_COLUMNS))]
    lines = []
    for line in cells:
        padded = [
            text.ljust(width) if name in _LEFT else text.rjust(width)
            for text, width, name in zip(line, widths, _COLUMNS, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def as_markdown(rows: Sequence[Row], host: Host, rate: MemoryRate, runs: int, command: str) -> str:
    """RESULTS.md."""
    rule = "|".join(" :--- " if name in _LEFT else " ---: " for name in _COLUMNS)
    table = [f"| {' | '.join(_COLUMNS)} |", f"|{rule}|"]
    table += [f"| {' | '.join(row.cells)} |" for row in rows]
    return "\n".join(
        (
            "# Measured speed",
            "",
            f"Measured on: {host.words}.",
            "",
            f"Each figure is the median of {runs} {'run' if runs == 1 else 'runs'}, each in a "
            "process of its own, on one core, with an empty cache of compiled models. Before each, "
            "memory is touched and freed, so that it does not wait for the host of a virtual "
            "machine. To repeat:",
            "",
            f"    {command}",
            "",
            *table,
            "",
            "*states/s* counts searching only, the backward search for `no_lost_objects` included. "
            "With reductions a state stands for many, so its rate is no measure of the engine; and "
            "the rate of a search of less than a tenth of a second says little. *compile* is "
            "generating and compiling the steps of this model; the explorer itself was compiled "
            "before, as it is once per installation. *to verdict* is the wall time of the whole "
            "process: starting Python, compiling the design, then the C, searching, and replaying "
            "what was found. *B/state* is all the memory of the search (states, index, parents, "
            "edges) divided by the states; for Python it is the growth of the process.",
            "",
            "The runs of the designs are described by `nolock list runs`. A synthetic machine has "
            "the proportions of a compiled design and is searched for a few seconds without "
            "reductions and without goals: `>` says that the search did not end, and it has no "
            "time to verdict.",
            "",
            "## Against the target",
            "",
            "One core, C, no reductions: 3 M states/s up to 128 bits, 1.5 M up to 320 bits.",
            "",
            *target_lines(rows),
            "",
            "## The limit",
            "",
            *limit_lines(rows, rate),
            "",
            "SPIN and Rumur on the same machines: `make peers`.",
            "",
        )
    )


def target_lines(rows: Iterable[Row]) -> list[str]:
    """One line for each search in C without reductions: is its target reached or not?"""
    lines = []
    for row in rows:
        if row.case.engine == "c" and not row.case.reductions:
            target = target_of(row.case.machine)
            verb = "reached" if row.rate >= target else "NOT reached"
            lines.append(
                f"- {row.case.machine}, {row.measured[0].bits} bits: {row.rate / 1e6:.2f} M "
                f"states/s; the target of {target / 1e6:.1f} M is {verb}."
            )
    return lines


def limit_lines(rows: Iterable[Row], rate: MemoryRate) -> list[str]:
    """How near the large searches in C without reductions are to what the memory allows.

    For a step, a search looks in one place of its index, and either at the state that it finds
    there or, if the state is new, at the place where it is stored: two accesses.
    """
    lines = [
        f"One core gets {rate.apart / 1e6:.0f} M random accesses to 1 GiB a second if the "
        f"addresses are known beforehand, {rate.chained / 1e6:.1f} M if each depends on the one "
        "before. A search takes about two for each step."
    ]
    for row in rows:
        if row.case.engine == "c" and not row.case.reductions and row.median("states") > 1e6:
            taken = 2 * row.median("transitions") / row.median("search_seconds")
            lines.append(
                f"- {row.case.machine}: {taken / 1e6:.0f} M accesses a second, "
                f"{taken / rate.apart:.0%} of what the memory allows."
            )
    return lines


def as_data(rows: Sequence[Row], host: Host, rate: MemoryRate, command: str) -> dict[str, object]:
    """results.json."""
    return {
        "host": asdict(host),
        "random_accesses_per_second": asdict(rate),
        "command": command,
        "results": [
            {
                **asdict(row.case),
                "median": {
                    "states_per_second": round(row.rate),
                    "bytes_per_state": round(row.median("bytes_per_state"), 1),
                    "compile_seconds": round(row.median("compile_seconds"), 3),
                    "search_seconds": round(row.median("search_seconds"), 3),
                    "wall_seconds": round(statistics.median(row.wall_seconds), 3),
                },
                "runs": [
                    {**asdict(one), "wall_seconds": round(wall, 3)}
                    for one, wall in zip(row.measured, row.wall_seconds, strict=True)
                ],
            }
            for row in rows
        ],
    }
