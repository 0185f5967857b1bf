"""Turns the cycle that an engine found into a lasso of single steps, on the interpreter."""

from __future__ import annotations

from collections.abc import Sequence

from engines.explicit.search import RawLasso
from engines.explicit.traces import Expander
from engines.reductions.symmetry import renamed
from engines.result import Lasso, Trace
from model.language.actors import Actors
from model.language.interpreter import Firing, State, evaluate, fire
from model.language.machine import Expr


class UnfairRenaming(Exception):
    """A cycle that is what is looked for only if instances that look alike count as one."""


def to_lasso(expander: Expander, raw: RawLasso, goals: Sequence[Expr]) -> Lasso:
    """A stem and a loop of single steps that ends in the very state in which it began.

    With symmetry the engine's cycle leads back to a state that is equal up to renaming. It is
    repeated until a state recurs, which it does after as many turns as there are renamings at most.
    One of the goals is missed all along. Raises UnfairRenaming if that is not so because now this
    instance misses its goal and now that one; or if the loop keeps an instance waiting that looks
    like another one.
    """
    stem, state = expander.to_state(raw.stem)
    firings: list[Firing] = list(stem)
    before: dict[State, int] = {}
    while state not in before:
        before[state] = len(firings)
        for actor, target in raw.loop:
            following, state = _step(expander, state, actor, target)
            firings += following
    lasso = _shortest(expander, tuple(firings), len(stem), before[state])
    if lasso is None:
        if expander.symmetry is None:
            raise expander.disagree("a cycle keeps somebody waiting who can step")
        raise UnfairRenaming
    states = _states(expander, lasso.stem, lasso.loop)
    if any(_is_missed(expander, states, goal) for goal in goals):
        return lasso
    if len(goals) == 1:
        raise expander.disagree("a goal is reached on a cycle where it was reported missing")
    raise UnfairRenaming


def _is_missed(expander: Expander, states: Sequence[State], goal: Expr) -> bool:
    return not any(evaluate(expander.machine, state, goal) for state in states)


def _step(expander: Expander, state: State, actor: int, target: State) -> tuple[Trace, State]:
    """What this actor does to get to a state that equals the target up to renaming."""
    actors = Actors(expander.machine, renamed(expander.symmetry))
    wanted = expander.canonical(target)
    for firings, reached in expander.edges(state, lambda first: actors.number(first) == actor):
        if expander.canonical(reached) == wanted:
            return firings, reached
    raise expander.disagree("a step of a cycle cannot be taken")


def _states(expander: Expander, stem: Trace, loop: Trace) -> list[State]:
    """The states of the loop, the first one of them also at the end."""
    state = expander.machine.initial
    for firing in stem:
        state = fire(expander.machine, state, firing).state
    states = [state]
    for firing in loop:
        states.append(fire(expander.machine, states[-1], firing).state)
    return states


def _shortest(expander: Expander, firings: Trace, cycle_from: int, turns_from: int) -> Lasso | None:
    """The fair lasso that is complete first, of what goes on from `cycle_from`.

    The engine's cycle was put together from ways between those who must step, and a merged step may
    go round a loop of its own many times: often a state recurs sooner, and that will do. If nothing
    else does, it is all of the cycle, which begins for the last time at `turns_from`.
    """
    actors = Actors(expander.machine)
    states = _states(expander, firings[:cycle_from], firings[cycle_from:])
    latest: dict[State, int] = {}
    can: dict[State, frozenset[int]] = {}

    def is_fair(begin: int, end: int) -> bool:
        does = {actors.number(firing) for firing in firings[begin:end]}
        for state in states[begin - cycle_from : end - cycle_from]:
            if state not in can:
                can[state] = frozenset(actors.who_can(state))
            if not can[state] <= does:
                return False
        return True

    for end, state in enumerate(states, start=cycle_from):
        begin = latest.get(state)
        latest[state] = end
        if begin is not None and is_fair(begin, end):
            return Lasso(firings[:begin], firings[begin:end])
    if is_fair(turns_from, len(firings)):
        return Lasso(firings[:turns_from], firings[turns_from:])
    return None
