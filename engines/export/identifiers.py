"""Names for the machine's variables, parameters and temporaries that another language accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NO_LETTER_FIRST = re.compile(r"^[^A-Za-z]")


class Identifiers:
    """Gives each name an identifier that is readable, legal, and no other name's.

    `reserved` are the words that the language keeps for itself, in lower case; they are avoided
    in any case, as some languages read their words in any.
    """

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved = frozenset(reserved)
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def of(self, space: str, name: str) -> str:
        """The identifier for `name`; `space` keeps kinds of things apart."""
        if (space, name) not in self._given:
            plain = re.sub(r"\W", "_", name, flags=re.ASCII)
            if _NO_LETTER_FIRST.match(plain):
                plain = f"v{plain}"
            given, number = plain, 2
            while given in self._taken or given.lower() in self._reserved:
                given, number = f"{plain}_{number}", number + 1
            self._taken.add(given)
            self._given[space, name] = given
        return self._given[space, name]
