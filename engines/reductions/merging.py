"""Step merging: steps that no other context can tell apart run together with the one before.

After a process has taken a step, its next step is executed at once, as part of the same edge, while
that next step is *mergeable*. Such a step t commutes with whatever others could do before it:

* it is the only transition of its program counter, its guard is constant and it chooses nothing, so
  nobody can disable it or change its outcome except through what it reads;
* every cell it reads is written by nobody else meanwhile, every cell it writes is neither read nor
  written by anybody else meanwhile. That holds for cells of its own instance, for cells nobody
  writes at all, and for what a lock protects while this instance holds the lock;
* no invariant and no goal reads what it writes, and it leaves no check undecided: where one of its
  checks fails it is not merged, so the violation is found in the search proper.

So an execution in which others run between the previous step and t can be reordered into one in
which t comes first, through states that satisfy the same invariants and goals. Where an interrupt
arrives in between, its handler commutes with t for the same reasons, and `may_run` is evaluated
before each merged step: what cannot run now is left for later.

Three things need care.

*Program counters* are read by others. A test for idle (== 0) does not see a step that stays away
from 0, and one that ends its process is never merged. A test for membership of a set must give the
same answer before and after, with one exception: a probe arrives where the program counter is a
mark. Entering marks early only lets the probe arrive earlier, in an order that the other steps
allow too; leaving a mark takes the arrival away, so t is not merged there, unless the arrival's
guard asks for a budget above 0 that is spent and never refilled.

*Locks.* A variable with `guard` counts as protected only if every write and every read that is not
marked lockless comes after a non-constant `lock_discipline` check whose message names the variable.
Those checks run in the same search, on the unmerged accesses, so if some path breaks the discipline
it is reported. That a lock whose check holds belongs to one instance alone is established in
`locks.py`; where it cannot be, nothing is merged under locks, and a note says why. Acquiring and
releasing are not mergeable (others read the lock's cells), so a state with the lock held is always
visible, to an NMI as to another CPU.

*Cookies* age in all cells at once. Copying one commutes with that and so does storing 0; comparing
one, or computing one from something else, does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engines.reductions.accesses import accesses
from engines.reductions.cells import Touch, touches
from engines.reductions.independence import Independence, independence
from engines.reductions.locks import unsafe_locks
from engines.reductions.reads import DISCIPLINE, Access, conjuncts
from engines.reductions.wanted import ALL_REDUCTIONS, Reductions
from model.language.machine import Binary, Const, Expr, Ite, Load, Machine, Param, Process


@dataclass(frozen=True)
class Merging:
    """Which steps are not explored apart from those of others.

    `steps` are mergeable transitions, by position, each with the condition under which it may be
    merged. `independent` says when further ones may, in the state at hand.
    """

    steps: Mapping[int, Expr] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    independent: Independence | None = None

    @property
    def does_nothing(self) -> bool:
        """Whether every step is explored apart."""
        return not self.steps and self.independent is None


NO_MERGING = Merging()


def merging(machine: Machine, wanted: Reductions = ALL_REDUCTIONS) -> Merging:
    """What can be merged."""
    facts = _Facts.of(machine, wanted.merge_locks)
    steps: dict[int, Expr] = {}
    for at in range(len(machine.transitions)) if wanted.merge_local else ():
        condition = facts.condition(at)
        if condition is not None:
            steps[at] = condition
    independent = None
    if wanted.partial_order or wanted.place_interrupts:
        independent = independence(
            machine,
            facts.protected,
            lambda access: facts.exclusive and access.in_discipline,
            facts.ages_alike,
            order=wanted.partial_order,
            arrivals=wanted.place_interrupts,
        )
    return Merging(steps, facts.notes, independent)


@dataclass(frozen=True)
class _Facts:
    """What the accesses of a machine say about each variable.

    `exclusive`: a lock whose check holds belongs to one instance.
    """

    machine: Machine
    by_var: Mapping[str, tuple[Access, ...]]
    by_transition: Mapping[int, tuple[Access, ...]]
    exclusive: bool
    protected: frozenset[str]
    notes: tuple[str, ...]
    known: dict[Access, tuple[Touch, ...] | None] = field(default_factory=dict)

    @staticmethod
    def of(machine: Machine, locks: bool) -> _Facts:
        by_var: dict[str, list[Access]] = {var.name: [] for var in machine.variables}
        by_transition: dict[int, list[Access]] = {at: [] for at in range(len(machine.transitions))}
        for access in accesses(machine):
            by_var[access.var].append(access)
            if access.transition is not None:
                by_transition[access.transition].append(access)
        whole = {name: tuple(found) for name, found in by_var.items()}
        protected: set[str] = set()
        notes: tuple[str, ...] = ()
        unsafe = unsafe_locks(machine, whole) if locks else None
        if locks and DISCIPLINE not in machine.properties:
            unsafe = f"`{DISCIPLINE}` is not checked in this run"
        if unsafe:
            notes = (f"steps under locks are not merged: {unsafe}",)
        elif locks:
            guarded = [var.name for var in machine.variables if var.guard is not None]
            protected = {name for name in guarded if _is_protected(whole[name])}
        steps = {at: tuple(found) for at, found in by_transition.items()}
        exclusive = locks and not unsafe
        return _Facts(machine, whole, steps, exclusive, frozenset(protected), notes)

    # -- transitions --

    def condition(self, at: int) -> Expr | None:
        """When the transition may be merged, or None for never."""
        tr = self.machine.transitions[at]
        if tr.process is None or not tr.pc or tr.environment or tr.params or tr.guard != Const(1):
            return None
        if len(self.machine.steps_at[tr.process, tr.pc]) != 1:
            return None
        proc = self.machine.process[tr.process]
        for access in self.by_transition[at]:
            if access.var == proc.pc_var and access.own:
                continue
            if not self._commutes(proc, access):
                return None
        return self._move(proc, at)

    def _commutes(self, proc: Process, access: Access) -> bool:
        """Whether others can neither change what is read nor see what is written."""
        if access.kind == "age":
            return False
        if not self.ages_alike(access):
            return False
        if access.in_discipline and self.exclusive:
            return True
        others = [other for other in self.by_var[access.var] if other.kind != "age"]
        if not any(other.kind == "write" for other in others) and access.kind == "read":
            return True
        if not any(self._interferes(proc, access, other) for other in others):
            return True
        if access.var not in self.protected or access.lockless or not access.checked:
            return False
        return access.kind == "read" or not any(_looks_from_outside(other) for other in others)

    def _interferes(self, proc: Process, access: Access, other: Access) -> bool:
        """Whether another instance's access can conflict with one of an instance of `proc`."""
        if access.kind == "read" and other.kind == "read":
            return False
        ours, theirs = self._touches(access), self._touches(other)
        if ours is None or theirs is None:
            return True
        for mine in ours:
            assert mine.instance is not None
            for touch in theirs:
                same = other.process == proc.name and touch.instance == mine.instance
                # Who finds the instance idle does not find it at this step.
                elsewhen = (proc.name, mine.instance) in touch.idle
                if touch.cell == mine.cell and not same and not elsewhen:
                    return True
        return False

    def _touches(self, access: Access) -> tuple[Touch, ...] | None:
        if access not in self.known:
            self.known[access] = touches(self.machine, access)
        return self.known[access]

    def ages_alike(self, access: Access) -> bool:
        """Whether an access gives the same result before and after the cookies age."""
        target = access.var if access.kind == "write" else access.copied_to
        if access.kind == "write":
            if not self._aged(access.var):
                return True
            copies = access.value is not None and self._is_copy(access)
            return access.value == Const(0) or copies
        if not self._aged(access.var):
            return True
        return target is not None and self._aged(target) == self._aged(access.var)

    def _is_copy(self, write: Access) -> bool:
        """Whether the written value is one aged cell as it is, perhaps through a temporary."""
        assert write.transition is not None
        if isinstance(write.value, Load):
            return self._aged(write.value.var) == self._aged(write.var)
        sources = [
            access
            for access in self.by_transition[write.transition]
            if access.kind == "read" and access.copied_to == write.var
        ]
        stores = [
            access
            for access in self.by_transition[write.transition]
            if access.kind == "write" and access.var == write.var
        ]
        return (
            len(sources) == 1
            and len(stores) == 1
            and not isinstance(write.value, Binary | Ite)
            and self._aged(sources[0].var) == self._aged(write.var)
        )

    def _aged(self, var: str) -> frozenset[int]:
        """The transitions that age the variable."""
        found = (a.transition for a in self.by_var[var] if a.kind == "age")
        return frozenset(at for at in found if at is not None)

    # -- program counters --

    def _move(self, proc: Process, at: int) -> Expr | None:
        """When others cannot see the step's move from its program counter to the next."""
        tr = self.machine.transitions[at]
        targets: set[int] = set()
        for access in self.by_transition[at]:
            if access.var == proc.pc_var and access.kind == "write":
                values = _constants(access.value)
                if values is None or not access.own:
                    return None
                targets |= values
        if 0 in targets:
            return None
        conditions: list[Expr] = []
        for other in self.by_var[proc.pc_var]:
            if other.process == proc.name and other.own:
                continue
            if other.kind != "read":
                own = Access("write", proc.pc_var, (Param("self"),), "body", proc.name)
                if self._interferes(proc, own, other):
                    return None
                continue
            if other.member is None:
                return None
            members = other.member.members
            if all((target in members) == (tr.pc in members) for target in targets):
                continue
            if not _lets_arrive(self.machine, other) or other.transition is None:
                return None
            if tr.pc not in members:
                continue
            spent = self._spent(other.transition)
            if spent is None:
                return None
            if spent not in conditions:
                conditions.append(spent)
        condition: Expr = Const(1)
        for part in conditions:
            condition = part if condition == Const(1) else Binary("and", condition, part)
        return condition

    def _spent(self, arrival: int) -> Expr | None:
        """A condition under which an arrival can never happen again: its budget is used up."""
        for part in conjuncts(self.machine.transitions[arrival].guard):
            match part:
                case (
                    Binary(">" | "!=", Load(var, index) as load, Const(0))
                    | Binary("<" | "!=", Const(0), Load(var, index) as load)
                    | Binary(">=", Load(var, index) as load, Const(1))
                ):
                    if all(isinstance(i, Const) for i in index) and self._only_falls(var):
                        return Binary("==", load, Const(0))
        return None

    def _only_falls(self, var: str) -> bool:
        """Whether every write takes one from the variable's present value."""
        if self.machine.variable[var].type.lo < 0:
            return False
        writes = [access for access in self.by_var[var] if access.kind != "read"]
        return all(
            isinstance(write.value, Binary)
            and write.value.op == "-"
            and isinstance(write.value.left, Load)
            and (write.value.left.var, write.value.left.index) == (var, write.index)
            and write.value.right == Const(1)
            for write in writes
        )


