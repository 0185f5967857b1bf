"""Small machines written by hand: an NMI in a lock holder, a lost update, a lost object.

`Builder` collects variables, processes and steps; the positions look like those of a model file.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from counterexamples.replay import Kind, at_rest, unmet_goal
from counterexamples.trace import Trace, build_trace
from model.language.interpreter import (
    Firing,
    broken_invariant,
    enabled,
    fire,
    successors,
)
from model.language.machine import (
    BOOL,
    Binary,
    Check,
    Const,
    Dimension,
    Expr,
    Goal,
    If,
    Invariant,
    Ite,
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
from model.language.source import Frame, Provenance

SELF = Param("self")
TRUE = Const(1)
ZERO = Const(0)


def eq(left: Expr, right: Expr) -> Expr:
    return Binary("==", left, right)


def both(left: Expr, right: Expr) -> Expr:
    return Binary("and", left, right)


def minus_one(ref: Expr) -> Expr:
    return Binary("-", ref, Const(1))


@dataclass
class Builder:
    """A machine under construction; `routine` and `file` are where the next steps stand."""

    name: str
    file: str = "model/designs/sample.py"
    routine: str = "sample"
    variables: list[Variable] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)

    def where(self, line: int, text: str) -> Provenance:
        chain = (Frame(self.routine, self.file, line, f"mm/slab_common.c: {self.routine}"),)
        return Provenance(self.file, line, 4, text, chain)

    def process(self, name: str, record: str, count: int, pcs: int, may_run: Expr = TRUE) -> None:
        self.processes.append(Process(name, record, count, pcs, may_run, frozenset()))
        dim = Dimension(name, count, "process")
        self.variables.append(Variable(f"{name}.pc", Type("range", 0, pcs - 1), (dim,), 0, "pc"))

    def step(
        self, process: str, pc: int, line: int, text: str, *body: Op,
        guard: Expr = TRUE, to: int | None = None,
    ) -> None:  # fmt: skip
        """A step of a process; `to` is the next pc (by default the one after)."""
        go = Store(f"{process}.pc", (SELF,), Const(pc + 1 if to is None else to))
        self.transitions.append(
            Transition(
                len(self.transitions), f"{self.routine}: {text}", process, pc, (), guard,
                (*body, go), self.where(line, text),
            )
        )  # fmt: skip

    def action(
        self, name: str, line: int, *body: Op,
        guard: Expr = TRUE, params: tuple[Parameter, ...] = (), environment: bool = True,
    ) -> None:  # fmt: skip
        self.transitions.append(
            Transition(
                len(self.transitions), name, None, 0, params, guard, body,
                Provenance(self.file, line, 0, name), environment,
            )
        )  # fmt: skip

    def machine(self, **more: object) -> Machine:
        return Machine(
            self.name, {"cpus": 1, "objects": 2}, tuple(self.variables), tuple(self.processes),
            tuple(self.transitions), **more,  # type: ignore[arg-type]  # any fields
        )  # fmt: skip


OBJECT = Type("ref", 0, 2, "Object")


def _queue_machine(name: str, *, nmi: str) -> Machine:
    """One CPU; a task puts object 1 on `Krcp.head`, an NMI object 2; then a worker frees the list.

    `nmi` is "locks" (it spins on the lock that the task holds) or "ignores" (it takes no lock).
    """
    objects = Dimension("Object", 2, "record")
    krcp = Dimension("Krcp", 1, "record")
    build = Builder(name, routine="kvfree_call_rcu")
    build.variables += [
        Variable("Krcp.lock", BOOL, (krcp,)),
        Variable("Krcp.head", OBJECT, (krcp,), guard="Krcp.lock"),
        Variable("Object.next", OBJECT, (objects,)),
        Variable("Object.given", BOOL, (objects,), ghost=True),
        Variable("Object.freed", BOOL, (objects,), ghost=True),
        Variable("nmis_left", Type("range", 0, 1), (), 1),
        Variable("tasks_left", Type("range", 0, 1), (), 1),
    ]
    build.process("task", "Cpu", 1, 6, eq(Load("nmi.pc", (SELF,)), ZERO))
    build.process("nmi", "Cpu", 1, 6)
    build.process("kworker", "Krcp", 1, 4)
    for process in ("task", "nmi", "kworker"):
        dim = Dimension(process, 1, "process")
        build.variables.append(Variable(f"{process}.obj", OBJECT, (dim,), 0, "local"))
        build.variables.append(Variable(f"{process}.first", OBJECT, (dim,), 0, "local"))
    head = ("Krcp.head", (SELF,))
    lock = ("Krcp.lock", (SELF,))
    for process, arg in (("task", 1), ("nmi", 2)):
        budget = f"{process}s_left"
        build.action(
            f"{process} calls kvfree_call_rcu", 5,
            Store(budget, (), ZERO),
            Store(f"{process}.pc", (ZERO,), Const(1)),
            Store(f"{process}.obj", (ZERO,), Const(arg)),
            Store("Object.given", (Const(arg - 1),), TRUE),
            guard=both(
                eq(Load(budget, ()), TRUE),
                Unary("not", Load("nmi.pc", (ZERO,)))
                if process == "nmi"
                else eq(Load("task.pc", (ZERO,)), ZERO),
            ),
        )  # fmt: skip
        obj, first = Load(f"{process}.obj", (SELF,)), Load(f"{process}.first", (SELF,))
        if process == "nmi" and nmi == "locks":
            spin = Check(
                "self_deadlock",
                Unary("not", Load(*lock)),
                "spins on a lock that the context below it holds",
                build.where(12, "raw_spin_lock(krcp.lock)"),
                0,
            )
            build.step(process, 1, 12, "raw_spin_lock(krcp.lock)", spin, Store(*lock, TRUE))
        elif process == "nmi":
            build.step(process, 1, 11, "if allow_spin:")
        else:
            build.step(
                process, 1, 12, "raw_spin_lock(krcp.lock)", Store(*lock, TRUE),
                guard=Unary("not", Load(*lock)),
            )  # fmt: skip
        build.step(
            process, 2, 13, "obj.next = krcp.head", Store(f"{process}.first", (SELF,), Load(*head))
        )
        build.step(
            process, 3, 13, "obj.next = krcp.head",
            Store("Object.next", (minus_one(obj),), first),
            Store(f"{process}.first", (SELF,), ZERO),
        )  # fmt: skip
        build.step(process, 4, 14, "krcp.head = obj", Store(*head, obj))
        unlock = () if process == "nmi" and nmi == "ignores" else (Store(*lock, ZERO),)
        build.step(
            process, 5, 15, "raw_spin_unlock(krcp.lock)" if unlock else "return", *unlock,
            Store(f"{process}.obj", (SELF,), ZERO), to=0,
        )  # fmt: skip
    build.action(
        "queue_work", 30, Store("kworker.pc", (ZERO,), Const(1)),
        guard=both(
            both(Load("Krcp.head", (ZERO,)), eq(Load("kworker.pc", (ZERO,)), ZERO)),
            both(eq(Load("task.pc", (ZERO,)), ZERO), eq(Load("nmi.pc", (ZERO,)), ZERO)),
        ),
        environment=False,
    )  # fmt: skip
    build.routine = "kfree_rcu_work"
    obj, first = Load("kworker.obj", (SELF,)), Load("kworker.first", (SELF,))
    build.step(
        "kworker", 1, 31, "obj = xchg(krcp.head, NULL)",
        Store("kworker.obj", (SELF,), Load(*head)), Store(*head, ZERO),
    )  # fmt: skip
    build.step(
        "kworker", 2, 33, "following = obj.next",
        Store("kworker.first", (SELF,), Load("Object.next", (minus_one(obj),))),
    )  # fmt: skip
    build.step(
        "kworker", 3, 34, "kfree(obj)",
        Store("Object.freed", (minus_one(obj),), TRUE),
        Store("kworker.pc", (SELF,), Ite(first, Const(2), ZERO)),
        Store("kworker.obj", (SELF,), first),
        Store("kworker.first", (SELF,), ZERO),
    )  # fmt: skip
    # The last step chooses its own next pc.
    last = build.transitions[-1]
    build.transitions[-1] = Transition(
        last.id, last.name, last.process, last.pc, (), last.guard, last.body[:-1], last.where
    )
    all_freed: Expr = TRUE
    for at in (ZERO, TRUE):
        freed = Binary(
            "or",
            Unary("not", Load("Object.given", (at,))),
            Load("Object.freed", (at,)),
        )
        all_freed = both(all_freed, freed)
    return build.machine(
        goals=(Goal("no_lost_objects", all_freed, "an object given to a free call is not freed"),)
    )


def locking_nmi() -> Machine:
    """An NMI spins on the lock that the task below it holds: `self_deadlock`, a check."""
    return _queue_machine("locking_nmi", nmi="locks")


def lockless_nmi() -> Machine:
    """An NMI adds to the list between the task's read and write: its object is lost, a goal."""
    return _queue_machine("lockless_nmi", nmi="ignores")


