"""The properties, by name: where each is defined and what it says in words."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from model.language.compile import compile_machine
from model.language.loader import Edit
from model.language.machine import Invariant, Machine
from properties import list_integrity

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Property:
    """A property: its file, its definition, and what it would take to violate it.

    The words are the docstring of its file.
    """

    name: str
    monitored: bool = False

    @property
    def path(self) -> Path:
        """The file that defines it."""
        return HERE / f"{self.name}.py"

    @cached_property
    def words(self) -> str:
        """The definition in one sentence."""
        return self._text.partition("\n")[0].partition(":")[2].strip()

    @cached_property
    def violated_by(self) -> str:
        """What it would take to violate it."""
        return " ".join(self._text.partition("Violated by:")[2].split())

    @cached_property
    def _text(self) -> str:
        return ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or ""


PROPERTIES: Mapping[str, Property] = {
    prop.name: prop
    for prop in (
        Property("no_double_free", monitored=True),
        Property("no_lost_objects", monitored=True),
        Property("self_deadlock"),
        Property("forbidden_call"),
        Property("handler_ends", monitored=True),
        Property("grace_period", monitored=True),
        Property("barrier", monitored=True),
        Property("list_integrity"),
        Property("lock_discipline"),
        Property("start_address"),
    )
}
"""In the order in which tables show them. `monitored`: its file holds monitors or goals in the
modelling language; the others are checks in the kernel's parts, or built below."""

_BUILDERS: dict[str, Callable[[Machine], tuple[Invariant, ...]]] = {
    list_integrity.NAME: list_integrity.invariants,
}


def build_machine(
    design: Path,
    config: Mapping[str, int],
    properties: Iterable[str] = tuple(PROPERTIES),
    edits: Iterable[Edit] = (),
) -> Machine:
    """Compile a design with the monitors, invariants and goals of the named properties.

    Raises CompileError for mistakes in the files, KeyError for an unknown property.
    """
    chosen = tuple(properties)
    found = [PROPERTIES[name] for name in chosen]
    paths = {prop.name: prop.path if prop.monitored else None for prop in found}
    machine = compile_machine(design, config, paths, edits)
    extra = tuple(inv for name in chosen if name in _BUILDERS for inv in _BUILDERS[name](machine))
    return replace(machine, invariants=machine.invariants + extra)
