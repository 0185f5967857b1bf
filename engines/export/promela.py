"""Writes a machine for SPIN: pure Promela, one process, global variables, one d_step a transition.

SPIN stores the values of all variables and where its process is, which is always the one loop. So
its stored states are the machine's. Temporaries must not tell states apart: they are 0 again where
a d_step ends (`hidden` variables would exclude breadth-first search).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engines.explicit.ranges import Scope, body_scope, guard_scope, process_scope
from engines.explicit.search import FAULT
from engines.export.expressions import Expressions, Syntax, call
from engines.export.steps import (
    Source,
    Steps,
    about,
    checked_properties,
    choices,
    provenance,
    temporaries,
    turns,
)
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

# Promela's words; then C's, as SPIN writes C; then macros of the preprocessor that it runs first.
_RESERVED = """\
active assert atomic bit bool break byte chan check d_proctype d_step do else empty enabled end
eval false fi for full get_priority goto hidden if in init inline int len local ltl machine
mtype nempty never nfull notrace np_ od of pc_value pid place priority printf printm proctype
provided return run select self set_priority short show skip timeout trace true typedef unless
unsigned xr xs
auto case char const continue default double enum extern float long register restrict signed
sizeof static struct switch union void volatile while uchar uint ushort ulong
i386 linux unix"""

_SYNTAX = Syntax(
    operators={"and": "&&", "or": "||"},
    constants=("false", "true"),
    negation="(!{value})",
    choice="({cond} -> {then} : {other})",
    reserved=frozenset(_RESERVED.split()),
)

_RUNNING = """\
Depth first:
    spin -o2 -a FILE && gcc -O3 -DSAFETY -DNOFAIR -DNOREDUCE -DMEMLIM=8000 -o pan pan.c
    ./pan -m10000000 -w26
Breadth first, with the shortest trail (also of an error):
    spin -o2 -a FILE && gcc -O3 -DSAFETY -DNOFAIR -DNOREDUCE -DBFS -DMEMLIM=8000 -o pan pan.c
    ./pan -w26
The trail:
    spin -t -p -g FILE
Without -o2 SPIN leaves out variables that nothing reads, and states with them.
A search that goes on after an error (-c0) goes on after the failed assertion too: its count of
states means nothing."""

_LONGEST = 400
"""Lines of all steps in one d_step. SPIN gives up at 4,096 jumps; a line has at most ten."""

_MACROS = """\
#define CHECK(property, condition) if :: (condition) :: else -> assert(property) fi
#define PLACE(i, n, none) (((i) >= 0 && (i) < (n)) -> (i) : (none))"""


def promela(machine: Machine, source: Source) -> str:
    """The machine as a Promela model."""
    return "\n".join(_Writer(machine).model(source)) + "\n"


