"""Proves, for every address the allocators permit, that a recovery finds the object's start.

Two engines share the work.  The proof is about integers with the wraps written out
(`word_integers`), for all strides, slots, offsets, tags and addresses at once.  Where it does not
succeed, `address_witness` looks for a violation at real geometries, on plain integers and with
64-bit vectors; what it finds is replayed by the evaluator and only then believed.  Neither a proof
nor a replayed witness means "incomplete".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import z3

from engines.symbolic.address_verdict import AddressVerdict, Witness
from engines.symbolic.address_witness import find_witness, is_vacuous
from engines.symbolic.placement_terms import build_query
from engines.symbolic.reciprocal import unproved_reciprocals
from engines.symbolic.word_integers import Integers
from engines.symbolic.word_lemmas import unproved_lemmas
from model.kernel.kinds import KIND_NAMES, Kind, exists_on, kind_named
from model.kernel.layouts import ARCHES, OPEN_WORDS, PAGE_SIZES, Layout, layouts
from model.kernel.placed import ADDRESSES, allocation_constant
from model.language.word_error import WordError
from model.language.word_ir import Expectation, Where, WordProgram
from model.language.word_parser import load_words, routine_named
from properties.start_address import NAME, Outcome, covers

RECOVERIES = Path(__file__).resolve().parents[2] / "model" / "designs" / "recovery"
# The obligations on the way are proved, only the result is not.
_START_OPEN = "not proved that the start is recovered"
_PROVED_CONTRACT = f"{ADDRESSES}::reciprocal_divide"
Progress = Callable[[AddressVerdict, int, int], None]


def recovery_names() -> tuple[str, ...]:
    """Return the recoveries that come with the product."""
    return tuple(sorted(p.stem for p in RECOVERIES.glob("*.py") if p.stem != "__init__"))


def load_recovery(name_or_path: str) -> tuple[str, WordProgram]:
    """Return the short name and the routines of a recovery, given by name or as a file."""
    path = RECOVERIES / f"{name_or_path}.py"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(recovery_names())
        raise ValueError(f"no recovery {name_or_path!r}: give a file, or one of {known}")
    program = load_words(path)
    _check_recovery(program)
    return path.stem, program


def _check_recovery(program: WordProgram) -> None:
    """Raise WordError where a word file is no recovery that the prover can judge."""
    routine = routine_named(program, "recover")
    if [p.type for p in routine.params] != ["Word"] or routine.result != "Word":
        raise WordError(
            routine.where,
            "recover takes the address of the link and returns the object's start",
            "write `def recover(head: Word) -> Word:`",
        )
    for primitive in program.primitives.values():
        if primitive.where.file != ADDRESSES:
            raise WordError(
                primitive.where,
                f"nothing is known of the memory primitive {primitive.name}",
                "use those of model/kernel/addresses.py",
            )
    known = {*layouts()[0].fixed_words(), *OPEN_WORDS}
    for name in sorted(program.layout_words - known):
        raise WordError(
            Where(program.path, 1, 1, ""),
            f"no layout gives {name} a value",
            f"use those of model/kernel: {', '.join(sorted(known))}",
        )


def prove_start_address(
    recoveries: Sequence[str],
    kinds: Sequence[str] = KIND_NAMES,
    page_sizes: Sequence[int] = PAGE_SIZES,
    arch: str | Sequence[str] = ARCHES,
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> list[AddressVerdict]:
    """Judge recoveries (names or files) for all kinds of allocation and page sizes.

    `time_limit` (seconds) is for the whole call; what is not decided by then is incomplete.
    `progress` is called with each verdict, how many there are and how many there will be.
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    arches = (arch,) if isinstance(arch, str) else tuple(arch)
    cases = _cases_of(recoveries, kinds, page_sizes, arches)
    verdicts: list[AddressVerdict] = []
    for case in cases:
        verdicts.append(_judge(case, deadline))
        if progress is not None:
            progress(verdicts[-1], len(verdicts), len(cases))
    return verdicts


def undecided(recovery: str, done: int, reason: str) -> list[AddressVerdict]:
    """The verdicts that are left of a recovery when so many were reached: all incomplete."""
    cases = _cases_of([recovery], KIND_NAMES, PAGE_SIZES, ARCHES)
    return [_verdict(case, None, reason, "none", 0.0) for case in cases[done:]]


def outcome_of(
    recovery: str, kind: str, arch: str = "x86-64", page_size: int = 4096
) -> Outcome | None:
    """Return the worst that the recovery can do to an object of this kind; None if undecided.

    Kinds with tags need arch="arm64".
    """
    found = prove_start_address([recovery], [kind], [page_size], arch)
    if not found:
        raise ValueError(f"there is no {kind} on {arch} with pages of {page_size} bytes")
    return found[0].outcome


@dataclass(frozen=True)
class _Case:
    recovery: str
    program: WordProgram
    kind: Kind
    layout: Layout