def lost_update(tasks: int = 2, idle_steps: int = 0) -> Machine:
    """Tasks increment a counter by a read and a write; an invariant says what it must be at rest.

    `idle_steps` more steps of every task touch only its own local: noise for simplification.
    """
    build = Builder("lost_update", routine="count_up")
    dim = Dimension("task", tasks, "process")
    record = Dimension("Task", tasks, "record")
    top = Type("range", 0, tasks)
    build.variables += [
        Variable("counter", top, ()),
        Variable("calls", top, (), ghost=True),
        Variable("Task.cpu", Type("ref", 0, tasks, "Cpu"), (record,), 1),
        Variable("Task.ran", BOOL, (record,)),
        Variable("Task.scratch", Type("enum", 0, 1, "Phase"), (record,)),
    ]
    build.process("task", "Task", tasks, 3 + idle_steps)
    build.variables.append(Variable("task.value", top, (dim,), 0, "local"))
    which = Parameter("who", 1, tasks, Type("ref", 1, tasks, "Task"))
    me = minus_one(Param("who"))
    build.action(
        "start(who)", 3, Store("task.pc", (me,), TRUE), Store("Task.ran", (me,), TRUE),
        Store("calls", (), Binary("+", Load("calls", ()), TRUE)),
        guard=Unary("not", Load("Task.ran", (me,))), params=(which,),
    )  # fmt: skip
    flip = If(
        Load("Task.scratch", (SELF,)),
        (Store("Task.scratch", (SELF,), ZERO),),
        (Store("Task.scratch", (SELF,), TRUE),),
    )
    for at in range(idle_steps):
        build.step("task", 1 + at, 4, f"scratch({at})", flip)
    read = 1 + idle_steps
    build.step("task", read, 5, "counter += 1", Store("task.value", (SELF,), Load("counter", ())))
    build.step(
        "task", read + 1, 5, "counter += 1",
        Store("counter", (), Binary("+", Load("task.value", (SELF,)), TRUE)),
        Store("task.value", (SELF,), ZERO), to=0,
    )  # fmt: skip
    idle: Expr = TRUE
    for at in range(tasks):
        idle = both(idle, eq(Load("task.pc", (Const(at),)), ZERO))
    agree = Binary("or", Unary("not", idle), eq(Load("counter", ()), Load("calls", ())))
    return build.machine(
        invariants=(Invariant("list_integrity", agree, "the counter misses a call"),),
        enums={"Phase": ("QUIET", "BUSY")},
    )


