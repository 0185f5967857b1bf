"""What a step depended on: the cells that, had they held another value, would have changed it.

This asks the semantics itself ("what if?") instead of reading expressions, so it knows about
short-circuits and branches and holds for every design. It sees one cell at a time: of two cells
that each suffice, it names neither.
"""

from __future__ import annotations

from collections.abc import Iterator

from counterexamples.replay import advance, is_fault
from counterexamples.syntax import stores, variables_read
from model.language.interpreter import Firing, State, evaluate
from model.language.machine import Expr, Machine, Type


def with_cell(state: State, at: int, value: int) -> State:
    """The state with one cell changed."""
    return (*state[:at], value, *state[at + 1 :])


def influences(machine: Machine, state: State, firing: Firing) -> dict[int, frozenset[int]]:
    """For each cell that a step's outcome depends on: the cells whose new value it decides.

    A check that would pass instead of fail (or the reverse) counts as the outcome `-1`.
    """
    actual = advance(machine, state, firing)
    found: dict[int, frozenset[int]] = {}
    for at in _cells_of(machine, variables_read(firing.transition)):
        decided: set[int] = set()
        for value in _other_values(machine, state, at):
            changed = advance(machine, with_cell(state, at, value), firing)
            if is_fault(changed) and not is_fault(actual):
                continue  # a reference must not be NULL there: that decides nothing
            if changed.violated != actual.violated:
                decided.add(-1)
                continue
            # The cell itself differs anyway, unless the step writes it.
            decided.update(
                c
                for c, (new, old) in enumerate(zip(changed.state, actual.state, strict=True))
                if new != old and (c != at or new != value)
            )
        if decided:
            found[at] = frozenset(decided)
    return found


def written(machine: Machine, state: State, firing: Firing) -> tuple[int, ...]:
    """The cells that a step writes, also where it writes the value that is there already."""
    after = advance(machine, state, firing).state
    found = []
    for at in _cells_of(machine, frozenset(s.var for s in stores(firing.transition.body))):
        if after[at] != state[at]:
            found.append(at)
            continue
        for value in _other_values(machine, state, at):
            # A step that would go another way with this value there says nothing about this one.
            if advance(machine, with_cell(state, at, value), firing).state == after:
                found.append(at)
                break
    return tuple(found)


def deciding_cells(machine: Machine, state: State, expr: Expr) -> tuple[int, ...]:
    """The cells that make a predicate true or false in a state."""
    actual = bool(evaluate(machine, state, expr))
    found = []
    for at in range(len(machine.cells)):
        for value in _other_values(machine, state, at):
            try:
                if bool(evaluate(machine, with_cell(state, at, value), expr)) != actual:
                    found.append(at)
                    break
            except IndexError:
                continue
    return tuple(found)


def _cells_of(machine: Machine, variables: frozenset[str]) -> Iterator[int]:
    for name in sorted(variables):
        first = machine.offset[name]
        yield from range(first, first + machine.variable[name].size)


def _other_values(machine: Machine, state: State, at: int) -> Iterator[int]:
    kind: Type = machine.cells[at][0].type
    return (value for value in range(kind.lo, kind.hi + 1) if value != state[at])
