"""Lanes: who runs a step, as a reader names it (`cpu 0 task`, `cpu 0 NMI`, `kworker 1`).

A lane is one instance of one process. What belongs to no process (a grace period ends, a tick)
runs in the lane `system`, unless it does nothing but start a context: then it is that context's
first step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.language.fold import loads
from model.language.interpreter import Firing, State, evaluate
from model.language.machine import Load, Machine, Param, Transition

CPU_RECORD = "Cpu"
SYSTEM = "system"
_SPELLING = {"nmi": "NMI"}


@dataclass(frozen=True)
class Context:
    """One instance (0-based) of a process."""

    process: str
    instance: int


def context_name(machine: Machine, context: Context) -> str:
    """`cpu 0 NMI` for a process of a CPU, `kworker 1` for any other, `boot` for a single copy."""
    process = machine.process[context.process]
    spelled = _SPELLING.get(process.name.lower(), process.name)
    if process.record == CPU_RECORD:
        return f"cpu {context.instance} {spelled}"
    if process.instances == 1:
        return spelled
    return f"{spelled} {context.instance + 1}"


def cpu_of(machine: Machine, state: State, context: Context) -> int | None:
    """The CPU (0-based) a context runs on, where the machine tells; None while it is on none.

    A process of record `Cpu` runs on its own. Any other runs where a field `cpu` says that belongs
    to its instance: one that its `may_run` looks at, or its record's.
    """
    if machine.process[context.process].record == CPU_RECORD:
        return context.instance
    field = cpu_field(machine, context.process)
    if field is None:
        return None
    reference = evaluate(machine, state, field, {"self": context.instance})
    return reference - 1 if reference else None


def cpu_field(machine: Machine, process: str) -> Load | None:
    """The field, over `self`, that says on which CPU an instance of a process runs."""
    program = machine.process[process]
    for field in (*loads(program.may_run), Load(f"{program.record}.cpu", (Param("self"),))):
        var = machine.variable.get(field.var)
        if var is None or var.type.name != CPU_RECORD or not field.var.endswith(".cpu"):
            continue
        if all(not any(loads(part)) for part in field.index):
            return field
    return None


def contexts(machine: Machine) -> Iterator[Context]:
    """Every context of a machine, in declaration order."""
    for process in machine.processes:
        for instance in range(process.instances):
            yield Context(process.name, instance)


def pc_of(machine: Machine, state: State, context: Context) -> int:
    """The program counter of a context; 0 is idle."""
    return state[machine.offset[machine.process[context.process].pc_var] + context.instance]


def active(machine: Machine, state: State) -> tuple[Context, ...]:
    """The contexts that have begun and not returned."""
    return tuple(c for c in contexts(machine) if pc_of(machine, state, c))


def runnable(machine: Machine, state: State, context: Context) -> bool:
    """Whether a context may take its next step as far as its CPU is concerned."""
    process = machine.process[context.process]
    return bool(evaluate(machine, state, process.may_run, {"self": context.instance}))


def next_step(machine: Machine, state: State, context: Context) -> Transition | None:
    """The step that stands next in a context that has begun."""
    steps = machine.steps_at.get((context.process, pc_of(machine, state, context)), ())
    return steps[0] if steps else None


def begun(machine: Machine, before: State, after: State) -> tuple[Context, ...]:
    """The contexts that a step started."""
    return tuple(
        c for c in contexts(machine) if not pc_of(machine, before, c) and pc_of(machine, after, c)
    )


def returned(machine: Machine, before: State, after: State) -> tuple[Context, ...]:
    """The contexts that a step ended."""
    return tuple(
        c for c in contexts(machine) if pc_of(machine, before, c) and not pc_of(machine, after, c)
    )


def context_of(machine: Machine, before: State, firing: Firing, after: State) -> Context | None:
    """Whose step a firing is; None for the system's."""
    if firing.transition.process is not None and firing.instance is not None:
        return Context(firing.transition.process, firing.instance)
    started = begun(machine, before, after)
    return started[0] if len(started) == 1 else None


def interrupted(machine: Machine, before: State, after: State) -> tuple[Context, ...]:
    """The contexts that were running and cannot go on because the step started another one."""
    if not begun(machine, before, after):
        return ()
    return tuple(
        c
        for c in active(machine, before)
        if pc_of(machine, after, c)
        and runnable(machine, before, c)
        and not runnable(machine, after, c)
    )
