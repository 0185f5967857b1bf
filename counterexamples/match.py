"""A trace on a machine it was not made on: find each recorded step again, or say which is gone.

Numbers of transitions and program counters change whenever a model changes, so steps are found by
what a reader would go by: the transition's name, the statement's text and the arguments.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from counterexamples.replay import ReplayError, advance, can_fire, confirm, why_not
from counterexamples.trace import Trace, TraceStep, trace_of
from model.language.interpreter import Firing, State
from model.language.machine import Machine, Transition
from model.language.source import Provenance

CHANGED = "the model has changed since"


def rematch(trace: Trace, machine: Machine) -> tuple[Firing, ...]:
    """The firings of a trace on a machine; ReplayError names the first step that is not there."""
    firings: list[Firing] = []
    state = machine.initial
    for step in trace.steps:
        firing = _find(step, machine, state)
        firings.append(firing)
        successor = advance(machine, state, firing)
        state = successor.state
        if successor.violated is not None and step.number < len(trace.steps):
            raise ReplayError(
                f"{CHANGED}: step {step.number} `{step.where.text}` already violates "
                f"{successor.violated.prop}",
                step.number,
            )
    return tuple(firings)


def replay_on(trace: Trace, machine: Machine) -> Trace:
    """Replay a trace on a freshly compiled machine and tell it anew.

    Raises ReplayError where a step is gone or not enabled, or the property is no longer violated.
    """
    firings = rematch(trace, machine)
    try:
        execution = confirm(machine, trace.property, trace.kind, firings, trace.stem)
    except ReplayError as error:
        raise ReplayError(
            f"{CHANGED}: its {len(firings)} steps can be taken, but {error}", error.step
        ) from error
    return trace_of(execution, trace.property, trace.message, trace.kind, run=trace.identity.run)


def _find(step: TraceStep, machine: Machine, state: State) -> Firing:
    same_text = [
        t
        for t in machine.transitions
        if t.where.text == step.where.text
        and (t.process is None) == ("self" not in dict(step.args))
    ]
    if not same_text:
        raise ReplayError(_gone(step, machine), step.number)
    wanted = {name for name, _ in step.args if name != "self"}
    fitting = [t for t in same_text if {p.name for p in t.params} == wanted]
    if not fitting:
        have = sorted({", ".join(p.name for p in t.params) or "none" for t in same_text})
        raise ReplayError(
            f"{CHANGED}: step {step.number} `{step.where.text}` has other parameters now "
            f"(recorded: {', '.join(sorted(wanted)) or 'none'}; now: {' or '.join(have)})",
            step.number,
        )
    # The same text can stand in several routines, and at several places of one.
    fitting.sort(key=lambda t: (t.name != step.transition, _calls(t.where) != _calls(step.where)))
    for transition in fitting:
        firing = Firing(transition, step.args)
        if _same_process(step, transition) and can_fire(machine, state, firing):
            return firing
    candidates = [t for t in fitting if _same_process(step, t)] or fitting
    blocked = Firing(candidates[0], step.args)
    raise ReplayError(
        f"{CHANGED}: step {step.number} `{step.where.text}` is still there "
        f"({candidates[0].where}) but not enabled: {why_not(machine, state, blocked)}",
        step.number,
    )


def _calls(where: Provenance) -> tuple[str, ...]:
    return tuple(frame.routine for frame in where.chain)


def _same_process(step: TraceStep, transition: Transition) -> bool:
    return transition.process is None or transition.process == step.process


def _gone(step: TraceStep, machine: Machine) -> str:
    nearest = _nearest(step, machine.transitions)
    hint = f" (nearest: `{nearest.where.text}` at {nearest.where})" if nearest else ""
    return f"{CHANGED}: step {step.number} `{step.where.text}` no longer exists{hint}"


def _nearest(step: TraceStep, transitions: Iterable[Transition]) -> Transition | None:
    by_text: dict[str, Transition] = {}
    for transition in transitions:
        if _same_process(step, transition):
            by_text.setdefault(transition.where.text, transition)
    close = difflib.get_close_matches(step.where.text, by_text, n=1, cutoff=0.4)
    return by_text[close[0]] if close else None
