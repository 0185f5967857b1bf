"""Replay of firings on the reference interpreter: the one gate every counterexample passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from counterexamples.lanes import Context, context_name, next_step, pc_of, runnable
from counterexamples.lasso import why_no_lasso
from model.language.interpreter import (
    Firing,
    State,
    Successor,
    broken_invariant,
    enabled,
    evaluate,
    fire,
)
from model.language.machine import Check, Const, Goal, Invariant, Machine, Transition
from model.language.source import Provenance

Kind = Literal["check", "invariant", "rest", "unreachable", "lasso"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Found = Kind | Literal["goal", "model_error"]
"""What engines report. `goal` is `rest` or `unreachable`, as the last state shows; a `model_error`
(an index or a value outside its range) is a failed check that the language makes by itself.
"""
FAULT = "model_error"


class ReplayError(Exception):
    """A counterexample that the reference interpreter does not confirm."""

    def __init__(self, message: str, step: int | None = None) -> None:
        self.step = step
        super().__init__(message)


@dataclass(frozen=True)
class Execution:
    """Confirmed firings: `states[i]` is the state before `firings[i]`, `states[-1]` the last.

    Of a lasso, the firings after the first `stem` ones can repeat for ever.
    """

    machine: Machine
    firings: tuple[Firing, ...]
    states: tuple[State, ...]
    violated: Check | Invariant | None = None
    stem: int | None = None

    @property
    def last(self) -> State:
        """The state in which the execution ends."""
        return self.states[-1]


def can_fire(machine: Machine, state: State, firing: Firing) -> bool:
    """Whether a firing of this machine is enabled (what `interpreter.enabled` would list)."""
    transition, args = firing.transition, dict(firing.args)
    for parameter in transition.params:
        if not parameter.lo <= args.get(parameter.name, parameter.lo - 1) <= parameter.hi:
            return False
    if transition.process is not None:
        instance = args.get("self", -1)
        if not 0 <= instance < machine.process[transition.process].instances:
            return False
        context = Context(transition.process, instance)
        if pc_of(machine, state, context) != transition.pc:
            return False
        if not transition.pc or not runnable(machine, state, context):
            return False
    return bool(evaluate(machine, state, transition.guard, args))


def run_firings(machine: Machine, firings: Sequence[Firing]) -> Execution:
    """Fire one after the other; every firing must be enabled and only the last may violate."""
    states = [machine.initial]
    violated = _violated_in(machine, machine.initial)
    for number, firing in enumerate(firings, start=1):
        if violated is not None:
            raise ReplayError(
                f"step {number} ({_text(firing)}) comes after a state that violates "
                f"{violated.prop}; a violating state has no successors",
                number,
            )
        if not _belongs(machine, firing.transition):
            raise ReplayError(f"step {number} ({_text(firing)}) is of another machine", number)
        if not can_fire(machine, states[-1], firing):
            why = why_not(machine, states[-1], firing)
            raise ReplayError(f"step {number} ({_text(firing)}) is not enabled: {why}", number)
        successor = advance(machine, states[-1], firing)
        states.append(successor.state)
        violated = successor.violated or _violated_in(machine, successor.state)
    return Execution(machine, tuple(firings), tuple(states), violated)


def _belongs(machine: Machine, transition: Transition) -> bool:
    at = transition.id
    return 0 <= at < len(machine.transitions) and machine.transitions[at] == transition


def advance(machine: Machine, state: State, firing: Firing) -> Successor:
    """Fire; an index outside its range is a failed check in the state before the step."""
    try:
        return fire(machine, state, firing)
    except IndexError as error:
        fault = Check(FAULT, Const(0), str(error), firing.transition.where)
        return Successor(firing, state, fault)


def is_fault(successor: Successor) -> bool:
    """Whether the step failed a check that the language makes by itself."""
    return successor.violated is not None and successor.violated.prop == FAULT


def _violated_in(machine: Machine, state: State) -> Check | Invariant | None:
    """What a state violates: the range of a cell, or an invariant."""
    for (var, index), value in zip(machine.cells, state, strict=True):
        if not var.type.lo <= value <= var.type.hi:
            name = var.name + "".join(f"[{i}]" for i in index)
            return Check(FAULT, Const(0), f"{name} = {value} is outside {var.type}", _NOWHERE)
    try:
        return broken_invariant(machine, state)
    except IndexError as error:
        return Check(FAULT, Const(0), str(error), _NOWHERE)


_NOWHERE = Provenance("", 0, 0, "")


def kind_of(machine: Machine, found: Found, firings: Sequence[Firing]) -> Kind:
    """The kind of trace for what an engine reports."""
    if found == "model_error":
        return "check"
    if found != "goal":
        return found
    return "rest" if at_rest(machine, run_firings(machine, firings).last) else "unreachable"


def confirm(
    machine: Machine, prop: str, kind: Kind, firings: Sequence[Firing], stem: int | None = None
) -> Execution:
    """Replay firings that are said to violate a property; `ReplayError` where they do not.

    For a lasso `stem` is how many of them lead to the loop.
    """
    execution = run_firings(machine, firings)
    last, number = execution.last, len(execution.firings)
    found = execution.violated
    match kind:
        case "check" | "invariant":
            wanted = Check if kind == "check" else Invariant
            if isinstance(found, wanted) and found.prop == prop:
                return execution
            if kind == "invariant" and any(
                i.prop == prop and not evaluate(machine, last, i.expr) for i in machine.invariants
            ):
                return execution
            instead = f"it violates {found.prop}" if found else "it violates nothing"
            raise ReplayError(f"{_last(number)} does not violate {prop}: {instead}", number)
        case "rest" | "unreachable":
            if found is not None:
                raise ReplayError(f"{_last(number)} violates {found.prop}, not {prop}", number)
            if unmet_goal(machine, last, prop) is None:
                raise ReplayError(f"after {_last(number)} the goal of {prop} holds", number)
            if kind == "rest":
                _require_rest(machine, last, number)
            return execution
        case "lasso":
            if found is not None:
                raise ReplayError(f"{_last(number)} violates {found.prop}, not {prop}", number)
            wrong = why_no_lasso(machine, prop, execution.states, firings, stem)
            if wrong is not None:
                raise ReplayError(wrong, number)
            return replace(execution, stem=stem)


def unmet_goal(machine: Machine, state: State, prop: str) -> Goal | None:
    """The first goal of a property that a state does not satisfy."""
    for goal in machine.goals:
        if goal.prop == prop and not evaluate(machine, state, goal.expr):
            return goal
    return None


def at_rest(machine: Machine, state: State) -> bool:
    """Whether nothing but the environment's transitions is enabled."""
    return all(firing.transition.environment for firing in enabled(machine, state))


def why_not(machine: Machine, state: State, firing: Firing) -> str:
    """Why a firing is not enabled in a state, in words."""
    transition = firing.transition
    if transition.process is not None and firing.instance is not None:
        if not 0 <= firing.instance < machine.process[transition.process].instances:
            return f"the machine has no {transition.process} {firing.instance}"
        context = Context(transition.process, firing.instance)
        name = context_name(machine, context)
        if not pc_of(machine, state, context):
            return f"{name} is not running"
        if pc_of(machine, state, context) != transition.pc:
            ahead = next_step(machine, state, context)
            where = f"`{ahead.where.text}` ({ahead.where})" if ahead else "another position"
            return f"{name} is at {where}"
        if not runnable(machine, state, context):
            return f"{name} may not run: another context holds its CPU"
    return "its condition is false in this state"


def _require_rest(machine: Machine, state: State, number: int) -> None:
    for firing in enabled(machine, state):
        if not firing.transition.environment:
            raise ReplayError(
                f"after {_last(number)} the system is not at rest: {_text(firing)} can still run",
                number,
            )


def _last(number: int) -> str:
    return f"step {number}, the last," if number else "the initial state"


def _text(firing: Firing) -> str:
    return f"`{firing.transition.where.text or firing.transition.name}`"
