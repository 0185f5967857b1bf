"""Runs the commands whose output README.md shows and compares what they print now.

A block is checked when an HTML comment stands on the line before its fence:

    <!-- run: nolock list -->
    ```text
    what it prints
    ```

`<!-- run exit=1: nolock verify broken.py -->` expects that exit code instead of 0.

Times, rates and memory sizes differ from run to run and are not compared; nor is how columns are
aligned, because that follows from the width of those numbers. Indentation is compared.
"""

import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

_MARK = re.compile(r"<!-- run(?: exit=(?P<exit>\d+))?: (?P<command>\S.*?) -->")
_MEANT_AS_MARK = re.compile(r"\s*<!--\s*run\b")
_FENCE = re.compile(r"(?P<ticks>`{3,})(?P<language>[^`]*)")

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_NUMBER = r"(?:[<>~≈] ?)?(?<![\w.,])\d[\d,]*(?:\.\d+)?"
_END = r"(?![\w/])"
_TIME = rf"{_NUMBER} ?(?:h|min|s|ms|µs|μs|us|ns)"
_MEASURED = (
    (re.compile(rf" *{_NUMBER} ?[kMGT]?(?: ?[A-Za-z]+)?/s{_END} *"), " <rate> "),
    (re.compile(rf" *{_NUMBER} ?[kKMGT]i?B{_END} *"), " <size> "),
    (re.compile(rf" *{_TIME}(?: {_TIME})*{_END} *"), " <time> "),
    (re.compile(r" *(?<![\w.:])\d+:\d\d:\d\d(?:\.\d+)?(?![\w:]) *"), " <time> "),
)
_GAP = re.compile(r"(?<=\S) +")
_RULE = re.compile(r"([─━═╌-])\1+")


class ReadmeError(Exception):
    """The README cannot be checked: a marker that is wrong, or a command that cannot be run."""


@dataclass(frozen=True)
class Block:
    """A fenced block with the command that must print it."""

    command: str
    exit_code: int
    start: int
    """The index of its first line, the one after the opening fence."""
    lines: tuple[str, ...]
    fence: str

    @property
    def end(self) -> int:
        """The index of the closing fence."""
        return self.start + len(self.lines)


def find_blocks(text: str) -> list[Block]:
    """The blocks to check. A marker that stands inside another block is only text."""
    return list(_blocks(text.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    index = 0
    while index < len(lines):
        line = lines[index]
        marked = _MARK.fullmatch(line.rstrip())
        if marked:
            index += 1
            opening = _FENCE.fullmatch(lines[index].rstrip()) if index < len(lines) else None
            if opening is None or opening["language"] != "text":
                raise ReadmeError(f"line {index}: no ```text block on the line after this marker")
        elif _MEANT_AS_MARK.match(line):
            raise ReadmeError(
                f"line {index + 1}: not a marker: {line.strip()}\n"
                "Write <!-- run: COMMAND --> or <!-- run exit=1: COMMAND --> in the first column."
            )
        else:
            opening = _FENCE.match(line.lstrip())
        if opening:
            start = index + 1
            index = _closing_fence(lines, start, opening["ticks"])
            if marked:
                shown = tuple(lines[start:index])
                exit_code = int(marked["exit"] or 0)
                yield Block(marked["command"], exit_code, start, shown, opening["ticks"])
        index += 1


def _closing_fence(lines: list[str], start: int, ticks: str) -> int:
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if line.startswith(ticks) and not line.strip("`"):
            return index
    raise ReadmeError(f"line {start}: this block is never closed")


def normalise(lines: tuple[str, ...]) -> list[str]:
    """What is compared: the lines without measurements and without the alignment they cause."""
    return [_normalise_line(line) for line in lines]


def _normalise_line(line: str) -> str:
    for pattern, name in _MEASURED:
        line = pattern.sub(name, line)
    line = _RULE.sub(r"\1", line)
    return _GAP.sub(" ", line).rstrip()


def run_command(block: Block, folder: Path) -> tuple[str, ...]:
    """What the command prints, as README lines. Raises ReadmeError unless it exits as expected."""
    try:
        words = shlex.split(block.command)
    except ValueError as error:
        raise ReadmeError(f"line {block.start - 1}: `{block.command}`: {error}") from error
    if words[0] == "nolock":
        # The script of the interpreter that checks, not of another installation on PATH.
        words[0] = str(Path(sysconfig.get_path("scripts")) / "nolock")
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise ReadmeError(f"cannot run `{block.command}`: {error.strerror}: {words[0]}") from error
    printed = _ANSI.sub("", done.stdout.decode(errors="replace"))
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    if done.returncode != block.exit_code:
        shown = "\n".join(f"  {line}" for line in lines[-20:])
        raise ReadmeError(
            f"`{block.command}` ended with exit code {done.returncode}, "
            f"not {block.exit_code}; it printed last:\n{shown}"
        )
    return tuple(lines)


def _environment() -> dict[str, str]:
    """The same terminal for everyone who checks, and errors in their place among the output."""
    forced = ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    kept = {name: value for name, value in os.environ.items() if name not in forced}
    terminal = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    return {**kept, **terminal, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def difference(block: Block, printed: tuple[str, ...]) -> str:
    """A unified diff of what README shows and what was printed; empty when they agree."""
    shown = tuple(line.rstrip() for line in block.lines)
    return "\n".join(
        difflib.unified_diff(
            normalise(shown),
            normalise(printed),
            f"README.md, line {block.start + 1}",
            block.command,
            lineterm="",
        )
    )


def replaced(text: str, printed: dict[Block, tuple[str, ...]]) -> str:
    """The README with each block's lines replaced by what its command printed."""
    lines = text.splitlines()
    for block in sorted(printed, key=lambda block: block.start, reverse=True):
        if any(line.lstrip().startswith(block.fence) for line in printed[block]):
            raise ReadmeError(
                f"line {block.start}: `{block.command}` prints a line that would close this block; "
                "give its fence more backticks"
            )
        lines[block.start : block.end] = printed[block]
    return "\n".join(lines) + "\n"


def _write_atomically(path: Path, text: str) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".readme-") as beside:
        unfinished = Path(beside) / path.name
        unfinished.write_text(text, encoding="utf-8")
        shutil.copymode(path, unfinished)
        unfinished.replace(path)


def check(readme: Path, update: bool) -> list[str]:
    """Check every block, or bring them up to date; the differences found, none after an update."""
    text = readme.read_text(encoding="utf-8")
    blocks = find_blocks(text)
    if not blocks:
        raise ReadmeError(f"{readme} has no block to check (no line <!-- run: COMMAND -->)")
    printed = {block: run_command(block, readme.resolve().parent) for block in blocks}
    if not update:
        return [found for block in blocks if (found := difference(block, printed[block]))]
    _write_atomically(readme, replaced(text, printed))
    return []


@click.command()
@click.option("--update", is_flag=True, help="Rewrite the blocks with what the commands print.")
@click.argument("readme", type=click.Path(path_type=Path), default=Path("README.md"))
def main(update: bool, readme: Path) -> None:
    """Compare the output that README shows with what its commands print."""
    try:
        differences = check(readme, update)
    except (ReadmeError, OSError) as error:
        click.echo(f"README check: {error}", err=True)
        sys.exit(1)
    if differences:
        click.echo("\n\n".join(differences))
        click.echo(
            "\nREADME shows other output than its commands print. If the new output is right:\n"
            "    .venv/bin/python -m nolock.readme_check --update",
            err=True,
        )
        sys.exit(1)
    click.echo(f"{readme}: {'up to date now' if update else 'shows what its commands print'}")


if __name__ == "__main__":
    main()
