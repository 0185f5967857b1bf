"""Whether the locks of a machine exclude: the condition for merging steps under them.

A check of lock discipline compares cells of a lock with who asks. Two things make the holder
unique, and both are read off the machine:

* every write to a lock's cells happens where the lock is known to be free (its cell has its initial
  value), or after a check in the same body that the writer holds it. On UP, where a raw spinlock is
  no lock, the first is not so, and nothing is merged;
* no two instances ask with the same identity. Identities known statically are compared. One that
  is read from the state (the CPU that a task runs on) is taken to be unique among its kind: two
  tasks do not run on one CPU. A task that loses its CPU while it holds a lock fails the check where
  it releases it, which is a step that is never merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.reductions.bodies import holder_checks
from engines.reductions.reads import Access, conjuncts
from model.language.fold import walk
from model.language.interpreter import evaluate
from model.language.machine import Binary, Const, Expr, Load, Machine, Param, Temp, Unary


@dataclass(frozen=True)
class _Identity:
    """What a process compares a lock's cells with: constants, and a number per instance.

    `numbers` is None where the number is read from the state.
    """

    constants: Mapping[str, int]
    numbers: Mapping[str, tuple[int, ...] | None]


def unsafe_locks(machine: Machine, by_var: Mapping[str, tuple[Access, ...]]) -> str | None:
    """Why a lock whose check holds might not be held by this instance alone, or None."""
    identities: dict[str, _Identity] = {}
    for tr in machine.transitions:
        for cond in holder_checks(machine, tr):
            if tr.process is None:
                return f"{tr.where} is no process and cannot hold a lock"
            identity = _identity(machine, tr.process, cond)
            if identity is None:
                return f"{tr.where} does not compare the holder with who it is"
            if identities.setdefault(tr.process, identity) != identity:
                return f"{tr.where} asks in another way than the rest of `{tr.process}`"
    locks = {var for who in identities.values() for var in (*who.constants, *who.numbers)}
    for name in sorted(locks):
        for write in by_var[name]:
            if write.kind != "read" and not _takes_or_releases(machine, write, locks):
                where = machine.transitions[write.transition or 0].where
                return f"{where} writes `{name}` without knowing that it is free or its own"
    for one, first in identities.items():
        for other, second in identities.items():
            if one < other and _clash(first, second):
                return f"`{one}` and `{other}` could both pass for the holder"
    return None


def _identity(machine: Machine, process: str, cond: Expr) -> _Identity | None:
    """What each instance compares with, or None if nothing in the check tells instances apart."""
    constants: dict[str, int] = {}
    numbers: dict[str, tuple[int, ...] | None] = {}
    instances = machine.process[process].instances
    for part in conjuncts(cond):
        match part:
            case Binary("==", Load(var), Const(value)):
                constants[var] = value
            case Unary("not", Load(var)):
                constants[var] = 0
            case Binary("==", Load(var), who) if _is_own(who):
                if any(isinstance(inner, Load) for inner in walk(who)):
                    numbers[var] = None
                    continue
                values = tuple(
                    evaluate(machine, machine.initial, who, {"self": me}) for me in range(instances)
                )
                if len(set(values)) == instances:
                    numbers[var] = values
            case _:
                pass
    if instances == 1 and constants and not numbers:
        return _Identity(constants, {})
    return _Identity(constants, numbers) if numbers else None


def _is_own(who: Expr) -> bool:
    """Whether the expression is about the instance itself: its number, or a cell found by it."""
    parts = list(walk(who))
    return Param("self") in parts and not any(isinstance(part, Temp) for part in parts)


def _takes_or_releases(machine: Machine, write: Access, locks: set[str]) -> bool:
    """Whether the lock was known to be free, or a check has shown who holds it."""
    for var, index, value in write.facts:
        if var in locks and index == write.index and value == machine.variable[var].initial:
            return True
    return any(var in locks and index == write.index for var, index in write.held)


def _clash(a: _Identity, b: _Identity) -> bool:
    """Whether instances of two processes could pass the same check."""
    if any(b.constants.get(var, value) != value for var, value in a.constants.items()):
        return False
    for var, ours in a.numbers.items():
        theirs = b.numbers.get(var)
        if ours is not None and theirs is not None and not set(ours) & set(theirs):
            return False
        if ours is None and var in b.numbers and theirs is None:
            # Both are read from the state: see above.
            return False
    return True
