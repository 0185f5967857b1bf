"""Where things come from: provenance of steps, and errors that point at the user's line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """One call on the way to a step: the routine that runs, where it is, and the text there."""

    routine: str
    file: str
    line: int
    models: str = ""
    text: str = ""


@dataclass(frozen=True)
class Provenance:
    """The source of a step: position, text, and the call chain, outermost routine first.

    `chain[-1]` is the routine that contains the statement; `chain[i].line` for the others is the
    line of the call. `models` of a frame names the kernel function the routine stands for.
    """

    file: str
    line: int
    column: int
    text: str
    chain: tuple[Frame, ...] = ()

    @property
    def routine(self) -> str:
        """The routine that contains the statement."""
        return self.chain[-1].routine if self.chain else ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class CompileError(Exception):
    """A mistake in a model: what is wrong, where, and what to do about it.

    `design` is the file that the user compiles. Where the mistake shows in another one, the calls
    that lead there from his are told too: most likely one of them is what is wrong.
    """

    def __init__(self, message: str, where: Provenance | None = None, hint: str = "") -> None:
        self.message = message
        self.where = where
        self.hint = hint
        self.design = ""
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = []
        if self.where is None:
            lines.append(self.message)
        else:
            place = f"{self.where.file}:{self.where.line}:{self.where.column + 1}"
            lines.append(f"{place}: {self.message}")
            if self.where.text:
                lines.append(f"    {self.where.text}")
            for call in self._calls(self.where):
                lines.append(f"  called from {call.file}:{call.line}: {call.text}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def _calls(self, where: Provenance) -> tuple[Frame, ...]:
        """The calls from the user's file to the mistake, the latest first."""
        latest_first = where.chain[-2::-1]
        if where.file == self.design:
            return ()
        for number, call in enumerate(latest_first, start=1):
            if call.file == self.design:
                return latest_first[:number]
        return ()
