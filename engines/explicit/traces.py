"""Turns the states an engine stored into a trace of single steps, on the reference interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from engines.explicit.search import Finding
from engines.reductions.ahead import run_ahead
from engines.reductions.merging import Merging
from engines.reductions.representative import Representatives
from engines.reductions.symmetry import Symmetry
from engines.result import EngineDisagreement, Trace
from model.language.interpreter import Firing, State, enabled, evaluate, fire
from model.language.machine import Check, Expr, Invariant, Machine


@dataclass(frozen=True)
class Expander:
    """Follows an engine's path in the interpreter, renaming and unmerging on the way."""

    machine: Machine
    merging: Merging
    symmetry: Symmetry | None
    engine: str

    @property
    def steps_apart(self) -> bool:
        """Whether a step of the search is one step, so that its shortest traces are shortest."""
        return self.merging.does_nothing

    def to_state(self, path: Sequence[State]) -> tuple[Trace, State]:
        """Firings from the initial state to the last of the path, and that state.

        With symmetry it is equal to the engine's up to renaming; object numbers are the same all
        along the trace.
        """
        state = self.machine.initial
        if self.canonical(state) != self.canonical(path[0]):
            raise self.disagree("the search does not start in the initial state")
        trace: list[Firing] = []
        for number, target in enumerate(path[1:]):
            wanted = self.canonical(target)
            for firings, reached in self.edges(state):
                if self.canonical(reached) == wanted:
                    trace += firings
                    state = reached
                    break
            else:
                raise self.disagree(f"no step leads to state {number + 1} of a trace")
        return tuple(trace), state

    def to_finding(self, finding: Finding) -> tuple[Trace, Check | Invariant | None]:
        """The trace of something wrong, and what is; the interpreter must agree that it is."""
        trace, state = self.to_state(finding.path)
        match finding.what:
            case Check():
                firing, check = self._failing(state, finding.what)
                return (*trace, firing), check
            case Invariant():
                broken = self._broken(state, finding.what)
                return self._until_broken(trace, broken.expr), broken
            case None:
                return (*trace, *self._faulty(state, finding.transition)), None

    def _broken(self, state: State, reported: Invariant) -> Invariant:
        """The invariant that does not hold: where instances were renamed, that of another one."""
        alike = [one for one in self.machine.invariants if one.prop == reported.prop]
        for one in (reported, *alike) if self.symmetry else (reported,):
            if not evaluate(self.machine, state, one.expr):
                return one
        raise self.disagree(f"`{reported.prop}` holds where it was reported broken")

    def _until_broken(self, trace: Trace, expr: Expr) -> Trace:
        """The trace to the first state without the invariant: merged steps may follow it."""
        state = self.machine.initial
        for at, firing in enumerate(trace):
            if not evaluate(self.machine, state, expr):
                return trace[:at]
            state = fire(self.machine, state, firing).state
        return trace

    def confirm_goal(self, path: Sequence[State], expr: Expr, at_rest: bool) -> Trace:
        """The trace to a state without the goal, which is at rest if so claimed."""
        trace, state = self.to_state(path)
        if evaluate(self.machine, state, expr):
            raise self.disagree("a goal is reached where it was reported missing")
        if at_rest:
            self._confirm_rest(state)
        return trace

    def confirm_rest(self, path: Sequence[State]) -> Trace:
        """The trace to a state of rest."""
        trace, state = self.to_state(path)
        self._confirm_rest(state)
        return trace

    def _confirm_rest(self, state: State) -> None:
        for firing in enabled(self.machine, state):
            if not firing.transition.environment:
                raise self.disagree(f"`{firing.transition.name}` is enabled in a state of rest")

    def edges(
        self, state: State, wanted: Callable[[Firing], bool] = lambda _: True
    ) -> Iterator[tuple[Trace, State]]:
        """The search's steps from a state: what fires, merged steps included, and where to."""
        for firing in filter(wanted, enabled(self.machine, state)):
            successor = fire(self.machine, state, firing)
            if successor.violated is None:
                ahead, reached = run_ahead(self.machine, self.merging, successor.state)
                yield (firing, *ahead), reached

    def _failing(self, state: State, check: Check) -> tuple[Firing, Check]:
        """The firing that breaks this check; else, as instances are renamed, one that is alike."""
        broken: list[tuple[Firing, Check]] = []
        for firing in enabled(self.machine, state):
            violated = fire(self.machine, state, firing).violated
            if violated is check:
                return firing, check
            if violated is not None and violated.prop == check.prop:
                broken.append((firing, violated))
        if not broken:
            raise self.disagree(f"no step breaks `{check.prop}` where one was reported")
        return broken[0]

    def _faulty(self, state: State, position: int | None) -> Trace:
        """The firing that computes an index or a value outside its range, if it is a firing."""
        wanted = None if position is None else self.machine.transitions[position]
        candidates: list[Firing] = []
        try:
            for firing in enabled(self.machine, state):
                if firing.transition is wanted:
                    candidates.append(firing)
        except IndexError:
            return ()
        for firing in candidates:
            try:
                reached = fire(self.machine, state, firing).state
            except IndexError:
                return (firing,)
            if not self._in_range(reached):
                return (firing,)
        if wanted is None:
            # An invariant, a goal or may_run: the state itself is where it happens.
            return ()
        if not candidates:
            raise self.disagree(f"`{wanted.name}` is not enabled where it was reported wrong")
        return (candidates[0],)

    def _in_range(self, state: State) -> bool:
        cells = zip(self.machine.cells, state, strict=True)
        return all(var.type.lo <= value <= var.type.hi for (var, _), value in cells)

    def canonical(self, state: State) -> State:
        """What tells the class of a state from others; it may be another than the engine's."""
        if self._representatives is None:
            return state
        cells = zip(state, self.machine.cells, strict=True)
        return self._representatives.of([value - var.type.lo for value, (var, _) in cells])

    @cached_property
    def _representatives(self) -> Representatives | None:
        return None if self.symmetry is None else Representatives(self.symmetry)

    def disagree(self, what: str) -> EngineDisagreement:
        """What to raise where the interpreter says something else than the engine."""
        return EngineDisagreement(what, self.machine.name, self.engine)
