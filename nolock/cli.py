"""The command `nolock`. What the commands do is in the files beside this one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from nolock.errors import EXPECTED, INCOMPLETE, USAGE, InputError
from nolock.options import (
    Given,
    bound_options,
    output_options,
    path_option,
    run_options,
    search_options,
    time_limit_option,
)
from nolock.terminal import drop, prepare_streams

_EXAMPLES = """
\b
Examples:
  nolock verify                       all designs, mutants and proofs: the CI job
  nolock verify nmi_detect            one design, with its traces
  nolock verify my_design.py --nmis 2 --time-limit 60
  nolock compare nmi_detect allow_spin --run any-context
  nolock trace nmi_detect/any-context/self_deadlock
  nolock prove start-address
  nolock export landed --run any-context --to promela --output landed.pml
  nolock new my_design

\b
Exit codes: 0 every verdict as expected, 1 some verdict is not, 2 usage or input
error, 3 incomplete (stopped at a limit or by Ctrl-C).
"""


def _print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import PackageNotFoundError, version  # takes a while to load

    try:
        number = version("nolock")
    except PackageNotFoundError:
        number = "unknown (not installed)"
    click.echo(f"nolock, version {number}")
    context.exit()


class _Commands(click.Group):
    """Click would end with 1 where the reader of stdout has left, which is a wrong verdict."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """With the options of the command itself: --help, --version."""
        try:
            return super().make_context(*args, **options)
        except BrokenPipeError:
            _end_quietly()

    def invoke(self, ctx: click.Context) -> Any:
        """With the options of its subcommands."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _end_quietly()


@click.group(
    cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Show the version and exit.",
)  # fmt: skip
def nolock() -> None:
    """A model checker for the ways Linux frees memory from any context."""


@nolock.command()
@click.argument("designs", nargs=-1, metavar="[DESIGN]...")
@click.option("--traces", is_flag=True, help="Print the trace of each violation.")
@run_options
@bound_options
@search_options
@output_options("text", "json", "junit")
def verify(designs: tuple[str, ...], traces: bool, **options: object) -> None:
    """Check designs against the verdicts they expect.

    DESIGN is the name of a built-in design (nolock list designs), a file, or mutants/ID. Without
    one, all designs, all mutants and the start-address proofs are checked.

    Bounds on the command line replace those of the runs; the verdicts are then only shown, as no
    design states what it expects under them.
    """
    from nolock.commands import verify_command

    _run(lambda: verify_command(designs, traces, Given.of(options)))


@nolock.command()
@click.argument("designs", nargs=-1, required=True, metavar="DESIGN...")
@run_options
@bound_options
@search_options
@output_options("text", "json", "junit")
def compare(designs: tuple[str, ...], **options: object) -> None:
    """Show the verdicts of several designs side by side, and what a free costs in each.

    Each design does its own runs, or those that --run names. Bounds on the command line replace
    those of every run that is done:

    nolock compare nmi_detect allow_spin my_design.py --run any-context
    """
    from nolock.commands import compare_command

    _run(lambda: compare_command(designs, Given.of(options)))


@nolock.command()
@click.argument("targets", nargs=-1, metavar="[start-address|DESIGN]...")
@click.option("--jobs", type=click.IntRange(1, 512), metavar="N", help="Proofs at once.")
@time_limit_option("Limit of each recovery.")
@click.option("--no-caches", is_flag=True, help="Leave out the slab caches of this machine.")
@output_options("text", "json", "junit")
def prove(
    targets: tuple[str, ...],
    jobs: int | None,
    time_limit: float | None,
    no_caches: bool,
    form: str,
    output: Path | None,
) -> None:
    """Prove or refute, for all addresses, that a design recovers start addresses.

    start-address (the default) takes all recoveries; a DESIGN means the one that it uses. A file
    with a routine recover() is taken as a recovery of your own.
    """
    from nolock.commands import prove_command

    at_once = jobs or os.cpu_count() or 1
    _run(lambda: prove_command(targets, at_once, time_limit, not no_caches, form, output))


