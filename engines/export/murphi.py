"""Writes a machine for Rumur in the Murphi language: ranged variables, a rule for each transition.

Rumur itself compares indices and stored values with their ranges, and drops the state that a rule
was making when an assertion fails in it, as nolock does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engines.explicit.ranges import Scope, body_scope, guard_scope, process_scope
from engines.export.expressions import Expressions, Syntax, call
from engines.export.steps import Source, about, provenance, turns
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

_RESERVED = """\
alias array assert assume begin boolean by case clear const cover do else elsif end enum
endalias endexists endfor endforall endfunction endif endprocedure endrecord endrule endruleset
endstartstate endswitch endwhile error exists false for forall function if in interleaved
invariant isundefined liveness log2 multiset of procedure process program put record return rule
ruleset scalarset startstate switch then to traceuntil true type undefine union var while"""

_SYNTAX = Syntax(
    operators={"and": "&", "or": "|", "==": "="},
    constants=("false", "true"),
    negation="(!{value})",
    choice="({cond} ? {then} : {other})",
    reserved=frozenset(_RESERVED.split()),
)

_AGED = "{cell} := ({cell} > 0 ? {cell} - 1 : {cell});"

_RUNNING = """\
    rumur --deadlock-detection off --symmetry-reduction off --value-type int32_t -o FILE.c FILE
    gcc -std=c11 -O3 -march=native -mcx16 -o verifier FILE.c -lpthread && ./verifier
