"""The start-address property: the case table, seeded defects, and the proofs behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
import z3

from engines.symbolic.address_witness import open_words
from engines.symbolic.placement_terms import build_query
from engines.symbolic.start_address import (
    RECOVERIES,
    load_recovery,
    outcome_of,
    prove_start_address,
    recovery_names,
)
from engines.symbolic.word_integers import Integers
from engines.symbolic.word_lemmas import unproved_lemmas
from model.kernel.kinds import KIND_NAMES, kind_named
from model.kernel.layouts import OPEN_WORDS, layouts
from model.kernel.placed import PLACEMENT_FIELDS, Placed, is_permitted, recover, start_of
from model.language.word_error import WordError

SEED_X86 = {
    "slab": "right",
    "slab_red_zone": "right",
    "large_kmalloc": "right",
    "vmalloc": "faults",
    "kfence_left": "right",
    "kfence_left_red_zone": "wrong_place",
    "kfence_right": "wrong_place",
    "kfence_right_red_zone": "wrong_place",
}
SEED_TAGS = {
    "slab_sw_tags": "neighbour",
    "slab_hw_tags": "neighbour",
    "slab_sw_tags_low": "right",
    "vmalloc_tagged": "faults",
    "large_kmalloc_tagged": "right",
}


@pytest.mark.parametrize(("kind", "outcome"), SEED_X86.items())
def test_seed_case_table(kind: str, outcome: str) -> None:
    """Guards each row of the seed patch's case table, x86-64."""
    assert outcome_of("seed", kind) == outcome


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "outcome"), SEED_TAGS.items())
def test_seed_case_table_with_tags(kind: str, outcome: str) -> None:
    """Guards the rows with KASAN tags, where truncating remainders round up."""
    assert outcome_of("seed", kind, "arm64") == outcome


def test_corrected_is_right_everywhere_on_x86() -> None:
    """Guards the correction, and with it that the prover can prove at all."""
    verdicts = prove_start_address(["corrected"], arch="x86-64")
    assert [v.verdict for v in verdicts] == ["proved"] * 8
    assert all(v.as_expected for v in verdicts)


@pytest.mark.slow
def test_all_verdicts_are_the_expected_ones() -> None:
    """Guards every verdict that the recoveries' own files state, all page sizes."""
    verdicts = prove_start_address(recovery_names())
    assert [v for v in verdicts if not v.as_expected] == []
    assert {v.kind for v in verdicts} == set(KIND_NAMES)


@pytest.mark.parametrize("kind", ["vmalloc", "kfence_right", "kfence_left_red_zone"])
def test_witnesses_replay(kind: str) -> None:
    """Guards against a witness that the allocator would not permit or the evaluator not confirm."""
    (verdict,) = prove_start_address(["seed"], [kind], [4096], "x86-64")
    w = verdict.witness
    assert w is not None
    assert is_permitted(kind_named(kind), w.placed, w.words)
    assert start_of(kind_named(kind), w.placed, w.words) == w.start
    ran = recover(load_recovery("seed")[1], w.head, kind_named(kind), w.placed, w.words)
    assert ran == w.ran
    assert ran.broken or ran.value != w.start


def test_tag_0x7f_is_on_the_wrong_side() -> None:
    """Guards the exact border: 0x7f - 0xff is -2**7, which times 2**56 is negative."""
    kind = kind_named("slab_sw_tags")
    (verdict,) = prove_start_address(["seed"], ["slab_sw_tags"], [4096], "arm64")
    assert verdict.witness is not None
    program = load_recovery("seed")[1]
    for tag, right in ((0x7E, True), (0x7F, False)):
        placed = type(verdict.witness.placed)(**{**vars(verdict.witness.placed), "tag": tag})
        start = start_of(kind, placed, verdict.witness.words)
        ran = recover(program, start + placed.offset, kind, placed, verdict.witness.words)
        assert (ran.value == start) is right


