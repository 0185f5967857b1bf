"""The compiled machine: what the compiler makes of a design and every engine runs.

A machine is a flat set of *cells* (small integers) and a list of *transitions*. Program counters
and locals of processes are cells like any other, so an engine needs to know nothing of the kernel,
of contexts or of the language: it evaluates guards and executes bodies.

Semantics, in full (`interpreter.py` is this text as code):

* A state is one integer per cell; cell order is variable order, row-major within a variable.
* A transition may fire for every combination of its parameters for which its guard is true.
  Transitions of a process also need `pc == transition.pc` for the instance `self` (0-based) and
  the process's `may_run`.
* Its body runs atomically on a copy of the state. `Check` ends the body at once when its condition
  is false: the successor is then the state reached so far, and it violates the named property.
  A violating successor is never expanded.
* `and`, `or` and `Ite` evaluate their operands left to right and only as far as needed, so an
  index that is out of range in an operand that is not evaluated does no harm.

References to records are 0 for NULL and 1..n for the instances; an index is always reference - 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Literal

from model.language.source import Provenance

TypeKind = Literal["bool", "range", "enum", "ref", "cookie"]


@dataclass(frozen=True)
class Type:
    """The values `lo..hi`; `name` is the record of a reference or the name of an enum."""

    kind: TypeKind
    lo: int
    hi: int
    name: str = ""

    @property
    def bits(self) -> int:
        """Bits that hold every value of the type (0 for a type of one value)."""
        return (self.hi - self.lo).bit_length()

    def __str__(self) -> str:
        if self.kind == "range":
            return f"Range[{self.lo}, {self.hi}]"
        return self.name or ("NULL" if self.kind == "ref" else self.kind)


BOOL = Type("bool", 0, 1)


@dataclass(frozen=True)
class Dimension:
    """One index of a variable: a record's instances, a process's instances or a plain array."""

    name: str
    size: int
    kind: Literal["record", "process", "array"]


@dataclass(frozen=True)
class Variable:
    """A family of cells of one type. `role` tells shared state from a process's own cells.

    `guard` says, in words for reports, which lock protects the variable; `ghost` variables serve
    properties only.
    """

    name: str
    type: Type
    dims: tuple[Dimension, ...]
    initial: int = 0
    role: Literal["shared", "local", "pc"] = "shared"
    ghost: bool = False
    guard: str | None = None

    @property
    def size(self) -> int:
        """Number of cells."""
        size = 1
        for dim in self.dims:
            size *= dim.size
        return size

    def indices(self) -> Iterator[tuple[int, ...]]:
        """All index tuples, in cell order."""
        return product(*(range(dim.size) for dim in self.dims))


# --- expressions -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Const:
    """A literal value."""

    value: int


@dataclass(frozen=True)
class Param:
    """A transition's parameter, or `self`: the 0-based instance of the process that steps."""

    name: str


@dataclass(frozen=True)
class Temp:
    """A temporary of the running body; assigned by `Set` before it is read."""

    name: str


@dataclass(frozen=True)
class Load:
    """The value of one cell. `lockless`: the design marks this read as one without the lock."""

    var: str
    index: tuple[Expr, ...]
    lockless: bool = False


@dataclass(frozen=True)
class Unary:
    """`not` (of a truth value) or `-`."""

    op: Literal["not", "-"]
    value: Expr


BinaryOp = Literal["+", "-", "*", "==", "!=", "<", "<=", ">", ">=", "and", "or"]


@dataclass(frozen=True)
class Binary:
    """Integer arithmetic, comparison, or short-circuit logic; truth values are 0 and 1."""

    op: BinaryOp
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Ite:
    """`then` where `cond` is true, else `other`."""

    cond: Expr
    then: Expr
    other: Expr


@dataclass(frozen=True)
class InSet:
    """Whether `value` is one of a fixed set (probe points: is this pc one?)."""

    value: Expr
    members: frozenset[int]


Expr = Const | Param | Temp | Load | Unary | Binary | Ite | InSet

