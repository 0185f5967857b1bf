"""Steps that commute with everything that others can do before them, in the state at hand.

Merging looks at steps and asks whether anybody could ever mind. Here the question is asked in a
state: who of the others can act at all before this step is taken, and what may they touch? A lock
that nobody else can reach is taken at once, and so is what a handler does that touches nothing that
the other CPU is about to touch. The step is then the only one that is explored in this state.

*Who can act.* Suppose that the instance does not step. A process that can run may do all that its
code has from where it is (`footprints.py`), an action that is possible may happen, and whoever it
starts may do all that he does. All this may change certain cells. Who cannot act now may be able to
later, but only if one of the conditions that are false now reads such a cell. With him more cells
may change; and so on, until nobody is left who could come. Whoever is left out stays out: each of
his steps has a condition that is false and that nobody who acts can make true.

*The step.* It is executed on a copy of the state. It is taken at once if

* it is the only one that the instance can take (where it chooses, every choice leads to the same
  state), no check fails, and the process does not end with it;
* nobody who can act writes a cell that the step touches, or looks at one that it changes. Whoever
  would be able to act only because of the step counts as one who can;
* what it changes is not looked at to find out whether it may run itself, and no goal looks at it;
* each invariant that looks at what it changes stays true as long as the step is not taken; and if
  there is one, all invariants are true, so that nothing is explored beyond a violation.

Then the step commutes with all that others can do before it, and the same others can step before it
and after it. `docs/semantics.md` has the rest of the argument.

*Locks and cookies* are as in `merging.py`: what a lock protects is private to its holder, and a
cookie that is only copied may age before or after. *Arrivals* at a probe point may come sooner if
the step brings the process to one, but are not lost where the step takes it away from one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from engines.reductions.accesses import accesses, reads_of
from engines.reductions.bits import Bits
from engines.reductions.footprints import COOKIES, Footprints, Spot
from engines.reductions.reads import Access
from model.language.machine import Const, Expr, Machine, Process, Transition

MOST_COPIES = 64
"""A part of a footprint has so many entries at most; else it is as if its locals were unknown."""
MOST_CHOICES = 4
"""A step that chooses among more is not looked at."""


@dataclass(frozen=True)
class Area:
    """The bits of a footprint: what is written, and what is looked at other than under a lock."""

    writes: int = 0
    looks: int = 0


@dataclass(frozen=True)
class Part:
    """A part of a footprint that depends on certain locals: an area for each of their values."""

    locals: tuple[str, ...]
    areas: Mapping[tuple[int, ...], Area]


Parts = tuple[Part, ...]
Place = tuple[str, int, int]
"""A process, a program counter, an instance."""


@dataclass(frozen=True)
class Independence:
    """All that is known of a machine beforehand.

    `futures` is what an instance may touch from a program counter on, `steps` what the steps there
    touch themselves (as writes), for those that can be taken at once. `actions` are by transition
    and parameters. `goals` is what any goal looks at, `invariants` are with what each does.
    `arriving` are questions whose becoming true does nothing but let something arrive. `to_run` is
    what decides whether an instance may run.

    `order`: steps are taken before those of others; `arrivals`: before what the environment does.
    """

    machine: Machine
    bits: Bits
    futures: Mapping[Place, Parts]
    steps: Mapping[Place, Parts]
    actions: Mapping[int, Mapping[tuple[int, ...], Area]]
    goals: int
    invariants: tuple[tuple[Expr, int], ...]
    arriving: Mapping[str, frozenset[int]]
    to_run: Mapping[tuple[str, int], Parts]
    order: bool = True
    arrivals: bool = True


def independence(
    machine: Machine,
    protected: frozenset[str],
    is_private: Callable[[Access], bool],
    ages_alike: Callable[[Access], bool],
    order: bool = True,
    arrivals: bool = True,
) -> Independence | None:
    """What is to be known of a machine; None where nothing can be said.

    `protected` are the variables under locks, and `is_private` says of an access that nobody else
    can interfere with it as long as its instance does not step (both from merging.py).
    """
    everything = accesses(machine)
    prints = Footprints(machine, protected)
    if prints.starts_by_itself:
        return None
    bits = Bits.of(machine, everything)
    maker = _Maker(machine, prints, bits, is_private, ages_alike)
    return Independence(
        machine,
        bits,
        futures={place: maker.future(*place) for place in maker.places()},
        steps={place: maker.step(*place) for place in maker.places() if maker.is_candidate(*place)},
        actions={at: maker.action(at) for at in maker.actions()},
        goals=bits.mask(prints.spot(access) for goal in machine.goals for access in reads_of(goal)),
        invariants=tuple(maker.invariants()),
        arriving=_arriving(machine, everything),
        to_run={
            (proc.name, me): maker.parts(prints.to_run(proc), me)
            for proc in machine.processes
            for me in range(proc.instances)
        },
        order=order,
        arrivals=arrivals,
    )


def _arriving(machine: Machine, everything: Iterable[Access]) -> Mapping[str, frozenset[int]]:
    """Questions (their positions) that only guards of arrivals ask, who can come if it is true."""
    bits = Bits.of(machine, everything)
    found = {proc.name: set(range(len(bits.questions[proc.name]))) for proc in machine.processes}
    for access in everything:
        if access.member is None or machine.variable[access.var].role != "pc":
            continue
        arrives = access.process is None and access.place == "guard" and access.member.enables
        assert access.place != "guard" or access.transition is not None
        if not arrives or not machine.transitions[access.transition or 0].environment:
            name = machine.variable[access.var].dims[0].name
            found[name].discard(bits.questions[name].index(access.member.members))
    return {name: frozenset(which) for name, which in found.items()}


@dataclass(frozen=True)
class _Maker:
    """Makes areas of footprints."""

    machine: Machine
    prints: Footprints
    bits: Bits
    is_private: Callable[[Access], bool]
    ages_alike: Callable[[Access], bool]

    def places(self) -> Iterator[Place]:
        for proc in self.machine.processes:
            for pc in range(1, proc.pcs):
                for me in range(proc.instances):
                    yield proc.name, pc, me

    def actions(self) -> Iterator[int]:
        return (at for at, tr in enumerate(self.machine.transitions) if tr.process is None)

    def is_candidate(self, process: str, pc: int, me: int) -> bool:
        """Whether the step there can be taken at once at all."""
        steps = self.machine.steps_at.get((process, pc), ())
        if not steps or any(tr.environment for tr in steps):
            return False
        if sum(choices(tr) for tr in steps) > MOST_CHOICES:
            return False
        if any(access.kind == "age" for tr in steps for access in self.prints.accesses(tr.id)):
            return False
        return self.prints.following(process, pc) != frozenset({0})

    def step(self, process: str, pc: int, me: int) -> Parts:
        """What the steps at a program counter touch, unless it is nobody else's business."""
        proc = self.machine.process[process]
        spots = set()
        for tr in self.machine.steps_at[process, pc]:
            for access in self.prints.accesses(tr.id):
                spot = self.prints.spot(access)
                if not self.ages_alike(access):
                    spots.add(Spot(True, COOKIES))
                if not spot.closed and not self.is_private(access):
                    spots.add(Spot(True, spot.var, spot.at, spot.asked))
        own = 1 << self.machine.offset[proc.pc_var] + me
        return (*self.parts(frozenset(spots), me), Part((), {(): Area(own, 0)}))

    def future(self, process: str, pc: int, me: int) -> Parts:
        """What an instance may touch from here on."""
        proc = self.machine.process[process]
        return (
            *self.parts(self.prints.from_here(proc, pc), me),
            Part((), {(): Area(self._moves(proc, me, pc))}),
        )

    def _moves(self, proc: Process, me: int, pc: int) -> int:
        """What changes as an instance goes on from a program counter."""
        pcs = self.prints.pcs_from_here(proc, pc)
        return self.bits.answers(proc, me, pcs) | 1 << self.machine.offset[proc.pc_var] + me

    def action(self, at: int) -> Mapping[tuple[int, ...], Area]:
        """What an action touches, with all that it starts, for each choice of its parameters."""
        params = self.machine.transitions[at].params
        areas = {}
        for values in product(*(range(param.lo, param.hi + 1) for param in params)):
            given = {param.name: value for param, value in zip(params, values, strict=True)}
            spots, started = self.prints.with_started(at, given)
            moves = 0
            for one in started:
                for me in instances_of(one.instance, one.process):
                    for pc in one.pcs:
                        moves |= self._moves(one.process, me, pc)
                    moves |= self.bits.answers(one.process, me, {0, *one.pcs})
            area = self.area(spots, 0, {})
            areas[values] = Area(area.writes | moves, area.looks)
        return areas

    def invariants(self) -> Iterator[tuple[Expr, int]]:
        """Each invariant, and what it looks at other than under a lock."""
        for invariant in self.machine.invariants:
            spots = [
                self.prints.spot(access)
                for access in reads_of(invariant)
                if not (access.sheltered and access.var in self.prints.protected)
            ]
            yield invariant.expr, self.bits.mask(spots)

    # -- areas --

    def area(self, spots: Iterable[Spot], me: int, locals_: Mapping[str, int]) -> Area:
        found = list(spots)
        return Area(
            self.bits.mask((spot for spot in found if spot.write), me, locals_),
            self.bits.mask((s for s in found if not s.write and not s.closed), me, locals_),
        )

    def parts(self, spots: frozenset[Spot], me: int) -> Parts:
        """A footprint by the locals that its spots depend on."""
        groups: dict[tuple[str, ...], list[Spot]] = {}
        for spot in spots:
            if prod(self._size(name) for name in spot.locals) > MOST_COPIES:
                at = tuple(None if Spot(True, "", (part,)).locals else part for part in spot.at)
                spot = Spot(spot.write, spot.var, at, spot.asked, spot.closed)
            groups.setdefault(spot.locals, []).append(spot)
        found = []
        for names in sorted(groups):
            areas = {
                values: self.area(groups[names], me, dict(zip(names, values, strict=True)))
                for values in product(*(self._values(name) for name in names))
            }
            found.append(Part(names, areas))
        return tuple(found)

    def _values(self, name: str) -> range:
        kind = self.machine.variable[name].type
        return range(kind.lo, kind.hi + 1)

    def _size(self, name: str) -> int:
        return len(self._values(name))


def choices(tr: Transition) -> int:
    """How many firings a transition has at most."""
    return prod(param.hi - param.lo + 1 for param in tr.params)


def instances_of(instance: frozenset[Expr] | None, proc: Process) -> Iterable[int]:
    """The instances that are meant."""
    if instance is None or not all(isinstance(one, Const) for one in instance):
        return range(proc.instances)
    return [one.value for one in instance if isinstance(one, Const)]
