"""Embedded records: their numbers, their owners, their callbacks; `per` records and arrays."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.language.interpreter import evaluate
from model.language.machine import Machine
from tests.language.files import compiled
from tests.language.test_steps import cell, run

SOURCE = """\
from model.language.syntax import (
    Array, Embed, Range, Routine, Static, container_of, embed, goal, instances, of, record, routine,
)

from .base import Box, Log, work


@record()
class Item:
    func: Static[Routine]
    kind: Static[Range[0, 9]]
    done: bool


@record(count=2)
class Left:
    one: Embed[Item] = embed(func=left_done, kind=1)


@record(per=Box)
class Right:
    many: Embed[Item, 2] = embed(func=right_done, kind=2)
    mine: Array[Range[0, 9], Box]


@routine()
def left_done(item: Item) -> None:
    item.done = True
    Log.a = item.kind


@routine()
def right_done(item: Item) -> None:
    right = container_of(item, Right.many)
    right.mine[of(Box, right)] = 7
    Log.b = item.kind


@routine(entry=(work,))
def use(box: Box) -> None:
    {body}


@goal("no_lost_objects", "seen")
def seen() -> bool:
    total = Log.a + Log.b + Log.c
    return total >= 0 and all(i.done for i in Item) and all(r.mine[b] > 0 for r in Right for_b)
""".replace(" for r in Right for_b", " for r in Right").replace(
    "r.mine[b] > 0", "r.mine[of(Box, r)] > 0"
)


def machine_of(folder: Path, body: str) -> Machine:
    return compiled(folder, SOURCE.replace("{body}", body))


def test_numbers_go_embedding_by_embedding_owner_by_owner(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "Log.c = instances(Item)")
    assert machine.embedded["Item"] == (
        ("Left", 0, "one", None),
        ("Left", 1, "one", None),
        ("Right", 0, "many", 0),
        ("Right", 0, "many", 1),
        ("Right", 1, "many", 0),
        ("Right", 1, "many", 1),
    )
    assert machine.variable["Item.done"].size == 6
    assert machine.per == {"Right": "Box"}
    assert cell(machine, run(machine)[0], "Log.c") == 6


@pytest.mark.parametrize(("box", "element"), [(1, 0), (1, 1), (2, 0), (2, 1)])
def test_the_callback_of_an_element_finds_its_owner(box: int, element: int, tmp_path: Path) -> None:
    body = f"item = of(Right, box).many[{element}]\n    item.func(item)"
    machine = machine_of(tmp_path, body)
    state, violation = run(machine, instance=(1, box))
    assert violation is None
    assert (cell(machine, state, "Log.a"), cell(machine, state, "Log.b")) == (0, 2)
    mine = [cell(machine, state, "Right.mine", i) for i in range(4)]
    assert mine == [7 if i == (box - 1) * 3 else 0 for i in range(4)]


def test_the_callback_is_chosen_at_run_time(tmp_path: Path) -> None:
    body = "for left in Left:\n        item = left.one\n        item.func(item)"
    machine = machine_of(tmp_path, body)
    state, _ = run(machine)
    assert (cell(machine, state, "Log.a"), cell(machine, state, "Log.b")) == (1, 0)
    assert [cell(machine, state, "Item.done", i) for i in range(6)] == [1, 1, 0, 0, 0, 0]


def test_the_wrong_owner_is_a_model_error(tmp_path: Path) -> None:
    body = "right = container_of(of(Right, box).many[0], Right.many)\n"
    body += "    for left in Left:\n        wrong = container_of(left.one, Right.many)\n"
    body += "        wrong.mine[box] = 1"
    _, violation = run(machine_of(tmp_path, body))
    assert violation is not None and violation.violated is not None
    assert violation.violated.message == "this is no Right.many"


def test_a_goal_for_each_instance(tmp_path: Path) -> None:
    """Guards against goals of instances taken for one, and against goals that say nothing."""
    use = (
        "from model.language.syntax import Range, goal, record, routine\n\n"
        "from .base import Box, work\n\n\n"
        "@record(count=2)\nclass Thing:\n    n: Range[0, 3]\n\n\n"
        "@routine(entry=(work,))\ndef use(box: Box) -> None:\n    box.n = 1\n\n\n"
        '@goal("p", "m")\ndef all_of_them() -> bool:\n    return all(t.n == 1 for t in Thing)\n\n\n'
    )
    each = '@goal("p", "m")\ndef each_of_them(t: Thing) -> bool:\n    return '
    machine = compiled(tmp_path, use + each + "t.n == 1\n")
    whole, first, second = machine.goals
    assert (whole.each, first.each, second.each) == ("", "Thing", "Thing")
    state = list(machine.initial)
    state[machine.offset["Thing.n"]] = 1
    changed = tuple(state)
    assert [evaluate(machine, changed, goal.expr) for goal in machine.goals] == [0, 1, 0]
    assert len(compiled(tmp_path, use + each + "True\n").goals) == 1
