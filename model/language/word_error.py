"""The one error of the word language."""

from __future__ import annotations

from model.language.word_ir import Where


class WordError(Exception):
    """Something in a word file is not supported or not consistent.

    The text names the place, quotes the line, says what is wrong and what to write instead.
    """

    def __init__(self, where: Where, problem: str, instead: str) -> None:
        self.where = where
        self.problem = problem
        self.instead = instead
        caret = " " * max(where.column - 1, 0) + "^"
        quote = f"    {where.text}\n    {caret}\n" if where.text else ""
        super().__init__(f"{where}: {problem}\n{quote}  {instead}")
