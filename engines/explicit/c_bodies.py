"""Generates the C function that executes the body of a transition.

Every value whose bounds do not follow from types is compared with the range of the cell it is
stored in, and every index with its dimension, so that a mistake in a model is reported and never
corrupts a state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engines.explicit.c_text import Text, comment, number
from engines.explicit.ranges import Scope, body_scope
from model.language.machine import Age, Check, If, Op, Set, Store


@dataclass
class Bodies:
    """Writes bodies and notes what they need: checks by number, variables that age.

    `failing` are the transitions whose bodies can end early.
    """

    text: Text
    checks: list[Check] = field(default_factory=list)
    aged: set[str] = field(default_factory=set)
    failing: set[int] = field(default_factory=set)

    def transition(self, at: int) -> list[str]:
        """`do_<n>`: the body of a transition, on the successor in the making."""
        tr = self.text.machine.transitions[at]
        scope = body_scope(self.text.machine, tr)
        params = self.text.params(tr)
        lines = [f"\tval {self.text.names.of('t', name)} = 0;" for name in scope.temps]
        used = ["n", *params, *(self.text.names.of("t", name) for name in scope.temps)]
        body = list(self._ops(tr.body, scope, 1))
        if any("&bad" in line for line in body):
            lines.insert(0, "\tint bad = 0;")
        if any("return " in line for line in body):
            self.failing.add(at)
        unused = "\t" + " ".join(f"(void){name};" for name in used)
        signature = ", ".join(["word *n", *(f"val {param}" for param in params)])
        return [
            "",
            f"/* {at} {comment(tr.name)}: {comment(str(tr.where))}: {comment(tr.where.text)} */",
            f"NL_STEP int do_{at}({signature})",
            "{",
            *lines,
            "",
            unused,
            *body,
            "\treturn NL_FINE;",
            "}",
        ]

    def _ops(self, ops: tuple[Op, ...], scope: Scope, depth: int) -> Iterator[str]:
        tabs = "\t" * depth
        for op in ops:
            match op:
                case Set(name, value):
                    text = self.text.expr(value, scope, "n")
                    yield f"{tabs}{self.text.names.of('t', name)} = {text};"
                    yield from self._after(text, tabs)
                case Store():
                    yield from self._store(op, scope, tabs)
                case If(cond, then, other):
                    text = self.text.expr(cond, scope, "n")
                    yield f"{tabs}if ({text}) {{"
                    yield from self._after(text, tabs + "\t")
                    yield from self._ops(then, scope, depth + 1)
                    # A bad index in the condition must stop the other branch too.
                    if other or "&bad" in text:
                        yield f"{tabs}}} else {{"
                        yield from self._after(text, tabs + "\t")
                        yield from self._ops(other, scope, depth + 1)
                    yield f"{tabs}}}"
                case Check():
                    self.checks.append(op)
                    text = self.text.expr(op.cond, scope, "n")
                    if "&bad" in text:
                        yield f"{tabs}const int holds_{len(self.checks)} = !!({text});"
                        yield from self._after(text, tabs)
                        text = f"holds_{len(self.checks)}"
                    yield f"{tabs}if (!({text}))"
                    yield f"{tabs}\treturn {len(self.checks)}; /* {comment(op.prop)} */"
                case Age(variables):
                    for name in variables:
                        self.aged.add(name)
                        yield f"{tabs}{self.text.names.of('age', name)}(n);"

    def _store(self, op: Store, scope: Scope, tabs: str) -> Iterator[str]:
        kind = self.text.machine.variable[op.var].type
        value = self.text.expr(op.value, scope, "n")
        cell = self.text.cell(op.var, op.index, scope, "n")
        put = self.text.names.of("set", op.var)
        if scope.fits(op.value, kind.lo, kind.hi) and "&bad" not in value + cell:
            yield f"{tabs}{put}(n{cell}, {value});"
            return
        yield f"{tabs}{{"
        # The interpreter evaluates the cell before the value; both only read.
        yield f"{tabs}\tconst val v = {value};"
        if cell:
            yield f"{tabs}\tconst val i = {cell.removeprefix(', ')};"
        yield from self._after(value + cell, tabs + "\t")
        if not scope.fits(op.value, kind.lo, kind.hi):
            yield f"{tabs}\tif (v < {number(kind.lo)} || v > {number(kind.hi)})"
            yield f"{tabs}\t\treturn NL_BAD_VALUE;"
        yield f"{tabs}\t{put}(n{', i' if cell else ''}, v);"
        yield f"{tabs}}}"

    def _after(self, text: str, tabs: str) -> Iterator[str]:
        if "&bad" in text:
            yield f"{tabs}if (bad)"
            yield f"{tabs}\treturn NL_BAD_INDEX;"
