"""How far one machine reaches: memory per state, threads, the largest search, the smallest command.

    python -m benchmarks.scale [--runs 5] [--largest synthetic/64/7] [--no-write]

Writes SCALE.md and scale.json beside this file. What is compared is measured in turn, so that a
machine whose speed drifts does not favour one side; medians are shown. With `--largest ''` the
search that fills the memory is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.host_memory import touch_memory
from benchmarks.memory_rate import measure_line, measure_memory
from benchmarks.report import this_host
from benchmarks.run import (
    ENOUGH,
    TOP,
    command_for,
    measured_from,
    one_measurement,
    with_cache,
)
from nolock.output import write_whole

HERE = Path(__file__).resolve().parent

MEMORY_CASES = ("synthetic/64/4", "synthetic/112", "synthetic/128")
THREADS_CASES = (
    Case("synthetic/128", "c", False),
    Case("caller_declared/pages", "c", False),
    Case("allow_spin/any-context", "c", True),
)
SMALL_COMMAND = "verify mainline --run any-context --cpus 1 --tasks 1 --readers 0 --knob bnodes=1"
"""A machine of 10,000 to 20,000 states."""
LARGE_COMMAND = (
    "verify allow_spin --run any-context --cpus 1 --objects 3 --tasks 1 --workers 1 --readers 1 "
    "--nmis 1 --probes 1 --knob other_gps=0 --knob bnodes=0"
)
"""The machine of PEERS.md with 20.7 million states without reductions; here with its goals."""
COMMANDS: Sequence[tuple[str, float | None, str]] = (
    (SMALL_COMMAND, 0.6, "nothing compiled or kept yet"),
    (LARGE_COMMAND, None, "only the explorer is compiled"),
)
"""Commands, in how many seconds they are to end when warm, and what the first one finds."""


@dataclass(frozen=True)
class Figure:
    """One measured figure with the target it is to reach, where there is one."""

    what: str
    value: float
    unit: str
    target: str
    reached: bool | None
    details: str

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        verdict = {True: "reached", False: "not reached", None: ""}[self.reached]
        shown = (
            f"{self.value:,.0f}"
            if self.value >= 1000
            else f"{self.value:.2f}".rstrip("0").rstrip(".")
        )
        return self.what, f"{shown} {self.unit}".strip(), self.target, verdict, self.details


def memory_figures(cache: Path) -> Iterator[Figure]:
    """Bytes for each stored state. They depend on nothing but the machine, so once is enough."""
    for fingerprints, most in ((False, 36), (True, 14)):
        for name in MEMORY_CASES:
            found = one_measurement(Case(name, "c", False, fingerprints=fingerprints), cache)
            way = "fingerprints" if fingerprints else "exact"
            yield Figure(
                f"memory per state, {way}, {found.bits} bits",
                found.bytes_per_state,
                "B",
                f"≤ {most} up to 128 bits",
                found.bytes_per_state <= most if found.bits <= 128 else None,
                f"{name}, {found.states:,} states",
            )


def thread_figures(cache: Path, runs: int) -> Iterator[Figure]:
    """Two threads on one search, beside what the machine gives to two programs at once."""
    for case in THREADS_CASES:
        yield from threads_on(case, cache, runs)
    alone = measure_memory(threads=1).apart
    both = measure_memory(threads=2).apart
    yield Figure(
        "random accesses of two threads against one",
        both / alone,
        "×",
        "",
        None,
        f"{alone / 1e6:.0f} M/s and {both / 1e6:.0f} M/s in 1 GiB each",
    )
    trips = [trip * 1e9 for _ in range(4 * runs) if (trip := measure_line())]
    if trips:
        yield Figure(
            "a cache line to the other core and back",
            statistics.median(trips),
            "ns",
            "",
            None,
            f"{min(trips):.0f} to {max(trips):.0f} ns in {len(trips)} measurements",
        )


def threads_on(case: Case, cache: Path, runs: int) -> Iterator[Figure]:
    """Two threads against one, and two searches of one thread each against one of them."""
    ratios = []
    for _ in range(runs):
        one, two = (one_measurement(replace(case, threads=threads), cache) for threads in (1, 2))
        if (one.states, one.depth, one.transitions) != (two.states, two.depth, two.transitions):
            raise SystemExit(f"{case.name}: two threads found other counts than one")
        ratios.append(one.search_seconds / two.search_seconds)
    ratio = statistics.median(ratios)
    apart = two_programs(case, cache, runs)
    same = f"{one.states:,} states, the same counts"
    name = f"{case.machine}, {'all' if case.reductions else 'no'} reductions"
    yield Figure(f"two threads against one, {name}", ratio, "×", "≥ 1.7", ratio >= 1.7, same)
    what = f"two searches at once against one, {name}"
    yield Figure(what, apart, "×", "", None, "what two cores give to programs that share nothing")


def two_programs(case: Case, cache: Path, runs: int) -> float:
    """Two single-threaded searches at once: their throughput against that of one."""
    command = command_for(case)
    ratios = []
    for _ in range(runs):
        rates = []
        for copies in (1, 2):
            touch_memory(ENOUGH)
            children = [
                subprocess.Popen(
                    command, cwd=TOP, env=with_cache(cache), stdout=subprocess.PIPE, text=True
                )
                for _ in range(copies)
            ]
            found = [measured_from(child.communicate()[0]) for child in children]
            rates.append(sum(one.rate for one in found))
        ratios.append(rates[1] / rates[0])
    return statistics.median(ratios)


def command_figures(cache: Path, runs: int) -> Iterator[Figure]:
    """From the command to its verdict, Python's start included: the first time, and later."""
    for command, most, at_first in COMMANDS:
        words = [sys.executable, "-m", "nolock", *command.split(), "--format", "json"]
        first, *later = (timed(words, cache) for _ in range(runs + 1))
        warm = statistics.median(seconds for seconds, _ in later)
        yield Figure(
            f"from command to verdict, {first[1]:,} states, warm",
            warm,
            "s",
            f"≤ {most}" if most else "",
            warm <= most if most else None,
            f"`nolock {command}`",
        )
        yield Figure("the same for the first time", first[0], "s", "", None, at_first)


