"""Lassos: whether the end of an execution can repeat for ever, and violates a property by that."""

from __future__ import annotations

from collections.abc import Sequence

from counterexamples.lanes import Context, context_name
from model.language.actors import Actors
from model.language.interpreter import Firing, State, evaluate
from model.language.machine import Machine


def why_no_lasso(
    machine: Machine,
    prop: str,
    states: Sequence[State],
    firings: Sequence[Firing],
    stem: int | None,
) -> str | None:
    """Why the firings after the first `stem` ones do not miss a goal for ever, or None: they do.

    They must end in the state in which they began. All of them are the system's, in no state among
    them does the goal hold, and everybody who can step does: the run is fair.
    """
    if stem is None or not 0 <= stem < len(firings):
        return "a lasso needs a loop of at least one step"
    loop, around = firings[stem:], states[stem:]
    if around[0] != around[-1]:
        return f"steps {stem + 1}-{len(firings)} do not lead back to where they begin"
    for number, firing in enumerate(loop, start=stem + 1):
        if firing.transition.environment:
            return f"step {number} comes from outside, and that need not go on"
    waiting = Actors(machine).kept_waiting(around[1:], loop)
    if waiting is not None:
        return f"the loop is not fair: {_who(machine, waiting)} can step in it and never does"
    for goal in machine.goals:
        if goal.prop == prop and not any(evaluate(machine, s, goal.expr) for s in around):
            return None
    return f"each goal of {prop} holds somewhere in the loop"


def _who(machine: Machine, firing: Firing) -> str:
    process = firing.transition.process
    if process is None or firing.instance is None:
        return f"`{firing.transition.name}`"
    return context_name(machine, Context(process, firing.instance))
