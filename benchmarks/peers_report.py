"""The figures of `benchmarks/peers.py` as a table, as Markdown and as JSON."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.report import Host, this_host

NOLOCK = "nolock"
REDUCED = "nolock, reductions"
RAW_TARGETS = {"SPIN, depth first": 6.0, "SPIN, breadth first": 6.0, "Rumur": 20.0}
"""How many times as many states a second nolock is to go through."""
VERDICT_TARGET = 50.0
"""How many times as soon nolock is to have a verdict as SPIN."""
_COLUMNS: tuple[str, ...] = (
    *("machine", "checker", "states", "states/s", "search", "build", "to verdict", "CPU"),
    *("B/state", "nolock / it"),
)
_LEFT = ("machine", "checker")


@dataclass(frozen=True)
class Sample:
    """One search. `search_seconds` is the checker's own measure, `seconds` is all of the waiting.

    `seconds` has the build in it: for SPIN and Rumur from the exported text to a program, for
    nolock from the start of Python on. `memory` is the largest resident set of the searching
    process in bytes; `kept` is nolock's own count of what its search needs.
    """

    states: int
    search_seconds: float
    seconds: float
    build_seconds: float
    cpu_seconds: float
    memory: int
    kept: int = 0

    @property
    def rate(self) -> float:
        """States per second of searching."""
        return self.states / max(self.search_seconds, 1e-9)


@dataclass(frozen=True)
class Race:
    """A machine of so many states (without reductions), and what each checker took in each turn."""

    name: str
    states: int
    turns: tuple[Mapping[str, Sample], ...]
    commands: Mapping[str, Sequence[str]]

    @property
    def checkers(self) -> tuple[str, ...]:
        """nolock comes first."""
        return tuple(self.turns[0])

    def median(self, checker: str, figure: str) -> float:
        """The median of one of the figures."""
        return statistics.median(float(getattr(turn[checker], figure)) for turn in self.turns)

    @property
    def to_verdict(self) -> bool:
        """Whether each left out what it could, so that only the waiting can be compared."""
        return REDUCED in self.turns[0]

    def factor(self, checker: str) -> float:
        """How many times as fast nolock was, in states/s or to the verdict: the turns' median."""
        if self.to_verdict:
            return statistics.median(
                turn[checker].seconds / turn[REDUCED].seconds for turn in self.turns
            )
        return statistics.median(turn[NOLOCK].rate / turn[checker].rate for turn in self.turns)


@dataclass(frozen=True)
class Setting:
    """Where and how it was measured."""

    host: Host
    core: str
    versions: Mapping[str, str]
    command: str


def this_setting(command: str, core: str) -> Setting:
    """The machine that this runs on, and the checkers that it has."""
    versions = {"SPIN": _first_line("spin", "-V"), "Rumur": _first_line("rumur", "--version")}
    return Setting(this_host(), core, versions, command)


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter((done.stdout + done.stderr).splitlines()), "unknown")


def as_table(races: Sequence[Race]) -> str:
    """Columns of text, and whether the targets are reached."""
    rows = [row for race in races for row in _rows(race)]
    cells = [_COLUMNS, *rows]
    widths = [max(len(line[at]) for line in cells) for at in range(len(_COLUMNS))]
    lines = []
    for line in cells:
        padded = [
            text.ljust(width) if name in _LEFT else text.rjust(width)
            for text, width, name in zip(line, widths, _COLUMNS, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, "", *(line for race in races for line in target_lines(race))])


def _rows(race: Race) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for checker in race.checkers:
        first = checker == race.checkers[0]
        states = race.median(checker, "states")
        rows.append(
            (
                race.name if first else "",
                checker,
                f"{states:,.0f}",
                f"{race.median(checker, 'rate'):,.0f}",
                f"{race.median(checker, 'search_seconds'):.2f} s",
                f"{race.median(checker, 'build_seconds'):.2f} s",
                f"{race.median(checker, 'seconds'):.2f} s",
                f"{race.median(checker, 'cpu_seconds'):.2f} s",
                f"{race.median(checker, 'memory') / states:.0f}",
                "1" if first else f"{race.factor(checker):.1f}",
            )
        )
    return rows


def target_lines(race: Race) -> list[str]:
    """A line for nolock's memory, and one for each other checker: is the target reached or not?"""
    kept = statistics.median(turn[race.checkers[0]].kept for turn in race.turns)
    each = kept / race.median(race.checkers[0], "states")
    lines = [f"- {race.name}: nolock's search keeps {each:.0f} bytes for each of its states."]
    for checker in race.checkers[1:]:
        factor = race.factor(checker)
        target = VERDICT_TARGET if race.to_verdict else RAW_TARGETS[checker]
        what = "to the verdict" if race.to_verdict else "states/s"
        verb = "reached" if factor >= target else "NOT reached"
        lines.append(
            f"- {race.name}, {what}: {factor:.1f} times {checker}; the target of {target:.0f} is "
            f"{verb}."
        )
        if race.to_verdict and factor < target:
            searched, waited = (race.median(REDUCED, of) for of in ("search_seconds", "seconds"))
            most = race.median(checker, "seconds") / target
            lines.append(
                f"- {race.name}: the target is {most:.2f} s; nolock searches for {searched:.2f} s, "
                f"and needs {waited - searched:.2f} s to start Python and to compile the design "
                "and its C."
            )
    return lines


