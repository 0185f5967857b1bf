"""What a body's temporaries and locals are, in terms of the state in which the body began.

A step's index is often a local of the process that steps (`krcp`), or a temporary that was copied
from one. Which cell that is can be told before the step, and long before it, as long as nothing
but the process itself writes the local.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from model.language import fold
from model.language.machine import Binary, Const, Expr, Ite, Load, Param, Temp, Unary

Possible = frozenset[Expr] | None
"""The values that an expression can have, as expressions over the parameters and the process's own
locals; None: any value."""

MOST_POSSIBLE = 8
"""Of more possible values nothing is known."""
LARGEST = 7
"""Terms of an expression; a larger one is not followed. So loops come to an end."""

SELF = Param("self")


@dataclass
class Values:
    """The values of temporaries, of a process's own cells, and of cells of processes it starts.

    `own` are the variables that belong to the process, one cell for each instance; `pc` is that of
    its program counter. `others` are the variables of all processes (true: a program counter);
    `elsewhere` has what is stored in those of other instances, by variable and index. `exits` are
    the ends of the body: the values there, by branch.
    """

    own: frozenset[str] = frozenset()
    pc: str = ""
    others: Mapping[str, bool] = field(default_factory=dict)
    given: Mapping[str, int] = field(default_factory=dict)
    known: dict[str, Possible] = field(default_factory=dict)
    elsewhere: dict[tuple[str, Possible], Possible] = field(default_factory=dict)
    exits: list[Values] = field(default_factory=list)

    def of(self, expr: Expr) -> Possible:
        """What an expression can be."""
        match expr:
            case Const():
                return frozenset({expr})
            case Param(name):
                return frozenset({Const(self.given[name]) if name in self.given else expr})
            case Temp(name):
                return self.known.get(name)
            case Load(var, index) if var in self.own and index == (SELF,):
                return self.known.get(var, frozenset({Load(var, index)}))
            case Binary(op, left, right) if op not in ("and", "or"):
                a, b = self.of(left), self.of(right)
                if a is None or b is None:
                    return None
                return bounded(fold.binary(op, x, y) for x in a for y in b)
            case Unary("not", value):
                inner = self.of(value)
                return None if inner is None else bounded(fold.negate(x) for x in inner)
            case Ite(_, then, other):
                return either(self.of(then), self.of(other))
        return None

    def decides(self, cond: Expr) -> bool | None:
        """Whether a condition is true, or None where that depends on the state."""
        found = self.of(cond)
        if found is None or len(found) != 1:
            return None
        (value,) = found
        return bool(value.value) if isinstance(value, Const) else None

    def index(self, index: Iterable[Expr]) -> tuple[Possible, ...]:
        """What the parts of an index can be."""
        return tuple(self.of(part) for part in index)

    def store(self, var: str, index: tuple[Expr, ...], value: Expr) -> None:
        """A cell of a process gets a value."""
        if var in self.own and index == (SELF,):
            self.known[var] = self.of(value)
            if self.pc in self.known:
                self.exits.append(self.copy())
        elif var in self.others:
            self.elsewhere[var, self.of(index[0])] = self.of(value)

    def copy(self) -> Values:
        """For one of two branches."""
        return replace(self, known=dict(self.known), elsewhere=dict(self.elsewhere))

    def ends(self) -> list[Values]:
        """The values at each end of the body."""
        stays = Load(self.pc, (SELF,)) in (self.of(Load(self.pc, (SELF,))) or ())
        return [*self.exits, self] if stays or not self.exits else self.exits

    def join(self, other: Values) -> None:
        """After two branches."""
        for name in {*self.known, *other.known}:
            ours, theirs = (
                side.known.get(name, side.of(Load(name, (SELF,)))) for side in (self, other)
            )
            self.known[name] = either(ours, theirs)
        for cell in {*self.elsewhere, *other.elsewhere}:
            # Where only one branch starts a process it may also be left alone, at 0.
            left = frozenset({fold.ZERO}) if self.others[cell[0]] else None
            ours, theirs = (side.elsewhere.get(cell, left) for side in (self, other))
            self.elsewhere[cell] = either(ours, theirs)


def either(a: Possible, b: Possible) -> Possible:
    """One or the other."""
    return None if a is None or b is None else bounded((*a, *b))


def bounded(values: Iterable[Expr]) -> Possible:
    """A set of values, or None if there are too many or one is too large. Constants are cheap."""
    found = frozenset(values)
    terms = [value for value in found if not isinstance(value, Const)]
    if len(terms) > MOST_POSSIBLE or any(len(list(fold.walk(term))) > LARGEST for term in terms):
        return None
    return found
