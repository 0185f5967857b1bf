"""A process that runs alone does what the same text does as Python.

Random bodies over shared fields and locals: straight lines, branches, loops, early returns. Python
runs them with fields and locals that refuse what is out of range, which is a model error.
"""

from __future__ import annotations

import ast
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from model.language.machine import Machine
from model.language.source import CompileError
from tests.language.test_steps import machine_of, run

HELPER = """\
@{kind}
def clip(n: Range[-999, 999]) -> Range[0, 9]:
    if n < 0:
        return 0
    Log.c = 1
    if n > 9:
        return 9
    return n
"""
FIELDS = ("Log.a", "Log.b", "Log.c", "box.n", "box.items[0]", "box.items[x]")


# --- bodies -------------------------------------------------------------------------------------


@dataclass
class Writer:
    """Draws a body; counters have names of their own."""

    draw: st.DrawFn
    loops: bool
    counters: int = 0

    def number(self, depth: int = 2) -> str:
        kind = self.draw(st.integers(0, 9 if depth else 5))
        match kind:
            case 0 | 1:
                return str(self.draw(st.integers(0, 4)))
            case 2 | 3:
                return self.draw(st.sampled_from(("x", "y")))
            case 4 | 5:
                return self.draw(st.sampled_from(FIELDS))
            case 6 | 7:
                op = self.draw(st.sampled_from("+-*"))
                return f"({self.name()} {op} {self.number(depth - 1)})"
            case 8:
                return f"clip({self.number(depth - 1)})"
        return f"({self.number(depth - 1)} if {self.truth(1)} else {self.number(depth - 1)})"

    def name(self) -> str:
        """An operand that nothing to its right can change."""
        return self.draw(st.sampled_from(("x", "y", "1", "2")))

    def truth(self, depth: int = 2) -> str:
        kind = self.draw(st.integers(0, 5 if depth else 2))
        match kind:
            case 0 | 1:
                op = self.draw(st.sampled_from(("==", "!=", "<", "<=", ">", ">=")))
                return f"{self.name()} {op} {self.number(1)}"
            case 2:
                return "box.full"
            case 3:
                return f"not ({self.truth(depth - 1)})"
        op = self.draw(st.sampled_from(("and", "or")))
        return f"({self.truth(depth - 1)}) {op} ({self.truth(depth - 1)})"

    def block(self, depth: int, in_loop: bool) -> list[str]:
        lines: list[str] = []
        for _ in range(self.draw(st.integers(1, 4))):
            lines += self.statement(depth, in_loop)
        return lines

    def statement(self, depth: int, in_loop: bool) -> list[str]:
        kind = self.draw(st.integers(0, 11 if depth else 5))
        match kind:
            case 0 | 1:
                return [f"{self.draw(st.sampled_from(FIELDS))} = {self.number()}"]
            case 2:
                op = self.draw(st.sampled_from("+-*"))
                return [f"{self.draw(st.sampled_from((*FIELDS, 'x')))} {op}= {self.number(1)}"]
            case 3:
                return [f"{self.draw(st.sampled_from(('x', 'y')))} = {self.number()}"]
            case 4:
                return [f"box.full = {self.truth()}"]
            case 5:
                jump = ["break", "continue"] if in_loop else []
                return [
                    f"if {self.truth(1)}:",
                    "    " + self.draw(st.sampled_from([*jump, "return"])),
                ]
            case 6 | 7 | 8:
                lines = [f"if {self.truth()}:", *indented(self.block(depth - 1, in_loop))]
                if self.draw(st.booleans()):
                    lines += ["else:", *indented(self.block(depth - 1, in_loop))]
                return lines
        self.counters += 1
        name = f"i{self.counters}"
        if kind == 9 or not self.loops:
            turns = self.draw(st.integers(0, 3))
            return [f"for {name} in range({turns}):", *indented(self.block(depth - 1, True))]
        body = ["Log.b = Log.c", f"{name} = {name} - 1", *self.block(depth - 1, True)]
        return [f"{name}: Range[0, 3] = 3", f"while {name} > 0:", *indented(body)]


