"""The command `nolock`. What the commands do is in the files beside this one."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from nolock.options import Given, bound_options, output_options, search_options

_EXAMPLES = """
\b
Examples:
  nolock verify                       all designs, mutants and proofs: the CI job
  nolock verify nmi_detect            one design, with its traces
  nolock verify my_design.py --nmis 2 --time-limit 60
  nolock compare nmi_detect allow_spin --nmis 1 --probes 1
  nolock trace nmi_detect/any-context/self_deadlock
  nolock prove start-address
  nolock new my_design

\b
Exit codes: 0 every verdict as expected, 1 some verdict is not, 2 usage or input
error, 3 incomplete (stopped at a limit or by Ctrl-C).
"""


def _version() -> str:
    try:
        return version("nolock")
    except PackageNotFoundError:
        return "not installed"


@click.group(epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="nolock")
def nolock() -> None:
    """A model checker for the ways Linux frees memory from any context."""


@nolock.command()
@click.argument("designs", nargs=-1, metavar="[DESIGN]...")
@click.option("--traces", is_flag=True, help="Print the trace of each violation.")
@bound_options
@search_options
@output_options
def verify(designs: tuple[str, ...], traces: bool, **options: object) -> None:
    """Check designs against the verdicts they expect.

    DESIGN is the name of a built-in design (nolock list designs) or a file. Without one, all
    designs, all mutants and the start-address proofs are checked.

    Bounds on the command line replace those of the runs; the verdicts are then only shown, as no
    design states what it expects under them.
    """
    from nolock.commands import verify_command

    with mistakes_told():
        sys.exit(verify_command(designs, traces, Given.of(options)))


@contextlib.contextmanager
def mistakes_told() -> Iterator[None]:
    """Show the user's mistakes as messages with exit code 2; a closed pipe ends quietly."""
    from model.language.source import CompileError
    from model.language.word_error import WordError
    from nolock.errors import INCOMPLETE, USAGE, InputError

    try:
        yield
        sys.stdout.flush()
    except (CompileError, WordError, InputError) as error:
        click.echo(f"nolock: {error}", err=True)
        sys.exit(USAGE)
    except BrokenPipeError:
        # Python flushes stdout once more when it ends; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(USAGE)
    except KeyboardInterrupt:
        click.echo("nolock: interrupted", err=True)
        sys.exit(INCOMPLETE)


def main() -> None:
    """The entry point: output that the terminal's encoding lacks is replaced, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    nolock()


__all__ = ["Path", "main", "nolock"]
