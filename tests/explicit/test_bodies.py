"""Steps that differ in where they lead and in their checks only share a C function."""

from __future__ import annotations

import re

import pytest

from engines.explicit.codegen import generate
from engines.explicit.explore import Engine, Options, explore
from model.language.layout import layout
from model.language.machine import Machine
from tests.explicit.machines import ME, Builder, binary, check, eq, load, number, plus, store


def calls_twice(limit: int) -> Machine:
    """A task that adds to `x` at two places, and at each checks that it is below a limit."""
    b = Builder("twice")
    b.var("x", number(0, 3))
    b.process("task", 1, 4, start=1)
    for pc in (1, 2):
        b.step(
            "task", pc, pc + 1,
            check("p", binary("<", load("x"), limit)),
            store("x", plus(load("x"), 1)),
        )  # fmt: skip
    b.step("task", 3, 0, check("q", eq(load("task.pc", ME), 3)))
    return b.build()


def test_equal_bodies_are_written_once() -> None:
    """Guards against C that grows with every call of a routine."""
    machine = calls_twice(limit=3)
    source = generate(machine, layout(machine)).source
    assert len(re.findall(r"^NL_STEP int body_\d+\(", source, re.MULTILINE)) == 2
    assert len(re.findall(r"^#define do_\d+\(", source, re.MULTILINE)) == 3


@pytest.mark.parametrize("engine", ["c", "python"])
@pytest.mark.parametrize(("limit", "fails"), [(0, "task@1"), (1, "task@2")])
def test_which_of_them_failed(engine: Engine, limit: int, fails: str) -> None:
    """The check of the step that was taken, and not that of the other place."""
    result = explore(calls_twice(limit), Options(engine=engine))
    (found,) = result.violations.values()
    assert found.trace[-1].transition.name == fails
