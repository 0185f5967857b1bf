"""What a design file says about itself: its title, its runs, and the verdicts it expects.

    TITLE = "one line"
    RECOVERY = "seed"                  # of model/designs/recovery, if it recovers addresses
    RUNS = [run("any-context", env="smp", why="words", nmis=1, probes=1)]
    EXPECT = [expect("self_deadlock", runs="any-context", verdict="violated",
                     because="words", reported="where it was reported")]
    UNREACHED = [unreached("routine", "statement or *", because="words")]   # or ("a", "b")

All of it is literal data, read from the syntax tree. What is checked here needs the model only;
names of properties are checked against those that the caller knows.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.environments import ENVIRONMENTS, contradiction
from model.kernel.kinds import KIND_NAMES
from model.language.declarations import ROOT, ConstDecl, Knob, Module, nearest
from model.language.loader import Loader
from model.language.source import CompileError, Provenance
from model.literals import Argument, LiteralCall, literal, literal_call, literal_calls

RECOVERIES = ROOT / "model" / "designs" / "recovery"
ALL = "*"
_RUN_WORDS = ("name", "env", "why", "properties", "kind", "long")
_EXPECT_WORDS = ("property", "runs", "verdict", "because", "reported")
_UNREACHED_WORDS = ("routine", "statement", "because", "process")
_VERDICTS = ("holds", "violated")
_NOWHERE = Provenance("", 0, 0, "")


@dataclass(frozen=True)
class Run:
    """One machine to explore: an environment and bounds.

    `knobs` are the run's own settings, without those of the environment. Empty `properties` means
    all. `kind` is the kind of allocation of all objects, empty for plain slab objects, for which
    every recovery is right. A `long` run is done on request only; the number is how many states it
    had when it was last measured.
    """

    name: str
    env: str
    why: str
    knobs: tuple[tuple[str, int], ...] = ()
    properties: tuple[str, ...] = ()
    kind: str = ""
    long: int = 0
    where: Provenance = _NOWHERE

    @property
    def settings(self) -> dict[str, int]:
        """The environment's knobs, then the run's own."""
        return {**dict(ENVIRONMENTS[self.env].knobs), **dict(self.knobs)}


@dataclass(frozen=True)
class Expectation:
    """The verdict that a design expects of some properties in some runs; `*` stands for all."""

    properties: tuple[str, ...]
    runs: tuple[str, ...]
    verdict: str
    because: str
    reported: str
    where: Provenance


@dataclass(frozen=True)
class Unreached:
    """Why a statement of a routine (`*`: any) is not reached; `process` narrows it to one kind."""

    routine: str
    statement: str
    because: str
    process: str
    where: Provenance


@dataclass(frozen=True)
class Manifest:
    """All that a design file says about itself. `knobs` are those it can be configured with.

    `files` are the design and what it imports, directly or not.
    """

    name: str
    path: Path
    title: str
    recovery: str
    runs: tuple[Run, ...]
    expectations: tuple[Expectation, ...]
    unreached: tuple[Unreached, ...]
    knobs: Mapping[str, Knob]
    files: tuple[Path, ...] = ()


def read_manifest(path: Path, properties: Collection[str]) -> Manifest:
    """Read a design file. Raises CompileError for mistakes in it."""
    loader = Loader()
    module = loader.load(path)
    recovery = _recovery(module)
    runs: list[Run] = []
    for run in (
        run
        for file, node in literal_calls(module, "RUNS", "run")
        for run in read_runs(file, node, loader.knobs, properties)
    ):
        if run.name in {other.name for other in runs}:
            raise CompileError(f"a second run `{run.name}`", run.where, "give it another name")
        if run.kind and not recovery:
            raise CompileError(
                f"run `{run.name}` has a kind of allocation, but the design recovers no addresses",
                run.where,
                'name its recovery: RECOVERY = "..." (a file of model/designs/recovery)',
            )
        runs.append(run)
    return Manifest(
        name=path.stem,
        path=path,
        title=_text(module, "TITLE"),
        recovery=recovery,
        runs=tuple(runs),
        expectations=tuple(
            _expectation(file, node, [run.name for run in runs], properties)
            for file, node in literal_calls(module, "EXPECT", "expect")
        ),
        unreached=tuple(
            entry
            for file, node in literal_calls(module, "UNREACHED", "unreached")
            for entry in _unreached(file, node)
        ),
        knobs=dict(loader.knobs),
        files=tuple(loader.modules),
    )


def has_runs(path: Path) -> bool:
    """Whether a file declares RUNS: a design, and not only a part of some.

    What cannot be parsed counts as one, so that whoever reads it says what is wrong.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, SyntaxError, ValueError):
        return True
    names = {
        t.id
        for s in tree.body
        if isinstance(s, ast.Assign)
        for t in s.targets
        if isinstance(t, ast.Name)
    }
    return "RUNS" in names


def read_run(
    module: Module, node: ast.expr, knobs: Mapping[str, Knob], properties: Collection[str]
) -> Run:
    """Read `run(...)` where there can be one only. Raises CompileError, as for several."""
    found = read_runs(module, node, knobs, properties)
    if len(found) > 1:
        raise CompileError("a run in several environments", found[0].where, "name one of them")
    return found[0]


