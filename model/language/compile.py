"""The compiler: a design file and a configuration in, a machine out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from model.language.contexts import compile_action, compile_process
from model.language.declarations import EnumDecl, RoutineDecl, shown_path
from model.language.finish import finish
from model.language.loader import Edit, Loader
from model.language.machine import Home, Machine
from model.language.pools import Pool
from model.language.predicates import linked_lists, predicates, symmetric
from model.language.source import CompileError
from model.language.world import build_world, own, wanted

ALWAYS = frozenset({"model_error"})
"""Checks that the compiler itself inserts: NULL dereference, a value out of range."""


def compile_machine(
    design: Path,
    config: Mapping[str, int],
    properties: Mapping[str, Path | None],
    edits: Iterable[Edit] = (),
) -> Machine:
    """Compile a design file with its knobs and bounds set by `config`.

    `properties` maps the names of the properties to check to the files that define their
    monitors and goals, if they have any; what only other properties need does not become part of
    the machine.
    Raises CompileError for every mistake in a model file or a configuration value.
    """
    try:
        return _compile(design, config, properties, edits)
    except CompileError as error:
        error.design = shown_path(design)
        raise
    except RecursionError:
        raise CompileError(f"{design}: an expression or call is nested too deeply") from None


def _compile(
    design: Path,
    config: Mapping[str, int],
    properties: Mapping[str, Path | None],
    edits: Iterable[Edit],
) -> Machine:
    loader = Loader(edits)
    root = loader.load(design)
    files = [path for path in properties.values() if path is not None]
    for path in files:
        loader.load(path)
    loader.all_applied()
    modules = list(loader.modules.values())
    world = build_world(loader, root, modules, config, frozenset(properties) | ALWAYS)
    programs = {name: compile_process(world, decl) for name, decl in world.processes.items()}
    transitions = [tr for program in programs.values() for tr in program.transitions]
    for module in modules:
        for decl in own(module, RoutineDecl):
            if decl.kind == "action" and wanted(world, decl):
                transitions.append(compile_action(world, decl, programs))
    invariants, goals = predicates(world, modules, set(files))
    machine = Machine(
        name=design.stem,
        config=dict(world.config),
        variables=(
            *world.variables.values(),
            *(v for p in programs.values() for v in p.variables()),
        ),
        processes=tuple(program.process() for program in programs.values()),
        transitions=tuple(transitions),
        invariants=invariants,
        goals=goals,
        lists=linked_lists(world),
        symmetric=symmetric(world),
        properties=world.properties,
        enums={
            decl.name: tuple(decl.members) for module in modules for decl in own(module, EnumDecl)
        },
        embedded={
            name: tuple(_homes(pool)) for name, pool in world.pools.items() if pool.embeddings
        },
        per={name: pool.per for name, pool in world.pools.items() if pool.per},
    )
    return finish(machine)


def _homes(pool: Pool) -> Iterator[Home]:
    """Where the instances of an embedded record live."""
    for home in pool.embeddings:
        for owner in range(home.owners):
            for element in range(home.length):
                yield home.owner, owner, home.field, element if home.length > 1 else None
