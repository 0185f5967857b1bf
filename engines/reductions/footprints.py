"""What a process may touch from a program counter on, until it is idle, and what an action starts.

A footprint is a set of spots. Where the index of a spot follows from the process's own locals it is
kept as an expression over them, so that the same footprint says something else for a task on CPU 0
than for one on CPU 1. Footprints are found backwards: what may be touched from a program counter on
is what the step there touches, and what may be touched from the next ones on, with the step's
assignments put in for the locals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

from engines.reductions.accesses import reads_to_run
from engines.reductions.bodies import effects
from engines.reductions.reads import Access
from engines.reductions.values import SELF, Possible, Values, bounded
from model.language.fold import loads, rewrite
from model.language.machine import Const, Expr, Load, Machine, Process

COOKIES = ""
"""The variable of a spot that stands for every cookie at once, as they age."""


@dataclass(frozen=True)
class Spot:
    """A variable, and which of its cells.

    `asked`: of a program counter, only whether it is one of these. `closed`: under the lock that
    protects the variable.
    """

    write: bool
    var: str
    at: tuple[Possible, ...] = ()
    asked: frozenset[int] | None = None
    closed: bool = False

    @cached_property
    def locals(self) -> tuple[str, ...]:
        """The locals that decide which cells are meant."""
        exprs = (expr for part in self.at if part is not None for expr in part)
        return tuple(sorted({load.var for expr in exprs for load in loads(expr)}))


Spots = frozenset[Spot]


@dataclass(frozen=True)
class Footprints:
    """The footprints of a machine's transitions and of its processes.

    `protected` are the variables that are touched under their lock only, see merging.py.
    """

    machine: Machine
    protected: frozenset[str]
    _befores: dict[tuple[Spot, int], Spot] = field(default_factory=dict)

    @cached_property
    def starts_by_itself(self) -> bool:
        """Whether some process writes what belongs to another one; else only actions do."""
        return any(
            values.elsewhere
            for tr, (_, values) in zip(self.machine.transitions, self._effects, strict=True)
            if tr.process is not None
        )

    def accesses(self, at: int) -> tuple[Access, ...]:
        """The accesses of a transition, without those to the program counter that it moves."""
        own = self._effects[at][1].pc
        return tuple(a for a in self._effects[at][0] if not (a.var == own and a.own))

    def of_step(self, at: int) -> Spots:
        """What a transition touches, in terms of its parameters and its process's locals."""
        return frozenset(map(self.spot, self.accesses(at)))

    def from_here(self, proc: Process, pc: int) -> Spots:
        """What an instance may touch from a program counter on, to find out if it may run too."""
        return self._futures.get((proc.name, pc), frozenset()) | self.to_run(proc)

    def to_run(self, proc: Process) -> Spots:
        """What is looked at to find out whether an instance may run."""
        return self._to_run[proc.name]

    def pcs_from_here(self, proc: Process, pc: int) -> frozenset[int]:
        """The program counters that an instance may come to."""
        found, waiting = {pc}, [pc]
        while waiting:
            for to in self.following(proc.name, waiting.pop()) - found:
                found.add(to)
                waiting.append(to)
        return frozenset(found)

    def following(self, process: str, pc: int) -> frozenset[int]:
        """Where the steps at a program counter may lead."""
        return self._following.get((process, pc), frozenset())

    def with_started(self, at: int, given: Mapping[str, int]) -> tuple[Spots, tuple[Started, ...]]:
        """What an action touches, with what the processes that it starts may touch; and these."""
        found, values = effects(self.machine, at, given)
        started = tuple(self._started(values))
        spots = set(map(self.spot, found))
        for one in started:
            for pc in one.pcs:
                spots |= {self._put_in(spot, one) for spot in self.from_here(one.process, pc)}
        return frozenset(spots), started

    # -- spots --

    @cached_property
    def _effects(self) -> tuple[tuple[tuple[Access, ...], Values], ...]:
        return tuple(effects(self.machine, at) for at in range(len(self.machine.transitions)))

    def spot(self, access: Access) -> Spot:
        """Where an access goes."""
        if access.kind == "age":
            return Spot(True, COOKIES)
        at = tuple(self._told(part) for part in access.at)
        asked = access.member.members if access.member and self._owner(access.var) else None
        closed = access.var in self.protected and access.checked and not access.lockless
        return Spot(access.kind == "write", access.var, at, asked, closed)

    def _told(self, part: Possible) -> Possible:
        """A part of an index, unless somebody else writes a local that it depends on."""
        if part is None or any(load.var in self._wild for expr in part for load in loads(expr)):
            return None
        return part

    @cached_property
    def _wild(self) -> frozenset[str]:
        """Locals that others write, other than to start the process."""
        return frozenset(
            var
            for _, values in self._effects
            for var, index in values.elsewhere
            if self.machine.variable[var].role == "local"
            and (f"{self.machine.variable[var].dims[0].name}.pc", index) not in values.elsewhere
        )

    def _owner(self, var: str) -> Process | None:
        """The process whose program counters a variable holds."""
        variable = self.machine.variable[var]
        return self.machine.process[variable.dims[0].name] if variable.role == "pc" else None

    @cached_property
    def _to_run(self) -> Mapping[str, Spots]:
        return {
            proc.name: frozenset(map(self.spot, reads_to_run(self.machine, proc)))
            for proc in self.machine.processes
        }

    # -- from a step to the next --

    def _exits(self, at: int) -> Iterator[tuple[frozenset[int], Values]]:
        """Where a transition may lead, and the values of locals there."""
        values = self._effects[at][1]
        process = self.machine.transitions[at].process
        assert process is not None
        for end in values.ends():
            yield self._pcs(process, end.of(Load(values.pc, (SELF,)))), end

    def _pcs(self, process: str, values: Possible) -> frozenset[int]:
        """The program counters that are meant, all where that is not known."""
        if values is None or not all(isinstance(value, Const) for value in values):
            return frozenset(range(self.machine.process[process].pcs))
        return frozenset(value.value for value in values if isinstance(value, Const))

    @cached_property
    def _following(self) -> Mapping[tuple[str, int], frozenset[int]]:
        found: dict[tuple[str, int], frozenset[int]] = {}
        for at, tr in enumerate(self.machine.transitions):
            if tr.process is not None:
                here = (tr.process, tr.pc)
                found[here] = found.get(here, frozenset()).union(*(p for p, _ in self._exits(at)))
        return found

    @cached_property
    def _futures(self) -> Mapping[tuple[str, int], Spots]:
        """Spots wander from each step to those before it, until no step has new ones."""
        into: dict[tuple[str, int], list[tuple[int, Values]]] = {}
        found: dict[tuple[str, int], set[Spot]] = {}
        waiting: list[tuple[tuple[str, int], Spot]] = []
        for at, tr in enumerate(self.machine.transitions):
            if tr.process is None:
                continue
            waiting += (((tr.process, tr.pc), spot) for spot in self.of_step(at))
            for pcs, end in self._exits(at):
                for pc in pcs - {0}:
                    into.setdefault((tr.process, pc), []).append((tr.pc, end))
        while waiting:
            step, spot = waiting.pop()
            known = found.setdefault(step, set())
            if spot not in known:
                known.add(spot)
                for pc, end in into.get(step, ()):
                    waiting.append(((step[0], pc), self._before(spot, end)))
        return {step: frozenset(spots) for step, spots in found.items()}

    def _before(self, spot: Spot, values: Values) -> Spot:
        """A spot in terms of the state before a step."""
        if values.known.keys().isdisjoint(spot.locals):
            return spot
        key = (spot, id(values))
        if key not in self._befores:

            def value(name: str) -> Possible:
                return values.of(Load(name, (SELF,)))

            at = tuple(self._told(_put_in(part, frozenset({SELF}), value)) for part in spot.at)
            self._befores[key] = replace(spot, at=at)
        return self._befores[key]

    # -- starting a process --

    def _started(self, values: Values) -> Iterator[Started]:
        for (var, index), pcs in values.elsewhere.items():
            proc = self._owner(var)
            if proc is not None:
                with_it = {name: v for (name, at), v in values.elsewhere.items() if at == index}
                yield Started(proc, index, self._pcs(proc.name, pcs) - {0}, with_it)

    def _put_in(self, spot: Spot, started: Started) -> Spot:
        at = (_put_in(part, started.instance, started.locals.get) for part in spot.at)
        return replace(spot, at=tuple(at))


@dataclass(frozen=True)
class Started:
    """A process that an action starts: at which program counters, and with which locals.

    Those that are not set have whatever value they had.
    """

    process: Process
    instance: Possible
    pcs: frozenset[int]
    locals: Mapping[str, Possible]


def _put_in(part: Possible, me: Possible, value: Callable[[str], Possible]) -> Possible:
    """A part of an index with the instance and its locals put in."""
    if part is None:
        return None
    found: list[Expr] = []
    for expr in part:
        names = sorted({load.var for load in loads(expr)})
        options: list[Iterable[Expr]] = []
        for possible in (me, *map(value, names)):
            if possible is None:
                return None
            options.append(possible)
        for own, *rest in product(*options):
            put = dict(zip(names, rest, strict=True))

            def change(term: Expr, own: Expr = own, put: Mapping[str, Expr] = put) -> Expr | None:
                if isinstance(term, Load):
                    return put[term.var]
                return own if term == SELF else None

            found.append(rewrite(expr, change))
    return bounded(found)
