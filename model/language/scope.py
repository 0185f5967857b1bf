"""What lowering knows at a point of the source: values, names, and the call it is in."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from model.language.declarations import ConstDecl, Declaration, Knob, Module, RoutineDecl
from model.language.flow import Edge
from model.language.fold import loads
from model.language.machine import Expr, Type, Variable
from model.language.pools import Pool
from model.language.source import Frame


@dataclass(frozen=True)
class Value:
    """A typed expression."""

    expr: Expr
    type: Type

    @property
    def stable(self) -> bool:
        """Whether later stores cannot change what the expression means."""
        return next(loads(self.expr), None) is None


@dataclass(frozen=True)
class Local:
    """A local variable: every call has its own, under a name of its own.

    `inferred`: its type is that of the first value, nobody declared it.
    """

    name: str
    type: Type
    inferred: bool = False


Binding = Value | Local | Declaration


@dataclass
class Call:
    """One inlined call: its names, and where its returns go."""

    decl: RoutineDecl
    module: Module
    env: dict[str, Binding]
    frame: Frame
    result: Local | None = None
    returns: list[Edge] = field(default_factory=list)
    returned: list[Value] = field(default_factory=list)
    breaks: list[list[Edge]] = field(default_factory=list)
    continues: list[list[Edge]] = field(default_factory=list)
    declared: dict[str, ast.stmt] = field(default_factory=dict)
    line: ast.stmt | None = None
    shown: tuple[ast.stmt, Frame] | None = None
    """The frame as it was shown last, and for which line: most steps share their outer calls."""


@dataclass
class World:
    """Everything lowering may refer to, in one configuration."""

    config: Mapping[str, int]
    knobs: Mapping[str, Knob]
    pools: dict[str, Pool]
    variables: dict[str, Variable]
    processes: dict[str, RoutineDecl]
    absent: dict[str, RoutineDecl]
    holder_tests: dict[str, RoutineDecl]
    free_tests: dict[str, RoutineDecl]
    monitors: dict[str, list[RoutineDecl]]
    entries: dict[str, list[RoutineDecl]]
    properties: frozenset[str]
    marks: dict[str, frozenset[int]] = field(default_factory=dict)
    cookie_uses: dict[str, frozenset[int]] = field(default_factory=dict)
    process_record: dict[str, str] = field(default_factory=dict)
    open_constants: list[ConstDecl] = field(default_factory=list)
    types: dict[str, Type] = field(default_factory=dict)
    mutable: set[str] = field(default_factory=set)
    ordered: set[str] = field(default_factory=set)

    def fresh(self, hint: str, kind: Type) -> str:
        """A new name for a temporary."""
        name = f"{hint}.{len(self.types) + 1}"
        self.types[name] = kind
        return name

    def local(self, hint: str, kind: Type, inferred: bool = False) -> Local:
        """A new local variable."""
        name = self.fresh(hint, kind)
        self.mutable.add(name)
        return Local(name, kind, inferred)
