"""One symbolic placement of an object, and the symbolic memory that answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import z3

from engines.symbolic.word_integers import Integers
from engines.symbolic.word_terms import (
    Algebra,
    Flag,
    Obligation,
    Term,
    TermBuilder,
    Word,
)
from model.kernel.kinds import Kind
from model.kernel.layouts import OPEN_WORDS, Layout
from model.kernel.placed import (
    ADDRESSES,
    PLACEMENT_FIELDS,
    Placed,
    allocation_words,
    slab_field,
)
from model.language.word_ir import WordProgram
from model.language.word_parser import routine_named


@dataclass(frozen=True)
class PlacementMemory:
    """Reads the fields of `Placement`."""

    fields: Mapping[str, Word]

    def ask(self, primitive: str, args: tuple[Word, ...], path: Flag) -> Word:
        """Refuse: what an allocator permits is arithmetic only."""
        raise AssertionError(f"{primitive}{args} is asked on {path}, where nothing may be asked")

    def read(self, record: str, base: Word, name: str) -> Word:
        """Return the field's term; there is one placement, so `base` does not matter."""
        assert record == "Placement", (record, base)
        return self.fields[name]


@dataclass
class ObjectMemory:
    """Answers the primitives of addresses.py for one object; of everything else it says anything.

    "Anything" is a new unknown for each question: a proof holds whatever the rest of memory holds.
    """

    kind: Kind
    fields: Mapping[str, Word]
    start: Word
    head: Word
    slab: Word
    builder: TermBuilder

    def inside(self, x: Word, path: Flag) -> Flag:
        """Return whether x, without its tag, lies in the object's slab or pages."""
        algebra = self.builder.algebra
        words = allocation_words()
        untag = routine_named(words, "untag", ADDRESSES)
        plain = _word(self.builder.call(words, untag, (x,), path))
        within = algebra.apply("-", plain, self.fields["area"], path)
        return algebra.compare("<", within, self.fields["bytes"])

    def ask(self, primitive: str, args: tuple[Word, ...], path: Flag) -> Word:
        """Answer a memory primitive."""
        algebra = self.builder.algebra
        here, is_here = self.own_answer(primitive, args[0], path)
        if algebra.holds(path, is_here):
            return here
        return _word(z3.If(is_here, here, algebra.unknown(f"{primitive}_elsewhere")))

    def own_answer(self, primitive: str, x: Word, path: Flag) -> tuple[Word, Flag]:
        """Return the answer about this object, and when it is asked about this object."""
        if primitive == "virt_to_slab":
            is_slab = self.kind.family in ("slab", "kfence")
            in_memory = z3.BoolVal(self.kind.family != "vmalloc")
            here = self.slab if is_slab else self.builder.algebra.number(0)
            return here, z3.And(in_memory, self.inside(x, path))
        if primitive == "kfence_object_start":
            is_kfence = z3.BoolVal(self.kind.family == "kfence")
            return self.start, z3.And(is_kfence, self.inside(x, path))
        assert primitive == "stored_start", primitive
        return self.start, _flag(x == self.head)

    def read(self, record: str, base: Word, name: str) -> Word:
        """Read a field of a slab."""
        assert record == "Slab", record
        if base.eq(self.slab):
            return self.slab_field(name)
        other = self.builder.algebra.unknown(f"{name}_of_another_slab")
        return _word(z3.If(base == self.slab, self.slab_field(name), other))

    def slab_field(self, name: str) -> Word:
        """Return a field of the object's slab."""
        own = {"address": "area", "size": "size", "objects": "objects", "red_left_pad": "pad"}
        if name in own:
            return self.fields[own[name]]
        size = self.fields["size"]
        if isinstance(size, z3.BitVecNumRef | z3.IntNumRef):
            # The stride is given: so are the three words of its reciprocal.
            known = Placed(**dict.fromkeys(PLACEMENT_FIELDS, 0) | {"size": size.as_long()})
            return self.builder.algebra.number(slab_field(known, name, {}))
        return self.builder.algebra.unknown(f"slab_{name}")