MUTANTS = {
    "asks vmalloc second": (
        "    if is_vmalloc_addr(head):  # K1\n        return head - offset_in_page(head)\n"
        "    slab = virt_to_slab(head)  # K2\n",
        "    slab = virt_to_slab(head)\n    if is_vmalloc_addr(head):\n"
        "        return head - offset_in_page(head)\n",
        {"vmalloc": "faults"},
    ),
    "forgets KFENCE": (
        "    if is_kfence_address(head):  # K2b\n"
        "        return head - (head - kfence_object_start(head))\n",
        "",
        {"kfence_right": "wrong_place", "kfence_left_red_zone": "wrong_place"},
    ),
    "loses the tag": (
        "head - (untag(head) - untag(obj))", "obj", {"slab_hw_tags": "wrong_place", "slab": "right"}
    ),
    "subtracts tagged": (
        "head - (untag(head) - untag(obj))", "head - (head - untag(obj))",
        {"slab_hw_tags": "wrong_place"},
    ),
    "forgets the red zone": (
        "fixup_red_left(slab, slab.address + slab.size * index)",
        "slab.address + slab.size * index", {"slab_red_zone": "wrong_place", "slab": "right"},
    ),
    "forgets large kmalloc": (
        "    if slab == NULL:  # K2a: large kmalloc\n        return head - offset_in_page(head)\n",
        "", {"large_kmalloc": "faults"},
    ),
    "counts slots from one": (
        "slab.size * index", "slab.size * (index + 1)", {"slab": "neighbour"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_seeded_defects_are_refuted(tmp_path: Path, name: str) -> None:
    """Guards the prover's teeth: each defect put into the corrected recovery must be found."""
    old, new, outcomes = MUTANTS[name]
    source = (RECOVERIES / "corrected.py").read_text()
    assert source.count(old) == 1, "the mutant no longer fits the file"
    path = tmp_path / "mutant.py"
    path.write_text(source.replace(old, new))
    for kind, outcome in outcomes.items():
        arch = "arm64" if kind_named(kind).tagged else "x86-64"
        assert outcome_of(str(path), kind, arch) == outcome, kind


def test_a_recovery_that_nothing_is_known_of_is_incomplete_or_wrong(tmp_path: Path) -> None:
    """Guards against `proved` for arithmetic that the integers cannot express."""
    path = tmp_path / "odd.py"
    path.write_text(
        "from model.language.words import Word, word_routine\n"
        "from model.kernel.addresses import stored_start\n\n"
        '@word_routine(models="")\n'
        "def recover(head: Word) -> Word:\n"
        "    return (stored_start(head) ^ head) ^ head\n"
    )
    (verdict,) = prove_start_address([str(path)], ["slab"], [4096], "x86-64")
    assert verdict.verdict == "incomplete"
    assert verdict.outcome is None
    assert "bitwise ^ of two unknowns" in verdict.reason


def test_time_limit_gives_incomplete() -> None:
    """Guards against a time-out that is taken for a proof."""
    verdicts = prove_start_address(["corrected"], ["slab"], [4096], "x86-64", time_limit=0.0)
    assert [v.verdict for v in verdicts] == ["incomplete"]
    assert "time limit" in verdicts[0].reason


@pytest.mark.parametrize("recovery", ["seed", "corrected"])
@pytest.mark.parametrize("name", ["slab", "slab_red_zone", "slab_hw_tags", "kfence_right"])
def test_integers_allow_every_concrete_run(recovery: str, name: str) -> None:
    """Guards against assumptions that exclude real placements: then proofs would be empty.

    The query, with a placement's numbers put in, must allow what the evaluator computes for it.
    """
    kind = kind_named(name)
    layout = layouts(("arm64",), (4096,))[0]
    program = load_recovery(recovery)[1]
    words = layout.fixed_words() | open_words(layout, int(kind.tagged))
    algebra = Integers()
    tags = int(kind.tagged)
    query = build_query(program, kind, layout, algebra, pointer_tags=tags)
    count = 0
    for size, index, offset, requested in (
        (64, 0, 0, 8), (64, 63, 32, 40), (192, 20, 40, 48), (1000, 3, 488, 500), (96, 1, 0, 24),
    ):  # fmt: skip
        pad = 8 if kind.red_zone else 0
        values = dict.fromkeys(PLACEMENT_FIELDS, 0) | {
            "size": size, "index": index, "offset": offset, "requested": requested, "pad": pad,
            "tag": 0xF3 if tags else 0xFF, "area": layout.page_offset + 0x7000, "bytes": 4096,
            "objects": 4096 // size,
        }  # fmt: skip
        if kind.family == "kfence":
            values |= {"area": words["KFENCE_POOL"] + 4096, "align": 8} | kind.fixed
        placed = Placed(**(values | kind.fixed))
        if not is_permitted(kind, placed, words):
            continue
        count += 1
        start = start_of(kind, placed, words)
        ran = recover(program, start + offset, kind, placed, words)
        pinned = [query.fields[n] == v for n, v in vars(placed).items()]
        pinned += [query.layout[n] == words[n] for n in OPEN_WORDS]
        assert algebra.solver.check(*pinned, query.recovered == ran.value) == z3.sat, placed
    assert count >= 3


def test_lemmas_are_proved() -> None:
    """Guards the statements about products and divisions that every slab proof uses."""
    assert unproved_lemmas() == ()


@pytest.mark.parametrize("where", ["slab*", "slab"])
def test_expectations_must_be_exactly_one(tmp_path: Path, where: str) -> None:
    """Guards against a verdict that two expectations fit, or none: neither is `as expected`."""
    source = (RECOVERIES / "stored_pointer.py").read_text()
    extra = f'expect(property="start_address", where="{where}", verdict="proved", because="x")\n'
    path = tmp_path / "twice.py"
    path.write_text(source + "\n" + extra)
    slab, large = prove_start_address([str(path)], ["slab", "large_kmalloc"], [4096], "x86-64")
    assert slab.expected is None and not slab.as_expected
    assert large.as_expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no word routine named 'recover' in this file"),
        (
            '@word_routine(models="")\ndef recover(head: Word, x: Word) -> Word:\n    return x\n',
            "recover takes the address of the link and returns the object's start",
        ),
        (
            '@memory_primitive(says="")\ndef magic(x: Word) -> Word:\n    pass\n\n\n'
            '@word_routine(models="")\ndef recover(head: Word) -> Word:\n    return magic(head)\n',
            "nothing is known of the memory primitive magic",
        ),
        (
            'BASE: Word = layout_word("")\n\n\n'
            '@word_routine(models="")\ndef recover(head: Word) -> Word:\n    return BASE\n',
            "no layout gives BASE a value",
        ),
    ],
)
def test_what_is_no_recovery_is_a_word_error(tmp_path: Path, text: str, problem: str) -> None:
    """Guards against a bare KeyError for a user's file that the prover has no facts for."""
    path = tmp_path / "mine.py"
    head = (
        "from model.language.words import Word, layout_word, memory_primitive, word_routine\n\n\n"
    )
    path.write_text(head + text)
    with pytest.raises(WordError) as raised:
        load_recovery(str(path))
    assert raised.value.problem == problem


def test_a_contract_of_ones_own_is_not_believed(tmp_path: Path) -> None:
    """Guards against a false `equals` in a user's file that is taken for proved."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from model.kernel.addresses import stored_start\n"
        "from model.language.words import Word, word_routine\n\n\n"
        '@word_routine(models="", equals="stored_start(a)")\n'
        "def reciprocal_divide(a: Word) -> Word:\n    return a\n\n\n"
        '@word_routine(models="")\n'
        "def recover(head: Word) -> Word:\n    return reciprocal_divide(head)\n"
    )
    (verdict,) = prove_start_address([str(path)], ["slab"], [4096], "x86-64")
    assert verdict.verdict == "violated"