def _is_protected(found: tuple[Access, ...]) -> bool:
    """Whether every access to a guarded variable follows a check, or says that it does not."""
    for access in found:
        if access.kind == "age":
            continue
        if access.kind == "write" and (access.process is None or not access.checked):
            return False
        inside = access.place == "body" and access.process is not None and access.kind == "read"
        if inside and not (access.checked or access.lockless):
            return False
    return True


def _lets_arrive(machine: Machine, access: Access) -> bool:
    """Whether a test of a program counter can do nothing but let the environment come."""
    if access.process is not None or access.place != "guard" or access.transition is None:
        return False
    enables = access.member is not None and access.member.enables
    return enables and machine.transitions[access.transition].environment


def _looks_from_outside(access: Access) -> bool:
    """Whether a read of a protected variable happens without its lock."""
    if access.kind != "read":
        return False
    if access.place == "invariant":
        return not access.sheltered
    return access.lockless or access.place != "body" or access.process is None


def _constants(value: Expr | None) -> set[int] | None:
    """The values of an expression made of constants and choices."""
    match value:
        case Const(number):
            return {number}
        case Ite(_, then, other):
            left, right = _constants(then), _constants(other)
            return None if left is None or right is None else left | right
    return None


__all__ = ["NO_MERGING", "Merging", "merging"]
