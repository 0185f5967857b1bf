"""Simpler counterexamples: drop what plays no part, then switch between contexts less often.

Nothing is believed: each candidate is replayed and must violate the same property in the same way.
The result is never longer. Of a lasso only the way to the loop is changed; the loop stays as it is
and must repeat and be fair from where the changed way leads. What is minimised, in this order:
steps, switches from one context to another, interruptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from counterexamples.lanes import Context, context_of, interrupted
from counterexamples.match import rematch
from counterexamples.replay import Execution, Kind, ReplayError, confirm
from counterexamples.trace import Trace, trace_of
from model.language.interpreter import Firing
from model.language.machine import Machine

REPLAYS = 2000


@dataclass
class _Judge:
    """Replays candidates until its budget is spent; after that every candidate fails."""

    machine: Machine
    prop: str
    kind: Kind
    loop: tuple[Firing, ...]
    replays_left: int

    def accepts(self, firings: Sequence[Firing]) -> Execution | None:
        """The execution of these firings, or of these and the loop, if it violates."""
        if self.replays_left <= 0:
            return None
        self.replays_left -= 1
        stem = len(firings) if self.kind == "lasso" else None
        try:
            return confirm(self.machine, self.prop, self.kind, (*firings, *self.loop), stem)
        except (ReplayError, IndexError):  # IndexError: a step that is out of its place
            return None


def simplify(machine: Machine, trace: Trace, *, replays: int = REPLAYS) -> Trace:
    """A trace of the same violation with no more steps, fewer switches and interruptions.

    Raises ReplayError if the trace itself does not replay on the machine.
    """
    execution = confirm(machine, trace.property, trace.kind, rematch(trace, machine), trace.stem)
    loop = () if trace.stem is None else execution.firings[trace.stem :]
    judge = _Judge(machine, trace.property, trace.kind, loop, replays)
    execution = _straighten(judge, _drop(judge, execution))
    return trace_of(execution, trace.property, trace.message, trace.kind, run=trace.identity.run)


# --- dropping --------------------------------------------------------------------------------


def _drop(judge: _Judge, execution: Execution) -> Execution:
    """Leave out sets of steps, large ones first, until none can be left out any more."""
    # That no good ending can be reached was decided for this last state, not for any other.
    shorter = judge.kind != "unreachable"
    while shorter:
        shorter = False
        for group in _groups(execution):
            rest = [f for at, f in enumerate(_changeable(execution)) if at not in group]
            found = judge.accepts(rest)
            if found is not None:
                execution, shorter = found, True
                break
    return execution


def _groups(execution: Execution) -> Iterator[frozenset[int]]:
    """Steps worth leaving out together: whole lanes, whole runs of a context, stretches, steps."""
    owners = owners_of(execution)[: len(_changeable(execution))]
    seen: set[frozenset[int]] = set()
    for group in (*_lanes(owners), *_activations(execution, owners), *_stretches(len(owners))):
        if group and group not in seen:
            seen.add(group)
            yield group


def _changeable(execution: Execution) -> tuple[Firing, ...]:
    """All firings, but of a lasso only those that lead to the loop."""
    return execution.firings[: execution.stem]


def _lanes(owners: Sequence[Context | None]) -> Iterator[frozenset[int]]:
    for owner in dict.fromkeys(owners):
        yield frozenset(at for at, other in enumerate(owners) if other == owner)


def _activations(
    execution: Execution, owners: Sequence[Context | None]
) -> Iterator[frozenset[int]]:
    """From a context's first step to its return."""
    open_runs: dict[Context, list[int]] = {}
    runs: list[list[int]] = []
    for at, owner in enumerate(owners):
        if owner is None:
            continue
        run = open_runs.get(owner)
        if run is None or execution.firings[at].transition.process is None:
            run = open_runs[owner] = []
            runs.append(run)
        run.append(at)
    yield from sorted((frozenset(run) for run in runs), key=len, reverse=True)


def _stretches(length: int) -> Iterator[frozenset[int]]:
    size = length // 2
    while size >= 1:
        for first in range(0, length - size + 1, max(1, size // 2)):
            yield frozenset(range(first, first + size))
        size //= 2


# --- reordering ------------------------------------------------------------------------------


def _straighten(judge: _Judge, execution: Execution) -> Execution:
    """Move whole stretches of one context next to its others where that ends in the same state."""
    better = True
    while better:
        better = False
        cost = cost_of(execution)
        for order in _moves(owners_of(execution)[: len(_changeable(execution))]):
            found = judge.accepts([execution.firings[at] for at in order])
            if found is None or found.last != execution.last:
                continue
            if cost_of(found) < cost:
                execution, better = found, True
                break
    return execution


def _moves(owners: Sequence[Context | None]) -> Iterator[list[int]]:
    """Orders in which one stretch has been moved to the nearest stretch of its context."""
    stretches: list[list[int]] = []
    for at, owner in enumerate(owners):
        if stretches and owners[stretches[-1][-1]] == owner:
            stretches[-1].append(at)
        else:
            stretches.append([at])
    for here, stretch in enumerate(stretches):
        owner = owners[stretch[0]]
        for there in range(here - 2, -1, -1):  # down to the stretch before
            if owners[stretches[there][0]] == owner:
                order = [*stretches[: there + 1], stretch, *stretches[there + 1 : here]]
                yield _flat([*order, *stretches[here + 1 :]])
                break
        for there in range(here + 2, len(stretches)):  # up to the stretch after
            if owners[stretches[there][0]] == owner:
                order = [*stretches[:here], *stretches[here + 1 : there], stretch]
                yield _flat([*order, *stretches[there:]])
                break


def _flat(stretches: Sequence[Sequence[int]]) -> list[int]:
    return [at for stretch in stretches for at in stretch]


# --- measures --------------------------------------------------------------------------------


def owners_of(execution: Execution) -> tuple[Context | None, ...]:
    """Whose step each firing is."""
    return tuple(
        context_of(execution.machine, before, firing, after)
        for firing, before, after in zip(
            execution.firings, execution.states, execution.states[1:], strict=False
        )
    )


def cost_of(execution: Execution) -> tuple[int, int, int]:
    """Steps, switches between contexts, interruptions."""
    owners = owners_of(execution)
    switches = sum(a != b for a, b in pairwise(owners))
    interruptions = sum(
        bool(interrupted(execution.machine, before, after))
        for before, after in pairwise(execution.states)
    )
    return len(owners), switches, interruptions
