"""Writes a machine for TLC: a TLA+ module with one disjunct of `Next` for each transition.

A formula has no assignments one after the other, so each one of a body gives its variable a new
name, by a definition in a LET, and what a variable is named in the end is its next value. TLC
evaluates a definition when it is asked for, so what is out of range on a way not taken does no
harm.

A violation is a value of a variable of its own, `violated`: the step that violates changes nothing
else, and no step is possible after it.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engines.explicit.ranges import Scope, body_scope, guard_scope, process_scope
from engines.explicit.search import FAULT
from engines.export.expressions import Expressions, Syntax
from engines.export.steps import WIDTH, Source, about, provenance
from model.language.machine import (
    Age,
    Check,
    Const,
    Expr,
    If,
    Machine,
    Op,
    Process,
    Set,
    Store,
    Transition,
    Variable,
)

# TLA+'s words, those of the module Integers, and those that every module here defines.
_RESERVED = """\
action assume assumption axiom boolean by case choose constant constants corollary def define
defs domain else enabled except extends false have hide if in instance lambda lemma let local
module new obvious omitted only other pick proof proposition prove qed recursive sf_ state string
subset suffices take temporal then theorem true unchanged union use variable variables wf_ with
witness int nat real
init next spec cells vars typeok violated nothingviolated broken"""

_SYNTAX = Syntax(
    operators={"and": "/\\", "or": "\\/", "==": "=", "!=": "#"},
    constants=("FALSE", "TRUE"),
    negation="(~{value})",
    choice="(IF {cond} THEN {then} ELSE {other})",
    reserved=frozenset(_RESERVED.split()),
)

_RUNNING = """\
    java -cp tla2tools.jar tlc2.TLC -deadlock -workers 1 -config {module}.cfg {module}.tla
Breadth first; with one worker an error ends it with the shortest trace. Without -deadlock TLC
takes a state of rest for an error."""


def tla(machine: Machine, source: Source, module: str) -> str:
    """The machine as a TLA+ module; its file must have the module's name."""
    return "\n".join(_Writer(machine).model(source, module)) + "\n"


def tla_config(machine: Machine) -> str:
    """What TLC is to check of the module."""
    writer = _Writer(machine)
    invariants = ["TypeOK", "NothingViolated", *writer.invariants]
    return "\n".join(
        [
            "INIT Init",
            "NEXT Next",
            *(f"INVARIANT {name}" for name in invariants),
            "",
        ]
    )


_TEMPORARY = "temporary "
"""Before the name of a temporary, where variables have names as well."""


@dataclass
class _Body:
    """What the operations so far have defined.

    `now` has the name of each variable and temporary that was assigned, `versions` how often a
    name was given; `wrong` has, for each check, when it fails and what it says.
    """

    now: dict[str, str] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    definitions: dict[str, str] = field(default_factory=dict)
    wrong: list[tuple[str, str]] = field(default_factory=list)


