"""The statement of a design that a step belongs to.

Many steps stand in the routines of `model/kernel/` (a lock, an irq_work, a list). A reader of a
design wants to see the design's own line, `raw_spin_lock(krcp.lock)`, and the inner one only where
it matters.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from model.language.source import Frame, Provenance

_ROOT = Path(__file__).resolve().parents[1]
_KERNEL = "model/kernel/"
_PRIMITIVES = ("model/kernel/cpu.py", "model/kernel/locks.py", "model/kernel/llist.py")


def statement_of(where: Provenance) -> Provenance:
    """The innermost statement outside the kernel's parts; where all are, outside its primitives."""
    chain = _calls(where)
    outer = [at for at, frame in enumerate(chain) if not frame.file.startswith(_KERNEL)]
    outer = outer or [at for at, frame in enumerate(chain) if frame.file not in _PRIMITIVES]
    if not outer or outer[-1] == len(chain) - 1:
        return replace(where, chain=chain)
    at = outer[-1]
    frame, called = chain[at], chain[at + 1]
    text = _line(frame.file, frame.line)
    # A variant of a design may have another statement there than the file on disk.
    if f"{called.routine}(" not in text:
        text = f"{called.routine}(...)"
    return Provenance(frame.file, frame.line, 0, text, chain[: at + 1])


def inner_routine(where: Provenance, statement: Provenance) -> str:
    """The routines between a statement and the step itself, outermost first."""
    return " > ".join(frame.routine for frame in _calls(where)[len(statement.chain) :])


def _calls(where: Provenance) -> tuple[Frame, ...]:
    """The call chain down to the routine that holds the statement.

    A routine that is one step as a whole is the last frame of the chain, with the line of its
    definition, while the step stands where it is called.
    """
    chain = where.chain
    if len(chain) > 1 and (chain[-1].file, chain[-1].line) != (where.file, where.line):
        return chain[:-1]
    return chain


def _line(file: str, number: int) -> str:
    lines = _lines(_ROOT / file)
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


@lru_cache(maxsize=64)
def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return ()