class _Writer(Expressions):
    """Prints one machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, _SYNTAX)
        self.flags = {p: self.names.of("property", p) for p in checked_properties(machine)}
        bounds = _slot_bounds(machine)
        self.temps = {self.names.of("temporary", f"t{at}"): b for at, b in enumerate(bounds)}
        self.slots: dict[str, str] = {}
        self.bodies = {tr.id: self.body(tr) for tr in machine.transitions}

    def model(self, source: Source) -> Iterator[str]:
        """The whole file."""
        yield "/*"
        for line in about(self.machine, source, _RUNNING.splitlines()):
            yield f" * {_comment(line)}".rstrip()
        yield " */"
        yield _MACROS
        yield "\n/* Never set: a failed assertion names the property. */"
        yield from (f"bool {flag};" for flag in self.flags.values())
        if self.temps:
            yield "\n/* 0 between two steps. */"
            yield from (f"{_type(*bounds)} {temp};" for temp, bounds in self.temps.items())
        yield ""
        yield from (self.declaration(var) for var in self.machine.variables)
        for proc in self.machine.processes:
            runs = self.truth(proc.may_run, process_scope(self.machine, proc))
            yield f"\n#define {self._runs(proc)}(self) {runs}"
        for tr in self.machine.transitions:
            yield from self.step(tr)
        yield from self.loop()

    # -- variables --

    def declaration(self, var: Variable) -> str:
        """A variable; all its cells begin with the same value."""
        size = f"[{var.size}]" if var.dims else ""
        initial = f" = {var.initial}" if var.initial else ""
        shown = "".join(f"[{dim.size} {dim.name}]" for dim in var.dims)
        kind = _type(var.type.lo, var.type.hi)
        return f"{kind} {self.variable(var.name)}{size}{initial}; /* {var.type} {shown} */"

    def parameter(self, name: str) -> str:
        return "self" if name == "self" else super().parameter(name)

    def temporary(self, name: str) -> str:
        return self.slots[name]

    def cell(self, var: str, index: tuple[Expr, ...], scope: Scope) -> str:
        variable = self.machine.variable[var]
        if not variable.dims:
            return self.variable(var)
        terms, stride = [], variable.size
        for dim, expr in zip(variable.dims, index, strict=True):
            stride //= dim.size
            if isinstance(expr, Const) and 0 <= expr.value < dim.size:
                if expr.value:
                    terms.append(str(expr.value * stride))
                continue
            text = self.value(expr, scope)
            # SPIN compares the place with the whole array, which says nothing about each index.
            if len(variable.dims) > 1 and not scope.fits(expr, 0, dim.size - 1):
                text = f"PLACE({text}, {dim.size}, {-variable.size})"
            terms.append(text if stride == 1 else f"{stride} * {text}")
        return f"{self.variable(var)}[{' + '.join(terms) or '0'}]"

    # -- steps --

    def step(self, tr: Transition) -> Iterator[str]:
        """`can_<n>`, where it is asked for, and `step_<n>`."""
        own = [] if tr.process is None else ["self"]
        arguments = ", ".join(own + [self.parameter(param.name) for param in tr.params])
        yield f"\n/* {_comment(provenance(tr))} */"
        if tr.guard != Const(1) or tr.process is None:
            guard = self.truth(tr.guard, guard_scope(self.machine, tr))
            yield f"#define can_{tr.id}({arguments}) {guard}"
        yield f"inline step_{tr.id}({arguments}) {{"
        yield from self.bodies[tr.id]
        yield "}"

    def body(self, tr: Transition) -> list[str]:
        """The statements of a transition."""
        self.slots = dict(zip(temporaries(tr.body), self.temps, strict=False))
        lines = list(self.ops(tr.body, body_scope(self.machine, tr), 1))
        lines += [f"\t{temp} = 0;" for temp in self.slots.values()]
        return lines or ["\tskip;"]

    def ops(self, ops: Sequence[Op], scope: Scope, depth: int) -> Iterator[str]:
        """Statements, each ended by a semicolon."""
        tabs = "\t" * depth
        for op in ops:
            match op:
                case Set(name, value):
                    yield f"{tabs}{self.temporary(name)} = {self.value(value, scope)};"
                case Store():
                    yield from self.store(op, scope, tabs)
                case If(cond, then, other):
                    yield f"{tabs}if"
                    yield f"{tabs}:: {self.truth(cond, scope)} ->"
                    yield from self._block(then, scope, depth + 1)
                    yield f"{tabs}:: else ->"
                    yield from self._block(other, scope, depth + 1)
                    yield f"{tabs}fi;"
                case Check(prop, cond):
                    yield f"{tabs}CHECK({self.flags[prop]}, {self.truth(cond, scope)});"
                case Age(variables):
                    for name in variables:
                        yield from self.age(self.machine.variable[name], tabs)

    def _block(self, ops: Sequence[Op], scope: Scope, depth: int) -> Iterator[str]:
        if ops:
            yield from self.ops(ops, scope, depth)
        else:
            yield "\t" * depth + "skip;"

    def store(self, op: Store, scope: Scope, tabs: str) -> Iterator[str]:
        """An assignment; SPIN would cut a value that is too large for the variable."""
        kind = self.machine.variable[op.var].type
        value = self.value(op.value, scope)
        if not scope.fits(op.value, kind.lo, kind.hi):
            fits = f"({kind.lo} <= {value} && {value} <= {kind.hi})"
            yield f"{tabs}CHECK({self.flags[FAULT]}, {fits});"
        yield f"{tabs}{self.cell(op.var, op.index, scope)} = {value};"

    def age(self, var: Variable, tabs: str) -> Iterator[str]:
        """Every cell above 0 is decremented."""
        for at in range(var.size):
            cell = f"{self.variable(var.name)}[{at}]" if var.dims else self.variable(var.name)
            yield f"{tabs}{cell} = ({cell} > 0 -> {cell} - 1 : {cell});"

    # -- the loop --

    def loop(self) -> Iterator[str]:
        """Options for the invariants, for the steps of each process, for each action."""
        yield "\nactive proctype machine() {"
        yield "end:"
        yield "\tdo"
        for inv in self.machine.invariants:
            broken = self.syntax.negation.format(value=self.truth(inv.expr, Scope(self.machine)))
            yield f"\t/* {_comment(inv.prop)}: {_comment(inv.message)} */"
            yield f"\t:: d_step {{ {broken} -> assert({self.flags[inv.prop]}) }}"
        for proc in self.machine.processes:
            for me in range(proc.instances):
                yield from self._steps_of(proc, me)
        for tr in self.machine.actions:
            for values in choices(tr.params):
                able, step = (call(what, tr, *values) for what in ("can", "step"))
                yield f"\t:: d_step {{ {able} -> {step} }}"
        yield "\tod"
        yield "}"

    def _steps_of(self, proc: Process, me: int) -> Iterator[str]:
        """An option for each turn, or more where a d_step would be too long."""
        pc = f"{self.variable(proc.pc_var)}[{me}]"
        runs = [f"{pc} != 0"]
        if proc.may_run != Const(1):
            runs.append(f"{self._runs(proc)}({me})")
        for steps in turns(self.machine, proc):
            for some in self._parts(steps):
                yield f"\t:: d_step {{ {' && '.join([*runs, self.at_one_of(pc, some, str(me))])} ->"
                yield "\t\tif"
                for at, (tr, values) in some.items():
                    yield f"\t\t:: {pc} == {at} -> {call('step', tr, me, *values)}"
                yield "\t\tfi }"

    def _parts(self, steps: Steps) -> Iterator[Steps]:
        """Steps that are short enough together for one d_step."""
        part: Steps = {}
        lines = 0
        for at, (tr, values) in steps.items():
            more = len(self.bodies[tr.id]) + 1
            if part and lines + more > _LONGEST:
                yield part
                part, lines = {}, 0
            part[at] = tr, values
            lines += more
        yield part

    def _runs(self, proc: Process) -> str:
        return self.names.of("runs", f"{proc.name}_runs")


def _slot_bounds(machine: Machine) -> list[tuple[int, int]]:
    """The least and the largest value of the first, second, ... temporary of all bodies."""
    slots: list[tuple[int, int]] = []
    for tr in machine.transitions:
        known = body_scope(machine, tr).temps
        for at, name in enumerate(temporaries(tr.body)):
            lo, hi = known[name]
            if at == len(slots):
                slots.append((0, 0))
            slots[at] = (min(slots[at][0], lo), max(slots[at][1], hi))
    return slots


def _type(lo: int, hi: int) -> str:
    if (lo, hi) in ((0, 0), (0, 1)):
        return "bool"
    if lo >= 0:
        return "byte" if hi < 1 << 8 else "int"
    return "short" if max(-lo, hi) < 1 << 15 else "int"


def _comment(text: str) -> str:
    """Text that cannot end the comment it stands in."""
    return text.replace("*/", "* /").replace("/*", "/ *")
