"""What is executed together with a step: the definition, on the interpreter.

The generated C and Python do the same faster; a trace is expanded by what is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from engines.reductions.independence import Area, Independence, Parts
from engines.reductions.merging import Merging
from model.language.fold import loads
from model.language.interpreter import Firing, State, broken_invariant, evaluate, fire, firings
from model.language.machine import Binary, Const, Expr, InSet, Load, Machine, Process, Unary

MOST_MERGED = 10_000
"""Merged steps in a row."""

FIRST_LANDMARK = 8
"""A loop that touches nothing shared must not run for ever within one edge. After so many merged
steps in a row, and after twice as many each time, the state is remembered; where it recurs, nothing
is merged with this edge. So the loop is one of the graph too, and a search for cycles finds it."""

Instance = tuple[Process, int]


def run_ahead(machine: Machine, plan: Merging, state: State) -> tuple[tuple[Firing, ...], State]:
    """The steps that are merged with one that led to `state`, and where they end.

    Each instance in turn takes steps as long as it can, until nobody has one left to merge.
    """
    begin, done = state, list[Firing]()
    landmark, remember_at = None, FIRST_LANDMARK
    everybody = [(proc, me) for proc in machine.processes for me in range(proc.instances)]
    at = since = 0
    while since < len(everybody) and not plan.does_nothing:
        merged = next_merged(machine, plan, state, *everybody[at])
        if merged is None:
            at, since = (at + 1) % len(everybody), since + 1
            continue
        firing, state = merged
        since = 0
        done.append(firing)
        if state == landmark or len(done) == MOST_MERGED:
            return (), begin
        if len(done) == remember_at:
            landmark, remember_at = state, 2 * remember_at
    return tuple(done), state


def next_merged(
    machine: Machine, plan: Merging, state: State, proc: Process, me: int
) -> tuple[Firing, State] | None:
    """The step of an instance that is not explored apart, and where it leads; None without one."""
    pc, args = state[machine.offset[proc.pc_var] + me], {"self": me}
    if not pc or not evaluate(machine, state, proc.may_run, args):
        return None
    steps = machine.steps_at.get((proc.name, pc), ())
    if len(steps) == 1 and steps[0].id in plan.steps:
        firing = Firing(steps[0], tuple(args.items()))
        if evaluate(machine, state, plan.steps[steps[0].id], args):
            result = fire(machine, state, firing)
            if result.violated is None:
                return firing, result.state
    if plan.independent is None or (proc.name, pc, me) not in plan.independent.steps:
        return None
    return _Others(machine, plan.independent, state, proc, me).first_step()


class _Others:
    """What the others can do to a step before it is taken; see independence.py."""

    def __init__(
        self, machine: Machine, plan: Independence, state: State, proc: Process, me: int
    ) -> None:
        self.machine, self.plan, self.state = machine, plan, state
        self.proc, self.me = proc, me
        self.pc = state[machine.offset[proc.pc_var] + me]
        self.changed = 0
        self.acting = 0

    def first_step(self) -> tuple[Firing, State] | None:
        """The step, if nobody minds that it comes first."""
        found = list(firings(self.machine, self.state, self.proc, self.me))
        results = [fire(self.machine, self.state, firing) for firing in found]
        ends = {result.state for result in results}
        if len(ends) != 1 or any(result.violated for result in results):
            return None
        (after,) = ends
        to = after[self.machine.offset[self.proc.pc_var] + self.me]
        self.changed = self._changes(after, to)
        private = self._area(self.plan.to_run[self.proc.name, self.me], self.proc, self.me).looks
        if not to or self.changed & (self.plan.goals | private):
            return None
        touched = self._area(
            self.plan.steps[self.proc.name, self.pc, self.me], self.proc, self.me
        ).writes
        if not self._nobody_minds(touched) or not self._invariants_stay():
            return None
        return found[0], after

    def _changes(self, after: State, to: int) -> int:
        """The cells that differ, and the questions about the instance that get another answer."""
        mask = sum(
            1 << at for at, (a, b) in enumerate(zip(self.state, after, strict=True)) if a != b
        )
        for which, members in enumerate(self.plan.bits.questions[self.proc.name]):
            arrives = to in members and which in self.plan.arriving[self.proc.name]
            if (self.pc in members) != (to in members) and not arrives:
                mask |= 1 << self.plan.bits.question(self.proc, self.me, which)
        return mask

    # -- who can act --

    def _nobody_minds(self, touched: int) -> bool:
        """Whether nobody who can act writes what is touched or looks at what is changed."""
        waiting = list(self._everybody())
        found = True
        while found:
            found = False
            for who in list(waiting):
                area = self._area_if_acting(who)
                if area is None:
                    continue
                if area.writes & touched or area.looks & self.changed or not self._tolerated(who):
                    return False
                self.acting |= area.writes
                waiting.remove(who)
                found = True
        return True

    def _everybody(self) -> Iterator[Instance | tuple[int, Mapping[str, int]]]:
        for proc in self.machine.processes:
            for me in range(proc.instances):
                if (proc, me) != (self.proc, self.me):
                    yield proc, me
        for at in self.plan.actions:
            params = self.machine.transitions[at].params
            for values in product(*(range(param.lo, param.hi + 1) for param in params)):
                yield at, dict(zip((param.name for param in params), values, strict=True))

    def _tolerated(self, who: Instance | tuple[int, Mapping[str, int]]) -> bool:
        """Whether steps are taken before what such a one does."""
        if isinstance(who[0], int) and self.machine.transitions[who[0]].environment:
            return self.plan.arrivals
        return self.plan.order

    def _area_if_acting(self, who: Instance | tuple[int, Mapping[str, int]]) -> Area | None:
        """What somebody may touch who can act; None if he cannot."""
        machine, state = self.machine, self.state
        match who:
            case (int(at), Mapping() as given):
                if self._stays(machine.transitions[at].guard, False, given):
                    return None
                return self.plan.actions[at][tuple(given.values())]
            case (Process() as proc, int(me)):
                pc = state[machine.offset[proc.pc_var] + me]
                steps = machine.steps_at.get((proc.name, pc), ())
                stuck = all(
                    not tr.params and self._stays(tr.guard, False, {"self": me}) for tr in steps
                )
                if not pc or stuck or self._stays(proc.may_run, False, {"self": me}):
                    return None
                return self._area(self.plan.futures[proc.name, pc, me], proc, me)
        raise AssertionError(who)

    def _area(self, parts: Parts, proc: Process, me: int) -> Area:
        writes = looks = 0
        for part in parts:
            values = tuple(self.state[self.machine.offset[name] + me] for name in part.locals)
            writes |= part.areas[values].writes
            looks |= part.areas[values].looks
        return Area(writes, looks)

    def _invariants_stay(self) -> bool:
        """Whether invariants that look at what is changed are true until then."""
        self.changed, changed = 0, self.changed
        looking = [expr for expr, looks in self.plan.invariants if looks & changed]
        if looking and broken_invariant(self.machine, self.state):
            return False
        return all(self._stays(expr, True, {}) for expr in looking)

    # -- conditions --

    def _stays(self, expr: Expr, truth: bool, args: Mapping[str, int]) -> bool:
        """Whether a condition has this value, whatever those who act do, and after the step."""
        match expr:
            case Unary("not", value):
                return self._stays(value, not truth, args)
            case Binary("and" | "or" as op, left, right):
                sides = (self._stays(side, truth, args) for side in (left, right))
                return all(sides) if (op == "and") == truth else any(sides)
        try:
            if bool(evaluate(self.machine, self.state, expr, args)) != truth:
                return False
            looked_at = self._looked_at(expr, args)
        except IndexError:
            return False
        return not looked_at & (self.changed | self.acting)

    def _looked_at(self, expr: Expr, args: Mapping[str, int]) -> int:
        """The cells and questions that decide a condition."""
        mask = 0
        for load in loads(expr):
            at = 0
            variable = self.machine.variable[load.var]
            for dim, part in zip(variable.dims, load.index, strict=True):
                value = evaluate(self.machine, self.state, part, args)
                if not 0 <= value < dim.size:
                    raise IndexError
                at = at * dim.size + value
            members = asked(expr, load) if variable.role == "pc" else None
            if members is None:
                mask |= 1 << self.machine.offset[load.var] + at
            else:
                proc = self.machine.process[variable.dims[0].name]
                which = self.plan.bits.questions[proc.name].index(members)
                mask |= 1 << self.plan.bits.question(proc, at, which)
            if load.var in self.plan.bits.cookies:
                mask |= 1 << self.plan.bits.cookie_bit
        return mask


def asked(expr: Expr, load: Load) -> frozenset[int] | None:
    """The set of which a condition only asks whether a loaded value is in it."""
    match expr:
        case Load() if expr == load:
            return frozenset({0})
        case Binary("==" | "!=", inner, Const(value)) | Binary("==" | "!=", Const(value), inner):
            return frozenset({value}) if inner == load else None
        case InSet(inner, members):
            return members if inner == load else None
    return None
