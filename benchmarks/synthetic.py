"""Speed of the explicit engines on synthetic machines of a given size in bits, unreduced.

A synthetic machine has the proportions of a compiled design: a few processes of some tens of
steps that copy between locals and shared arrays, take a lock, and are started by arrivals from
a budget. Its random numbers are fixed, so two runs measure the same machine.

    python -m benchmarks.synthetic [--seconds 5] [--bits 64 128 320]
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence

from engines.explicit.explore import Engine, Options, explore
from engines.reductions.wanted import NO_REDUCTIONS
from model.language.machine import (
    Binary,
    BinaryOp,
    Const,
    Dimension,
    Expr,
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
    Variable,
)
from model.language.source import Provenance

CPUS = 2
STEPS = 24
OBJECTS = 3
ENGINES: tuple[Engine, ...] = ("c", "python")


def synthetic(bits: int, name: str = "synthetic", seed: int = 1, budget: int = 3) -> Machine:
    """A machine of about this many bits; it has the more states the more arrivals there can be."""
    rng = random.Random(seed)
    ref = Type("ref", 0, OBJECTS, "Object")
    cpu = Dimension("CPU", CPUS, "record")
    obj = Dimension("Object", OBJECTS, "record")
    shared = [
        Variable("lock", Type("range", 0, CPUS), ()),
        Variable("obj.state", Type("range", 0, 3), (obj,)),
        Variable("obj.next", ref, (obj,)),
        Variable("head", ref, (cpu,)),
        Variable("count", Type("range", 0, 3), (cpu,)),
        Variable("budget", Type("range", 0, budget), (), budget),
    ]
    processes: list[Process] = []
    own: list[Variable] = []
    kinds = 0
    while sum(var.type.bits * var.size for var in [*shared, *own]) < bits - 8:
        kind = f"kind{kinds}"
        kinds += 1
        dim = Dimension(kind, CPUS, "process")
        processes.append(Process(kind, "CPU", CPUS, STEPS, Const(1), frozenset()))
        own.append(Variable(f"{kind}.pc", Type("range", 0, STEPS - 1), (dim,), role="pc"))
        for at in range(3):
            own.append(Variable(f"{kind}.r{at}", ref, (dim,), role="local"))
    transitions: list[Transition] = []
    for proc in processes:
        for pc in range(1, STEPS):
            body = (*_body(proc, pc, rng), _store(proc.pc_var, _ME, Const((pc + 1) % STEPS)))
            guard = _equal(Load("lock", ()), Const(0)) if pc == 3 else Const(1)
            transitions.append(_transition(transitions, proc, pc, (), guard, body))
        start = (
            Store("budget", (), Binary("-", Load("budget", ()), Const(1))),
            _store(proc.pc_var, Param("c"), Const(1)),
        )
        idle = _equal(Load(proc.pc_var, (Param("c"),)), Const(0))
        guard = Binary("and", Binary(">", Load("budget", ()), Const(0)), idle)
        which = Parameter("c", 0, CPUS - 1, Type("range", 0, CPUS - 1))
        transitions.append(_transition(transitions, None, 0, (which,), guard, start))
    return Machine(
        f"{name}, {bits} bits", {}, (*shared, *own), tuple(processes), tuple(transitions)
    )


_ME = Param("self")
_WHERE = Provenance("benchmarks/synthetic.py", 1, 0, "synthetic")


def _store(var: str, index: Expr, value: Expr) -> Store:
    return Store(var, (index,), value)


def _equal(left: Expr, right: Expr) -> Expr:
    op: BinaryOp = "=="
    return Binary(op, left, right)


def _transition(
    before: Sequence[Transition],
    proc: Process | None,
    pc: int,
    params: tuple[Parameter, ...],
    guard: Expr,
    body: tuple[Op, ...],
) -> Transition:
    name = "arrive" if proc is None else f"{proc.name}@{pc}"
    owner = None if proc is None else proc.name
    return Transition(
        len(before), name, owner, pc, params, guard, body, _WHERE, environment=proc is None
    )


def _body(proc: Process, pc: int, rng: random.Random) -> tuple[Op, ...]:
    """One shared access, as in a compiled design."""
    local = f"{proc.name}.r{rng.randrange(3)}"
    mine = Load(local, (_ME,))
    if pc == 3:
        return (Store("lock", (), Binary("+", _ME, Const(1))),)
    if pc == 12:
        return (Store("lock", (), Const(0)),)
    which = rng.randrange(6)
    obj = Const(rng.randrange(OBJECTS))
    match which:
        case 0:
            return (_store(local, _ME, Load("head", (_ME,))),)
        case 1:
            return (_store("head", _ME, mine),)
        case 2:
            return (_store(local, _ME, Load("obj.next", (obj,))),)
        case 3:
            return (_store("obj.next", obj, mine),)
        case 4:
            return (_store(local, _ME, Const(rng.randrange(1, OBJECTS + 1))),)
        case _:
            up = Binary("+", Load("count", (_ME,)), Const(1))
            full = _equal(Load("count", (_ME,)), Const(3))
            return (_store("count", _ME, Ite(full, Const(0), up)),)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--bits", type=int, nargs="+", default=[64, 128, 320])
    args = parser.parse_args()
    # A name of its own each time, so that the C is compiled and not found in the cache.
    name = f"synthetic {time.time_ns()}"
    print(
        f"{'bits':>5} {'engine':<7} {'states':>12} {'states/s':>11} {'B/state':>8} {'compile':>8}"
    )
    for bits in args.bits:
        for engine in ENGINES:
            options = Options(engine, seconds=args.seconds, reductions=NO_REDUCTIONS)
            found = explore(synthetic(bits, name), options)
            print(
                f"{found.bits:>5} {engine:<7} {found.states:>12,}"
                f" {found.states / found.seconds:>11,.0f} {found.bytes_per_state:>8.1f}"
                f" {found.compile_seconds:>7.2f}s"
            )


if __name__ == "__main__":
    main()
