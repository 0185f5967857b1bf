"""The command `nolock`, and `python -m nolock`: hears Ctrl-C before anything large is loaded."""

from __future__ import annotations

import os
import signal
import sys


def _end(_signal: int, _frame: object) -> None:
    """End at once: an exception in the middle of an import may be lost or become another one."""
    os.write(2, b"nolock: interrupted\n")
    os._exit(3)


def _open_missing_streams() -> None:
    """A stream that was closed before we began (`nolock list >&-`) leads nowhere.

    Python has None for it, and the next file that is opened would get its number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))


def main() -> None:
    """The entry point; from where a command begins, Ctrl-C is an exception again."""
    _open_missing_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from nolock.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
