"""`make peers`: nolock against SPIN and Rumur on the same exported machines.

    python -m benchmarks.peers [--runs 5] [--small] [--no-write]

Two questions. How many states does each checker go through in a second, if all of them go through
the same ones? And how long does a user wait for a verdict: nolock with its reductions, SPIN with
its own? The checkers take turns, run after run, on one core; a ratio is taken within each turn, and
the median of the turns is shown. Writes PEERS.md and peers.json beside this file; figures of
`--small` machines are printed only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.__main__ import one_core
from benchmarks.agreement import Case
from benchmarks.checkers import Built, build_rumur, build_spin, missing
from benchmarks.host_memory import touch_memory
from benchmarks.peers_report import Race, Sample, as_data, as_markdown, as_table, this_setting
from benchmarks.synthetic import synthetic
from engines.explicit.compiler import find_compiler
from engines.explicit.explore import Options, explore
from engines.reductions.wanted import ALL_REDUCTIONS, NO_REDUCTIONS
from model.language.machine import Machine
from nolock.output import write_whole
from nolock.work import WITHOUT_ORDER

HERE = Path(__file__).resolve().parent
BYTES_TOUCHED = 300
"""Per state: more than any of the checkers needs."""

RACES: Mapping[str, Case | int] = {
    "synthetic/128": 128,
    "caller_declared, 2 CPUs": Case("caller_declared", "any-context", {"cpus": 2, "objects": 2}),
    "allow_spin, 2 CPUs": Case("allow_spin", "any-context", {"cpus": 2, "objects": 2, "nmis": 0}),
}
"""Where all go through all states: machines by name; a number is a synthetic one's bits."""

VERDICTS: Mapping[str, Case | int] = {
    "allow_spin, 3 objects": Case("allow_spin", "any-context", {"objects": 3, "readers": 1}),
    "caller_declared, 4 objects, 2 tasks": Case(
        "caller_declared", "any-context", {"objects": 4, "tasks": 2}
    ),
}
"""Where each may leave out what it can: more than 10 M states without reductions."""

SMALL_RACES: Mapping[str, Case | int] = {"synthetic/64": 64}
SMALL_VERDICTS: Mapping[str, Case | int] = {
    "allow_spin, small": Case("allow_spin", "any-context", {"objects": 2})
}
_AT_FIRST = replace(ALL_REDUCTIONS, partial_order=False, place_interrupts=False)
_ALL = {**RACES, **VERDICTS, **SMALL_RACES, **SMALL_VERDICTS}


def machine_named(name: str) -> Machine:
    """The machine, without goals: they are not exported, so nobody decides them."""
    wanted = _ALL[name]
    machine = synthetic(wanted) if isinstance(wanted, int) else wanted.machine()
    return replace(machine, goals=())


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="Measure nolock against SPIN and Rumur."
    )
    parser.add_argument("--runs", type=int, default=5, help="turns of each checker (5)")
    parser.add_argument("--small", action="store_true", help="small machines; nothing is written")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--nolock", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--expected", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.nolock:
        name, how = args.nolock
        print(json.dumps(search(name, reduced=how == "reduced", expected=args.expected)))
        return
    if args.runs < 1:
        parser.error("--runs must be positive")
    for tool in ("spin", "rumur"):
        if reason := missing(tool):
            parser.error(f"{reason}; both come with Debian: apt-get install spin rumur gcc")
    core = one_core()
    races: list[Race] = []
    verdicts: list[Race] = []
    try:
        for name in SMALL_RACES if args.small else RACES:
            races.append(race(name, args.runs))
        for name in SMALL_VERDICTS if args.small else VERDICTS:
            verdicts.append(verdict(name, args.runs))
    finally:
        if races:  # an hour's figures are not lost with the last one
            print(as_table([*races, *verdicts]))
    setting = this_setting(f".venv/bin/python -m benchmarks.peers --runs {args.runs}", core)
    if not args.small and not args.no_write:
        data = json.dumps(as_data(races, verdicts, setting), indent=1) + "\n"
        write_whole(HERE / "peers.json", data)
        write_whole(HERE / "PEERS.md", as_markdown(races, verdicts, setting, args.runs))


# --- the two questions ---------------------------------------------------------------------------


def race(name: str, runs: int) -> Race:
    """All states by everybody, each with its best settings for that."""
    machine = machine_named(name)
    with tempfile.TemporaryDirectory(prefix="nolock-peers-") as folder:
        cache = Path(folder) / "cache"
        states = by_nolock(name, cache, reduced=False).states  # compiles the explorer, too
        checkers = {
            "SPIN, depth first": _spin(machine, Path(folder) / "dfs", states, False),
            "SPIN, breadth first": _spin(machine, Path(folder) / "bfs", states, True),
            "Rumur": _rumur(machine, Path(folder) / "rumur", states),
        }
        turns = []
        for at in range(runs):
            _progress(name, at, runs)
            nolock = partial(by_nolock, name, cache, reduced=False, expected=states)
            others = {checker: partial(by_other, built) for checker, built in checkers.items()}
            turns.append(one_turn({"nolock": nolock, **others}, states))
    found = {sample.states for turn in turns for sample in turn.values()}
    if found != {states}:
        raise SystemExit(f"{name}: the checkers count different states: {sorted(found)}")
    return Race(name, states, tuple(turns), _commands(checkers))


