"""No mistake in a model file gives a traceback: it becomes a machine or a CompileError.

A file with one of everything is edited at random. A file that compiles must also be sound: every
state its steps lead to keeps every cell in its range.
"""

from __future__ import annotations

import ast
import copy
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from model.language.compile import compile_machine
from model.language.interpreter import State, successors
from model.language.machine import Machine
from model.language.source import CompileError

RICH = Path(__file__).with_name("rich_model.txt").read_text(encoding="utf-8")
PROPERTIES = ("lock_discipline", "no_double_free", "no_lost_objects", "list_integrity")

LITERALS = (0, 1, -1, 7, True, False, None, "x", "lock", 10**12, 1.5)
Place = tuple[ast.AST, str, int | None, object]


def test_the_file_itself(tmp_path: Path) -> None:
    assert outcome(tmp_path, RICH, random.Random(1)) == "machine"


def test_random_edits(tmp_path: Path) -> None:
    """Few, the same ones every time."""
    found = campaign(tmp_path, seed=1, edits=120)
    assert found["machine"] > 10 and found["error"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
def test_many_random_edits(seed: int, tmp_path: Path) -> None:
    campaign(tmp_path, seed, edits=600)


def campaign(folder: Path, seed: int, edits: int) -> Counter[str]:
    """How many edited files compile and how many do not."""
    rng = random.Random(seed)
    found: Counter[str] = Counter()
    for _ in range(edits):
        text = tokens_swapped(rng) if rng.random() < 0.2 else tree_edited(rng)
        if text is not None:
            found[outcome(folder, text, rng)] += 1
    return found


def outcome(folder: Path, text: str, rng: random.Random) -> str:
    """Compile a file and walk a little; anything but a machine or a CompileError fails."""
    path = folder / "edited.py"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        machine = compile_machine(path, {}, dict.fromkeys(PROPERTIES))
    except CompileError as error:
        assert str(error)
        return "error"
    except Exception as error:
        raise AssertionError(f"not a CompileError\n{text}") from error
    walk(machine, rng, text)
    return "machine"


def walk(machine: Machine, rng: random.Random, text: str) -> None:
    """A random walk; an index out of range is a model error that engines report."""
    state = machine.initial
    for _ in range(25):
        try:
            options = [s.state for s in successors(machine, state) if s.violated is None]
        except IndexError:
            return
        for after in options:
            assert in_range(machine, after), text
        if not options:
            return
        state = rng.choice(options)


def in_range(machine: Machine, state: State) -> bool:
    """Whether every cell holds a value of its type."""
    return all(
        var.type.lo <= value <= var.type.hi
        for (var, _), value in zip(machine.cells, state, strict=True)
    )


# --- edits --------------------------------------------------------------------------------------


def tokens_swapped(rng: random.Random) -> str:
    """One or two words or signs replaced by others of the file."""
    parts = re.split(r"(\W)", RICH)
    for _ in range(rng.choice((1, 2))):
        parts[rng.randrange(len(parts))] = rng.choice(parts)
    return "".join(parts)


def tree_edited(rng: random.Random) -> str | None:
    """One or two places of the syntax tree changed; None where that cannot be written down."""
    tree = ast.parse(RICH)
    for _ in range(rng.choice((1, 1, 2))):
        places: list[Place] = [
            (parent, name, at, child)
            for parent in ast.walk(tree)
            for name, value in ast.iter_fields(parent)
            for at, child in (enumerate(value) if isinstance(value, list) else [(None, value)])
        ]
        _edit(rng, rng.choice(places), [child for *_, child in places])
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    except Exception:
        return None


def _edit(rng: random.Random, place: Place, others: list[object]) -> None:
    parent, name, at, child = place
    new: object = None
    match child:
        case ast.stmt() if at is not None and rng.random() < 0.6:
            block = getattr(parent, name)
            other = rng.choice([o for o in others if isinstance(o, ast.stmt)])
            block[at : at + (rng.random() < 0.5)] = rng.choice(([], [copy.deepcopy(other)]))
            return
        case ast.expr() if rng.random() < 0.2:
            new = ast.Constant(rng.choice(LITERALS))
        case ast.expr() | ast.stmt() | ast.operator() | ast.cmpop() | ast.boolop():
            kind = ast.expr if isinstance(child, ast.expr) else type(child).__mro__[1]
            new = copy.deepcopy(rng.choice([o for o in others if isinstance(o, kind)]))
        case ast.arg() | ast.keyword() | ast.alias() if at is not None:
            del getattr(parent, name)[at]
            return
        case str():
            new = rng.choice([o.id for o in others if isinstance(o, ast.Name)])
        case int():
            new = rng.choice((0, 1, 2, -1, 99))
        case _:
            return
    if at is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[at] = new
