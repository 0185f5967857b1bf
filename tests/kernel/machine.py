"""Walks through tiny designs: one context's call, one step, one interrupt at a time.

A design here calls one primitive from the contexts of `model/kernel/contexts.py`. The routines
that a test may call are its entries; `answers.py` beside it keeps what each call returned, by the
object that the call was made with. Instances are counted from 1, as references are in a state;
a client's task has the number of the CPU that it starts on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from model.language.interpreter import Firing, State, Successor, enabled, fire, successors
from model.language.machine import Check, Machine, Transition

ANSWERS = '''\
from model.kernel.objects import Object
from model.language.syntax import Enum, atomic, goal, of, record


class Said(Enum):
    NOTHING = 0
    NO = 1
    YES = 2


@record(per=Object)
class Answer:
    """What the call that was made with this object returned."""

    said: Said


@atomic
def answer(obj: Object, yes: bool) -> None:
    of(Answer, obj).said = Said.YES if yes else Said.NO


@goal("no_lost_objects", "answers are looked at")
def answers_are_looked_at() -> bool:
    return all(a.said == a.said for a in Answer)
'''

ARRIVALS = {
    "client": ("client_frees",),
    "softirq": ("softirq_frees",),
    "hardirq": ("device_interrupts",),
    "nmi": ("nmi_arrives",),
    "probe": ("probe_hits_task", "probe_hits_softirq", "probe_hits_hardirq", "probe_hits_nmi"),
}
LONGEST = 300
SAID = {0: None, 1: False, 2: True}


def looked_at(*cells: str) -> str:
    """A goal that reads these fields, for what the model itself writes but never reads."""
    fields = [cell.split(".") for cell in cells]
    terms = " and ".join(f"all(x.{field} == x.{field} for x in {rec})" for rec, field in fields)
    head = '\n\n@goal("no_lost_objects", "fields are looked at")\n'
    return f"{head}def fields_are_looked_at() -> bool:\n    return {terms}\n"


@dataclass
class Walk:
    """A state of a machine, and ways on from it. `violated` is the check that failed last.

    `parts` keeps the machine's processes and actions one by one, so that asking for one is quick.
    """

    machine: Machine
    state: State
    violated: Check | None = None
    parts: dict[str, Machine] = field(default_factory=dict)

    # --- looking --------------------------------------------------------------------------------

    def value(self, variable: str, *at: int) -> int:
        """The cell of a variable, `at` its instance and, for an array, element (all from 1)."""
        found = self.machine.variable[variable]
        cell = 0
        for dim, index in zip(found.dims, at or (1,) * len(found.dims), strict=True):
            assert 1 <= index <= dim.size
            cell = cell * dim.size + index - 1
        return self.state[self.machine.offset[variable] + cell]

    def ref(self, place: str, owner: int = 1) -> int:
        """The number of an embedded instance: `ref("Works.soft")`."""
        record, _, member = place.partition(".")
        for homes in self.machine.embedded.values():
            for number, (name, index, where, _element) in enumerate(homes, 1):
                if (name, index + 1, where) == (record, owner, member):
                    return number
        raise KeyError(place)

    def said(self, obj: int = 1) -> bool | None:
        """What the call with this object returned; None before it has."""
        return SAID[self.value("Answer.said", obj)]

    def running(self, process: str, at: int = 1) -> bool:
        """Whether the context is under way, interrupted or not."""
        return self.value(f"{process}.pc", at) != 0

    def options(self) -> list[Successor]:
        """Everything that can happen."""
        return successors(self.machine, self.state)

    def at(self, process: str, routine: str, at: int = 1) -> bool:
        """Whether the context's next step belongs to this routine or to one that it calls."""
        here = self.machine.steps_at.get((process, self.value(f"{process}.pc", at)), ())
        return any(_inside(tr, routine) for tr in here)

    def can(self, action: str, **args: int) -> bool:
        """Whether an action is possible with these arguments and any others."""
        return any(args.items() <= dict(one.args).items() for one in self._enabled(action))

    def can_step(self, process: str, at: int = 1) -> bool:
        """Whether the context can take its next step."""
        return bool(self._steps(process, at))

    # --- going on -------------------------------------------------------------------------------

    def happen(self, action: str, **args: int) -> Walk:
        """An action happens, with these arguments and the first others that are possible."""
        for one in self._enabled(action):
            if args.items() <= dict(one.args).items():
                return self._take(one)
        raise AssertionError(f"{action} is not possible: {args}")

    def step(self, process: str, at: int = 1) -> Walk:
        """A context takes its next step, of which there must be one."""
        found = self._steps(process, at)
        assert len(found) == 1, f"{process} has {len(found)} next steps"
        return self._take(found[0])

    def branches(self, process: str, at: int = 1) -> list[Walk]:
        """A context takes its next step: one walk for each thing that it can choose."""
        return [replace(self)._take(one) for one in self._steps(process, at)]

    def go(self, process: str, to: str | None = None, at: int = 1) -> Walk:
        """A context runs until its next step is inside routine `to`, or to its end.

        It also stops at a violation; having to wait is an error.
        """
        for _ in range(LONGEST):
            ended = not self.running(process, at)
            if self.violated is not None or (ended if to is None else self.at(process, to, at)):
                return self
            assert not ended, f"{process} ended without coming to {to}"
            self.step(process, at)
        raise AssertionError(f"{process} does not come to {to or 'its end'}")

    def arrive(self, context: str, entry: str, obj: int = 1, cpu: int = 1) -> Walk:
        """A context begins, with a call of one of the design's entries as its next step."""
        which = {"who": cpu} if context == "client" else {}
        for action in ARRIVALS[context]:
            if self.can(action, cpu=cpu, obj=obj, **which):
                self.happen(action, cpu=cpu, obj=obj, **which)
                break
        else:
            raise AssertionError(f"no {context} can arrive on CPU {cpu}")
        return self.enter(context, entry, cpu)

    def enter(self, context: str, entry: str, cpu: int = 1) -> Walk:
        """A context that has just begun makes its call: it stands at the entry's first step."""
        before = self.state
        for one in [None, *self._steps(context, cpu)]:
            self.state = fire(self.machine, before, one).state if one else before
            if self.at(context, entry, cpu):
                return self
        raise AssertionError(f"{context} does not call {entry}")

    def call(self, context: str, entry: str, obj: int = 1, cpu: int = 1) -> Walk:
        """A context begins, calls an entry and ends, or violates a property."""
        return self.arrive(context, entry, obj, cpu).go(context, at=cpu)

    def _enabled(self, name: str) -> list[Firing]:
        """What this process or action could do now."""
        if name not in self.parts:
            self.parts[name] = replace(
                self.machine,
                processes=tuple(p for p in self.machine.processes if p.name == name),
                transitions=tuple(
                    tr for tr in self.machine.transitions if (tr.process or tr.name) == name
                ),
            )
        return list(enabled(self.parts[name], self.state))

    def _steps(self, process: str, at: int) -> list[Firing]:
        return [one for one in self._enabled(process) if one.instance == at - 1]

    def _take(self, firing: Firing) -> Walk:
        assert self.violated is None, "nothing follows a violation"
        one = fire(self.machine, self.state, firing)
        self.state, self.violated = one.state, one.violated
        return self


def _inside(tr: Transition, routine: str) -> bool:
    return any(frame.routine == routine for frame in tr.where.chain)


def reachable(walk: Walk, limit: int = 5000) -> list[Walk]:
    """Every state that can follow; one in which a property is violated is an end."""
    seen, todo = {walk.state}, [walk]
    found: list[Walk] = []
    while todo:
        found.append(todo.pop())
        if found[-1].violated is not None:
            continue
        for one in found[-1].options():
            if one.violated is not None or one.state not in seen:
                assert len(seen) < limit, "too many states for a test with the interpreter"
                seen.add(one.state)
                todo.append(replace(walk, state=one.state, violated=one.violated))
    return found


def ends(walk: Walk, process: str, at: int = 1) -> list[Walk]:
    """Every end that the context's call can come to, whatever it chooses; nobody else steps."""
    todo, found = [walk], []
    while todo:
        one = todo.pop()
        if one.violated is not None or not one.running(process, at):
            found.append(one)
        else:
            assert one.can_step(process, at), f"{process} has to wait"
            todo += one.branches(process, at)
    return found


def at_rest(walk: Walk) -> bool:
    """Whether nothing can happen but arrivals from outside."""
    return all(one.firing.transition.environment for one in walk.options())
