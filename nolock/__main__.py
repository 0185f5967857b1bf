"""The command `nolock`, and `python -m nolock`: hears Ctrl-C before anything large is loaded."""

from __future__ import annotations

import os
import signal


def _end(_signal: int, _frame: object) -> None:
    """End at once: an exception in the middle of an import may be lost or become another one."""
    os.write(2, b"nolock: interrupted\n")
    os._exit(3)


def main() -> None:
    """The entry point; from where a command begins, Ctrl-C is an exception again."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from nolock.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