# --- operations ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Set:
    """Assign a temporary."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Store:
    """Assign one cell. The compiler has made sure, by type or by a `Check`, that it fits."""

    var: str
    index: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True)
class If:
    """Structured choice."""

    cond: Expr
    then: tuple[Op, ...]
    other: tuple[Op, ...] = ()


@dataclass(frozen=True)
class Check:
    """`prop` is violated, with `message`, where `cond` is false; the body ends there.

    `id` numbers the checks of a machine from 0.
    """

    prop: str
    cond: Expr
    message: str
    where: Provenance
    id: int = -1


@dataclass(frozen=True)
class Age:
    """A grace period has ended: every cell above 0 of these variables is decremented by one."""

    variables: tuple[str, ...]


Op = Set | Store | If | Check | Age


@dataclass(frozen=True)
class Parameter:
    """A parameter takes every value `lo..hi`."""

    name: str
    lo: int
    hi: int
    type: Type


@dataclass(frozen=True)
class Transition:
    """One atomic step of a process (`process`, `pc` set) or one action (`process` is None).

    `environment` marks what happens to the system from outside (an arrival): a state in which
    only such transitions are enabled is a state of rest.
    """

    id: int
    name: str
    process: str | None
    pc: int
    params: tuple[Parameter, ...]
    guard: Expr
    body: tuple[Op, ...]
    where: Provenance
    environment: bool = False


@dataclass(frozen=True)
class Process:
    """`instances` copies of one program; pc 0 is idle. `may_run` is over `Param("self")`.

    `marks` are the program counters at which a probe can hit (routine entry and exit,
    tracepoints). `record` is the record type whose instances the copies belong to.
    """

    name: str
    record: str
    instances: int
    pcs: int
    may_run: Expr
    marks: frozenset[int]

    @property
    def pc_var(self) -> str:
        """Name of the variable that holds the program counters."""
        return f"{self.name}.pc"


@dataclass(frozen=True)
class Invariant:
    """A predicate that every reachable state must satisfy.

    `sheltered` names guarded variables that the predicate looks at only while their lock is free,
    so that what happens to them inside a locked section does not concern it.
    """

    prop: str
    expr: Expr
    message: str
    sheltered: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Goal:
    """A predicate that the system by itself makes true, wherever it is: see `semantics.md`.

    `each`: the record for each instance of which there is such a goal, if it is one of several.
    """

    prop: str
    expr: Expr
    message: str
    each: str = ""


@dataclass(frozen=True)
class LinkedList:
    """A list of records for `list_integrity`: `head` (a variable) linked through `link`.

    `count` names the variable that must equal the list's length while `free(index)` holds, where
    `free` is an expression over `Param("i")`, the 0-based index of the record the head is in.
    """

    head: str
    link: str
    count: str | None
    free: Expr | None


Home = tuple[str, int, str, int | None]
"""Where an embedded instance lives: owner record, owner index (0-based), field, array element."""


@dataclass(frozen=True)
class Machine:
    """A compiled design in one configuration.

    `embedded` gives the home of every instance of an embedded record, `per` the record whose
    instances the instances of a record belong to one by one (`Krcp` per `Cpu`).
    """

    name: str
    config: Mapping[str, int]
    variables: tuple[Variable, ...]
    processes: tuple[Process, ...]
    transitions: tuple[Transition, ...]
    invariants: tuple[Invariant, ...] = ()
    goals: tuple[Goal, ...] = ()
    lists: tuple[LinkedList, ...] = ()
    symmetric: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    properties: frozenset[str] = frozenset()
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    embedded: Mapping[str, tuple[Home, ...]] = field(default_factory=dict)
    per: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def variable(self) -> dict[str, Variable]:
        """Variables by name."""
        return {var.name: var for var in self.variables}

    @cached_property
    def process(self) -> dict[str, Process]:
        """Processes by name."""
        return {proc.name: proc for proc in self.processes}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many instances each record has, as far as anything in the machine knows them."""
        found: dict[str, int] = {}

        def note(record: str, size: int) -> None:
            if size > found.get(record, 0):
                found[record] = size
                if record in self.per:
                    note(self.per[record], size)

        for var in self.variables:
            for dim in var.dims:
                if dim.kind == "record":
                    note(dim.name, dim.size)
            if var.type.kind == "ref" and var.type.name:
                note(var.type.name, var.type.hi)
        for proc in self.processes:
            note(proc.record, proc.instances)
        for record, homes in self.embedded.items():
            note(record, len(homes))
            for owner, i, _, _ in homes:
                note(owner, i + 1)
        return found

    @cached_property
    def offset(self) -> dict[str, int]:
        """Cell number of each variable's first cell."""
        offsets, at = {}, 0
        for var in self.variables:
            offsets[var.name] = at
            at += var.size
        return offsets

    @cached_property
    def cells(self) -> tuple[tuple[Variable, tuple[int, ...]], ...]:
        """Every cell as (variable, index tuple), in state order."""
        return tuple((var, index) for var in self.variables for index in var.indices())

    @cached_property
    def initial(self) -> tuple[int, ...]:
        """The initial state."""
        return tuple(var.initial for var, _ in self.cells)

    @cached_property
    def steps_at(self) -> dict[tuple[str, int], tuple[Transition, ...]]:
        """Process transitions by (process, pc)."""
        table: dict[tuple[str, int], tuple[Transition, ...]] = {}
        for tr in self.transitions:
            if tr.process is not None:
                key = (tr.process, tr.pc)
                table[key] = (*table.get(key, ()), tr)
        return table

    @cached_property
    def actions(self) -> tuple[Transition, ...]:
        """Transitions that belong to no process."""
        return tuple(tr for tr in self.transitions if tr.process is None)
