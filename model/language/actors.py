"""Who makes a step, and what fairness asks of them.

An actor is an instance of a process, or an action of the system with its parameters. The
environment is no actor: nothing makes it act. A run is fair if every actor that can step again and
again does step again and again. That is what the kernel's parts promise: a context that is on top
of its CPU goes on, an interrupt that is pending is taken when it can be, who waits for a spinlock
gets it in his turn, a queued work finds its worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from model.language.interpreter import Firing, State, enabled
from model.language.machine import Machine, Parameter, Process, Transition

ENVIRONMENT = 0


@dataclass(frozen=True)
class Actors:
    """Numbers the actors of a machine from 1.

    What belongs to a record in `alike`, whose instances are renamed, tells no actors apart: neither
    its instances as parameters, nor a process that each of them has.
    """

    machine: Machine
    alike: frozenset[str] = frozenset()

    @cached_property
    def _firsts(self) -> tuple[dict[str, int], dict[int, int], int]:
        """First numbers by process and by action (its position), and how many numbers there are."""
        following = ENVIRONMENT + 1
        processes: dict[str, int] = {}
        for proc in self.machine.processes:
            processes[proc.name] = following
            following += 1 if proc.record in self.alike else proc.instances
        actions: dict[int, int] = {}
        for at, tr in enumerate(self.machine.transitions):
            if tr.process is None and not tr.environment:
                actions[at] = following
                size = 1
                for param in self.telling(tr):
                    size *= param.hi - param.lo + 1
                following += size
        return processes, actions, following

    @property
    def count(self) -> int:
        """All numbers are below this."""
        return self._firsts[2]

    def telling(self, tr: Transition) -> tuple[Parameter, ...]:
        """The parameters of an action that tell its actors apart."""
        return tuple(
            param
            for param in tr.params
            if not (param.type.kind == "ref" and param.type.name in self.alike)
        )

    def first(self, at: int) -> int:
        """The number of a transition's first actor; of the transition at this position."""
        tr = self.machine.transitions[at]
        if tr.environment:
            return ENVIRONMENT
        return self._firsts[1][at] if tr.process is None else self._firsts[0][tr.process]

    def of_process(self, proc: Process) -> int:
        """The number of a process's first instance."""
        return self._firsts[0][proc.name]

    @cached_property
    def instances(self) -> tuple[int, ...]:
        """The number of each instance of each process."""
        return tuple(
            self._firsts[0][proc.name] + (0 if proc.record in self.alike else me)
            for proc in self.machine.processes
            for me in range(proc.instances)
        )

    def number(self, firing: Firing) -> int:
        """Who makes this step."""
        tr, args = firing.transition, dict(firing.args)
        first = self.first(self._position[id(tr)])
        if tr.environment:
            return ENVIRONMENT
        if tr.process is not None:
            record = self.machine.process[tr.process].record
            return first + (0 if record in self.alike else args["self"])
        at = 0
        for param in self.telling(tr):
            at = at * (param.hi - param.lo + 1) + args[param.name] - param.lo
        return first + at

    @cached_property
    def _position(self) -> dict[int, int]:
        return {id(tr): at for at, tr in enumerate(self.machine.transitions)}

    def who_can(self, state: State) -> dict[int, Firing]:
        """The actors that can step in a state, each with a step."""
        found: dict[int, Firing] = {}
        for firing in enabled(self.machine, state):
            found.setdefault(self.number(firing), firing)
        found.pop(ENVIRONMENT, None)
        return found

    def kept_waiting(self, states: Iterable[State], firings: Sequence[Firing]) -> Firing | None:
        """A step that a run which repeats these states and firings for ever unfairly leaves out."""
        stepped = {self.number(firing) for firing in firings}
        for state in states:
            for actor, firing in self.who_can(state).items():
                if actor not in stepped:
                    return firing
        return None
