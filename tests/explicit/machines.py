"""Machines built by hand for the tests of the explicit engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from model.language.machine import (
    BOOL,
    Binary,
    BinaryOp,
    Check,
    Const,
    Dimension,
    Expr,
    Goal,
    Home,
    InSet,
    Invariant,
    Load,
    Machine,
    Op,
    Param,
    Parameter,
    Process,
    Store,
    Transition,
    Type,
    Unary,
    Variable,
)
from model.language.source import Provenance

WHERE = Provenance("toy.py", 1, 0, "toy")
ME = Param("self")
TRUE = Const(1)


def number(lo: int, hi: int) -> Type:
    """A range type."""
    return Type("range", lo, hi)


def load(var: str, *index: Expr, lockless: bool = False) -> Load:
    """A read."""
    return Load(var, index, lockless)


def store(var: str, *index_and_value: Expr) -> Store:
    """A write: indices first, then the value."""
    return Store(var, index_and_value[:-1], index_and_value[-1])


def binary(op: BinaryOp, left: Expr, right: Expr | int) -> Binary:
    """A binary operation; integers stand for themselves."""
    return Binary(op, left, Const(right) if isinstance(right, int) else right)


def eq(left: Expr, right: Expr | int) -> Binary:
    """Equality."""
    return binary("==", left, right)


def plus(left: Expr, right: int) -> Binary:
    """Addition of a constant."""
    return binary("+", left, right)


def both(*parts: Expr) -> Expr:
    """Conjunction."""
    whole, *rest = parts
    for part in rest:
        whole = Binary("and", whole, part)
    return whole


def either(left: Expr, right: Expr) -> Binary:
    """Disjunction."""
    return Binary("or", left, right)


def negate(value: Expr) -> Unary:
    """Logical not."""
    return Unary("not", value)


def check(prop: str, cond: Expr, message: str = "wrong") -> Check:
    """A check; ids are given by `build`."""
    return Check(prop, cond, message, WHERE)


class Builder:
    """Collects the parts of a machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.variables: list[Variable] = []
        self.processes: list[Process] = []
        self.transitions: list[Transition] = []
        self.invariants: list[Invariant] = []
        self.goals: list[Goal] = []
        self.symmetric: tuple[str, ...] = ()
        self.embedded: dict[str, tuple[Home, ...]] = {}
        self.per: dict[str, str] = {}
        self.properties: set[str] = set()

    def var(
        self,
        name: str,
        kind: Type = BOOL,
        dims: Iterable[Dimension] = (),
        initial: int = 0,
        guard: str | None = None,
        ghost: bool = False,
    ) -> None:
        """A shared variable."""
        self.variables.append(Variable(name, kind, tuple(dims), initial, ghost=ghost, guard=guard))

    def process(
        self,
        name: str,
        instances: int,
        pcs: int,
        start: int = 1,
        may_run: Expr = TRUE,
        marks: frozenset[int] = frozenset(),
        record: str = "CPU",
    ) -> Dimension:
        """A process, its pc variable, and the dimension of its own cells."""
        dim = Dimension(name, instances, "process")
        self.variables.append(Variable(f"{name}.pc", number(0, pcs - 1), (dim,), start, role="pc"))
        self.processes.append(Process(name, record, instances, pcs, may_run, marks))
        return dim

    def local(self, process: str, name: str, kind: Type = BOOL, initial: int = 0) -> str:
        """A local of a process."""
        proc = next(proc for proc in self.processes if proc.name == process)
        dim = Dimension(process, proc.instances, "process")
        full = f"{process}.{name}"
        self.variables.append(Variable(full, kind, (dim,), initial, role="local"))
        return full

    def step(
        self,
        process: str,
        pc: int,
        to: int | None,
        *ops: Op,
        guard: Expr = TRUE,
        params: Sequence[Parameter] = (),
        environment: bool = False,
    ) -> None:
        """A transition of a process that ends by moving to pc `to`."""
        body = ops if to is None else (*ops, store(f"{process}.pc", ME, Const(to)))
        self._add(f"{process}@{pc}", process, pc, params, guard, body, environment)

    def action(
        self,
        name: str,
        *ops: Op,
        guard: Expr = TRUE,
        params: Sequence[Parameter] = (),
        environment: bool = False,
    ) -> None:
        """A transition of no process."""
        self._add(name, None, 0, params, guard, ops, environment)

    def _add(
        self,
        name: str,
        process: str | None,
        pc: int,
        params: Sequence[Parameter],
        guard: Expr,
        body: tuple[Op, ...],
        environment: bool,
    ) -> None:
        at = len(self.transitions)
        self.transitions.append(
            Transition(at, name, process, pc, tuple(params), guard, body, WHERE, environment)
        )

    def build(self) -> Machine:
        """The machine."""
        return Machine(
            name=self.name,
            config={},
            variables=tuple(self.variables),
            processes=tuple(self.processes),
            transitions=tuple(self.transitions),
            invariants=tuple(self.invariants),
            goals=tuple(self.goals),
            symmetric=self.symmetric,
            embedded=self.embedded,
            per=self.per,
            properties=frozenset(self.properties),
        )


