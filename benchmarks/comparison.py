"""The table of docs/comparison.md: what holds in each design where contexts are known or unknown.

    python -m benchmarks.comparison [--jobs 2] [--time-limit 600]

Each cell is one complete search, by the command that users have. Prints the table, and below it the
largest search and whatever did not end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

Settings = Mapping[str, int]

BOUNDS: Settings = {
    **{"objects": 2, "tasks": 1, "workers": 1, "nmis": 1, "bnodes": 0, "other_gps": 0},
    **{"hardirqs": 0, "softirqs": 0, "preemptions": 0},
}

ROWS: Mapping[str, tuple[str, str, Settings]] = {
    "`mainline`": ("mainline", "any-context", {}),
    "`nmi_detect` (`in_nmi()`)": ("nmi_detect", "any-context", {}),
    "`nmi_detect` A1' (`in_nmi()` or `in_hardirq()`)": (
        *("nmi_detect", "any-context"),
        {"detect_hardirq": 1},
    ),
    "`nmi_detect` A1'' (`irqs_disabled()`)": (
        *("nmi_detect", "any-context"),
        {"detect_irqs_off": 1},
    ),
    "`allow_spin`": ("allow_spin", "any-context", {}),
    "`allow_spin`, always deferring on UP": (
        *("allow_spin", "any-context"),
        {"always_defer_on_up": 1},
    ),
    "`caller_declared` (A1''')": ("caller_declared", "any-context", {}),
    "`rfc_v2`": ("rfc_v2", "any-context", {"sheaf_capacity": 1}),
    "`landed`": ("landed", "any-context", {"sheaf_capacity": 1}),
    "`landed`, asking on UP before the barn's lock": (
        *("landed", "any-context"),
        {"sheaf_capacity": 1, "barn_asks_first": 1},
    ),
}
"""A design, the run whose bounds are changed, and what makes it this variant."""

KERNELS: Mapping[str, Settings] = {
    "SMP": {"smp": 1, "cpus": 2, "readers": 1},
    "SMP RT": {"smp": 1, "cpus": 2, "readers": 0, "preempt_rt": 1},
    "UP": {"smp": 0, "cpus": 1, "readers": 1},
    "UP RT": {"smp": 0, "cpus": 1, "readers": 1, "preempt_rt": 1},
}
CONTEXTS: Mapping[str, Settings] = {"NMI only": {"probes": 0}, "unknown": {"probes": 1}}
LETTERS = {"self_deadlock": "d", "forbidden_call": "f", "lock_discipline": "l"}


@dataclass(frozen=True)
class Cell:
    """What one search found: properties that are violated, and those that it did not decide."""

    violated: tuple[str, ...]
    incomplete: tuple[str, ...]
    states: int
    seconds: float

    @property
    def text(self) -> str:
        """As in the table."""
        if self.incomplete:
            return "?"
        letters = [LETTERS.get(prop, prop) for prop in self.violated]
        return " ".join(["✘", *sorted(letters)]) if letters else "✔"


def main() -> None:
    """Search all cells and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.comparison", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--jobs", type=int, default=2, help="searches at once (2)")
    parser.add_argument("--time-limit", type=int, default=600, help="seconds for each (600)")
    args = parser.parse_args()
    places = list(product(ROWS, KERNELS, CONTEXTS))
    with ThreadPoolExecutor(args.jobs) as pool:
        searched = pool.map(lambda at: cell(at, args.time_limit), places)
        cells = dict(zip(places, searched, strict=True))
    print(table(cells))
    largest = max(places, key=lambda at: cells[at].states)
    print(f"\nlargest: {', '.join(largest)}: {cells[largest].states:,} states")
    print(f"all: {sum(c.states for c in cells.values()):,} states")
    for at, found in cells.items():
        if found.incomplete:
            print(f"not decided: {', '.join(at)}: {', '.join(found.incomplete)}")


def cell(place: tuple[str, str, str], limit: int) -> Cell:
    """One search, of at most so many seconds."""
    row, kernel, context = place
    design, run, variant = ROWS[row]
    settings = {**BOUNDS, **variant, **KERNELS[kernel], **CONTEXTS[context]}
    words = [sys.executable, "-m", "nolock", "verify", design, "--run", run, "--format", "json"]
    words += ["--jobs", "1", "--time-limit", str(limit)]
    for name, value in settings.items():
        words += ["--knob", f"{name}={value}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"{' '.join(words[2:])}: {done.stderr.strip()}")
    verdicts = json.loads(done.stdout)["verdicts"]
    by_word = {
        word: tuple(v["property"] for v in verdicts if v["verdict"] == word)
        for word in ("violated", "incomplete")
    }
    states = max(v["states"] for v in verdicts)
    seconds = max(v["seconds"] for v in verdicts)
    print(f"{row}, {kernel}, {context}: {states:,} in {seconds} s", file=sys.stderr, flush=True)
    return Cell(by_word["violated"], by_word["incomplete"], states, seconds)


def table(cells: Mapping[tuple[str, str, str], Cell]) -> str:
    """Markdown: a row for each variant, a column for each kernel and context."""
    columns = list(product(KERNELS, CONTEXTS))
    lines = ["| | " + " | ".join(", ".join(column) for column in columns) + " |"]
    lines.append("| :--- |" + " :-: |" * len(columns))
    for row in ROWS:
        lines.append(f"| {row} | " + " | ".join(cells[row, *c].text for c in columns) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