@dataclass(frozen=True)
class Found:
    """A violation as an engine reports it."""

    prop: str
    kind: Kind
    message: str
    firings: tuple[Firing, ...]

    def trace(self, machine: Machine) -> Trace:
        return build_trace(machine, self.prop, self.message, self.kind, self.firings)


def walk(machine: Machine, prop: str, random: Random, limit: int = 200) -> Found | None:
    """A violation met on a random walk: rarely short, full of steps that play no part."""
    state = machine.initial
    firings: list[Firing] = []
    while (choices := list(enabled(machine, state))) and len(firings) < limit:
        goal = unmet_goal(machine, state, prop)
        if goal is not None and all(f.transition.environment for f in choices):
            return Found(prop, "rest", goal.message, tuple(firings))
        firings.append(random.choice(choices))
        successor = fire(machine, state, firings[-1])
        state = successor.state
        if successor.violated is not None:
            return Found(prop, "check", successor.violated.message, tuple(firings))
        broken = broken_invariant(machine, state)
        if broken is not None:
            return Found(prop, "invariant", broken.message, tuple(firings))
    goal = unmet_goal(machine, state, prop)
    return Found(prop, "rest", goal.message, tuple(firings)) if goal and not choices else None


def shortest(machine: Machine, prop: str) -> Found:
    """A shortest violation, found breadth first on the interpreter."""
    parent: dict[tuple[int, ...], tuple[tuple[int, ...], Firing] | None] = {machine.initial: None}
    queue = deque([machine.initial])

    def path(state: tuple[int, ...], *tail: Firing) -> tuple[Firing, ...]:
        back = list(reversed(tail))
        while (entry := parent[state]) is not None:
            state, firing = entry
            back.append(firing)
        return tuple(reversed(back))

    while queue:
        state = queue.popleft()
        broken = broken_invariant(machine, state)
        if broken is not None:
            if broken.prop == prop:
                return Found(prop, "invariant", broken.message, path(state))
            continue
        goal = unmet_goal(machine, state, prop)
        if goal is not None and at_rest(machine, state):
            return Found(prop, "rest", goal.message, path(state))
        for successor in successors(machine, state):
            if successor.violated is not None:
                if successor.violated.prop == prop:
                    return Found(
                        prop, "check", successor.violated.message, path(state, successor.firing)
                    )
            elif successor.state not in parent:
                parent[successor.state] = (state, successor.firing)
                queue.append(successor.state)
    raise AssertionError(f"{machine.name} does not violate {prop}")
