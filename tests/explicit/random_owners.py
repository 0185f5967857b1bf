"""Random small machines whose processes belong to records that are renamed.

CPUs have boxes of their own, boxes embed cells, and tasks run on CPUs, which an interrupt takes
from them. No step knows the number of anything, so that every renaming of CPUs and of tasks
commutes with every step.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from model.language.machine import (
    BOOL,
    Binary,
    Const,
    Dimension,
    Expr,
    Goal,
    Home,
    If,
    InSet,
    Ite,
    Machine,
    Op,
    Param,
    Parameter,
    Type,
)
from tests.explicit.machines import (
    ME,
    Builder,
    binary,
    both,
    check,
    eq,
    load,
    negate,
    number,
    plus,
    store,
)

Draw = Callable[[st.SearchStrategy[int]], int]

TASKS = 2
LAST = 3
"""Program counters 1..LAST of a task."""


@st.composite
def owner_machines(draw: Draw) -> Machine:
    """CPUs with boxes and cells, tasks on CPUs, and an interrupt per CPU."""
    cpus = draw(st.integers(2, 3))
    b = Builder("owners")
    cpu, box = Dimension("Cpu", cpus, "record"), Dimension("Box", cpus, "record")
    cell, task = Dimension("Cell", 3 * cpus, "record"), Dimension("Task", TASKS, "record")
    b.var("budget", number(0, 2), initial=draw(st.integers(0, 2)))
    b.var("Cpu.busy", BOOL, (cpu,))
    b.var("Cpu.task", Type("ref", 0, TASKS, "Task"), (cpu,))
    b.var("Task.cpu", Type("ref", 0, cpus, "Cpu"), (task,))
    b.var("Box.front", Type("ref", 0, 3 * cpus, "Cell"), (box,))
    b.var("Cell.full", BOOL, (cell,))
    b.var("Cell.seen", BOOL, (cell, cpu))
    b.var("last", Type("ref", 0, cpus, "Cpu"))
    b.var("x", number(0, 2))
    b.process("task", TASKS, LAST + 1, start=0, record="Task", may_run=_runs())
    b.process("irq", cpus, 3, start=0, record="Cpu")
    b.local("task", "at", Type("ref", 0, cpus, "Cpu"))
    b.local("task", "found", Type("ref", 0, 3 * cpus, "Cell"))
    for pc in range(1, LAST + 1):
        at = load("task.at", ME)
        to = pc + 1 if pc < LAST else draw(st.integers(0, 5)) // 5
        b.step("task", pc, to, *_work(draw, cpus, at, load("task.found", ME), "task.found"))
    b.step("irq", 1, 2, *_work(draw, cpus, plus(ME, 1), None, ""))
    b.step("irq", 2, draw(st.integers(0, 5)) // 5, *_work(draw, cpus, plus(ME, 1), None, ""))
    _actions(b, draw, cpus)
    if draw(st.integers(0, 1)):
        b.goals.append(Goal("full", binary("<", load("x"), draw(st.integers(1, 2))), "x"))
    for me in range(cpus):
        b.goals.append(Goal("ends", eq(load("irq.pc", Const(me)), 0), "never ends", "Cpu"))
    b.symmetric = ("Cpu", "Task")
    b.per = {"Box": "Cpu"}
    homes: list[Home] = [("Box", i, "one", None) for i in range(cpus)]
    homes += [("Box", i, "many", element) for i in range(cpus) for element in range(2)]
    b.embedded = {"Cell": tuple(homes)}
    return b.build()


def _runs() -> Expr:
    on = load("Task.cpu", ME)
    return both(binary("!=", on, 0), eq(load("irq.pc", plus(on, -1)), 0))


def _work(draw: Draw, cpus: int, at: Expr, found: Expr | None, local: str) -> tuple[Op, ...]:
    """Something that a context on CPU `at` does; `found` is a cell that it knows, or nothing."""
    here = plus(at, -1)
    first = Binary("+", Binary("*", here, Const(2)), Const(cpus + draw(st.integers(0, 1))))
    kinds: list[tuple[Op, ...]] = [
        (store("Cpu.busy", here, negate(load("Cpu.busy", here))),),
        (store("Cell.full", here, Const(1)),),
        (store("Cell.full", first, load("Cpu.busy", here)),),
        (store("Cell.seen", first, here, Const(1)),),
        (store("Box.front", here, Binary("+", first, Const(1))),),
        (store("last", at),),
        (store("x", Ite(Binary("==", load("last"), at), Const(1), Const(2))),),
        (check("empty", negate(load("Cell.full", first))), store("Cell.full", first, Const(1))),
        (If(load("Cpu.busy", here), (store("x", Const(0)),), (store("last", Const(0)),)),),
    ]
    if found is not None:
        known = binary("!=", found, 0)
        kinds += [
            (store(local, ME, load("Box.front", here)),),
            (If(known, (store("Cell.full", plus(found, -1), Const(0)),)),),
            (If(known, (store("Box.front", here, Const(0)), store(local, ME, Const(0)))),),
        ]
    return kinds[draw(st.integers(0, len(kinds) - 1))]


def _actions(b: Builder, draw: Draw, cpus: int) -> None:
    who = Parameter("who", 1, TASKS, Type("ref", 1, TASKS, "Task"))
    cpu = Parameter("cpu", 1, cpus, Type("ref", 1, cpus, "Cpu"))
    here, me = plus(Param("cpu"), -1), plus(Param("who"), -1)
    idle = both(
        eq(load("task.pc", me), 0), eq(load("Cpu.task", here), 0), eq(load("Task.cpu", me), 0)
    )
    b.action(
        "runs",
        store("Cpu.task", here, Param("who")),
        store("Task.cpu", me, Param("cpu")),
        store("task.at", me, Param("cpu")),
        store("task.found", me, Const(0)),
        store("task.pc", me, Const(1)),
        guard=idle,
        params=(who, cpu),
        environment=bool(draw(st.integers(0, 1))),
    )
    some = binary(">", load("budget"), 0)
    spend = store("budget", plus(load("budget"), -1))
    free = eq(load("irq.pc", here), 0)
    interrupt = store("irq.pc", here, Const(1))
    b.action("irq", spend, interrupt, guard=both(some, free), params=(cpu,), environment=True)
    if draw(st.integers(0, 1)):
        marked = InSet(load("task.pc", me), frozenset({draw(st.integers(1, LAST))}))
        guard = both(some, marked, binary("==", load("Task.cpu", me), Param("cpu")), free)
        hit = store("irq.pc", here, Const(2))
        b.action("probe", spend, hit, guard=guard, params=(who, cpu), environment=True)
    if draw(st.integers(0, 1)):
        on = load("Task.cpu", me)
        leaves = both(binary("!=", on, 0), eq(load("task.pc", me), 0))
        gone = store("Cpu.task", plus(on, -1), Const(0)), store("Task.cpu", me, Const(0))
        b.action("leaves", *gone, guard=leaves, params=(who,))