def _cases_of(
    recoveries: Sequence[str],
    kinds: Sequence[str],
    page_sizes: Sequence[int],
    arches: Sequence[str],
) -> list[_Case]:
    """All that is to be judged, in the order of the verdicts."""
    return [
        _Case(name, program, kind, layout)
        for name, program in map(load_recovery, recoveries)
        for layout in layouts(tuple(arches), tuple(page_sizes))
        for kind in map(kind_named, kinds)
        if exists_on(kind, layout)
    ]


def _judge(case: _Case, deadline: float | None) -> AddressVerdict:
    program, kind, layout = case.program, case.kind, case.layout
    began = time.monotonic()
    witness: Witness | None = None
    if deadline is not None and began >= deadline:
        reason, engine = "the time limit was reached before this case", "none"
    else:
        reason, engine = _prove(program, kind, layout, deadline), "Z3, integers"
        if reason:
            may_fault = not reason.startswith(_START_OPEN)
            witness, tried = find_witness(program, kind, layout, deadline, may_fault=may_fault)
            engine = "evaluator" if witness else "Z3, integers and bit-vectors"
            reason = f"{reason}; {tried}"
    return _verdict(case, witness, reason, engine, time.monotonic() - began)


def _verdict(
    case: _Case, witness: Witness | None, reason: str, engine: str, seconds: float
) -> AddressVerdict:
    """Proved where there is no `reason` against it."""
    kind, layout = case.kind, case.layout
    expected = _expectation(case.program, kind)
    proved = not reason
    return AddressVerdict(
        recovery=case.recovery,
        kind=kind.name,
        arch=layout.arch,
        page_size=layout.page_size,
        verdict="proved" if proved else "violated" if witness else "incomplete",
        outcome="right" if proved else witness.outcome if witness else None,
        covers=covers(kind, layout),
        engine=engine,
        seconds=seconds,
        witness=witness,
        expected=expected.verdict if expected else None,
        because=expected.because if expected else "",
        reported=expected.reported if expected else "",
        reason="" if proved or witness else reason,
    )


def _expectation(program: WordProgram, kind: Kind) -> Expectation | None:
    """Return the one expectation that matches; none or several is no expectation."""
    matching = [
        e
        for e in program.expectations
        if e.property == NAME and any(fnmatchcase(kind.name, p) for p in e.where.split())
    ]
    return matching[0] if len(matching) == 1 else None


def _prove(program: WordProgram, kind: Kind, layout: Layout, deadline: float | None) -> str:
    """Return "" if proved for all placements, else why not."""
    if unproved_lemmas():
        return f"lemmas not proved: {', '.join(unproved_lemmas())}"
    if is_vacuous(kind, layout):
        return "no permitted placement is known, a proof would be empty"
    for tags in _tag_modes(kind, layout):
        cases = list(_cases(kind, layout))
        whole = _refuted(program, kind, layout, tags, {}, deadline)
        if not whole:
            continue
        if not cases:
            return whole
        # Not for all at once: one case for each value of what the algebra cannot leave open.
        for given in cases:
            why = _refuted(program, kind, layout, tags, given, deadline)
            if why:
                return why
    return ""


def _tag_modes(kind: Kind, layout: Layout) -> tuple[int, ...]:
    """Return the values of POINTER_TAGS to prove for: an untagged object may meet both."""
    if kind.tagged:
        return (1,)
    return (0, 1) if layout.can_tag else (0,)


def _cases(kind: Kind, layout: Layout) -> Iterator[dict[str, int]]:
    """Yield a split into cases that together are all permitted placements, if there is one."""
    if kind.power_of_two:
        largest = allocation_constant("LARGEST_BLOCK")
        yield from ({"size": 1 << n} for n in range(3, largest.bit_length()))
    elif kind.fixed.get("right") == 1:
        yield from ({"align": 1 << n} for n in range(3, layout.page_shift + 1))


def _refuted(
    program: WordProgram,
    kind: Kind,
    layout: Layout,
    tags: int,
    given: dict[str, int],
    deadline: float | None,
) -> str:
    """Return "" if Z3 proves the recovery right for these placements, else what stands against."""
    if deadline is not None and time.monotonic() >= deadline:
        return "the time limit was reached"
    algebra = Integers()
    query = build_query(program, kind, layout, algebra, pointer_tags=tags, given=given)
    if algebra.solver.check() != z3.sat:
        return "the assumptions are not known to be consistent"
    if _PROVED_CONTRACT in query.contracts_used and unproved_reciprocals():
        return f"reciprocal division not proved: {', '.join(unproved_reciprocals())}"
    unknown = sorted(query.contracts_used - {_PROVED_CONTRACT})
    if unknown:
        return f"the contract of {', '.join(key.split('::')[1] for key in unknown)} has no proof"
    for obligation in query.obligations:
        if algebra.solver.check(obligation.broken()) != z3.unsat:
            return f"not proved that {obligation.says} ({obligation.where})"
    answer = algebra.solver.check(query.wrong())
    if answer == z3.unsat:
        return ""
    limits = "; ".join(sorted(set(algebra.imprecise)))
    return _START_OPEN + (f" ({limits})" if limits else "")