def indented(lines: list[str]) -> list[str]:
    """The lines of a nested block."""
    return ["    " + line for line in lines]


@st.composite
def bodies(draw: st.DrawFn, loops: bool) -> str:
    lines = ["x: Range[0, 9] = 1", "y: Range[0, 9] = 2", *Writer(draw, loops).block(2, False)]
    return "\n".join(lines)


# --- Python -------------------------------------------------------------------------------------


class OutOfRange(Exception):
    """What the machine reports as a model error."""


def checked(value: int, most: int = 9) -> int:
    if not 0 <= value <= most:
        raise OutOfRange
    return value


class Fields:
    """Fields that refuse values out of range."""

    def __init__(self, **most: int) -> None:
        self.__dict__.update(dict.fromkeys(most, 0), most=most)

    def __setattr__(self, name: str, value: int) -> None:
        self.__dict__[name] = checked(value, self.__dict__["most"][name])


class Items(list[int]):
    """An array that refuses indices and values out of range."""

    def __getitem__(self, at: Any) -> Any:
        return super().__getitem__(checked(at, 1))

    def __setitem__(self, at: Any, value: Any) -> None:
        super().__setitem__(checked(at, 1), checked(value, 3))


@dataclass
class Shared:
    """The shared state as Python sees it."""

    Log: Fields = field(default_factory=lambda: Fields(a=9, b=9, c=9))
    box: Fields = field(default_factory=lambda: Fields(n=3, full=1))

    def __post_init__(self) -> None:
        self.box.__dict__["items"] = Items([0, 0])

    def values(self) -> tuple[int, ...]:
        log, box = self.Log.__dict__, self.box.__dict__
        return (log["a"], log["b"], log["c"], box["n"], int(box["full"]), *map(int, box["items"]))


class CheckLocals(ast.NodeTransformer):
    """Wraps what is assigned to a local into a check of its range."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if isinstance(node.targets[0], ast.Name):
            node.value = ast.Call(ast.Name("checked", ast.Load()), [node.value], [])
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if isinstance(node.target, ast.Name):
            both = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
            return self.visit_Assign(ast.Assign([node.target], both))
        return node


def in_python(body: str) -> tuple[tuple[int, ...], bool]:
    """The shared state at the end, and whether something went out of range."""
    shared = Shared()
    text = HELPER.partition("\n")[2] + "\n\ndef use(box):\n" + "\n".join(indented(body.split("\n")))
    tree = ast.fix_missing_locations(CheckLocals().visit(ast.parse(text)))
    names: dict[str, Any] = {"Log": shared.Log, "checked": checked, "Range": _Any()}
    exec(compile(tree, "body", "exec"), names)
    try:
        names["use"](shared.box)
    except OutOfRange:
        return shared.values(), True
    return shared.values(), False


class _Any:
    def __getitem__(self, _: object) -> object:
        return self


def on_the_machine(machine: Machine) -> tuple[tuple[int, ...], bool]:
    """The same, from the interpreter."""
    state, violation = run(machine)
    names = ("Log.a", "Log.b", "Log.c", "Box.n", "Box.full", "Box.items")
    at = [machine.offset[name] for name in names]
    assert violation is None or violation.violated is not None
    if violation is not None and violation.violated is not None:
        assert violation.violated.prop == "model_error"
    return (*(state[i] for i in at), state[at[-1] + 1]), violation is not None


@pytest.mark.parametrize("kind", ["routine", "atomic"])
@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_same_as_python(kind: str, data: st.DataObject) -> None:
    body = data.draw(bodies(loops=kind == "routine"))
    with tempfile.TemporaryDirectory() as folder:
        helper = HELPER.format(kind="inline" if kind == "routine" else "atomic")
        try:
            machine = machine_of(Path(folder), body, helper, {"boxes": 1}, kind=kind)
        except CompileError as error:
            expected = ("is outside", "order that matters", "too many paths")
            assert any(text in error.message for text in expected)
            reject()
    assert on_the_machine(machine) == in_python(body)