@dataclass(frozen=True)
class Query:
    """A recovery applied to every placement of a kind: what is assumed and what must follow."""

    fields: Mapping[str, Word]
    layout: Mapping[str, Word]
    permitted: tuple[Flag, ...]
    obligations: tuple[Obligation, ...]
    start: Word
    head: Word
    recovered: Word
    contracts_used: frozenset[str]

    def number(self, value: int) -> Word:
        """Return a constant of the query's sort."""
        return z3.BitVecVal(value, 64) if isinstance(self.start, z3.BitVecRef) else z3.IntVal(value)

    def wrong(self) -> Flag:
        """Return the term that says that the recovered address is not the start."""
        return _flag(self.recovered != self.start)


def build_query(
    program: WordProgram,
    kind: Kind,
    layout: Layout,
    algebra: Algebra,
    *,
    pointer_tags: int = 0,
    given: Mapping[str, int] | None = None,
) -> Query:
    """Build the query; `given` sets placement fields or open layout words to numbers."""
    numbers = dict(kind.fixed) | dict(given or {})
    if kind.tags[0] == kind.tags[1]:
        numbers["tag"] = kind.tags[0]

    def named(name: str) -> Word:
        if name in numbers:
            return algebra.number(numbers[name])
        return z3.Int(name) if isinstance(algebra, Integers) else z3.BitVec(name, 64)

    fields = {name: named(name) for name in PLACEMENT_FIELDS}
    words = {name: algebra.number(value) for name, value in layout.fixed_words().items()}
    words |= {name: named(name) for name in OPEN_WORDS}
    words["POINTER_TAGS"] = algebra.number(pointer_tags)
    slab = named("the_slab")
    if isinstance(algebra, Integers):
        unknowns = [t for t in (*fields.values(), *words.values(), slab) if z3.is_const(t)]
        algebra.assume(*(z3.And(t >= 0, t < 1 << 64) for t in unknowns))

    memory = PlacementMemory(fields)
    builder = TermBuilder(words, memory, algebra, use_contracts=isinstance(algebra, Integers))
    permitted = _permitted(builder, kind, fields, slab)
    if isinstance(algebra, Integers):
        algebra.assume(*permitted)
        # The untagged addresses first: everything else is recognised by them.
        builder.layout = {**words, "POINTER_TAGS": algebra.number(0)}
        plain = _about(builder, f"{kind.family}_start")
        link = algebra.apply("+", plain, fields["offset"], z3.BoolVal(True))
        algebra.landmarks += [t for t in (plain, link) if isinstance(t, z3.ArithRef)]
        builder.layout = words

    start = _word(_about(builder, f"{kind.family}_start"))
    head = algebra.settle(
        algebra.apply("+", start, fields["offset"], z3.BoolVal(True)), z3.BoolVal(True)
    )
    if isinstance(algebra, Integers):
        algebra.landmarks += [t for t in (start, head) if isinstance(t, z3.ArithRef)]
    assert not builder.obligations, "the allocator's own routines are total"
    builder.memory = ObjectMemory(kind, fields, start, head, slab, builder)
    recovered = _word(builder.call(program, routine_named(program, "recover"), (head,)))
    return Query(
        fields, words, tuple(permitted), tuple(builder.obligations), start, head, recovered,
        frozenset(builder.contracts_used),
    )  # fmt: skip


def _about(builder: TermBuilder, routine: str) -> Word:
    return _word(_call_about(builder, routine))


def _call_about(builder: TermBuilder, routine: str) -> Term:
    """Call a routine of allocations.py; 1 stands for the placement's address, which is not NULL."""
    words = allocation_words()
    return builder.call(words, routine_named(words, routine), (builder.algebra.number(1),))


def _permitted(
    builder: TermBuilder, kind: Kind, fields: Mapping[str, Word], slab: Word
) -> list[Flag]:
    names = ("layout_permits", f"{kind.family}_permits")
    permitted = [_flag(_call_about(builder, name)) for name in names]
    compare, number = builder.algebra.compare, builder.algebra.number
    permitted.append(compare("<=", number(kind.tags[0]), fields["tag"]))
    permitted.append(compare("<=", fields["tag"], number(kind.tags[1])))
    permitted.append(_flag(slab != 0))
    if kind.red_zone:
        permitted.append(_flag(fields["pad"] != 0))
    return permitted


def _word(term: object) -> Word:
    assert isinstance(term, z3.BitVecRef | z3.ArithRef)
    return term


def _flag(term: object) -> Flag:
    assert isinstance(term, z3.BoolRef)
    return term
