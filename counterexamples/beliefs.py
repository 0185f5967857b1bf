"""What each side believed: values that a context read, kept, and acted on after they had changed.

A belief is a shared cell's value as a context found it: kept in a local (`obj.next = krcp.head`
after the read), or in its position (it took this branch because it found the flag set).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from counterexamples.influence import influences
from counterexamples.lanes import Context, context_of
from counterexamples.replay import Execution


@dataclass(frozen=True)
class Belief:
    """`holder` found `value` in a cell at a step (numbers count from 1)."""

    holder: Context
    cell: int
    value: int
    step: int


@dataclass(frozen=True)
class StaleUse:
    """At `step` a context acted on a belief; `untrue_since` is the step that had made it untrue.

    `overwrites`: it acted by writing the very cell, over a value that it had not seen.
    """

    step: int
    belief: Belief
    untrue_since: int
    overwrites: bool = False


@dataclass(frozen=True)
class Dependencies:
    """Per step: whose it is, and the cells it depended on with the cells they decided."""

    owners: tuple[Context | None, ...]
    decided: tuple[dict[int, frozenset[int]], ...]


def dependencies_of(execution: Execution) -> Dependencies:
    """What each step of an execution depended on."""
    machine = execution.machine
    steps = list(zip(execution.firings, execution.states, execution.states[1:], strict=False))
    return Dependencies(
        tuple(context_of(machine, before, firing, after) for firing, before, after in steps),
        tuple(influences(machine, before, firing) for firing, before, _ in steps),
    )


def last_change(execution: Execution, cell: int, before: int) -> int | None:
    """Number of the last step up to `before` that changed a cell."""
    for number in range(before, 0, -1):
        if execution.states[number][cell] != execution.states[number - 1][cell]:
            return number
    return None


def stale_uses(execution: Execution, depends: Dependencies) -> tuple[StaleUse, ...]:
    """Steps that acted on a local whose source another context had changed since it was read."""
    cells = execution.machine.cells
    held: dict[int, tuple[Belief, ...]] = {}  # by the local that keeps it
    found: list[StaleUse] = []
    for number, (owner, decided) in enumerate(
        zip(depends.owners, depends.decided, strict=True), start=1
    ):
        if owner is None:
            continue
        before, after = execution.states[number - 1], execution.states[number]
        for source, targets in decided.items():
            if cells[source][0].role == "local" and any(_acts(execution, c) for c in targets):
                for belief in held.get(source, ()):
                    use = _stale(execution, depends, belief, number)
                    if use is not None:
                        found.append(use)
        gained: dict[int, tuple[Belief, ...]] = {}
        for source, targets in decided.items():
            beliefs: Sequence[Belief] = held.get(source, ())
            if cells[source][0].role == "shared" and not cells[source][0].ghost:
                beliefs = (Belief(owner, source, before[source], number),)
            for target in targets:
                if target >= 0 and cells[target][0].role == "local":
                    gained[target] = (*gained.get(target, ()), *beliefs)
        for at, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                held.pop(at, None)
        held.update(gained)
    return tuple(found)


def blind_overwrites(execution: Execution, depends: Dependencies) -> tuple[StaleUse, ...]:
    """Writes of a cell that the context had read before another context changed it."""
    found: list[StaleUse] = []
    last_read: dict[tuple[Context, int], Belief] = {}
    for number, owner in enumerate(depends.owners, start=1):
        if owner is None:
            continue
        before, after = execution.states[number - 1], execution.states[number]
        decided = depends.decided[number - 1]
        for cell, (old, new) in enumerate(zip(before, after, strict=True)):
            belief = last_read.get((owner, cell))
            if old != new and belief is not None and cell not in decided:
                use = _stale(execution, depends, belief, number)
                if use is not None:
                    found.append(replace(use, overwrites=True))
        for source in decided:
            var = execution.machine.cells[source][0]
            if var.role == "shared" and not var.ghost:
                last_read[owner, source] = Belief(owner, source, before[source], number)
    return tuple(found)


def outdated_branches(
    execution: Execution, depends: Dependencies, number: int
) -> tuple[StaleUse, ...]:
    """Beliefs kept in the position of the contexts that are under way before a step.

    Only those that another context has made untrue by then.
    """
    machine, cells = execution.machine, execution.machine.cells
    position = {
        Context(p.name, i): machine.offset[p.pc_var] + i
        for p in machine.processes
        for i in range(p.instances)
    }
    found: dict[tuple[Context, int], StaleUse] = {}
    for context, pc_cell in position.items():
        if not execution.states[number - 1][pc_cell]:
            continue
        for earlier in range(number - 1, 0, -1):
            if not execution.states[earlier - 1][pc_cell]:
                break  # where it began
            if depends.owners[earlier - 1] != context:
                continue
            for source, targets in depends.decided[earlier - 1].items():
                var = cells[source][0]
                if pc_cell not in targets or var.role != "shared" or var.ghost:
                    continue
                belief = Belief(context, source, execution.states[earlier - 1][source], earlier)
                use = _stale(execution, depends, belief, number)
                if use is not None:
                    found.setdefault((context, source), use)
    return tuple(found.values())


def _acts(execution: Execution, cell: int) -> bool:
    """Whether deciding a cell is an act: a shared write, a branch, a check (-1)."""
    if cell == -1:
        return True
    var = execution.machine.cells[cell][0]
    return var.role == "pc" or (var.role == "shared" and not var.ghost)


def _stale(
    execution: Execution, depends: Dependencies, belief: Belief, number: int
) -> StaleUse | None:
    if execution.states[number - 1][belief.cell] == belief.value:
        return None
    changed = last_change(execution, belief.cell, number - 1)
    if changed is None or changed <= belief.step:
        return None
    if depends.owners[changed - 1] == belief.holder:
        return None
    return StaleUse(number, belief, changed)