def timed(words: Sequence[str], cache: Path) -> tuple[float, int]:
    """Wall seconds of a command, and the states that its JSON report tells."""
    began = time.monotonic()
    child = subprocess.run(
        words,
        cwd=TOP,
        env=with_cache(cache),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    seconds = time.monotonic() - began
    return seconds, json.loads(child.stdout)["verdicts"][0]["states"]


def largest_figure(name: str, cache: Path) -> Figure:
    """An exhaustive search of as many states as there is memory for."""
    there_is = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    case = Case(name, "c", False, threads=os.cpu_count() or 1, memory=there_is * 92 // 100)
    found = one_measurement(case, cache, there_is)
    ended = "to its end" if found.complete else "not to its end"
    return Figure(
        "largest exhaustive search",
        found.states,
        "states",
        "≥ 500,000,000",
        found.complete and found.states >= 500_000_000,
        f"{name}, {found.bits} bits, {ended}: {found.search_seconds:.0f} s, "
        f"{found.states * found.bytes_per_state / (1 << 30):.1f} GiB, depth {found.depth}",
    )


def as_markdown(figures: Sequence[Figure], runs: int, command: str) -> str:
    """SCALE.md."""
    lines = [
        "# Scale",
        "",
        f"Measured on: {this_host().words}.",
        "",
        f"Medians of {runs}. Before each search memory is touched and freed, so that it does not "
        "wait for the host of a virtual machine; commands are timed as they are. To repeat:",
        "",
        f"    {command}",
        "",
        "| measure | figure | target | | |",
        "| :--- | ---: | :--- | :--- | :--- |",
        *(f"| {' | '.join(figure.cells)} |" for figure in figures),
        "",
        "All searches are the C engine's; where nothing else is said, commands have all reductions "
        "and other searches none. Judging goals is in them, where a machine has some. Synthetic "
        "machines are described in `synthetic.py`; the last number is how many arrivals there can "
        "be.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--runs", type=int, default=5, help="measurements of each (5)")
    parser.add_argument("--largest", default="synthetic/64/7", help="the machine of that search")
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args()
    if args.runs < 1:
        parser.error("--runs must be positive")
    figures: list[Figure] = []
    cache = Path(tempfile.mkdtemp(prefix="nolock-bench-"))
    try:
        for some in (
            command_figures(cache, args.runs),
            memory_figures(cache),
            thread_figures(cache, args.runs),
        ):
            for figure in some:
                figures.append(figure)
                print("; ".join(part for part in figure.cells if part), flush=True)
        if args.largest:
            figures.append(largest_figure(args.largest, cache))
            print("; ".join(part for part in figures[-1].cells if part), flush=True)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    if not args.no_write:
        command = f".venv/bin/python -m benchmarks.scale --runs {args.runs}"
        write_whole(HERE / "SCALE.md", as_markdown(figures, args.runs, command))
        content = {"host": asdict(this_host()), "figures": [asdict(f) for f in figures]}
        write_whole(HERE / "scale.json", json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