def read_runs(
    module: Module, node: ast.expr, knobs: Mapping[str, Knob], properties: Collection[str]
) -> list[Run]:
    """Read `run("name", env="...", why="...", bounds...)`.

    `env=("one", "two")` stands for a run in each, `name-one` and `name-two`.
    """
    call = literal_call(module, node, "run", ("name",))
    env = call.take("env")
    environments = [
        _one_of(env, name, ENVIRONMENTS, "environment") for name in env.names("environment")
    ]
    name = _identifier(call.take("name"))
    several = isinstance(env.value, tuple)
    kind = _optional(call, "kind")
    settings = []
    for key, argument in call.args.items():
        if key not in _RUN_WORDS:
            if key not in knobs:
                raise CompileError(
                    f"unknown knob `{key}`", argument.where, nearest(key, [*knobs, *_RUN_WORDS])
                )
            settings.append((key, argument.number(f"the knob `{key}`")))
    chosen, why = call.args.get("properties"), call.args.get("why")
    runs = [
        Run(
            name=f"{name}-{environment}" if several else name,
            env=environment,
            why=why.text("why") if why else "",
            knobs=tuple(settings),
            properties=_properties(chosen, properties) if chosen else (),
            kind=_one_of(kind, kind.text("kind"), KIND_NAMES, "kind of allocation") if kind else "",
            long=_states(call),
            where=call.where,
        )
        for environment in environments
    ]
    defaults = {knob.name: knob.default for knob in knobs.values()}
    for run in runs:
        if wrong := contradiction(run.settings, defaults, run.env):
            raise CompileError(
                f"run `{run.name}`: {wrong}", run.where, "set cpus=1, or leave SMP on"
            )
    return runs


def _expectation(
    module: Module, node: ast.expr, runs: Collection[str], properties: Collection[str]
) -> Expectation:
    call = literal_call(module, node, "expect", ("property",))
    _no_others(call, _EXPECT_WORDS)
    verdict = call.take("verdict")
    wanted = call.args.get("runs")
    named = wanted.names("runs") if wanted else (ALL,)
    if wanted and named != (ALL,):
        named = tuple(_one_of(wanted, name, runs, "run") for name in named)
    reported = _optional(call, "reported")
    return Expectation(
        properties=_properties(call.take("property"), properties, also=(ALL,)),
        runs=named,
        verdict=_one_of(verdict, verdict.text("verdict"), _VERDICTS, "verdict"),
        because=call.take("because").text("because"),
        reported=reported.text("reported") if reported else "",
        where=call.where,
    )


def _unreached(module: Module, node: ast.expr) -> list[Unreached]:
    """One entry for each routine that is named, so that each must still be unreached somewhere."""
    call = literal_call(module, node, "unreached", ("routine", "statement"))
    _no_others(call, _UNREACHED_WORDS)
    process = _optional(call, "process")
    statement = call.take("statement").text("statement")
    because = call.take("because").text("because")
    where = process.text("process") if process else ""
    return [
        Unreached(routine, statement, because, where, call.where)
        for routine in call.take("routine").names("routine")
    ]


def _recovery(module: Module) -> str:
    name = _text(module, "RECOVERY")
    known = [path.stem for path in RECOVERIES.glob("*.py") if path.stem != "__init__"]
    if name and name not in known:
        decl = module.names["RECOVERY"]
        where = module.where(decl.node) if isinstance(decl, ConstDecl) else None
        raise CompileError(f"no recovery `{name}`", where, nearest(name, known))
    return name


def _text(module: Module, name: str) -> str:
    decl = module.names.get(name)
    if not isinstance(decl, ConstDecl) or decl.module is not module:
        return ""
    return Argument(literal(module, decl.node), module.where(decl.node)).text(name)


def _states(call: LiteralCall) -> int:
    """`long=6_700_000`: how many states the run had; 0 where it is none of the long ones."""
    argument = call.args.get("long")
    if argument is None:
        return 0
    if isinstance(argument.value, bool) or argument.number("long") < 1:
        raise CompileError(
            f"long={argument.value}", argument.where, "give the number of states the run has had"
        )
    return argument.number("long")


def _optional(call: LiteralCall, key: str) -> Argument | None:
    return call.args.get(key)


def _properties(
    argument: Argument, known: Collection[str], also: tuple[str, ...] = ()
) -> tuple[str, ...]:
    named = argument.names("property")
    return tuple(_one_of(argument, name, [*known, *also], "property") for name in named)


def _one_of(argument: Argument, name: str, known: Iterable[str], what: str) -> str:
    known = list(known)
    if name not in known:
        raise CompileError(f"unknown {what} `{name}`", argument.where, nearest(name, known))
    return name


def _identifier(argument: Argument) -> str:
    name = argument.text("the name of a run")
    # It becomes part of the ID of a trace and of file names.
    if not name or not all(c.isalnum() or c in "-_." for c in name):
        raise CompileError(
            f"`{name}` cannot name a run", argument.where, "use letters, digits and -_. only"
        )
    return name


def _no_others(call: LiteralCall, known: Collection[str]) -> None:
    for key, argument in call.args.items():
        if key not in known:
            raise CompileError(
                f"{call.name}(...) takes no `{key}`", argument.where, nearest(key, known)
            )