def together_lines(verdicts: Sequence[Race]) -> list[str]:
    """A line for all verdicts, one after the other."""
    if len(verdicts) < 2:
        return []
    ours, theirs = (
        sum(race.median(race.checkers[at], "seconds") for race in verdicts) for at in (0, 1)
    )
    return [
        f"- All {len(verdicts)} verdicts, one after the other: {ours:.1f} s and {theirs:.0f} s, "
        f"{theirs / ours:.0f} times {verdicts[0].checkers[1]}."
    ]


def as_markdown(
    races: Sequence[Race], verdicts: Sequence[Race], setting: Setting, runs: int
) -> str:
    """PEERS.md."""
    versions = "; ".join(f"{name}: {text}" for name, text in setting.versions.items())
    return "\n".join(
        [
            "# nolock and its peers",
            "",
            f"Measured on: {setting.host.words}; {setting.core}. {versions}. To repeat: "
            "`make peers`, or",
            "",
            f"    {setting.command}",
            "",
            "SPIN and Rumur search what `nolock export` writes (docs/exporting.md): the same "
            "machine, step for step, with the same checks and invariants. Goals are not exported, "
            "so nolock does not decide them here. One thread, one core. In each of "
            f"{runs} turns every checker searches once, one after the other; a ratio is taken "
            "within a turn, and medians are shown. Before each search as much memory as any of "
            "them may need is touched and freed: else whoever comes first waits until the host of "
            "a virtual machine has given it. (In a search of minutes the host may have taken some "
            "back before it is used.)",
            "",
            "*states/s* and *search* are what nolock and `pan` say of themselves; Rumur says whole "
            "seconds only, so its process is timed. *build*: for SPIN and Rumur from the exported "
            "text to a program (`spin` or `rumur`, then `gcc -O3`), for nolock generating and "
            "compiling the C of the steps (with -O3, too, where all states are counted). *to "
            "verdict* is all of the waiting: for nolock the whole process with starting Python, "
            "compiling the design and an empty cache. *CPU* is of the searching process, *B/state* "
            "its largest resident set; nolock's has Python and the compiled design in it.",
            "",
            "## All states",
            "",
            "Every checker stores every reachable state, and all must count the same number: SPIN "
            "without partial order, exhaustive (no hash compaction), its hash table with a place "
            "for each state, states stored as they are (`-DNOCOMP`, which is faster); Rumur "
            "without symmetry, without traces, its set large enough from the "
            "start, compiled as it advises; nolock without reductions, its steps compiled for "
            "speed and its table with a place for each state (`--optimise --expect-states N`).",
            "",
            *_markdown_table(races),
            "",
            *(line for race in races for line in target_lines(race)),
            "",
            "## To a verdict",
            "",
            "Each as a user would start it, but for the memory touched before: nolock with its "
            "reductions (as `nolock verify` does, without its partial order as long as a search is "
            "no larger than these), SPIN depth first with partial order. The exported model is one "
            "process whose steps touch global variables, as interrupts may come between any two; "
            "there SPIN's partial order has nothing to leave out, which its count of states shows "
            "(`pan` tells eight digits). Its largest search here takes most of the machine's "
            "memory.",
            "",
            *_markdown_table(verdicts),
            "",
            *(f"- {race.name} has {race.states:,} states without reductions." for race in verdicts),
            *(line for race in verdicts for line in target_lines(race)),
            *together_lines(verdicts),
            "",
            "## Commands",
            "",
            *_command_lines([*races, *verdicts]),
        ]
    )


def _markdown_table(races: Sequence[Race]) -> list[str]:
    rule = "|".join(" :--- " if name in _LEFT else " ---: " for name in _COLUMNS)
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{rule}|"]
    return lines + [f"| {' | '.join(row)} |" for race in races for row in _rows(race)]


def _command_lines(races: Sequence[Race]) -> list[str]:
    lines = []
    for race in races:
        for checker, commands in race.commands.items():
            lines += [f"{race.name}, {checker}:", "", *(f"    {line}" for line in commands), ""]
    return lines


def as_data(races: Sequence[Race], verdicts: Sequence[Race], setting: Setting) -> dict[str, object]:
    """peers.json."""
    return {
        "host": asdict(setting.host),
        "core": setting.core,
        "versions": dict(setting.versions),
        "command": setting.command,
        "all_states": [_race_data(race) for race in races],
        "to_verdict": [_race_data(race) for race in verdicts],
    }


def _race_data(race: Race) -> dict[str, object]:
    figures = ("rate", *Sample.__dataclass_fields__)
    return {
        "machine": race.name,
        "states": race.states,
        "commands": {name: list(lines) for name, lines in race.commands.items()},
        "median": {
            checker: {name: round(race.median(checker, name), 3) for name in figures}
            for checker in race.checkers
        },
        "nolock_is_faster_by": {
            checker: round(race.factor(checker), 2) for checker in race.checkers[1:]
        },
        "turns": [{name: asdict(sample) for name, sample in turn.items()} for turn in race.turns],
    }
