"""Reading parsed JSON with an eye on the place: every mistake names where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Choice = TypeVar("Choice", bound=str)


class TraceDecodeError(Exception):
    """What is wrong at which place of the file; `remedy` where one is known."""

    def __init__(self, what: str, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(what)


@dataclass(frozen=True)
class Field:
    """A value of the file and the place it stands at (`steps[3].where`)."""

    value: Any
    place: str

    def __getitem__(self, key: str) -> Field:
        if not isinstance(self.value, dict):
            raise self._wrong("an object")
        place = f"{self.place}.{key}" if self.place else key
        if key not in self.value:
            raise TraceDecodeError(f"{place} is missing")
        return Field(self.value[key], place)

    def get(self, key: str) -> Field | None:
        """A value that may be missing."""
        return self[key] if isinstance(self.value, dict) and key in self.value else None

    def items(self) -> list[Field]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise self._wrong("a list")
        return [Field(item, f"{self.place}[{at}]") for at, item in enumerate(self.value)]

    def pairs(self) -> list[tuple[str, Field]]:
        """Names and values of an object."""
        if not isinstance(self.value, dict):
            raise self._wrong("an object")
        return [(name, Field(value, f"{self.place}.{name}")) for name, value in self.value.items()]

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            raise self._wrong("text")
        if any("\ud800" <= char <= "\udfff" for char in self.value):
            raise TraceDecodeError(f"{self.place} holds half of a character (a lone surrogate)")
        return self.value

    def integer(self) -> int:
        """A whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self._wrong("a whole number")
        return self.value

    def boolean(self) -> bool:
        """true or false."""
        if not isinstance(self.value, bool):
            raise self._wrong("true or false")
        return self.value

    def optional_text(self) -> str | None:
        """A string or null."""
        return None if self.value is None else self.text()

    def optional_integer(self) -> int | None:
        """A whole number or null."""
        return None if self.value is None else self.integer()

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        """One of a few words."""
        for choice in choices:
            if choice == self.value:
                return choice
        raise self._wrong(" or ".join(choices))

    def _wrong(self, wanted: str) -> TraceDecodeError:
        shown = {dict: "an object", list: "a list", str: "text", type(None): "null"}
        got = shown.get(type(self.value), str(self.value))
        return TraceDecodeError(f"{self.place or 'the file'} is {got}, not {wanted}")
