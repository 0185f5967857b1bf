"""`make bench`: measures the explicit engines and writes the figures.

    python -m benchmarks [--runs 3] [--seconds 5] [--design NAME] [--no-write]

Prints a table, and writes results.json and RESULTS.md beside this file. Figures of part of the
cases (`--design`) are printed only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import Case, all_cases
from benchmarks.measure import Measured
from benchmarks.memory_rate import measure_memory
from benchmarks.report import (
    Row,
    as_data,
    as_markdown,
    as_table,
    limit_lines,
    target_lines,
    this_host,
)
from benchmarks.run import timed_measurement
from nolock.catalogue import chosen_names, design_paths
from nolock.errors import InputError
from nolock.output import write_whole

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the explicit engines on one core."
    )
    parser.add_argument("--runs", type=int, default=3, help="measurements of each case (3)")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="length of a synthetic search (5)"
    )
    parser.add_argument("--design", action="append", help="only this design; nothing is written")
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args()
    if args.runs < 1 or args.seconds <= 0:
        parser.error("--runs and --seconds must be positive")
    try:
        designs = chosen_names("design", args.design or design_paths(), design_paths())
    except InputError as error:
        parser.error(str(error))
    cases = all_cases(designs, args.seconds)
    core = one_core()
    with tempfile.TemporaryDirectory(prefix="nolock-bench-") as cache:
        warm_up(Path(cache))
        rows = [measured(case, args.runs, Path(cache)) for case in cases]
    rate = measure_memory()
    host = this_host()
    print(f"{host.words}; {core}")
    print(f"median of {args.runs}\n")
    print(as_table(rows))
    print("\n".join([*target_lines(rows), *limit_lines(rows, rate)]))
    if not args.design and not args.no_write:
        command = f".venv/bin/python -m benchmarks --runs {args.runs} --seconds {args.seconds:g}"
        data = json.dumps(as_data(rows, host, rate, command), indent=1) + "\n"
        write_whole(HERE / "results.json", data)
        write_whole(HERE / "RESULTS.md", as_markdown(rows, host, rate, args.runs, command))


def one_core() -> str:
    """Keep this process and those it starts on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return "not bound to a core"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"bound to core {core}"


def warm_up(cache: Path) -> None:
    """Compile the explorer, which is done once per installation and not per model."""
    run_once(Case("synthetic/64", "c", False, 0.1), cache)


def measured(case: Case, runs: int, cache: Path) -> Row:
    """All measurements of a case."""
    found = []
    for at in range(runs):
        print(f"{case.name} ({at + 1} of {runs}) ...", file=sys.stderr, flush=True)
        found.append(run_once(case, cache))
    return Row(case, tuple(one for one, _ in found), tuple(wall for _, wall in found))


def run_once(case: Case, cache: Path) -> tuple[Measured, float]:
    """One measurement in a process of its own, and how long that process took."""
    for model in (cache / "nolock").glob("model-*"):
        model.unlink()
    return timed_measurement(case, cache)


if __name__ == "__main__":
    main()