def peterson(broken: bool = False) -> Machine:
    """Peterson's mutual exclusion for two; `broken` leaves out the wait for the other's flag."""
    b = Builder("peterson")
    dim = b.process("p", 2, 5)
    b.var("flag", BOOL, (dim,))
    b.var("turn", number(0, 1))
    other = binary("-", Const(1), ME)
    free = either(negate(load("flag", other)), eq(load("turn"), ME))
    b.step("p", 1, 2, store("flag", ME, TRUE))
    b.step("p", 2, 3, store("turn", other))
    b.step("p", 3, 4, guard=TRUE if broken else free)
    b.step("p", 4, 1, store("flag", ME, Const(0)))
    inside = [eq(load("p.pc", Const(me)), 4) for me in (0, 1)]
    b.invariants.append(Invariant("mutual_exclusion", negate(both(*inside)), "both are inside"))
    return b.build()


def counters(cells: int, top: int, checked: int | None = None) -> Machine:
    """Counters that an action moves up and a parameter chooses; `checked` bounds their sum."""
    b = Builder("counters")
    dim = Dimension("n", cells, "array")
    b.var("count", number(0, top), (dim,))
    which = Parameter("i", 0, cells - 1, number(0, cells - 1))
    at = load("count", Param("i"))
    total: Expr = load("count", Const(0))
    for cell in range(1, cells):
        total = Binary("+", total, load("count", Const(cell)))
    tests = () if checked is None else (check("small", binary("<", total, checked)),)
    b.action(
        "up",
        store("count", Param("i"), plus(at, 1)),
        *tests,
        guard=binary("<", at, top),
        params=(which,),
    )
    b.action("down", store("count", Param("i"), plus(at, -1)), guard=eq(at, top), params=(which,))
    return b.build()


def below_zero() -> Machine:
    """A number that goes up from -70, by two from the members of a set on both sides of 0."""
    b = Builder("below zero")
    b.var("n", number(-70, 70), initial=-70)
    n = load("n")
    far = InSet(n, frozenset({-70, -66, -1, 3, 68}))
    b.action("up", store("n", plus(n, 2)), guard=far)
    b.action("step", store("n", plus(n, 1)), guard=both(negate(far), binary("<", n, 70)))
    return b.build()


def locked_counter(up: bool = False) -> Machine:
    """Two processes that each add to two variables under one lock; `up` makes the lock none."""
    b = Builder("locked_counter")
    b.var("lock", number(0, 2))
    b.var("count", number(0, 4), guard="lock")
    b.var("twice", number(0, 8), guard="lock")
    b.process("p", 2, 6)
    b.local("p", "r", number(0, 4))
    who = plus(ME, 1)
    held = eq(load("lock"), who)
    count_held = check("lock_discipline", held, "`count` is touched without holding `lock`")
    twice_held = check("lock_discipline", held, "`twice` is touched without holding `lock`")
    b.step("p", 1, 2, store("lock", who), guard=TRUE if up else eq(load("lock"), 0))
    b.step("p", 2, 3, count_held, store("p.r", ME, load("count")))
    b.step("p", 3, 4, count_held, store("count", plus(load("p.r", ME), 1)))
    b.step("p", 4, 5, twice_held, store("twice", plus(load("twice"), 2)))
    released = check("lock_discipline", held, "released by another")
    b.step("p", 5, 0, released, store("p.r", ME, Const(0)), store("lock", Const(0)))
    total = binary("==", load("twice"), binary("*", load("count"), 2))
    b.goals.append(Goal("sum", both(total, eq(load("count"), 2)), "an addition is lost"))
    b.properties.add("lock_discipline")
    return b.build()
