"""Generates the Python that executes, together with a step, those that need not be explored apart.

The same as `ahead_c.py` and `others_c.py`. A set of bits is a number with a byte for each cell, as
a state has them, and then a bit for each question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from engines.explicit.ranges import Scope, guard_scope, process_scope
from engines.reductions.ahead import FIRST_LANDMARK, MOST_MERGED, asked
from engines.reductions.independence import Independence, Parts
from engines.reductions.merging import Merging
from model.language.fold import TRUE, loads
from model.language.machine import Binary, Expr, Load, Machine, Process, Transition, Unary

Print = Callable[[Expr, Scope, str], str]
Cell = Callable[[str, tuple[Expr, ...], Scope, str], str]

RUNTIME = """
def touched_by(parts, s, me):
    writes = looks = 0
    for cells, areas in parts:
        area = areas[tuple(s[cell + me] for cell in cells)]
        writes |= area[0]
        looks |= area[1]
    return writes, looks

def differences(s, n):
    if isinstance(s, bytearray):
        return int.from_bytes(s, "little") ^ int.from_bytes(n, "little")
    return sum(255 << 8 * at for at, (a, b) in enumerate(zip(s, n)) if a != b)
"""


@dataclass
class AheadText:
    """Writes `ahead(n)`; `expr` and `cell` print expressions over the machine.

    `tables` are what the text refers to by name and does not contain.
    """

    machine: Machine
    merging: Merging
    expr: Print
    cell: Cell
    name: Callable[[str, str], str]
    tables: dict[str, object] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Everything; the bodies of the steps come before."""
        if self.merging.does_nothing:
            yield "\ndef ahead(n):"
            yield "    return n, 0"
            return
        if self.merging.independent is not None:
            yield RUNTIME
            yield from _Others(self, self.merging.independent).lines()
        for proc in self.machine.processes:
            yield from self._merged(proc)
        yield from self._ahead()

    def everybody(self) -> list[tuple[Process, int]]:
        """All instances of all processes."""
        return [(proc, me) for proc in self.machine.processes for me in range(proc.instances)]

    # -- the steps of one process --

    def _merged(self, proc: Process) -> Iterator[str]:
        """Where a step leads that an instance takes and that need not be explored apart."""
        scope = process_scope(self.machine, proc)
        yield f"\ndef {self.name('merged', proc.name)}(n, me):"
        yield f"    pc = n[{self.machine.offset[proc.pc_var]} + me]"
        yield f"    if not pc or not {self.expr(proc.may_run, scope, 'n')}:"
        yield "        return None"
        for pc in range(1, proc.pcs):
            lines = [*self._always(proc, pc), *self._perhaps(proc, pc)]
            if lines:
                yield f"    if pc == {pc}:"
                yield from lines
                yield "        return None"
        yield "    return None"

    def _always(self, proc: Process, pc: int) -> Iterator[str]:
        steps = self.machine.steps_at.get((proc.name, pc), ())
        if len(steps) != 1 or steps[0].id not in self.merging.steps:
            return
        at, scope = steps[0].id, process_scope(self.machine, proc)
        condition = self.expr(self.merging.steps[at], scope, "n")
        yield "        after = n.copy()"
        yield "        try:"
        yield f"            if {condition} and not do_{at}(after, me):"
        yield f"                fired[{at}] += 1"
        yield "                return after"
        yield "        except Fault:"
        yield "            pass"

    def _perhaps(self, proc: Process, pc: int) -> Iterator[str]:
        plan = self.merging.independent
        if plan is None or (proc.name, pc, 0) not in plan.steps:
            return
        yield "        first = None"
        for tr in self.machine.steps_at[proc.name, pc]:
            tabs = " " * 8
            for param in tr.params:
                name = self.name("p", param.name)
                yield f"{tabs}for {name} in range({param.lo}, {param.hi + 1}):"
                tabs += "    "
            params = ", ".join(
                ["after", "me", *(self.name("p", param.name) for param in tr.params)]
            )
            guard = (
                self.expr(tr.guard, guard_scope(self.machine, tr), "n")
                if tr.guard != TRUE
                else "True"
            )
            yield f"{tabs}if {guard}:"
            yield f"{tabs}    after = n.copy()"
            yield f"{tabs}    if do_{tr.id}({params}) or (first is not None and first != after):"
            yield f"{tabs}        return None"
            yield f"{tabs}    if first is None:"
            yield f"{tabs}        first, which = after, {tr.id}"
        yield f"        if first is not None and {self.name('first', proc.name)}(n, first, me):"
        yield "            fired[which] += 1"
        yield "            return first"

    # -- everybody --

    def _ahead(self) -> Iterator[str]:
        everybody = ", ".join(
            f"({self.name('merged', proc.name)}, {me})" for proc, me in self.everybody()
        )
        yield f"\neverybody = [{everybody}]"
        yield "\ndef ahead(n):"
        yield f"    begin, landmark, remember_at = n, None, {FIRST_LANDMARK}"
        yield "    steps = who = since = found = 0"
        yield "    while since < len(everybody):"
        yield "        merged, me = everybody[who]"
        yield "        try:"
        yield "            after = merged(n, me)"
        yield "        except Fault:"
        yield "            after = None"
        yield "        if after is None:"
        yield "            who, since = (who + 1) % len(everybody), since + 1"
        yield "            continue"
        yield "        n, since, steps = after, 0, steps + 1"
        yield "        found |= 1 << who"
        yield f"        if n == landmark or steps == {MOST_MERGED}:"
        yield "            return begin, 0"
        yield "        if steps == remember_at:"
        yield "            landmark, remember_at = n, 2 * remember_at"
        yield "    return n, found"