class _Writer(Expressions):
    """Prints one machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, _SYNTAX)
        self.body = _Body()
        self.groups = self._groups()
        self.invariants = {
            self.names.of(f"invariant {at}", inv.prop): inv
            for at, inv in enumerate(machine.invariants, 1)
        }
        self.steps = {
            tr.id: self.names.of(f"transition {tr.id}", tr.name) for tr in machine.transitions
        }

    def model(self, source: Source, module: str) -> Iterator[str]:
        """The whole file."""
        running = _RUNNING.format(module=module).splitlines()
        yield f"---- MODULE {module} ----"
        yield from (f"\\* {_ascii(line)}".rstrip() for line in about(self.machine, source, running))
        yield "EXTENDS Integers"
        yield from self.variables()
        for proc in self.machine.processes:
            yield from self.may_run(proc)
        for tr in self.machine.transitions:
            yield from self.step(tr)
        yield "\nNext =="
        for tr in self.machine.transitions:
            yield f"    \\/ {self._for_all_choices(tr)}"
        yield "\nSpec == Init /\\ [][Next]_vars"
        yield '\nNothingViolated == violated = ""'
        for name, inv in self.invariants.items():
            yield f"\n\\* {_plain(inv.message)}"
            yield f"{name} == {self.truth(inv.expr, Scope(self.machine))}"
        yield "\n===="

    # -- variables --

    def variables(self) -> Iterator[str]:
        """Declarations, initial values, ranges."""
        names = [self.variable(var.name) for var in self.machine.variables]
        yield "\nVARIABLES"
        yield from (f"    {name}," for name in names)
        yield "    violated"
        for group, members in self.groups.items():
            yield f"\n{group} =="
            yield from _listed([self.variable(name) for name in members], 4)
        yield "\ncells =="
        yield from _listed(self.names_of([var.name for var in self.machine.variables]), 4)
        yield "\nvars == <<cells, violated>>"
        yield "\nInit =="
        for var, name in zip(self.machine.variables, names, strict=True):
            yield f"    /\\ {name} = {self._everywhere(var, str(var.initial))}"
        yield '    /\\ violated = ""'
        yield "\nTypeOK =="
        for var, name in zip(self.machine.variables, names, strict=True):
            yield f"    /\\ {name} \\in {_function_set(var)}"

    def _groups(self) -> dict[str, list[str]]:
        """The variables of each record and process that has several, by a name for all of them."""
        owned: dict[str, list[str]] = {}
        for var in self.machine.variables:
            owned.setdefault(var.name.partition(".")[0], []).append(var.name)
        return {
            self.names.of("group", f"{owner}_vars"): members
            for owner, members in owned.items()
            if len(members) > 1
        }

    def names_of(self, variables: Sequence[str]) -> list[str]:
        """How to write a tuple of these: whole groups by their names."""
        left = dict.fromkeys(variables)
        whole = [group for group, members in self.groups.items() if left.keys() >= {*members}]
        for group in whole:
            for member in self.groups[group]:
                del left[member]
        return [*whole, *(self.variable(name) for name in left)]

    def temporary(self, name: str) -> str:
        return self.body.now[_TEMPORARY + name]

    def cell(self, var: str, index: tuple[Expr, ...], scope: Scope) -> str:
        return self._now(var) + "".join(f"[{self.value(expr, scope)}]" for expr in index)

    def _now(self, var: str) -> str:
        return self.body.now.get(var, self.variable(var))

    def _everywhere(self, var: Variable, value: str) -> str:
        """A value for every cell; its place for the cell's indices is `{at}`."""
        counters = [self.names.of("counter", f"i{at}") for at in range(len(var.dims))]
        text = value.replace("{at}", "".join(f"[{counter}]" for counter in counters))
        for counter, dim in zip(reversed(counters), reversed(var.dims), strict=True):
            text = f"[{counter} \\in 0..{dim.size - 1} |-> {text}]"
        return text

    # -- steps --

    def may_run(self, proc: Process) -> Iterator[str]:
        """`<process>_runs`: whether a copy may take its step; nothing where it always may."""
        if proc.may_run != Const(1):
            runs = self.truth(proc.may_run, process_scope(self.machine, proc))
            yield f"\n{self._runs(proc)}({self.parameter('self')}) == {runs}"

    def step(self, tr: Transition) -> Iterator[str]:
        """A transition, as an operator over its process's copy and its parameters.

        Without `= TRUE` TLC takes each side of a disjunction for a step of its own, and evaluates
        the right one also where the left one is true.
        """
        parameters = ", ".join(name for name, _, _ in self._parameters(tr))
        yield f"\n\\* {_plain(provenance(tr))}"
        yield f"{self.steps[tr.id]}{f'({parameters})' if parameters else ''} =="
        yield '    /\\ violated = ""'
        if tr.process is not None:
            proc, me = self.machine.process[tr.process], self.parameter("self")
            yield f"    /\\ {self.variable(proc.pc_var)}[{me}] = {tr.pc}"
            if proc.may_run != Const(1):
                yield f"    /\\ {self._runs(proc)}({me}) = TRUE"
        if tr.guard != Const(1):
            yield f"    /\\ {self.truth(tr.guard, guard_scope(self.machine, tr))} = TRUE"
        self.body = _Body()
        self.ops(tr.body, body_scope(self.machine, tr), ())
        yield from self.effect()
        self.body = _Body()

    def effect(self) -> Iterator[str]:
        """What the body that was gone through does, as a conjunct."""
        body = self.body
        told = " ".join([*body.definitions.values(), *(when for when, _ in body.wrong)])
        asked_for = set(re.findall(r"\w+", told))
        last = {
            var: name if name in asked_for else body.definitions[name]
            for var, name in body.now.items()
            if not var.startswith(_TEMPORARY)
        }
        lines = [
            f"{name} == {text}" for name, text in body.definitions.items() if name in asked_for
        ]
        if body.wrong:
            lines.append(self._broken())
        if lines:
            yield f"    /\\ LET {lines[0]}"
            yield from (f"           {line}" for line in lines[1:])
        if body.wrong:
            yield '       IN  IF broken # ""'
            yield "           THEN /\\ violated' = broken"
            yield "                /\\ UNCHANGED cells"
            yield f"           ELSE {self._next_values(last, 16)}"
        elif lines:
            yield f"       IN  {self._next_values(last, 11)}"
        else:
            yield f"    {self._next_values(last, 4)}"

    def _broken(self) -> str:
        """The first check that fails, in words."""
        parts = [f'IF {when} THEN "{_quoted(says)}"' for when, says in self.body.wrong]
        return "broken == " + "\n                     ELSE ".join([*parts, '""'])

    def _next_values(self, last: Mapping[str, str], indent: int) -> str:
        """The next values of all variables, with `violated` as it is."""
        same = [var.name for var in self.machine.variables if var.name not in last]
        lines = [f"/\\ {self.variable(name)}' = {text}" for name, text in last.items()]
        unchanged = _listed([*self.names_of(same), "violated"], indent + 3)
        lines.append("\n".join(["/\\ UNCHANGED", *unchanged]))
        return f"\n{' ' * indent}".join(lines)

    def ops(self, ops: Sequence[Op], scope: Scope, when: tuple[str, ...]) -> None:
        """Goes through operations that happen if all of `when` is true."""
        for op in ops:
            match op:
                case Set(name, value):
                    self._assign(_TEMPORARY + name, self.value(value, scope))
                case Store():
                    self._store(op, scope, when)
                case If():
                    self._branch(op, scope, when)
                case Check(prop, cond, message):
                    self._check(self.truth(cond, scope), f"{prop}: {message}", when)
                case Age(variables):
                    for var in variables:
                        cell = f"{self._now(var)}{{at}}"
                        aged = f"IF {cell} > 0 THEN {cell} - 1 ELSE {cell}"
                        self._assign(var, self._everywhere(self.machine.variable[var], aged))

    def _store(self, op: Store, scope: Scope, when: tuple[str, ...]) -> None:
        """TLC passes over an index outside the range without a word."""
        var = self.machine.variable[op.var]
        value = self.value(op.value, scope)
        index = [self.value(expr, scope) for expr in op.index]
        bounds = [(value, op.value, var.type.lo, var.type.hi)]
        bounds += [
            (text, expr, 0, dim.size - 1)
            for text, expr, dim in zip(index, op.index, var.dims, strict=True)
        ]
        for text, expr, lo, hi in bounds:
            if not scope.fits(expr, lo, hi):
                fits = f"({text} \\in {_range(lo, hi)})"
                self._check(fits, f"{FAULT}: an index or a value is outside its range", when)
        if var.dims:
            place = "".join(f"[{text}]" for text in index)
            value = f"[{self._now(op.var)} EXCEPT !{place} = {value}]"
        self._assign(op.var, value)

    def _branch(self, op: If, scope: Scope, when: tuple[str, ...]) -> None:
        cond = self._define("cond", self.truth(op.cond, scope))
        before = dict(self.body.now)
        self.ops(op.then, scope, (*when, cond))
        then = self.body.now
        self.body.now = dict(before)
        self.ops(op.other, scope, (*when, f"(~{cond})"))
        other = self.body.now
        self.body.now = before
        for key in dict.fromkeys([*then, *other]):
            ways = [now.get(key, self._unassigned(key)) for now in (then, other)]
            if ways[0] != ways[1]:
                self._assign(key, f"IF {cond} THEN {ways[0]} ELSE {ways[1]}")

    def _unassigned(self, key: str) -> str:
        """What stands for a variable before its first assignment; nobody asks for a temporary."""
        return "0" if key.startswith(_TEMPORARY) else self.variable(key)

    def _check(self, holds: str, says: str, when: tuple[str, ...]) -> None:
        self.body.wrong.append((" /\\ ".join([*when, f"(~{holds})"]), says))

    def _assign(self, key: str, text: str) -> None:
        self.body.now[key] = self._define(key.removeprefix(_TEMPORARY), text)

    def _define(self, plain: str, text: str) -> str:
        """A new name for a value."""
        self.body.versions[plain] += 1
        name = self.names.of(f"version {self.body.versions[plain]}", plain)
        self.body.definitions[name] = text
        return name

    def _parameters(self, tr: Transition) -> list[tuple[str, int, int]]:
        own = []
        if tr.process is not None:
            own = [(self.parameter("self"), 0, self.machine.process[tr.process].instances - 1)]
        return own + [(self.parameter(param.name), param.lo, param.hi) for param in tr.params]

    def _for_all_choices(self, tr: Transition) -> str:
        parameters = self._parameters(tr)
        name = self.steps[tr.id]
        if not parameters:
            return name
        ranges = ", ".join(f"{param} \\in {_range(lo, hi)}" for param, lo, hi in parameters)
        return f"\\E {ranges} : {name}({', '.join(param for param, _, _ in parameters)})"

    def _runs(self, proc: Process) -> str:
        return self.names.of("runs", f"{proc.name}_runs")


def _function_set(var: Variable) -> str:
    """All values that a variable can have."""
    text = _range(var.type.lo, var.type.hi)
    for dim in reversed(var.dims):
        text = f"[0..{dim.size - 1} -> {text}]"
    return text


def _range(lo: int, hi: int) -> str:
    return f"{f'({lo})' if lo < 0 else lo}..{f'({hi})' if hi < 0 else hi}"


def _listed(names: Sequence[str], indent: int) -> list[str]:
    """A tuple of names in lines of limited width."""
    space = " " * indent
    lines = textwrap.wrap(", ".join(names), WIDTH - indent - 4)
    lines[0] = f"<<{lines[0]}"
    lines[-1] += ">>"
    return [space + lines[0], *(f"{space}  {line}" for line in lines[1:])]


def _quoted(text: str) -> str:
    """Text that can stand between double quotes."""
    return _plain(text).translate(str.maketrans('"`\\', "''/"))


def _plain(text: str) -> str:
    """One line in ASCII: TLA+ files have no other characters."""
    return " ".join(_ascii(text).split())


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")
