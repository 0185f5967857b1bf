"""Shared by the tests here: word files in a folder of their own, a memory that is never asked."""

from __future__ import annotations

from pathlib import Path

from model.language.word_ir import WordProgram
from model.language.word_parser import load_words

HEADER = (
    "from model.language.words import (\n"
    "    NULL, Flag, Word, bit_length, shift_right_signed, signed_less, signed_remainder,\n"
    "    word_routine,\n"
    ")\n\n\n"
)
ROUTINE = '@word_routine(models="")\n'


class NoMemory:
    """Fails when it is asked."""

    def ask(self, primitive: str, args: tuple[int, ...]) -> int:
        """Refuse."""
        raise AssertionError((primitive, args))

    def read(self, record: str, base: int, name: str) -> int:
        """Refuse."""
        raise AssertionError((record, base, name))


def load_text(folder: Path, text: str, name: str = "sample.py") -> WordProgram:
    """Write a word file and load it."""
    path = folder / name
    path.write_text(HEADER + text, encoding="utf-8")
    return load_words(path)
