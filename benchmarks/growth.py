"""How states, time and memory grow with CPUs, objects, NMIs and probes.

    python -m benchmarks.growth [--seconds 15] [--memory 4]

Each bound is raised alone from a small run until the search no longer ends within the limits.
Writes growth.json, growth.svg and GROWTH.md beside this file. Needs matplotlib: `make growth`
installs it.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression

from benchmarks.report import this_host
from engines.explicit.explore import Options, explore
from nolock.catalogue import design_named, runs_named
from nolock.jobs import OneOff, jobs_of
from nolock.output import write_whole
from nolock.work import machine_of, settings_of

HERE = Path(__file__).resolve().parent
DESIGNS = ("allow_spin", "nmi_detect", "landed")
RUN = "any-context"
BASE = {
    "cpus": 1,
    "objects": 2,
    "tasks": 1,
    "workers": 1,
    "nmis": 1,
    "probes": 1,
    "readers": 0,
    "bnodes": 0,
    "other_gps": 0,
}
RAISED = {"cpus": range(1, 5), "objects": range(1, 7), "nmis": range(4), "probes": range(4)}
FROM = {"nmis": {"objects": 3}, "probes": {"objects": 3}}
"""What else differs from BASE: an NMI or a probe for which no object is left has nothing to do."""
MEASURES = {"states": "states", "seconds": "seconds of searching", "mebibytes": "MiB"}


@dataclass(frozen=True)
class Point:
    """One search to its end: a design with one bound raised to `value`."""

    design: str
    bound: str
    value: int
    states: int
    seconds: float
    mebibytes: float


def measure(design: str, bound: str, value: int, memory: int, seconds: float) -> Point | None:
    """Search in this process; None if it does not end within the limits."""
    manifest = design_named(design)
    knobs = tuple(sorted({**BASE, **FROM.get(bound, {}), bound: value}.items()))
    job = jobs_of(manifest, runs_named(manifest, [RUN]), (), OneOff(knobs))[0]
    settings = settings_of(job)
    if not isinstance(settings, dict):
        raise ValueError(settings.text)
    found = explore(machine_of(job, settings), Options(memory=memory, seconds=seconds))
    if not found.complete:
        return None
    return Point(design, bound, value, found.states, found.seconds, found.memory / (1 << 20))


def series(design: str, bound: str, memory: int, seconds: float) -> list[Point]:
    """The points of one curve, each measured in a process of its own."""
    points: list[Point] = []
    for value in RAISED[bound]:
        print(f"{design}: {bound} {value} ...", file=sys.stderr, flush=True)
        case = json.dumps([design, bound, value, memory, seconds])
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.growth", "--point", case],
            cwd=HERE.parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        answer = json.loads(child.stdout)
        if answer is None:
            break
        points.append(Point(**answer))
    return points


def factor(points: Sequence[Point], measure: str = "states") -> float:
    """The fitted factor per unit: least squares on the logarithms of the last four points.

    That of 0 is left out: without any, a part of the design is switched off.
    """
    last = [point for point in points if point.value][-4:]
    logs = [math.log(max(getattr(point, measure), 1e-9)) for point in last]
    return math.exp(linear_regression([point.value for point in last], logs).slope)


def plot(curves: Sequence[Sequence[Point]], path: Path) -> None:
    """A grid of curves: a column per bound, a row per measure, a line per design."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "nolock"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(MEASURES), len(RAISED), figsize=(13, 9), sharex="col", sharey="row"
    )
    for row, (name, words) in enumerate(MEASURES.items()):
        for column, bound in enumerate(RAISED):
            axis = axes[row][column]
            axis.set_yscale("log")
            axis.grid(True, which="major", alpha=0.3)
            for points in curves:
                if points and points[0].bound == bound:
                    axis.plot(
                        [point.value for point in points],
                        [getattr(point, name) for point in points],
                        marker="o",
                        label=f"{points[0].design} ×{factor(points, name):.1f}",
                    )
            axis.legend(fontsize="small")
            axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
            if column == 0:
                axis.set_ylabel(words)
            if row == len(MEASURES) - 1:
                axis.set_xlabel(bound)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def as_markdown(curves: Sequence[Sequence[Point]], host: str, limits: str) -> str:
    """GROWTH.md."""
    base = ", ".join(f"{name} {value}" for name, value in BASE.items())
    lines = [
        "# Growth",
        "",
        f"Measured on: {host}. To repeat: `make growth`.",
        "",
        f"From {base}, one bound is raised alone until a search no longer ends within {limits}; "
        "NMIs and probes with three objects, because one for which no object is left has nothing "
        "to do. With all reductions, one thread. The factor is what one more costs, fitted to the "
        "logarithms of the last four points, without that of 0.",
        "",
        "![states, seconds and memory over each bound](growth.svg)",
        "",
        "| design | bound | from | to | states at the end | seconds | MiB | states grow by |",
        "| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for points in curves:
        first, last = points[0], points[-1]
        grows = f"× {factor(points):.2f}" if points[-1].value > max(points[0].value, 1) else "-"
        lines.append(
            f"| {last.design} | {last.bound} | {first.value} | {last.value} | {last.states:,} "
            f"| {last.seconds:.2f} | {last.mebibytes:,.0f} | {grows} |"
        )
    lines += [
        "",
        "`nmi_detect` is violated as soon as there is a probe: a state that violates is not "
        "expanded, so its curve over probes is that of what holds up to there.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure every curve, write the page and the picture; or one point, for the parent."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description="Measure growth over each bound."
    )
    parser.add_argument("--seconds", type=float, default=15.0, help="limit of a search (15)")
    parser.add_argument("--memory", type=float, default=4.0, help="limit of a search in GiB (4)")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        point = measure(*json.loads(args.point))
        print(json.dumps(asdict(point) if point else None))
        return
    memory = int(args.memory * (1 << 30))
    curves = [series(d, bound, memory, args.seconds) for d in DESIGNS for bound in RAISED]
    curves = [points for points in curves if points]
    limits = f"{args.memory:g} GiB and {args.seconds:g} s"
    points = [asdict(point) for curve in curves for point in curve]
    data = {"from": BASE, "but": FROM, "points": points}
    write_whole(HERE / "growth.json", json.dumps(data, indent=1) + "\n")
    write_whole(HERE / "GROWTH.md", as_markdown(curves, this_host().words, limits))
    plot(curves, HERE / "growth.svg")


if __name__ == "__main__":
    main()
