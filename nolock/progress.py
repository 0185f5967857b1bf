"""Progress of long runs, on stderr: live lines on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engines.explicit.search import Progress
from nolock.schedule import Hooks
from nolock.words import counted, mebibytes
from nolock.work import Size

if TYPE_CHECKING:  # a short run without a terminal does without rich, which takes a while to load
    from rich.live import Live

    from nolock.console import Output

_EVERY_SECONDS = 30.0


@dataclass
class ProgressLines:
    """A context manager; give its `hooks` to the scheduler.

    `announce` says before each search what its states need; `memory` is the limit of one search;
    `first` is said at the beginning.
    """

    total: int
    memory: int
    announce: bool = False
    first: str = ""
    lines: dict[str, str] = field(default_factory=dict)
    done: int = 0
    live: Live | None = None
    last_said: float = field(default_factory=time.monotonic)

    @cached_property
    def console(self) -> Output:
        """Where it goes."""
        from nolock.console import Output

        return Output(stderr=True)

    @property
    def hooks(self) -> Hooks:
        """For the scheduler."""
        return Hooks(self._began, self._said, self._ended)

    def __enter__(self) -> ProgressLines:
        if self.first:
            self._print(self.first)
        if sys.stderr.isatty() and self.console.is_terminal:
            from rich.live import Live

            # No thread that refreshes: tasks are forked from this process (see `schedule.py`).
            self.live = Live(console=self.console, transient=True, auto_refresh=False)
            self.live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, trace)

    def _began(self, key: str) -> None:
        self.lines[key] = f"{key}: compiling"
        self._show()

    def _said(self, key: str, message: Any) -> None:
        if isinstance(message, Size):
            if self.announce:
                self._print(f"{key}: {size_text(message, self.memory)}", "dim")
            self.lines[key] = f"{key}: {message.bits} bits per state, compiling"
        elif isinstance(message, Progress):
            self.lines[key] = f"{key}: {progress_text(message)}"
        else:
            self.lines[key] = f"{key}: {message}"
        self._show()

    def _ended(self, key: str, _result: Any) -> None:
        self.lines.pop(key, None)
        self.done += 1
        self._show()

    def _show(self) -> None:
        counted = f"{self.done} of {self.total} done"
        if self.live is not None:
            from rich.console import Group
            from rich.text import Text

            texts = [Text(line, no_wrap=True, overflow="ellipsis") for line in self.lines.values()]
            self.live.update(Group(*texts, Text(counted, style="dim")), refresh=True)
        elif time.monotonic() - self.last_said > _EVERY_SECONDS:
            self.last_said = time.monotonic()
            self._print("; ".join([counted, *self.lines.values()]))

    def _print(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self.console.print(Text(text, style=style), soft_wrap=True)


def progress_text(progress: Progress) -> str:
    """How far a search is."""
    rate = progress.states / progress.seconds if progress.seconds > 0 else 0.0
    return (
        f"{counted(progress.states, 'state')}, {rate / 1e6:.1f} M/s, depth {progress.depth}, "
        f"frontier {progress.frontier:,}, {mebibytes(progress.memory)}"
    )


def size_text(size: Size, memory: int) -> str:
    """What a search will need, before it begins."""
    room = memory / size.bytes_per_state / 1e6
    return (
        f"{size.bits} bits per state; every million states needs about {size.bytes_per_state} MB; "
        f"the limit of {mebibytes(memory)} is reached at about {room:,.1f} million"
    )
