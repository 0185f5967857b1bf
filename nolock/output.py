"""Reports on the way out: to the terminal, or to a file that is written whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nolock.errors import InputError
from nolock.terminal import write_out
from nolock.verify import Report

if TYPE_CHECKING:
    from rich.console import Console

_FILE_NAMES = "surrogateescape"
"""Names of files that are no text in the user's encoding: their bytes are written as they are."""


def publish(
    report: Report, form: str, output: Path | None, *, traces: bool, matrix: bool = False
) -> None:
    """Print the report in the given form, or write it to the file. Raises InputError."""
    if form == "text" and output is None:
        from nolock.console import console_for_stdout

        _print(report, console_for_stdout(), traces, matrix)
        return
    write(output, as_text(report, form, traces=traces, matrix=matrix))


def as_text(report: Report, form: str, *, traces: bool, matrix: bool = False) -> str:
    """The report in a form. Each form's file is loaded when it is asked for."""
    if form == "json":
        from nolock.report_json import report_json

        return report_json(report)
    if form == "junit":
        from nolock.report_junit import report_junit

        return report_junit(report)
    from nolock.console import text_console

    file = io.StringIO()
    _print(report, text_console(file), traces, matrix)
    return file.getvalue()


def write(output: Path | None, text: str) -> None:
    """Write a document to a file, or to stdout where there is none. Raises InputError."""
    if output is None:
        write_out(text)
    else:
        write_whole(output, text)


def _print(report: Report, console: Console, traces: bool, matrix: bool) -> None:
    from nolock.report_text import print_matrix, print_report, print_summary

    if matrix:
        from nolock.costs_report import print_costs

        print_matrix(report, console)
        print_costs(report.costs, console)
        print_summary(report, console)
    else:
        print_report(report, console, traces=traces)


def check_place(path: Path | None) -> None:
    """Raise InputError now, rather than after a long search, if a report cannot go there."""
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: permission denied")


def write_whole(path: Path, text: str) -> None:
    """Write a file that others see complete or not at all; raises InputError."""
    try:
        if path.exists() and not path.is_file():
            # A pipe or a device (/dev/stdout) cannot be replaced, and need not be.
            path.write_text(text, encoding="utf-8", errors=_FILE_NAMES)
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors=_FILE_NAMES) as file:
                file.write(text)
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", "nothing was written") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