def verdict(name: str, runs: int) -> Race:
    """From the model to the verdict: nolock's reductions against SPIN's partial order."""
    machine = machine_named(name)
    with tempfile.TemporaryDirectory(prefix="nolock-peers-") as folder:
        cache = Path(folder) / "cache"
        states = by_nolock(name, cache, reduced=False).states
        turns = []
        for at in range(runs):
            _progress(name, at, runs)
            place = Path(folder) / str(at)
            built = _spin(machine, place, states, False, reduced=True)
            nolock = partial(by_nolock, name, cache, reduced=True)
            spin = partial(by_other, built)
            searches = {"nolock, reductions": nolock, "SPIN, partial order": spin}
            turns.append(one_turn(searches, states))
    return Race(name, states, tuple(turns), _commands({"SPIN, partial order": built}))


def _spin(
    machine: Machine, folder: Path, states: int, breadth_first: bool, reduced: bool = False
) -> Built:
    """With a hash table that has a place for each state, and states stored as they are."""
    folder.mkdir()
    bits = max(states.bit_length(), 10)
    return build_spin(machine, folder, breadth_first=breadth_first, reduced=reduced, hash_bits=bits)


def _rumur(machine: Machine, folder: Path, states: int) -> Built:
    """As it advises itself, and with a set of states that it need not make larger."""
    folder.mkdir()
    best = ("-O3", "-march=native", "-fwhole-program")
    return build_rumur(
        machine, folder, optimise=best, traces=False, capacity=max(states * 24, 1 << 23)
    )


# --- one measurement -----------------------------------------------------------------------------


def one_turn(searches: Mapping[str, Callable[[], Sample]], states: int) -> dict[str, Sample]:
    """Every checker once; the memory that any of them may need has been touched before."""
    turn = {}
    for checker, search_ in searches.items():
        touch_memory(states * BYTES_TOUCHED)
        turn[checker] = search_()
    return turn


def by_other(built: Built) -> Sample:
    """One search by another checker. Rumur tells whole seconds only, so its process is timed."""
    said = built.run()
    if said.violated is not None:
        raise SystemExit(f"{built.folder.name}: {said.violated} is violated")
    return Sample(
        states=said.states,
        search_seconds=said.told_seconds or said.seconds,
        seconds=built.build_seconds + said.seconds,
        build_seconds=built.build_seconds,
        cpu_seconds=said.cpu_seconds,
        memory=said.memory,
    )


def by_nolock(name: str, cache: Path, *, reduced: bool, expected: int = 0) -> Sample:
    """One search by nolock, in a process of its own that has no compiled model yet.

    It makes room for the expected states, as SPIN and Rumur do.
    """
    for model in (cache / "nolock").glob("model-*"):
        model.unlink()
    cache.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "benchmarks.peers", "--nolock", name]
    words += ["reduced" if reduced else "plain", "--expected", str(expected)]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
        child = subprocess.Popen(words, cwd=HERE.parent, env=environment, stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if child.returncode:
            raise SystemExit(f"{name}: the measurement ended with {child.returncode}")
        output.seek(0)
        figures = json.load(output)
    return Sample(
        **figures,
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss * 1024,
    )


def search(name: str, *, reduced: bool, expected: int) -> dict[str, float]:
    """In the child: one thread, the C engine; compiled for speed where only the rate counts.

    A verdict comes as from `nolock verify`, whose first search is without the partial order.
    """
    machine, compiler = machine_named(name), find_compiler()
    options = Options(
        engine="c",
        reductions=_AT_FIRST if reduced else NO_REDUCTIONS,
        memory=WITHOUT_ORDER if reduced else None,
        compiler=compiler and replace(compiler, optimise=not reduced),
        expected=expected,
    )
    found = explore(machine, options)
    if not found.complete or found.violations:
        raise SystemExit(f"{name}: {found.reason}, {', '.join(found.violations)}")
    return {
        "states": found.states,
        "search_seconds": found.seconds,
        "build_seconds": found.compile_seconds,
        "kept": found.memory,
    }


def _commands(checkers: Mapping[str, Built]) -> dict[str, tuple[str, ...]]:
    return {
        checker: (*built.building, " ".join(built.command)) for checker, built in checkers.items()
    }


def _progress(name: str, at: int, runs: int) -> None:
    print(f"{name} ({at + 1} of {runs}) ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
