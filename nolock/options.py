"""The options that commands share, and what they mean together."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from nolock.bounds import BOUNDS, HIGHEST, LOWEST
from nolock.errors import InputError

if TYPE_CHECKING:  # imported where they are needed: `nolock --help` does without
    from nolock.check import Asked
    from nolock.jobs import OneOff, Search

Command = TypeVar("Command", bound=Callable[..., Any])
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(?:i?[bB])?")
_REDUCTIONS = {
    "merge_local": "Do not merge steps nobody can see, nor under locks.",
    "merge_locks": "Do not merge steps under a lock.",
    "partial_order": "Do not take steps first that commute with those of others.",
    "place_interrupts": "Do not take steps first that commute with what may arrive.",
    "symmetry": "Do not identify states that differ by a renaming.",
}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def _time_limit(
    _context: click.Context, _option: click.Parameter, value: float | None
) -> float | None:
    """A number of seconds above 0; `inf` is no limit."""
    if value is not None and not value > 0:  # nan is not above 0 either
        raise click.BadParameter(f"{value} is not a number of seconds above 0")
    return None if value is None or math.isinf(value) else value


def _path(_context: click.Context, _option: click.Parameter, value: str | None) -> Path | None:
    if value == "":  # it would become `.`
        raise click.BadParameter("the name is empty")
    return None if value is None else Path(value)


def path_option(name: str, metavar: str, what: str) -> Callable[[Command], Command]:
    """A file or folder to write to."""
    return click.option(name, callback=_path, metavar=metavar, help=what)


def time_limit_option(of_what: str) -> Callable[[Command], Command]:
    """The time limit of searches or proofs."""
    return click.option(
        "--time-limit", type=float, callback=_time_limit, metavar="SECONDS", help=of_what
    )


def run_options(command: Command) -> Command:
    """Which runs and properties."""
    options = [
        click.option("--run", "runs", multiple=True, metavar="NAME", help="Only this run."),
        click.option(
            "--env", "envs", multiple=True, metavar="NAME",
            help="Only runs in this environment. If none of those asked for is in it, all of them, "
            "done in it instead of their own; their verdicts are then only shown.",
        ),
        click.option(
            "--property", "properties", multiple=True, metavar="NAME", help="Only this property."
        ),
        click.option("--all", "every_run", is_flag=True, help="Long runs as well."),
    ]  # fmt: skip
    return _with(command, options)


def bound_options(command: Command) -> Command:
    """Bounds and knobs."""
    options = [
        *(
            click.option(
                f"--{name}",
                type=click.IntRange(LOWEST.get(name, 0), HIGHEST),
                metavar="N",
                help=text,
            )
            for name, text in BOUNDS.items()
        ),
        click.option(
            "--knob", "knobs", multiple=True, metavar="NAME=VALUE", help="Any other knob."
        ),
    ]
    return _with(command, options)


def search_options(command: Command) -> Command:
    """How to search."""
    options = [
        click.option(
            "--engine", type=click.Choice(["auto", "c", "python"]), default="auto",
            help="auto: C where there is a compiler.", show_default=True,
        ),
        click.option("--jobs", type=click.IntRange(1, 512), metavar="N", help="Searches at once."),
        click.option(
            "--memory", metavar="SIZE", help="Limit of all searches together, such as 500M or 8G."
        ),
        click.option(
            "--threads", type=click.IntRange(1, 64), default=1, metavar="N", show_default=True,
            help="Threads of each search; what is found does not depend on it.",
        ),
        click.option(
            "--fingerprints", is_flag=True,
            help="Lossy: store hashes of states; verdicts say how likely one was missed.",
        ),
        click.option(
            "--expect-states", type=click.IntRange(0, 1 << 32), default=0, metavar="N",
            help="Make room for N states at once instead of step by step, if they fit.",
        ),
        click.option(
            "--optimise", is_flag=True,
            help="Compile for speed; pays in searches of minutes.",
        ),
        time_limit_option("Limit of each search."),
        *(
            click.option(f"--no-{name.replace('_', '-')}", is_flag=True, help=text)
            for name, text in _REDUCTIONS.items()
        ),
        click.option("--no-reductions", is_flag=True, help="All of these: explore every state."),
        path_option("--keep-c", "DIR", "Write the generated C there."),
    ]  # fmt: skip
    return _with(command, options)


def output_options(*forms: str) -> Callable[[Command], Command]:
    """Where the report goes, and in what form."""
    options = [
        click.option(
            "--format", "form", type=click.Choice(forms), default="text",
            show_default=True, help="Form of the report.",
        ),
        path_option("--output", "FILE", "Write the report there, whole or not at all."),
    ]  # fmt: skip
    return lambda command: _with(command, options)


def _with(command: Command, options: Sequence[Callable[[Any], Any]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Given:
    """The values of the shared options."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Given:
        """From click's keywords."""
        return cls(dict(options))

    @property
    def form(self) -> str:
        """text, json or junit."""
        return str(self.values["form"])

    @property
    def output(self) -> Path | None:
        """The file for the report."""
        return cast("Path | None", self.values["output"])

    def asked(self, designs: tuple[str, ...], *, traces: bool) -> Asked:
        """What to check and how; `trace` has no run_options. Raises InputError."""
        from nolock.check import Asked

        jobs = int(self.values["jobs"] or os.cpu_count() or 1)
        return Asked(
            designs=designs,
            runs=self.values.get("runs", ()),
            envs=self.values["envs"],
            properties=self.values.get("properties", ()),
            every_run=self.values.get("every_run", False),
            one_off=self.one_off(),
            search=self.search(),
            at_once=jobs,
            traces=traces,
        )

    def one_off(self, env: str = "") -> OneOff:
        """The bounds and knobs, and the environment of a command that takes one only."""
        from nolock.jobs import OneOff

        return OneOff(self._knobs(), env)

    def refuse_bounds(self, because: str) -> None:
        """Raise InputError for bounds or an environment where they would change nothing."""
        if self.values["envs"] or self._knobs():
            raise InputError(f"{because}: --env, --knob and bounds cannot change it")

    def search(self) -> Search:
        """How to search; the memory is that of all searches together."""
        from engines.explicit.explore import available_memory
        from engines.reductions.wanted import Reductions
        from nolock.jobs import Search

        keep_c: Path | None = self.values["keep_c"]
        if keep_c is not None:
            try:
                keep_c.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"--keep-c {keep_c}: {error.strerror}") from None
        memory = self.values["memory"]
        total = memory_size(memory) if memory else available_memory() * 3 // 4
        none = self.values["no_reductions"]
        wanted = {name: not (none or self.values[f"no_{name}"]) for name in _REDUCTIONS}
        return Search(
            engine=cast("Literal['auto', 'c', 'python']", self.values["engine"]),
            memory=total,
            seconds=self.values["time_limit"],
            reductions=Reductions(**wanted),
            keep_c=keep_c,
            threads=self.values["threads"],
            fingerprints=self.values["fingerprints"],
            optimise=self.values["optimise"],
            expected=self.values["expect_states"],
        )

    def _knobs(self) -> tuple[tuple[str, int], ...]:
        knobs = {name: self.values[name] for name in BOUNDS if self.values[name] is not None}
        for text in self.values["knobs"]:
            name, equals, value = text.partition("=")
            number = {"true": "1", "false": "0"}.get(value.strip().lower(), value.strip())
            if not equals or not number.lstrip("-").isdecimal():
                raise InputError(f"--knob {text}: not NAME=VALUE with a number, true or false")
            if knobs.get(name.strip(), int(number)) != int(number):
                raise InputError(f"--knob {text}: {name.strip()} was given another value as well")
            knobs[name.strip()] = int(number)
        return tuple(knobs.items())


def memory_size(text: str) -> int:
    """Bytes of a size such as 500M; raises InputError."""
    match = _MEMORY.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise InputError(f"--memory {text}: not a size", "write it like 500M or 8G")
    return size
