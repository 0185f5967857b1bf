"""The names that one word file can see."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from model.language.word_error import WordError
from model.language.word_ir import FLAG, WORD, Expectation, Primitive, RecordType, Routine, Where
from model.language.words import HELPERS

_VOCABULARY = {
    "Word", "Flag", "Record", "NULL", "word_routine", "memory_primitive", "layout_word", "expect",
    *HELPERS,
}  # fmt: skip


@dataclass
class Scope:
    """What each name of a file means: (role, key in the program)."""

    path: str
    lines: tuple[str, ...]
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    records: dict[str, RecordType] = field(default_factory=dict)
    primitives: dict[str, Primitive] = field(default_factory=dict)
    routines: dict[str, Routine] = field(default_factory=dict)
    layout_words: set[str] = field(default_factory=set)
    calls: dict[str, set[str]] = field(default_factory=dict)
    expectations: list[Expectation] = field(default_factory=list)

    def where(self, node: ast.AST) -> Where:
        """Return the place of a syntax node; of a function, its `def` line."""
        line = getattr(node, "lineno", 1)
        column = getattr(node, "col_offset", 0) + 1
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Where(self.path, line, column, text.rstrip())

    def declare(self, name: str, role: str, key: str, node: ast.AST) -> None:
        """Give a name its one meaning in this file."""
        if name in self.names or name in self.words:
            raise WordError(
                self.where(node), f"{name} has a meaning already", "choose another name"
            )
        self.names[name] = (role, key)

    def vocabulary(self, alias: ast.alias, node: ast.AST) -> None:
        """Take a name from model.language.words."""
        if alias.name not in _VOCABULARY or alias.asname:
            raise WordError(
                self.where(node),
                f"{alias.name!r} is not a word of the language, or is renamed",
                f"the words are: {', '.join(sorted(_VOCABULARY))}",
            )
        self.words[alias.name] = alias.name

    def adopt(self, alias: ast.alias, node: ast.AST, other: Scope) -> None:
        """Take a name from another word file, under its own name."""
        if alias.asname or alias.name not in other.names:
            raise WordError(
                self.where(node),
                f"{alias.name!r} is not defined there, or is renamed",
                f"import one of: {', '.join(sorted(other.names))}",
            )
        role, key = other.names[alias.name]
        self.declare(alias.name, role, key, node)
        if role == "record":
            self.records[alias.name] = other.records[alias.name]
        elif role == "primitive":
            self.primitives[alias.name] = other.primitives[alias.name]
        elif role == "routine":
            self.routines[alias.name] = other.routines[alias.name]
        elif role == "layout":
            self.layout_words.add(alias.name)
        # Fields of a record type may be read without importing the type's own name.
        for name, record in other.records.items():
            self.records.setdefault(name, record)

    def type_of(self, annotation: ast.expr) -> str:
        """Return the type an annotation names."""
        if isinstance(annotation, ast.Name):
            if annotation.id in (WORD, FLAG) and annotation.id in self.words:
                return annotation.id
            if self.names.get(annotation.id, ("", ""))[0] == "record":
                return annotation.id
        raise WordError(
            self.where(annotation),
            "not a type of the word language",
            "use Word, Flag (import them from model.language.words) or a Record class",
        )
