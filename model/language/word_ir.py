"""What a checked word routine consists of: plain data, one dataclass per construct.

The parser (`word_parser`) builds these, the evaluator (`word_run`) and the Z3 translation
(`engines.symbolic.word_terms`) read them.  Two readers of one small structure are what makes
a replay worth something: neither shares code with the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WORD = "Word"
FLAG = "Flag"


@dataclass(frozen=True)
class Where:
    """A place in a source file, and its line as written."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Const:
    """A 64-bit word, or a flag (0 or 1)."""

    value: int
    type: str = WORD


@dataclass(frozen=True)
class Local:
    """A parameter or local of the routine."""

    name: str
    type: str


@dataclass(frozen=True)
class LayoutWord:
    """A word that the memory layout decides, such as PAGE_SIZE."""

    name: str
    type: str = WORD


@dataclass(frozen=True)
class FieldOf:
    """`slab.size`: a field read through a pointer, which must not be NULL."""

    base: Expr
    record: str
    name: str
    type: str
    where: Where


@dataclass(frozen=True)
class Operation:
    """An operator on words or flags; `op` is its Python spelling."""

    op: str
    args: tuple[Expr, ...]
    type: str
    where: Where


@dataclass(frozen=True)
class Choice:
    """`a if condition else b`."""

    condition: Expr
    then: Expr
    other: Expr
    type: str


@dataclass(frozen=True)
class Call:
    """A call to a helper of the language, another routine or a memory primitive."""

    callee: str
    args: tuple[Expr, ...]
    type: str
    where: Where


Expr = Const | Local | LayoutWord | FieldOf | Operation | Choice | Call


@dataclass(frozen=True)
class Assign:
    """`name = value`; locals only."""

    name: str
    value: Expr
    where: Where


@dataclass(frozen=True)
class If:
    """`if condition: then else: other`."""

    condition: Expr
    then: tuple[Stmt, ...]
    other: tuple[Stmt, ...]
    where: Where


@dataclass(frozen=True)
class Return:
    """`return value`."""

    value: Expr
    where: Where


Stmt = Assign | If | Return


@dataclass(frozen=True)
class Param:
    """A parameter with its type: Word, Flag or the name of a record."""

    name: str
    type: str


@dataclass(frozen=True)
class Routine:
    """A word routine.

    `equals` and `when` are its contract, if it has one: whenever `when` holds the result is
    `equals`.  The prover reasons with the contract (and proves it); the evaluator runs the body.
    """

    name: str
    params: tuple[Param, ...]
    result: str
    body: tuple[Stmt, ...]
    models: str
    says: str
    where: Where
    equals: Expr | None = None
    when: Expr | None = None


@dataclass(frozen=True)
class Primitive:
    """Something that reads memory.  Outside `requires` its result means nothing."""

    name: str
    params: tuple[Param, ...]
    result: str
    requires: str | None
    says: str
    where: Where


@dataclass(frozen=True)
class RecordType:
    """A structure in memory that routines read fields of."""

    name: str
    fields: dict[str, str] = field(hash=False)


@dataclass(frozen=True)
class Expectation:
    """What a file expects of itself: `where` lists name patterns, separated by spaces."""

    property: str
    where: str
    verdict: str
    because: str
    reported: str
    at: Where


@dataclass(frozen=True)
class WordProgram:
    """Everything that one file declares or imports."""

    path: str
    routines: dict[str, Routine] = field(hash=False)
    primitives: dict[str, Primitive] = field(hash=False)
    records: dict[str, RecordType] = field(hash=False)
    constants: dict[str, int] = field(hash=False)
    layout_words: frozenset[str]
    expectations: tuple[Expectation, ...] = ()
