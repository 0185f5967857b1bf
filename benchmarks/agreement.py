"""Whether SPIN, Rumur and TLC count the same states and find the same violations as nolock.

    python -m benchmarks.agreement [--small]

Prints the table of docs/exporting.md. Exits with 1 where a tool says something else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.checkers import Said, build_rumur, build_spin, build_tlc, missing
from engines.explicit.explore import Options, explore
from engines.reductions.wanted import NO_REDUCTIONS
from model.language.machine import Machine
from nolock.catalogue import design_named, runs_named
from nolock.jobs import OneOff, jobs_of
from nolock.mutation import mutant_named
from nolock.words import counted
from nolock.work import machine_of, settings_of

ONE_OF_EACH = {
    "cpus": 1, "objects": 1, "tasks": 1, "workers": 1, "nmis": 1, "probes": 1, "readers": 0,
    "other_gps": 0, "bnodes": 0,
}  # fmt: skip
_ALL_ERRORS = 100_000_000


@dataclass(frozen=True)
class Case:
    """A run, or a mutant in its own run. `large` ones are too much for TLC.

    `changed` is what differs from one of each; without it the run's own bounds are kept.
    """

    design: str
    run: str = ""
    changed: dict[str, int] | None = None
    large: bool = False

    @property
    def name(self) -> str:
        """In words."""
        owner = f"{self.design}/{self.run}" if self.run else self.design
        if self.changed is None:
            return owner
        bounds = ", ".join(f"{name} {value}" for name, value in self.changed.items())
        return f"{owner}: {bounds or 'one of each'}"

    def machine(self) -> Machine:
        """Its machine, as `nolock export` gets it."""
        if not self.run:
            job = mutant_named(self.design.partition("/")[2])
        else:
            manifest = design_named(self.design)
            knobs = {} if self.changed is None else {**ONE_OF_EACH, **self.changed}
            one_off = OneOff(tuple(knobs.items()))
            job = jobs_of(manifest, runs_named(manifest, [self.run]), (), one_off)[0]
        settings = settings_of(job)
        if not isinstance(settings, dict):
            raise ValueError(f"{self.name}: {settings.text}")
        return machine_of(job, settings)


CASES = (
    Case("nmi_detect", "any-context", {}),
    Case("allow_spin", "any-context", {}),
    Case("allow_spin", "rt", {}),
    Case("caller_declared", "any-context", {}),
    Case("landed", "any-context", {}),
    Case("call_rcu_nmi", "up"),
    Case("bpf_mem_alloc", "up"),
    Case("allow_spin", "any-context", {"objects": 2}),
    Case("landed", "any-context", {"objects": 2}, large=True),
    Case("nmi_detect", "any-context", {"cpus": 2, "objects": 2, "probes": 0}, large=True),
    Case("landed", "up", large=True),
    Case("caller_declared", "any-context", {"cpus": 2, "objects": 2}, large=True),
    Case("allow_spin", "any-context", {"cpus": 2, "objects": 2, "nmis": 0}, large=True),
    Case("mainline", "any-context", {}),
    Case("mutants/RT-1"),
    Case("mutants/D-7"),
    Case("mutants/head-kept"),
    Case("nmi_detect", "any-context", {"objects": 2}),
    Case("mutants/K-11"),
    Case("mutants/a23da88c6c80"),
    Case("allow_spin", "up-lists", large=True),
    Case("mutants/V1-6-nmi", large=True),
    Case("allow_spin", "up-early", large=True),
    Case("mutants/V1-3", large=True),
)
"""From small to large, first where all that is exported holds, then where it does not."""


@dataclass(frozen=True)
class Found:
    """What nolock finds without reductions, goals aside: they are not exported.

    `before` is how many steps come before each violation, as in `Said`; `invariants` are those that
    are broken. A state that violates is not expanded; where a check fails it is not counted either,
    where it breaks an invariant it is.
    """

    states: int
    transitions: int
    before: dict[str, int]
    invariants: frozenset[str] = frozenset()


def found(machine: Machine) -> Found:
    """Search."""
    result = explore(replace(machine, goals=()), Options(reductions=NO_REDUCTIONS))
    if not result.complete:
        raise RuntimeError(f"{machine.name}: stopped, {result.reason}")
    before = {
        name: len(violation.trace) - (violation.kind in ("check", "model_error"))
        for name, violation in result.violations.items()
    }
    broken = (name for name, found in result.violations.items() if found.kind == "invariant")
    return Found(result.states, result.transitions, before, frozenset(broken))


def difference(tool: str, expected: Found, said: Said) -> str:
    """Where a tool's breadth-first search differs from nolock's; empty if it does not.

    If everything holds, all counts are equal. If not, the tool stops at a violation that it comes
    to no later than to any other, after as many steps. Rumur and TLC look at the invariants of a
    state as soon as they have found it, with the steps of those a level above; SPIN looks at them
    with the steps that leave it.
    """
    if not expected.before:
        # SPIN counts the step to the initial state.
        transitions = said.transitions - (tool == "spin")
        if said.violated is not None:
            return f"{tool}: {said.violated} is violated"
        if (said.states, transitions) != (expected.states, expected.transitions):
            return f"{tool}: {said.states} states, {transitions} transitions"
        return ""
    sooner = frozenset() if tool == "spin" else expected.invariants
    comes = {name: max(at - (name in sooner), 0) for name, at in expected.before.items()}
    if said.violated is None:
        return f"{tool}: nothing is violated"
    if said.before != expected.before.get(said.violated) or comes[said.violated] != min(
        comes.values()
    ):
        return f"{tool}: {said.violated} is violated after {said.before} steps"
    return ""


TOOLS = ("spin", "rumur", "tlc")


def ask(tool: str, machine: Machine, optimise: str = "-O0") -> Said:
    """What a tool says of a machine; `optimise` is for the C that SPIN and Rumur write."""
    with tempfile.TemporaryDirectory(prefix="nolock-oracle-") as name:
        folder = Path(name)
        if tool == "spin":
            return build_spin(machine, folder, optimise=[optimise]).run()
        if tool == "rumur":
            return build_rumur(machine, folder, optimise=[optimise]).run()
        return build_tlc(machine, folder).run()


def ask_beyond_errors(machine: Machine, optimise: str = "-O0") -> Said:
    """What Rumur says when it goes on after violations, as nolock does; the others cannot."""
    with tempfile.TemporaryDirectory(prefix="nolock-oracle-") as name:
        built = build_rumur(
            machine, Path(name), optimise=[optimise], errors=_ALL_ERRORS, traces=False
        )
        return built.run()


def row(case: Case, tools: list[str]) -> tuple[list[str], list[str]]:
    """The cells of a case in the table, and what differs."""
    machine = case.machine()
    expected = found(machine)
    optimise = "-O1" if case.large else "-O0"
    cells = [case.name, f"{expected.states:,}"]
    wrong = []
    for tool in TOOLS:
        if tool not in tools or (tool == "tlc" and case.large):
            cells.append("-")
            continue
        said = ask(tool, machine, optimise)
        wrong.append(difference(tool, expected, said))
        cells.append(f"{said.states:,}" if said.violated is None else "stops")
    if expected.before and "rumur" in tools:
        beyond = ask_beyond_errors(machine, optimise)
        cells[3] = f"{beyond.states:,}"
        if not expected.invariants and beyond.states != expected.states:
            wrong.append(f"rumur: {beyond.states} states beyond violations")
    first = min(expected.before, key=expected.before.__getitem__, default="")
    # As `nolock verify` counts: the step that violates is one of them.
    length = expected.before.get(first, 0) + (first not in expected.invariants)
    verdict = f"`{first}`, {counted(length, 'step')}" if first else "everything holds"
    return [*cells, verdict], [f"{case.name}: {text}" for text in wrong if text]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="without the large cases")
    args = parser.parse_args()
    tools = [tool for tool in TOOLS if missing(tool) is None]
    for tool in TOOLS:
        if reason := missing(tool):
            print(f"without {tool}: {reason}", file=sys.stderr)
    print("| run and bounds | nolock | SPIN | Rumur | TLC | verdict |")
    print("| :--- | ---: | ---: | ---: | ---: | :--- |")
    wrong: list[str] = []
    for case in CASES:
        if not (args.small and case.large):
            cells, differences = row(case, tools)
            print(f"| {' | '.join(cells)} |", flush=True)
            wrong += differences
    print("\n".join(["", *wrong]) if wrong else "\nall agree")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