@nolock.command()
@click.argument("target", metavar="ID|FILE")
@path_option("--save", "FILE", "Store it as JSON.")
@path_option("--dot", "FILE", "Draw it (Graphviz).")
@click.option("--full", is_flag=True, help="Every step, none folded.")
@click.option("--design", metavar="FILE", help="For a stored trace: where its design is now.")
@click.option("--env", metavar="NAME", help="Not in the run's environment but in this one.")
@bound_options
@search_options
@output_options("text", "json")
def trace(
    target: str,
    save: Path | None,
    dot: Path | None,
    full: bool,
    design: str | None,
    env: str | None,
    **options: object,
) -> None:
    """Show a counterexample, simplified and explained.

    ID is DESIGN/RUN/PROPERTY, as verify prints it, or mutants/MUTANT/PROPERTY. A FILE written with
    --save is replayed on today's model.
    """
    from nolock.commands import trace_command

    given = Given.of({**options, "envs": (env,) if env else ()})
    _run(lambda: trace_command(target, given, save, dot, full, design))


@nolock.command()
@click.argument("design", metavar="DESIGN")
@click.option(
    "--to", "language", type=click.Choice(["promela", "murphi", "tla"]), required=True,
    help="For SPIN, for Rumur, for TLC.",
)  # fmt: skip
@click.option("--run", metavar="NAME", default="", help="Which run; needed if there are several.")
@click.option("--env", metavar="NAME", default="", help="Not in the run's environment but in this.")
@click.option("--property", "properties", multiple=True, metavar="NAME", help="Only this property.")
@bound_options
@path_option("--output", "FILE", "Write the model there, whole or not at all.")
def export(
    design: str, language: str, run: str, env: str, properties: tuple[str, ...], **options: object
) -> None:
    """Write a design's machine for another model checker.

    DESIGN is the name of a built-in design, a file, or mutants/ID. One atomic step of nolock is one
    of the exported model, so all of them count the same states; the model's first lines say how to
    run the checker on it. Step checks and invariants are exported, goals are not.

    TLC reads a second file, MODULE.cfg. It is written beside FILE, which must be called MODULE.tla;
    without --output it is printed after the module.
    """
    from nolock.export_command import Wanted, export_command

    given = Given.of(options)
    _run(lambda: export_command(Wanted(design, language, run, env, properties), given))


@nolock.command("list")
@click.argument(
    "section",
    required=False,
    type=click.Choice(
        ["designs", "properties", "environments", "kinds", "mutants", "runs", "knobs"]
    ),
)
@click.argument("design", required=False)
def list_(section: str | None, design: str | None) -> None:
    """Show what there is.

    Kinds are kinds of allocation. With a DESIGN, runs and knobs are its own.
    """
    from nolock.commands import list_command

    _run(lambda: list_command(section, design))


@nolock.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a commented design file to start from."""
    from nolock.commands import new_command

    _run(lambda: new_command(name))


def _run(command: Callable[[], int]) -> NoReturn:
    """Exit with the command's code; mistakes of the user become messages with exit code 2."""
    from model.language.source import CompileError
    from model.language.word_error import WordError

    _hear_ctrl_c()
    try:
        code = command()
        sys.stdout.flush()
    except (CompileError, WordError, InputError) as error:
        _complain(str(error))
        code = USAGE
    except BrokenPipeError:
        _end_quietly()
    except OSError as error:
        code = _cannot(error)
    except KeyboardInterrupt:
        _complain("interrupted")
        code = INCOMPLETE
    sys.exit(code)


def _hear_ctrl_c() -> None:
    """Until now it ended the process at once (`__main__.py`); from here it is an exception."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):  # whoever read stderr has left
        click.echo(f"nolock: {text}", err=True)


def _cannot(error: OSError) -> int:
    drop(sys.stdout)
    place = f" {error.filename}" if error.filename else ""
    _complain(f"cannot write or read{place}: {error.strerror or error}")
    return USAGE


def _end_quietly() -> NoReturn:
    drop(sys.stdout)
    sys.exit(EXPECTED)


def main() -> None:
    """The command line; `__main__.py` comes first, and hears Ctrl-C."""
    prepare_streams()
    try:
        nolock()
    except OSError as error:
        sys.exit(_cannot(error))
