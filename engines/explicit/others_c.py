"""Generates the C that finds out whether anybody minds a step: `independence.py` in C."""

from __future__ import annotations

from collections.abc import Iterator

from engines.explicit.ahead_tables import Tables
from engines.explicit.c_text import Text, comment, number
from engines.explicit.ranges import Scope, guard_scope, process_scope
from engines.reductions.ahead import asked
from engines.reductions.independence import Area, Independence, choices
from engines.reductions.reads import conjuncts, parameters
from model.language.fold import TRUE, loads
from model.language.machine import Binary, Const, Expr, Load, Process, Transition, Unary


class OthersC:
    """Writes `first_<process>` for each process: whether a step of it may come first."""

    def __init__(self, text: Text, plan: Independence) -> None:
        self.text = text
        self.machine = text.machine
        self.plan = plan
        self.tables = Tables(text, plan)

    @property
    def count(self) -> int:
        """How many there are who can act: instances, and actions with their parameters."""
        return self._first_combination(len(self.machine.transitions))

    def lines(self) -> list[str]:
        """Everything; the accessors of variables come before."""
        functions = [*self._hits(), *self._others(), *self._invariants_stay()]
        for proc in self.machine.processes:
            functions += self._may_come_first(proc)
        return [*self.tables.lines(), *functions]

    def _name(self, what: str, proc: Process) -> str:
        return self.text.names.of(what, proc.name)

    def _pc(self, proc: Process, state: str) -> str:
        return f"{self.text.names.of('get', proc.pc_var)}({state}, self)"

    # -- who is who --

    def _first_instance(self, proc: Process) -> int:
        before = self.machine.processes[: self.machine.processes.index(proc)]
        return sum(other.instances for other in before)

    def _first_combination(self, at: int) -> int:
        """The number of an action with its first choice of parameters, among those who can act."""
        instances = sum(proc.instances for proc in self.machine.processes)
        before = self.machine.transitions[:at]
        return instances + sum(choices(tr) for tr in before if tr.process is None)

    # -- conditions that stay --

    def stays(self, expr: Expr, truth: bool, scope: Scope) -> str:
        """C for: this condition has this value in `s`, and nothing in `u` can change that."""
        match expr:
            case Const(value):
                return str(int(bool(value) == truth))
            case Unary("not", value):
                return self.stays(value, not truth, scope)
            case Binary("and" | "or" as op, left, right):
                both = (op == "and") == truth
                a, b = (self.stays(side, truth, scope) for side in (left, right))
                if "01"[not both] in (a, b):
                    return "01"[not both]
                sides = [side for side in (a, b) if side != "01"[both]]
                return f"({(' && ' if both else ' || ').join(sides)})" if sides else "01"[both]
        text = self.text.expr(expr, scope, "s")
        tests = [self._hit(expr, load, scope) for load in dict.fromkeys(loads(expr))]
        unchanged = "".join(f" && !{test}" for test in tests if test)
        return f"({'' if truth else '!'}({text}){unchanged})"

    def _hit(self, expr: Expr, load: Load, scope: Scope) -> str:
        """C for: the cell is in `u`, or what is asked about it."""
        variable = self.machine.variable[load.var]
        cell = self.text.cell(load.var, load.index, scope, "s")
        members = asked(expr, load) if variable.role == "pc" else None
        if members is not None:
            proc = self.machine.process[variable.dims[0].name]
            which = self.plan.bits.questions[proc.name].index(members)
            first = self.tables.question(self.plan.bits.question(proc, 0, which))
            count = len(self.plan.bits.questions[proc.name])
            return f"nl_bit(u, {first} + {count} * ({cell.removeprefix(', ')}))"
        hit = f"{self.text.names.of('hit', load.var)}(u{cell})"
        if load.var not in self.plan.bits.cookies:
            return hit if self.text.layout.fields[load.var].bits else ""
        return f"({hit} || nl_bit(u, {self.tables.question(self.plan.bits.cookie_bit)}))"

    def _hits(self) -> Iterator[str]:
        """Functions that say whether a cell is in a set."""
        for field in self.text.layout.fields.values():
            if field.bits:
                yield from self.text.hit(field)

    # -- who can act --

    def _others(self) -> Iterator[str]:
        for proc in self.machine.processes:
            yield from self._footprints(proc)
        for proc in self.machine.processes:
            yield from self._acts(proc)
        yield "\n/* Whether nobody minds a step of `me`. */"
        yield "static int nobody_minds(const word *s, uint32_t me, struct nl_step *x)"
        yield "{"
        yield "\tword *const u = x->moving;"
        yield "\tint more, held, bad;"
        yield ""
        yield "\t(void)s; (void)u; (void)held; (void)bad;"
        yield "\tdo {"
        yield "\t\tmore = 0;"
        for proc in self.machine.processes:
            yield from self._processes_act(proc)
        for at in self.plan.actions:
            yield from self._action_acts(at)
        yield "\t} while (more);"
        yield "\treturn 1;"
        yield "}"

    def _footprints(self, proc: Process) -> Iterator[str]:
        """The tables of a process and what finds its way in them."""
        plan, name = self.plan, proc.name
        yield from self.tables.ranges(
            self._name("futures", proc), proc, proc.pcs,
            lambda pc, me: plan.futures.get((name, pc, me), ()),
        )  # fmt: skip
        yield from self.tables.ranges(
            self._name("touches", proc), proc, proc.pcs,
            lambda pc, me: plan.steps.get((name, pc, me), ()),
        )  # fmt: skip
        yield from self.tables.ranges(
            self._name("to_run", proc), proc, 1, lambda _, me: plan.to_run[name, me]
        )
        yield from self.tables.key(proc)

    def _each_part(
        self, what: str, proc: Process, place: str, then: str, tabs: str
    ) -> Iterator[str]:
        """A loop over the parts of a footprint, each with its area as `area`."""
        ranges = self._name(what, proc)
        yield f"{tabs}for (uint32_t k = {ranges}[{place}]; k < {ranges}[{place} + 1]; k++) {{"
        yield f"{tabs}\tconst struct nl_part *const part = &parts[k];"
        yield f"{tabs}\tconst struct nl_area *const area ="
        yield f"{tabs}\t\t&areas[part->first + {self._name('key', proc)}(s, self, part->key)];"
        yield ""
        yield f"{tabs}\t{then}"
        yield f"{tabs}}}"

    def _acts(self, proc: Process) -> Iterator[str]:
        """Whether an instance can act, as long as nothing but `u` changes."""
        scope = process_scope(self.machine, proc)
        yield f"\nNL_STEP int {self._name('acts', proc)}(const word *s, val self, const word *u)"
        yield "{"
        yield "\tint bad = 0, held;"
        yield ""
        yield "\t(void)s; (void)self; (void)u;"
        yield f"\tif (!{self._pc(proc, 's')})"
        yield "\t\treturn 0;"
        yield f"\theld = {self.stays(proc.may_run, False, scope)};"
        yield "\tif (held && !bad)"
        yield "\t\treturn 0;"
        yield "\tbad = 0;"
        yield f"\tswitch ({self._pc(proc, 's')}) {{"
        for pc in range(1, proc.pcs):
            steps = self.machine.steps_at.get((proc.name, pc), ())
            if any(tr.params or tr.guard == TRUE for tr in steps):
                continue
            held = [self.stays(tr.guard, False, guard_scope(self.machine, tr)) for tr in steps]
            yield f"\tcase {pc}:"
            yield f"\t\theld = {' && '.join(held) or '1'};"
            yield "\t\treturn !held || bad;"
        yield "\tdefault:"
        yield "\t\treturn 1;"
        yield "\t}"
        yield "}"

    def _processes_act(self, proc: Process) -> Iterator[str]:
        first = self._first_instance(proc)
        yield f"\t\tfor (val self = 0; self < {proc.instances}; self++) {{"
        yield f"\t\t\tif ({first} + self == me || nl_bit(x->awake, {first} + self) ||"
        yield f"\t\t\t    !{self._name('acts', proc)}(s, self, u))"
        yield "\t\t\t\tcontinue;"
        if not self.plan.order:
            yield "\t\t\treturn 0;"
        else:
            place = f"{proc.pcs} * self + {self._pc(proc, 's')}"
            then = "if (nl_minds(x, area)) return 0;"
            yield from self._each_part("futures", proc, place, then, "\t\t\t")
            yield f"\t\t\tnl_set_bit(x->awake, {first} + self);"
            yield "\t\t\tmore = 1;"
        yield "\t\t}"

    def _action_acts(self, at: int) -> Iterator[str]:
        """For each choice of parameters; what does not depend on one is asked before it."""
        tr = self.machine.transitions[at]
        scope, rest = guard_scope(self.machine, tr), list(conjuncts(tr.guard))
        known: set[str] = set()
        tabs, closing, index = "\t\t", 0, "0"
        yield f"{tabs}/* {comment(tr.name)} */"
        for param in (None, *tr.params):
            if param is not None:
                name = self.text.names.of("p", param.name)
                lo, hi = number(param.lo), param.hi
                yield f"{tabs}for (val {name} = {lo}; {name} <= {hi}; {name}++) {{"
                known.add(param.name)
                index = f"({index}) * {param.hi - param.lo + 1} + {name} - {number(param.lo)}"
                tabs, closing = tabs + "\t", closing + 1
            ready = [part for part in rest if parameters(part) <= known]
            rest = [part for part in rest if part not in ready]
            held = " || ".join(self.stays(part, False, scope) for part in ready)
            if held:
                yield f"{tabs}bad = 0;"
                yield f"{tabs}held = {held};"
                yield f"{tabs}if (!held || bad) {{"
                tabs, closing = tabs + "\t", closing + 1
        yield from self._action_does(tr, at, index, tabs)
        for depth in range(closing, 0, -1):
            yield "\t" * (depth + 1) + "}"

    def _action_does(self, tr: Transition, at: int, index: str, tabs: str) -> Iterator[str]:
        if not (self.plan.arrivals if tr.environment else self.plan.order):
            yield f"{tabs}return 0;"
            return
        who = f"{self._first_combination(at)} + {index}"
        areas = self.tables.of(list(self.plan.actions[at].values()))
        yield f"{tabs}if (!nl_bit(x->awake, {who})) {{"
        yield f"{tabs}\tif (nl_minds(x, &areas[{areas} + {index}]))"
        yield f"{tabs}\t\treturn 0;"
        yield f"{tabs}\tnl_set_bit(x->awake, {who});"
        yield f"{tabs}\tmore = 1;"
        yield f"{tabs}}}"

    def _may_come_first(self, proc: Process) -> Iterator[str]:
        """Whether a step from `s` to `after` can be taken before everything that others do."""
        goals, name = self.tables.of([Area(0, self.plan.goals)]), self._name("first", proc)
        yield f"\nNL_STEP int {name}(const word *s, const word *after, val self)"
        yield "{"
        yield f"\tconst val pc = {self._pc(proc, 's')}, to = {self._pc(proc, 'after')};"
        yield "\tstruct nl_step x;"
        yield "\tint bad = 0;"
        yield ""
        yield "\t(void)bad;"
        yield "\tif (!to)"
        yield "\t\treturn 0;"
        yield "\tnl_step_begin(&x, s, after);"
        yield from self._answers(proc)
        yield f"\tif (nl_meet(x.changed, areas[{goals}].looks))"
        yield "\t\treturn 0;"
        then = "if (nl_meet(x.changed, area->looks)) return 0;"
        yield from self._each_part("to_run", proc, "self", then, "\t")
        place = f"{proc.pcs} * self + pc"
        yield from self._each_part("touches", proc, place, "nl_touch(&x, area);", "\t")
        yield f"\tif (!nobody_minds(s, {self._first_instance(proc)} + (uint32_t)self, &x))"
        yield "\t\treturn 0;"
        if self.plan.invariants:
            yield "\treturn invariants_stay(s, &x);"
        else:
            yield "\treturn 1;"
        yield "}"

    def _answers(self, proc: Process) -> Iterator[str]:
        """The questions about the process that the step gives another answer to."""
        for which, members in enumerate(self.plan.bits.questions[proc.name]):
            if members == {0}:
                continue
            was, now = (self.text.member(value, members) for value in ("pc", "to"))
            differ = (
                f"{was} && !{now}" if which in self.plan.arriving[proc.name] else f"{was} != {now}"
            )
            first = self.tables.question(self.plan.bits.question(proc, 0, which))
            place = f"{first} + {len(self.plan.bits.questions[proc.name])} * self"
            yield f"\tif ({differ}) {{"
            yield f"\t\tnl_answer(&x, {place});"
            yield "\t}"

    def _invariants_stay(self) -> Iterator[str]:
        """Whether invariants that look at what the step changes are true until then."""
        if not self.plan.invariants:
            return
        yield "\nstatic uint64_t broken(const word *s, int *to);"
        yield "\nstatic int invariants_stay(const word *s, const struct nl_step *x)"
        yield "{"
        yield "\tconst word *const u = x->acting;"
        yield "\tint bad = 0, asked = 0;"
        yield ""
        for expr, looks in self.plan.invariants:
            area = self.tables.of([Area(0, looks)])
            text = self.stays(expr, True, Scope(self.machine))
            yield f"\tif (nl_meet(x->changed, areas[{area}].looks)) {{"
            yield "\t\tasked = 1;"
            yield f"\t\tif (!{text} || bad)"
            yield "\t\t\treturn 0;"
            yield "\t}"
        yield "\treturn !asked || (!broken(s, &bad) && !bad);"
        yield "}"
