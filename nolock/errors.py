"""Mistakes of the user, and the exit codes of the command."""

from __future__ import annotations

EXPECTED, UNEXPECTED, USAGE, INCOMPLETE = 0, 1, 2, 3
"""Every verdict as expected; some is not; usage or input error; incomplete: what was covered."""


class InputError(Exception):
    """Something the user can mend: what is wrong, and what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}\n  {remedy}" if remedy else message)