@dataclass
class _Others:
    """Writes what finds out whether anybody minds a step."""

    text: AheadText
    plan: Independence
    _moved: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def machine(self) -> Machine:
        return self.text.machine

    def lines(self) -> Iterator[str]:
        for proc in self.machine.processes:
            yield from self._acts(proc)
        for at in self.plan.actions:
            yield from self._action(self.machine.transitions[at], at)
        yield from self._nobody_minds()
        yield from self._invariants()
        for proc in self.machine.processes:
            yield from self._may_come_first(proc)

    # -- tables --

    def set(self, mask: int) -> int:
        """A set of bits as the generated text has it."""
        cells = len(self.machine.cells)
        found = mask >> cells << 8 * cells
        return found | sum(255 << 8 * at for at in range(cells) if mask >> at & 1)

    def question(self, bit: int) -> int:
        """Where a question is."""
        return bit + 7 * len(self.machine.cells)

    def parts(self, parts: Parts) -> list[object]:
        """A footprint as `touched_by` reads it: cells of locals, and areas by their values."""
        found: list[object] = []
        for part in parts:
            variables = [self.machine.variable[name] for name in part.locals]
            cells = tuple(self.machine.offset[var.name] for var in variables)
            areas = {
                tuple(v - var.type.lo for v, var in zip(values, variables, strict=True)): (
                    self.set(area.writes),
                    self.set(area.looks),
                )
                for values, area in part.areas.items()
            }
            found.append((cells, areas))
        return found

    # -- conditions that stay --

    def stays(self, expr: Expr, truth: bool, scope: Scope) -> str:
        """Python for: this condition has this value in `s`, and nothing in `u` can change that."""
        match expr:
            case Unary("not", value):
                return self.stays(value, not truth, scope)
            case Binary("and" | "or" as op, left, right):
                sides = [self.stays(side, truth, scope) for side in (left, right)]
                return f"({' and '.join(sides) if (op == 'and') == truth else ' or '.join(sides)})"
        text = self.text.expr(expr, scope, "s")
        hits = [self._hit(expr, load, scope) for load in dict.fromkeys(loads(expr))]
        unchanged = "".join(f" and not {hit}" for hit in hits)
        return f"({'' if truth else 'not '}({text}){unchanged})"

    def _hit(self, expr: Expr, load: Load, scope: Scope) -> str:
        variable = self.machine.variable[load.var]
        cell = self.text.cell(load.var, load.index, scope, "s")
        members = asked(expr, load) if variable.role == "pc" else None
        if members is not None:
            proc = self.machine.process[variable.dims[0].name]
            which = self.plan.bits.questions[proc.name].index(members)
            first = self.question(self.plan.bits.question(proc, 0, which))
            count = len(self.plan.bits.questions[proc.name])
            return f"u >> {first} + {count} * ({cell} - {self.machine.offset[load.var]}) & 1"
        hit = f"u >> 8 * ({cell}) & 255"
        if load.var not in self.plan.bits.cookies:
            return f"({hit})"
        return f"({hit} or u >> {self.question(self.plan.bits.cookie_bit)} & 1)"

    def _held(self, tests: list[str], tabs: str) -> Iterator[str]:
        """`held`: whether all of these stay; a wrong index is no reason to believe it."""
        yield f"{tabs}try:"
        yield f"{tabs}    held = {' and '.join(tests) or 'True'}"
        yield f"{tabs}except Fault:"
        yield f"{tabs}    held = False"

    # -- who can act --

    def _acts(self, proc: Process) -> Iterator[str]:
        yield f"\ndef {self.text.name('acts', proc.name)}(s, me, u):"
        yield f"    pc = s[{self.machine.offset[proc.pc_var]} + me]"
        yield "    if not pc:"
        yield "        return False"
        may_run = self.stays(proc.may_run, False, process_scope(self.machine, proc))
        yield from self._held([may_run], "    ")
        yield "    if held:"
        yield "        return False"
        for pc in range(1, proc.pcs):
            steps = self.machine.steps_at.get((proc.name, pc), ())
            if any(tr.params or tr.guard == TRUE for tr in steps):
                continue
            tests = [self.stays(tr.guard, False, guard_scope(self.machine, tr)) for tr in steps]
            yield f"    if pc == {pc}:"
            yield from self._held(tests, "        ")
            yield "        return not held"
        yield "    return True"

    def _action(self, tr: Transition, at: int) -> Iterator[str]:
        """The choices of an action's parameters with which it can happen."""
        names = [self.text.name("p", param.name) for param in tr.params]
        areas = self.text.name("areas", str(at))
        self.text.tables[areas] = {
            values: (self.set(area.writes), self.set(area.looks))
            for values, area in self.plan.actions[at].items()
        }
        yield f"\ndef {self.text.name('can', str(at))}(s, u):"
        tabs = "    "
        for name, param in zip(names, tr.params, strict=True):
            yield f"{tabs}for {name} in range({param.lo}, {param.hi + 1}):"
            tabs += "    "
        guard = self.stays(tr.guard, False, guard_scope(self.machine, tr))
        yield from self._held([guard], tabs)
        yield f"{tabs}if not held:"
        yield (
            f"{tabs}    yield {areas}[{', '.join(names)}{',' if len(names) == 1 else ''}]"
            if names
            else f"{tabs}    yield {areas}[()]"
        )

    def _nobody_minds(self) -> Iterator[str]:
        """What those who can act may write, or None if somebody minds."""
        instances = []
        for number, (proc, me) in enumerate(self.text.everybody()):
            table = self.text.name("futures", f"{proc.name} {me}")
            self.text.tables[table] = [
                self.parts(self.plan.futures.get((proc.name, pc, me), ())) for pc in range(proc.pcs)
            ]
            cell = self.machine.offset[proc.pc_var] + me
            instances.append(
                f"({number}, {self.text.name('acts', proc.name)}, {me}, {table}, {cell})"
            )
        actions = [
            f"({self.text.name('can', str(at))}, {self._tolerated(at)})" for at in self.plan.actions
        ]
        yield f"\ninstances = [{', '.join(instances)}]"
        yield f"actions = [{', '.join(actions)}]"
        yield "\ndef nobody_minds(s, who, changed, touched):"
        yield "    acting, awake, more = 0, {who}, True"
        yield "    while more:"
        yield "        more = False"
        yield "        for number, acts, me, futures, cell in instances:"
        yield "            if number in awake or not acts(s, me, changed | acting):"
        yield "                continue"
        yield "            writes, looks = touched_by(futures[s[cell]], s, me)"
        yield f"            if {not self.plan.order} or writes & touched or looks & changed:"
        yield "                return None"
        yield "            acting |= writes"
        yield "            awake.add(number)"
        yield "            more = True"
        yield "        for can, tolerated in actions:"
        yield "            for writes, looks in can(s, changed | acting):"
        yield "                if not tolerated or writes & touched or looks & changed:"
        yield "                    return None"
        yield "                more = more or bool(writes & ~acting)"
        yield "                acting |= writes"
        yield "    return acting"

    def _tolerated(self, at: int) -> bool:
        return self.plan.arrivals if self.machine.transitions[at].environment else self.plan.order

    def _invariants(self) -> Iterator[str]:
        yield "\ndef invariants_stay(s, u, changed):"
        yield "    asked = False"
        for expr, looks in self.plan.invariants:
            yield f"    if changed & {self.set(looks):#x}:"
            yield "        asked = True"
            yield from self._held([self.stays(expr, True, Scope(self.machine))], " " * 8)
            yield "        if not held:"
            yield "            return False"
        yield "    return not asked or all(holds(s) for holds in invariants)"

    def _may_come_first(self, proc: Process) -> Iterator[str]:
        first = next(n for n, (one, _) in enumerate(self.text.everybody()) if one is proc)
        pc = self.machine.offset[proc.pc_var]
        to_run, touches = (self.text.name(what, proc.name) for what in ("to_run", "touches"))
        self.text.tables[to_run] = [
            self.parts(self.plan.to_run[proc.name, me]) for me in range(proc.instances)
        ]
        self.text.tables[touches] = [
            [self.parts(self.plan.steps.get((proc.name, at, me), ())) for at in range(proc.pcs)]
            for me in range(proc.instances)
        ]
        yield f"\ndef {self.text.name('first', proc.name)}(s, n, me):"
        yield f"    pc, to = s[{pc} + me], n[{pc} + me]"
        yield "    if not to:"
        yield "        return False"
        yield "    changed = differences(s, n)"
        for which, members in enumerate(self.plan.bits.questions[proc.name]):
            if members == {0}:
                continue
            arrives = which in self.plan.arriving[proc.name]
            test = (
                f"pc in {set(members)} and to not in"
                if arrives
                else f"(pc in {set(members)}) != (to in"
            )
            closing = "" if arrives else ")"
            place = self.question(self.plan.bits.question(proc, 0, which))
            count = len(self.plan.bits.questions[proc.name])
            yield f"    if {test} {set(members)}{closing}:"
            yield f"        changed |= 1 << {place} + {count} * me"
        yield f"    visible = {self.set(self.plan.goals):#x} | touched_by({to_run}[me], s, me)[1]"
        yield "    if changed & visible:"
        yield "        return False"
        yield f"    touched = touched_by({touches}[me][pc], s, me)[0]"
        yield f"    acting = nobody_minds(s, {first} + me, changed, touched)"
        yield "    return acting is not None and invariants_stay(s, acting, changed)"