Breadth first; an error ends it with the shortest trace."""


def murphi(machine: Machine, source: Source) -> str:
    """The machine as a Murphi model."""
    return "\n".join(_Writer(machine).model(source)) + "\n"


class _Writer(Expressions):
    """Prints one machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, _SYNTAX)

    def model(self, source: Source) -> Iterator[str]:
        """The whole file."""
        for line in about(self.machine, source, _RUNNING.splitlines()):
            yield f"-- {line}".rstrip()
        yield "\nvar"
        yield from (self.declaration(var) for var in self.machine.variables)
        yield '\nstartstate "initial"\nbegin'
        for var in self.machine.variables:
            yield from self._each(var, 1, f"{{cell}} := {var.initial};")
        yield "end;"
        for proc in self.machine.processes:
            yield from self.may_run(proc)
            for tr in self.machine.transitions:
                if tr.process == proc.name:
                    yield from self.step(tr, proc)
            yield from self.steps_of(proc)
        for tr in self.machine.actions:
            yield from self.action(tr)
        for inv in self.machine.invariants:
            yield f'\ninvariant "{_quoted(f"{inv.prop}: {inv.message}")}"'
            yield f"\t{self.truth(inv.expr, Scope(self.machine))};"

    # -- variables --

    def declaration(self, var: Variable) -> str:
        """A variable, as nested arrays."""
        arrays = "".join(f"array [0..{dim.size - 1}] of " for dim in var.dims)
        return f"\t{self.variable(var.name)}: {arrays}{var.type.lo}..{var.type.hi};"

    def temporary(self, name: str) -> str:
        return self.names.of("temporary", name)

    def cell(self, var: str, index: tuple[Expr, ...], scope: Scope) -> str:
        return self.variable(var) + "".join(f"[{self.value(expr, scope)}]" for expr in index)

    def _each(self, var: Variable, depth: int, statement: str) -> Iterator[str]:
        """A statement for every cell of a variable; its place for that is `{cell}`."""
        tabs, cell = "\t" * depth, self.variable(var.name)
        for at, dim in enumerate(var.dims):
            counter = self.names.of("counter", f"i{at}")
            yield f"{tabs}for {counter}: 0..{dim.size - 1} do"
            tabs += "\t"
            cell += f"[{counter}]"
        yield tabs + statement.format(cell=cell)
        for _ in var.dims:
            tabs = tabs[1:]
            yield f"{tabs}end;"

    # -- steps --

    def may_run(self, proc: Process) -> Iterator[str]:
        """`<process>_runs`: whether a copy may take its step; nothing where it always may."""
        if proc.may_run != Const(1):
            runs = self.truth(proc.may_run, process_scope(self.machine, proc))
            yield f"\nfunction {self._runs(proc)}({self._self(proc)}): boolean;"
            yield f"begin\n\treturn {runs};\nend;"

    def step(self, tr: Transition, proc: Process) -> Iterator[str]:
        """`can_<n>`, where there is a guard, and `step_<n>`."""
        params = [f"{self.parameter(param.name)}: {param.lo}..{param.hi}" for param in tr.params]
        arguments = "; ".join([self._self(proc), *params])
        yield f"\n-- {provenance(tr)}"
        if tr.guard != Const(1):
            yield f"function can_{tr.id}({arguments}): boolean;"
            yield f"begin\n\treturn {self.truth(tr.guard, guard_scope(self.machine, tr))};\nend;"
        yield f"procedure step_{tr.id}({arguments});"
        yield from self.body(tr)
        yield "end;"

    def body(self, tr: Transition) -> Iterator[str]:
        """The temporaries and statements of a transition, up to its `end`."""
        scope = body_scope(self.machine, tr)
        if scope.temps:
            yield "var"
            for name, (lo, hi) in scope.temps.items():
                yield f"\t{self.temporary(name)}: {lo}..{hi};"
        yield "begin"
        yield from self.ops(tr.body, scope, 1)

    def steps_of(self, proc: Process) -> Iterator[str]:
        """A rule for each turn, for every copy of the process."""
        me = self.parameter("self")
        pc = f"{self.variable(proc.pc_var)}[{me}]"
        runs = [f"{pc} != 0"]
        if proc.may_run != Const(1):
            runs.append(f"{self._runs(proc)}({me})")
        for number, steps in enumerate(turns(self.machine, proc), 1):
            yield f"\nruleset {self._self(proc)} do"
            yield f'rule "{_quoted(proc.name)}, choice {number}"'
            yield f"\t{' & '.join([*runs, self.at_one_of(pc, steps, me)])}"
            yield "==>\nbegin"
            yield f"\tswitch {pc}"
            for at, (tr, values) in steps.items():
                yield f"\tcase {at}: {call('step', tr, me, *values)};"
            yield "\tend;\nend;\nend;"

    def action(self, tr: Transition) -> Iterator[str]:
        """A rule for each choice of its parameters."""
        yield ""
        for param in tr.params:
            yield f"ruleset {self.parameter(param.name)}: {param.lo}..{param.hi} do"
        yield f'rule "{_quoted(provenance(tr))}"'
        yield f"\t{self.truth(tr.guard, guard_scope(self.machine, tr))}"
        yield "==>"
        yield from self.body(tr)
        yield "end;"
        yield from ("end;" for _ in tr.params)

    def ops(self, ops: Sequence[Op], scope: Scope, depth: int) -> Iterator[str]:
        """Statements."""
        tabs = "\t" * depth
        for op in ops:
            match op:
                case Set(name, value):
                    yield f"{tabs}{self.temporary(name)} := {self.value(value, scope)};"
                case Store(var, index, value):
                    yield f"{tabs}{self.cell(var, index, scope)} := {self.value(value, scope)};"
                case If(cond, then, other):
                    yield f"{tabs}if {self.truth(cond, scope)} then"
                    yield from self.ops(then, scope, depth + 1)
                    if other:
                        yield f"{tabs}else"
                        yield from self.ops(other, scope, depth + 1)
                    yield f"{tabs}end;"
                case Check(prop, cond, message):
                    said = _quoted(f"{prop}: {message}")
                    yield f'{tabs}assert {self.truth(cond, scope)} "{said}";'
                case Age(variables):
                    for var in variables:
                        yield from self._each(self.machine.variable[var], depth, _AGED)

    def _runs(self, proc: Process) -> str:
        return self.names.of("runs", f"{proc.name}_runs")

    def _self(self, proc: Process) -> str:
        return f"{self.parameter('self')}: 0..{proc.instances - 1}"


def _quoted(text: str) -> str:
    """Text that can stand between double quotes."""
    return " ".join(text.replace('"', "'").replace("\\", "/").split())
