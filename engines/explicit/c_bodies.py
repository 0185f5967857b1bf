"""Generates the C functions that execute the bodies of transitions.

Every value whose bounds do not follow from types is compared with the range of the cell it is
stored in, and every index with its dimension, so that a mistake in a model is reported and never
corrupts a state.

Where a routine is called from several places, its steps there differ in where they lead and in the
numbers of their checks. They share a function, which is told both: it halves what has to be
compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engines.explicit.c_text import Text, comment, number
from engines.explicit.ranges import Scope, body_scope
from model.language.machine import Age, Check, Const, If, Op, Set, Store, Transition

_TEMP = re.compile(r"\bt_\w+", flags=re.ASCII)
"""What may be a temporary. One pattern for all bodies: to compile one for each took longer."""


@dataclass
class Bodies:
    """Writes bodies and notes what they need: checks by number, variables that age."""

    text: Text
    checks: list[Check] = field(default_factory=list)
    aged: set[str] = field(default_factory=set)
    _functions: dict[tuple[str, ...], str] = field(default_factory=dict)
    """The names of the functions that have been written, by their text."""

    def transition(self, at: int) -> list[str]:
        """`do_<n>`: the body of a transition, on the successor in the making."""
        tr = self.text.machine.transitions[at]
        before = len(self.checks)
        body = _Body(self.text, tr)
        function = tuple(body.lines())
        self.checks += body.checks
        self.aged |= body.aged
        params = self.text.params(tr)
        lines = [""]
        name = self._functions.get(function)
        if name is None:
            name = self._functions[function] = f"body_{len(self._functions)}"
            first, *rest = function
            lines += [f"NL_STEP int {name}({first})", *rest, ""]
        told = [str(before)] if body.checks else []
        arguments = ["n", *params, *told, *map(str, body.leads_to)]
        return [
            *lines,
            f"/* {at} {comment(tr.name)}: {comment(str(tr.where))}: {comment(tr.where.text)} */",
            f"#define do_{at}({', '.join(['n', *params])}) {name}({', '.join(arguments)})",
        ]


@dataclass
class _Body:
    """Writes one body. Checks count from 1 in it, and steps it leads to are `to_0`, `to_1`, ..."""

    text: Text
    tr: Transition
    checks: list[Check] = field(default_factory=list)
    aged: set[str] = field(default_factory=set)
    leads_to: list[int] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The parameters of the function, then what is in it."""
        scope = body_scope(self.text.machine, self.tr)
        body = list(self._ops(self.tr.body, scope, 1))
        temps = [self.text.names.of("t", name) for name in scope.temps]
        params = self.text.params(self.tr)
        told = ["checks"] if self.checks else []
        leads = [f"to_{at}" for at in range(len(self.leads_to))]
        yield ", ".join(["word *n", *(f"val {name}" for name in [*params, *told, *leads])])
        yield "{"
        if any("&bad" in line for line in body):
            yield "\tint bad = 0;"
        # Numbered anew, so that equal bodies are equal to the letter.
        named = {name: f"t_{at}" for at, name in enumerate(temps)}
        yield from (f"\tval {name} = 0;" for name in named.values())
        yield ""
        yield "\t" + " ".join(f"(void){name};" for name in ["n", *params, *named.values()])
        if named:
            body = [_TEMP.sub(lambda found: named.get(found[0], found[0]), line) for line in body]
        yield from body
        yield "\treturn NL_FINE;"
        yield "}"

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
                    code = f"(int)checks + {len(self.checks)}"
                    yield f"{tabs}\treturn {code}; /* {comment(op.prop)} */"
                case Age(variables):
                    for name in variables:
                        self.aged.add(name)
                        yield f"{tabs}{self.text.names.of('age', name)}(n);"

    def _store(self, op: Store, scope: Scope, tabs: str) -> Iterator[str]:
        kind = self.text.machine.variable[op.var].type
        value = self._lead(op) or self.text.expr(op.value, scope, "n")
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

    def _lead(self, op: Store) -> str:
        """The parameter for the step that a store leads to; empty for any other store."""
        proc = self.tr.process
        if proc is None or op.var != self.text.machine.process[proc].pc_var:
            return ""
        if not isinstance(op.value, Const):
            return ""
        self.leads_to.append(op.value.value)
        return f"to_{len(self.leads_to) - 1}"

    def _after(self, text: str, tabs: str) -> Iterator[str]:
        if "&bad" in text:
            yield f"{tabs}if (bad)"
            yield f"{tabs}\treturn NL_BAD_INDEX;"
