"""Rich consoles for reports: of one width everywhere, silent when their reader has left."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from nolock.terminal import ASCII, drop

WIDTH = 100
"""Of reports; less on a narrower terminal."""


def spelled(sign: str, console: Console) -> str:
    """A sign as the console will show it, for who has to know how wide that is."""
    try:
        sign.encode(console.encoding)
    except UnicodeEncodeError:
        return ASCII.get(sign, "?")
    return sign


class Output(Console):
    """A console that goes silent when its reader has left.

    Rich would end the process with 1, which from us means that a verdict is wrong.
    """

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Older versions of rich know no `on_broken_pipe`."""
        try:
            super().print(*args, **kwargs)
        except BrokenPipeError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Called by rich."""
        self.quiet = True
        drop(self.file)


def console_for_stdout() -> Console:
    """A console no wider than our reports; the same width everywhere if it is no terminal."""
    console = Output()
    if not console.is_terminal:
        return Output(width=WIDTH, no_color=True, force_terminal=False)
    return Output(width=min(console.width, WIDTH))


def text_console(file: io.StringIO) -> Console:
    """A console for reports that go to a file."""
    return Console(file=file, width=WIDTH, no_color=True)
