"""Progress of long runs, on stderr: live lines on a terminal, else a line now and then."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from engines.explicit.search import Progress
from nolock.schedule import Hooks
from nolock.terminal import Output
from nolock.words import counted, mebibytes
from nolock.work import Size

_EVERY_SECONDS = 30.0


@dataclass
class ProgressLines:
    """A context manager; give its `hooks` to the scheduler.

    `announce` says before each search what its states need; `memory` is the limit of one search.
    """

    total: int
    memory: int
    announce: bool = False
    console: Console = field(default_factory=lambda: Output(stderr=True))
    lines: dict[str, str] = field(default_factory=dict)
    done: int = 0
    live: Live | None = None
    last_said: float = field(default_factory=time.monotonic)

    @property
    def hooks(self) -> Hooks:
        """For the scheduler."""
        return Hooks(self._began, self._said, self._ended)

    def __enter__(self) -> ProgressLines:
        if self.console.is_terminal:
            self.live = Live(console=self.console, transient=True, refresh_per_second=4)
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
                self.console.print(
                    Text(f"{key}: {size_text(message, self.memory)}", style="dim"), soft_wrap=True
                )
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
            texts = [Text(line, no_wrap=True, overflow="ellipsis") for line in self.lines.values()]
            self.live.update(Group(*texts, Text(counted, style="dim")))
        elif time.monotonic() - self.last_said > _EVERY_SECONDS:
            self.last_said = time.monotonic()
            text = "; ".join([counted, *self.lines.values()])
            self.console.print(Text(text), soft_wrap=True)


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
