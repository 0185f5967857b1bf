"""Looks for a placement that a recovery gets wrong, at geometries that kernels have.

Some are tried on plain integers; the search beyond them is Z3's, with 64-bit vectors.
With a given stride every division is by a number, and 64-bit vectors are no burden.  Preferences
(a small offset, a slot in the middle, a round address) keep the witness readable; they are given
up one by one when there is no violation with them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import z3

from engines.symbolic.address_verdict import Witness
from engines.symbolic.placement_terms import Query, build_query
from engines.symbolic.word_terms import BitVectors, Flag
from model.kernel.kinds import Kind
from model.kernel.layouts import OPEN_WORDS, Layout
from model.kernel.placed import PLACEMENT_FIELDS, Placed, is_permitted, recover, start_of
from model.language.word_ir import WordProgram
from model.language.words import MASK
from properties.start_address import OUTCOMES, Outcome, classify

GIB = 1 << 30


@dataclass(frozen=True)
class Geometry:
    """The slab of a real cache: stride, useful bytes, left red-zone pad, all in bytes."""

    size: int
    object_size: int
    pad: int = 0
    align: int = 8

    def slab_bytes(self, page_size: int) -> int:
        """Return the smallest slab that wastes at most a sixteenth, or simply fits."""
        for order in range(4):
            slab = page_size << order
            if slab >= self.size and (slab % self.size) * 16 <= slab:
                return slab
        return max(page_size << 3, 1 << (self.size - 1).bit_length())


PLAIN = (
    Geometry(64, 64, align=64), Geometry(192, 192, align=64), Geometry(96, 96, align=32),
    Geometry(1024, 1024, align=1024), Geometry(8, 8), Geometry(232, 232), Geometry(8192, 8192),
)  # fmt: skip
RED_ZONE = (Geometry(192, 64, 64, 64), Geometry(448, 232, 64, 64), Geometry(48, 8, 8, 8))


def geometries(kind: Kind) -> tuple[Geometry, ...]:
    """Return the geometries to look at, the most readable first."""
    if kind.red_zone:
        return RED_ZONE
    if kind.power_of_two:
        return tuple(g for g in PLAIN if g.size.bit_count() == 1)
    return PLAIN


def open_words(layout: Layout, pointer_tags: int) -> dict[str, int]:
    """Return a machine of 8 GiB with a KFENCE pool of 255 objects, for witnesses."""
    return {
        "LINEAR_END": layout.page_offset + 8 * GIB,
        "KFENCE_POOL": layout.page_offset + GIB,
        "KFENCE_POOL_SIZE": 512 * layout.page_size,
        "POINTER_TAGS": pointer_tags,
    }


def _given(kind: Kind, layout: Layout, geometry: Geometry) -> dict[str, int]:
    """Return the placement fields that a geometry decides."""
    if kind.family == "slab":
        slab = geometry.slab_bytes(layout.page_size)
        objects = min(slab // geometry.size, 32767)
        return {
            "size": geometry.size,
            "bytes": slab,
            "objects": objects,
            "pad": geometry.pad,
            "requested": geometry.object_size,
        }
    if kind.family == "kfence":
        return {
            "size": geometry.size,
            "bytes": layout.page_size,
            "pad": geometry.pad,
            "align": geometry.align,
        }
    return {"bytes": 4 * layout.page_size}


def _wishes(kind: Kind, layout: Layout, given: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yield (field, value) wishes, the first to be given up last."""
    area = layout.page_offset + 0x0123_4000 * (layout.page_size // 4096)
    if kind.family == "vmalloc":
        area = layout.vmalloc_start + 4 * layout.page_size
    elif kind.family == "kfence":
        area = layout.page_offset + GIB + 2 * layout.page_size
    yield "area", area
    if kind.family == "kfence":
        yield "requested", min(given["size"] - given["pad"], given.get("requested", 64))
    elif kind.family != "slab":
        yield "requested", 3 * layout.page_size
    if kind.tagged:
        yield "tag", 0xF7 if kind.tags[1] > 0xF7 else 0x3A
    yield "index", min(2, given.get("objects", 1) - 1)
    yield "offset", 16 if given.get("requested", 64) >= 24 else 0


def is_vacuous(kind: Kind, layout: Layout) -> bool:
    """Return whether no concrete permitted placement is at hand: a proof must be about some."""
    words = layout.fixed_words() | open_words(layout, int(kind.tagged))
    for geometry in geometries(kind):
        values = dict.fromkeys(PLACEMENT_FIELDS, 0) | {"tag": 0xFF}
        given = _given(kind, layout, geometry)
        values |= kind.fixed | given | dict(_wishes(kind, layout, given))
        if is_permitted(kind, Placed(**values), words):
            return False
    return True


def find_witness(
    program: WordProgram,
    kind: Kind,
    layout: Layout,
    deadline: float | None,
    *,
    may_fault: bool = True,
) -> tuple[Witness | None, str]:
    """Return the worst violation found, or None, and what was tried.

    A few placements that kernels really have are tried by the evaluator first.  Z3 then looks for
    something worse, or for anything at all if they were all right.  `may_fault` is False where
    the obligations on the way have been proved.
    """
    best = min(_tries(program, kind, layout), key=lambda w: OUTCOMES.index(w.outcome), default=None)
    worse = OUTCOMES[: OUTCOMES.index(best.outcome)] if best else OUTCOMES[:-1]
    wanted = [
        outcome
        for outcome in worse
        if (outcome != "faults" or may_fault) and (outcome != "neighbour" or kind.family == "slab")
    ]
    if not wanted:
        return best, ""
    # Something worse than a violation that is known already is worth a short look only.
    looked = geometries(kind)[:2] if best else geometries(kind)
    limit = 700 if best else 3000
    undecided = False
    queries = [_query(program, kind, layout, _given(kind, layout, g)) for g in looked]
    for outcome in wanted:
        for query, given in queries:
            if deadline is not None and time.monotonic() >= deadline:
                return best, "the time limit was reached while looking for a violation"
            wishes = list(_wishes(kind, layout, given))
            model, unknown = _model(query, _target(query, outcome), wishes, limit)
            witness = _replay(program, kind, layout, query, model) if model else None
            undecided = undecided or unknown or (model is not None and witness is None)
            if witness is not None:
                return witness, ""
    strides = ", ".join(str(g.size) for g in looked)
    end = "some searches did not end" if undecided else "no violation there"
    return best, f"looked at strides {strides}: {end}"


def _tries(program: WordProgram, kind: Kind, layout: Layout) -> Iterator[Witness]:
    """Yield the violations among a few placements, the most readable first."""
    words = layout.fixed_words() | open_words(layout, int(kind.tagged))
    for geometry in geometries(kind):
        given = _given(kind, layout, geometry)
        wished = dict(_wishes(kind, layout, given))
        values = dict.fromkeys(PLACEMENT_FIELDS, 0) | {"tag": 0xFF} | kind.fixed | given | wished
        for tag in dict.fromkeys((values["tag"], *kind.tags)):
            for index in dict.fromkeys((values["index"], 0, max(values["objects"] - 1, 0))):
                for offset in dict.fromkeys((values["offset"], 0, 8)):
                    change = {"tag": tag, "index": index, "offset": offset}
                    placed = Placed(**{**values, **change})
                    if is_permitted(kind, placed, words):
                        witness = _witness(program, kind, layout, placed, words)
                        if witness is not None:
                            yield witness


def _query(
    program: WordProgram, kind: Kind, layout: Layout, given: dict[str, int]
) -> tuple[Query, dict[str, int]]:
    tags = int(kind.tagged)
    numbers = given | open_words(layout, tags)
    query = build_query(program, kind, layout, BitVectors(), pointer_tags=tags, given=numbers)
    return query, given


def _target(query: Query, outcome: Outcome) -> Flag:
    """Return the term for one way of being wrong."""
    broken = z3.Or(*(o.broken() for o in query.obligations))
    if outcome == "faults":
        return broken
    wrong = z3.And(query.wrong(), z3.Not(broken))
    if outcome == "wrong_place":
        return wrong
    f = query.fields
    recovered = query.recovered
    assert isinstance(recovered, z3.BitVecRef)
    plain = z3.If(query.layout["POINTER_TAGS"] == 1, (recovered << 8) >> 8, recovered)
    slot = plain - f["area"] - f["pad"]
    return z3.And(
        wrong,
        z3.URem(slot, f["size"]) == 0,
        z3.ULT(slot, f["size"] * f["objects"]),
        slot != f["size"] * f["index"],
    )


def _model(
    query: Query, target: Flag, wishes: list[tuple[str, int]], time_limit: int
) -> tuple[z3.ModelRef | None, bool]:
    """Return a model with as many wishes granted as possible, and whether a search gave up."""
    solver = z3.SolverFor("QF_BV")  # a fresh solver for each model that is shown
    solver.set("timeout", time_limit)
    solver.add(*query.permitted, target)
    terms = [query.fields[name] == query.number(value) for name, value in wishes]
    while True:
        answer = solver.check(*terms)
        if answer == z3.sat:
            return solver.model(), False
        if answer == z3.unknown and not terms:
            return None, True
        if answer == z3.unknown:
            terms.pop()
            continue
        core = {term.get_id() for term in solver.unsat_core()}
        standing = [i for i, term in enumerate(terms) if term.get_id() in core]
        if not standing:  # no violation, whatever is wished for
            return None, False
        del terms[standing[-1]]


def _replay(
    program: WordProgram, kind: Kind, layout: Layout, query: Query, model: z3.ModelRef
) -> Witness | None:
    """Return the model as a witness if the evaluator agrees that it is one."""

    def value(term: z3.ExprRef) -> int:
        number = model.eval(term, model_completion=True)
        assert isinstance(number, z3.BitVecNumRef)
        return int(number.as_long())

    placed = Placed(**{name: value(query.fields[name]) for name in PLACEMENT_FIELDS})
    words = layout.fixed_words() | {name: value(query.layout[name]) for name in OPEN_WORDS}
    if not is_permitted(kind, placed, words):
        return None
    start = start_of(kind, placed, words)
    if start != value(query.start) or (start + placed.offset) & MASK != value(query.head):
        return None
    return _witness(program, kind, layout, placed, words)


def _witness(
    program: WordProgram, kind: Kind, layout: Layout, placed: Placed, words: dict[str, int]
) -> Witness | None:
    """Return what the evaluator says of a permitted placement, if the recovery is wrong there."""
    start = start_of(kind, placed, words)
    head = (start + placed.offset) & MASK
    ran = recover(program, head, kind, placed, words)
    outcome = classify(start, ran, kind, placed, words)
    if outcome == "right":
        return None
    return Witness(placed, layout, words, start, head, ran, outcome)
