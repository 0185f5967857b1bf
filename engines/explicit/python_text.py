"""Generates the successor function of a machine as Python source.

A state is `bytes` with one byte per cell (value - lo), or a tuple where some type has more than 256
values. The same steps as in C, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engines.explicit.ahead_text import AheadText
from engines.explicit.ranges import Scope, body_scope, guard_scope, process_scope
from engines.reductions.merging import Merging
from engines.reductions.symmetry import Symmetry, renamed
from model.language.actors import Actors
from model.language.machine import (
    Age,
    Binary,
    Check,
    Const,
    Expr,
    If,
    InSet,
    Ite,
    Load,
    Machine,
    Op,
    Param,
    Set,
    Store,
    Temp,
    Transition,
    Unary,
)

PROLOGUE = """\
class Fault(Exception):
    pass

def at(i, n):
    if 0 <= i < n:
        return i
    raise Fault

def fits(v, lo, hi):
    if lo <= v <= hi:
        return v
    raise Fault
"""


@dataclass(frozen=True)
class GeneratedPython:
    """Source text, and the checks in the order of the numbers that the bodies return.

    `tables` are what the text refers to by name.
    """

    source: str
    checks: tuple[Check, ...]
    tables: Mapping[str, object]


def generate_python(
    machine: Machine, merging: Merging, symmetry: Symmetry | None = None
) -> GeneratedPython:
    """Python that defines `successors`, `invariants`, `goals` and `idle`."""
    writer = _Writer(machine, merging, Actors(machine, renamed(symmetry)))
    lines = [PROLOGUE]
    for number in range(len(machine.transitions)):
        lines += writer.body(number)
    ahead = AheadText(machine, merging, writer.expr, writer.cell, writer.name)
    lines += ahead.lines()
    for number in range(len(machine.transitions)):
        lines += writer.firing(number)
    lines += writer.dispatch()
    lines += writer.predicates()
    sets = [f"{name} = frozenset({sorted(members)})" for members, name in writer.sets.items()]
    text = "\n".join([*sets, *lines]) + "\n"
    return GeneratedPython(text, tuple(writer.checks), ahead.tables)


class _Writer:
    """Prints functions and collects the checks and sets they use."""

    def __init__(self, machine: Machine, merging: Merging, actors: Actors) -> None:
        self.machine = machine
        self.merging = merging
        self.actors = actors
        self.checks: list[Check] = []
        self.sets: dict[frozenset[int], str] = {}
        self.names: dict[tuple[str, str], str] = {}

    # -- expressions --

    def expr(self, expr: Expr, scope: Scope, state: str) -> str:
        """Python for a value; truth values may be bool, which counts as 0 and 1."""
        match expr:
            case Const(value):
                return f"({value})" if value < 0 else str(value)
            case Param("self"):
                return "me"
            case Param(name):
                return self.name("p", name)
            case Temp(name):
                return self.name("t", name)
            case Load(var, index):
                lo = self.machine.variable[var].type.lo
                cell = f"{state}[{self.cell(var, index, scope, state)}]"
                return f"({cell} + {lo})" if lo else cell
            case Unary("not", value):
                return f"(not {self.expr(value, scope, state)})"
            case Unary(_, value):
                return f"(-{self.expr(value, scope, state)})"
            case Ite(cond, then, other):
                test, yes, no = (self.expr(e, scope, state) for e in (cond, then, other))
                return f"({yes} if {test} else {no})"
            case InSet(value, members):
                name = self.sets.setdefault(members, f"S{len(self.sets)}")
                return f"({self.expr(value, scope, state)} in {name})"
            case Binary("and" | "or" as op, left, right):
                return f"({self.truth(left, scope, state)} {op} {self.truth(right, scope, state)})"
            case Binary(op, left, right):
                return f"({self.expr(left, scope, state)} {op} {self.expr(right, scope, state)})"

    def truth(self, expr: Expr, scope: Scope, state: str) -> str:
        """An operand of `and` or `or`, which Python would hand on as it is."""
        text = self.expr(expr, scope, state)
        return text if scope.is_truth(expr) else f"({text} != 0)"

    def cell(self, var: str, index: tuple[Expr, ...], scope: Scope, state: str) -> str:
        """The position of a cell in the state."""
        variable, constant = self.machine.variable[var], self.machine.offset[var]
        terms, stride = [], variable.size
        for dim, expr in zip(variable.dims, index, strict=True):
            stride //= dim.size
            if isinstance(expr, Const) and 0 <= expr.value < dim.size:
                constant += expr.value * stride
                continue
            text = self.expr(expr, scope, state)
            if not scope.fits(expr, 0, dim.size - 1):
                text = f"at({text}, {dim.size})"
            terms.append(text if stride == 1 else f"{stride} * {text}")
        if constant or not terms:
            terms.append(str(constant))
        return " + ".join(terms)

    def name(self, space: str, name: str) -> str:
        """A Python identifier."""
        return self.names.setdefault((space, name), f"{space}{len(self.names)}")

    # -- bodies --

    def body(self, number: int) -> Iterator[str]:
        """`do_<n>`: changes a state in the making; returns 0 or 1 + the number of a check."""
        tr = self.machine.transitions[number]
        yield f"\ndef do_{number}({', '.join(['n', *self._params(tr)])}):"
        yield from self._ops(tr.body, body_scope(self.machine, tr), "    ")
        yield "    return 0"

    def _ops(self, ops: tuple[Op, ...], scope: Scope, tabs: str) -> Iterator[str]:
        for op in ops:
            match op:
                case Set(name, value):
                    yield f"{tabs}{self.name('t', name)} = {self.expr(value, scope, 'n')}"
                case Store(var, index, value):
                    yield f"{tabs}n[{self.cell(var, index, scope, 'n')}] = " + self._stored(
                        var, value, scope
                    )
                case If(cond, then, other):
                    yield f"{tabs}if {self.expr(cond, scope, 'n')}:"
                    yield from self._ops(then, scope, tabs + "    ")
                    yield f"{tabs}    pass"
                    if other:
                        yield f"{tabs}else:"
                        yield from self._ops(other, scope, tabs + "    ")
                case Check():
                    self.checks.append(op)
                    yield f"{tabs}if not {self.expr(op.cond, scope, 'n')}:"
                    yield f"{tabs}    return {len(self.checks)}"
                case Age(variables):
                    for name in variables:
                        yield from self._age(name, tabs)

    def _stored(self, var: str, value: Expr, scope: Scope) -> str:
        kind = self.machine.variable[var].type
        text = self.expr(value, scope, "n")
        if not scope.fits(value, kind.lo, kind.hi):
            text = f"fits({text}, {kind.lo}, {kind.hi})"
        return f"{text} - {kind.lo}" if kind.lo else text

    def _age(self, name: str, tabs: str) -> Iterator[str]:
        var, first = self.machine.variable[name], self.machine.offset[name]
        yield f"{tabs}for i in range({first}, {first + var.size}):"
        yield f"{tabs}    if n[i] > {-var.type.lo}:"
        yield f"{tabs}        n[i] -= 1"

    # -- firing --

    def _params(self, tr: Transition) -> list[str]:
        own = [] if tr.process is None else ["me"]
        return own + [self.name("p", param.name) for param in tr.params]

    def firing(self, number: int) -> Iterator[str]:
        """`fire_<n>`: every firing of a transition that its guard admits."""
        tr = self.machine.transitions[number]
        me = "" if tr.process is None else ", me"
        yield f"\ndef fire_{number}(s{me}, out):"
        tabs = "    "
        for param in tr.params:
            yield f"{tabs}for {self.name('p', param.name)} in range({param.lo}, {param.hi + 1}):"
            tabs += "    "
        if tr.guard != Const(1):
            yield f"{tabs}if {self.expr(tr.guard, guard_scope(self.machine, tr), 's')}:"
            tabs += "    "
        yield f"{tabs}n = thaw(s)"
        yield f"{tabs}try:"
        yield f"{tabs}    code = do_{number}({', '.join(['n', *self._params(tr)])})"
        yield f"{tabs}except Fault:"
        yield f"{tabs}    code = -1"
        yield f"{tabs}n, also = (n, 0) if code else ahead(n)"
        yield f"{tabs}out.append((code, {number}, {self._actor(number)}, freeze(n), also))"

    def _actor(self, number: int) -> str:
        """The number of who makes a step."""
        tr, first = self.machine.transitions[number], self.actors.first(number)
        if tr.environment:
            return str(first)
        if tr.process is not None:
            alike = self.machine.process[tr.process].record in self.actors.alike
            return f"{first}" if alike else f"{first} + me"
        index = ""
        for param in self.actors.telling(tr):
            at = f"{self.name('p', param.name)} - {param.lo}"
            index = f"({index} * {param.hi - param.lo + 1} + {at})" if index else f"({at})"
        return f"{first} + {index}" if index else str(first)

    # -- dispatch --

    def dispatch(self) -> Iterator[str]:
        """`successors(s, out)`."""
        for proc in self.machine.processes:
            yield f"\n{self.name('steps', proc.name)} = {{"
            for (owner, pc), steps in self.machine.steps_at.items():
                if owner == proc.name and pc:
                    listed = ", ".join(f"fire_{self._number(tr)}" for tr in steps)
                    yield f"    {pc}: ({listed},),"
            yield "}"
        yield "\ndef successors(s, out):"
        for proc in self.machine.processes:
            first = self.machine.offset[proc.pc_var]
            scope = process_scope(self.machine, proc)
            yield f"    for me in range({proc.instances}):"
            yield f"        pc = s[{first} + me]"
            yield f"        if pc and {self.expr(proc.may_run, scope, 's')}:"
            yield f"            for fire in {self.name('steps', proc.name)}.get(pc, ()):"
            yield "                fire(s, me, out)"
        for tr in self.machine.actions:
            yield f"    fire_{self._number(tr)}(s, out)"
        yield "    return out"

    def _number(self, tr: Transition) -> int:
        return next(at for at, one in enumerate(self.machine.transitions) if one is tr)

    def predicates(self) -> Iterator[str]:
        """Invariants and goals as lists of functions, and `idle`."""
        scope = Scope(self.machine)
        yield "\ninvariants = ["
        for invariant in self.machine.invariants:
            yield f"    lambda s: {self.expr(invariant.expr, scope, 's')},"
        yield "]\ngoals = ["
        for goal in self.machine.goals:
            yield f"    lambda s: {self.expr(goal.expr, scope, 's')},"
        yield "]"
        pcs = [
            f"s[{self.machine.offset[proc.pc_var] + me}]"
            for proc in self.machine.processes
            for me in range(proc.instances)
        ]
        yield "\ndef idle(s):"
        yield f"    return not ({' or '.join(pcs) or '0'})"
