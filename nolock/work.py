"""What a child process does: build one machine, explore it, and hand back plain data."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from counterexamples.explain import explain
from counterexamples.simplify import simplify
from counterexamples.trace import Trace, build_trace
from engines.explicit.compiler import Compiler, find_compiler
from engines.explicit.explore import Options, Prepared, Progress, prepare, search
from engines.kept import kept
from engines.result import Exploration, Violation
from model.edits import read_mutant
from model.kernel.kinds import kind_named
from model.language.declarations import shown_path
from model.language.fold import flat
from model.language.layout import layout
from model.language.loader import Edit
from model.language.machine import Check, Machine
from model.language.source import CompileError
from nolock.explored import Explored, Failure, Found, Result, Step
from nolock.jobs import VMALLOC, VMALLOC_OBJECTS, Job
from nolock.trace_cache import keep
from properties.registry import PROPERTIES, build_machine
from properties.start_address import Outcome

_KNOB_OF: Mapping[Outcome, str] = {
    "wrong_place": "recovery_wrong_place",
    "neighbour": "recovery_neighbour",
    "faults": "recovery_faults",
}


_TINY = 24
"""The weight of a job that may be tiny: a CPU, an object and one more actor."""
_TRIAL = 1 << 20
"""Bytes that a tiny machine takes in Python: about 3,000 states, explored in 0.2 s. To compile the
C of a machine takes 0.3 to 2 s."""

WITHOUT_ORDER = 640 << 20
"""Bytes of a search before the partial order is tried: about ten million states. With it a search
has a third or less of the states and takes several times as long for each, which spares memory; to
find what a process may touch and to compile the questions takes one to three seconds more."""


@dataclass(frozen=True)
class Size:
    """How large a state of the machine is, known before the search begins."""

    bits: int
    fingerprints: bool = False

    @property
    def bytes_per_state(self) -> int:
        """About what the engine needs for each: itself, its place in the index, and edges."""
        return 14 if self.fingerprints else -(-self.bits // 8) + 30


Report = Callable[[Size | Progress], None]


def run_job(job: Job, report: Report) -> Result:
    """Build and explore. Raises CompileError and the engines' own errors."""
    settings = settings_of(job)
    if isinstance(settings, Failure):
        return settings
    keep_c = None
    if job.search.keep_c is not None:
        keep_c = job.search.keep_c / f"{job.key.replace('/', '-')}.c"
    options = Options(
        engine=job.search.engine,
        memory=job.search.memory,
        seconds=job.search.seconds,
        reductions=job.search.reductions,
        keep_c=keep_c,
        threads=job.search.threads,
        fingerprints=job.search.fingerprints,
        expected=job.search.expected or (0 if job.options else job.run.long),
        compiler=None if job.search.engine == "python" else _compiler(job),
    )
    machine, result = _searched(job, settings, options, report)
    if result.reason == "complete" and not _design_ran(job, machine, result):
        raise CompileError(
            f"{job.key}: within these bounds no context ever calls the design",
            hint="allow a task, an interrupt, an NMI or a probe, and an object",
        )
    return _plain(job, machine, result)


def _compiler(job: Job) -> Compiler | None:
    found = find_compiler()
    return found and replace(found, optimise=job.search.optimise)


def _searched(
    job: Job, settings: Mapping[str, int], options: Options, report: Report
) -> tuple[Machine, Exploration]:
    """Without the partial order, unless there turn out to be too many states for that."""
    wanted = options.reductions
    plain = replace(wanted, partial_order=False, place_interrupts=False)
    if plain == wanted:
        return _searched_by_size(job, settings, options, report)
    memory = min(job.search.memory, WITHOUT_ORDER)
    small = replace(options, reductions=plain, memory=memory)
    machine, first = _searched_by_size(job, settings, small, report)
    if first.reason != "memory":
        return machine, first
    if options.seconds is not None:
        options = replace(options, seconds=max(options.seconds - first.seconds, 0))
    try:
        machine, second = _searched_by_size(job, settings, options, report)
    except KeyboardInterrupt:
        return machine, replace(first, reason="interrupted")
    return machine, _of_both(first, second)


def _of_both(first: Exploration, second: Exploration) -> Exploration:
    """What is known after a search was begun again with more reductions.

    If the second one ended, it has found all. If not, what the first one found still counts, and
    what was covered is what the one with more states has covered.
    """
    found = dict(second.violations)
    for name, violation in first.violations.items():
        if name not in found or len(violation.trace) < len(found[name].trace):
            found[name] = violation
    farther = second if second.complete or second.states > first.states else first
    return replace(
        farther,
        reason=second.reason,
        violations=second.violations if second.complete else found,
        seconds=first.seconds + second.seconds,
        compile_seconds=first.compile_seconds + second.compile_seconds,
    )


def _searched_by_size(
    job: Job, settings: Mapping[str, int], options: Options, report: Report
) -> tuple[Machine, Exploration]:
    """With C; a tiny machine is explored in Python before a compiler has read its C.

    What counts is how many states it has, not how long it takes: always the same engine.
    """
    prepared = prepared_of(
        job,
        settings,
        options,
        lambda machine: report(Size(layout(machine).bits, job.search.fingerprints)),
    )
    if options.engine == "auto" and job.weight <= _TINY:
        alone = replace(options, engine="python", memory=min(_TRIAL, job.search.memory))
        result = search(prepared, alone, report)
        if result.reason != "memory":
            return prepared.machine, result
    return prepared.machine, search(prepared, options, report)


def _design_ran(job: Job, machine: Machine, result: Exploration) -> bool:
    """Whether a step was taken on behalf of the design: else every verdict would be empty."""
    return any(
        result.fired[tr.id] and any(frame.file == shown_path(job.path) for frame in tr.where.chain)
        for tr in machine.transitions
    )


def settings_of(job: Job) -> dict[str, int] | Failure:
    """The knobs of a job, with what follows from its objects' kind of allocation.

    That is what the design's recovery does to it, and whether it is slab's. Where only some objects
    are from vmalloc it is what recovery does to these.
    """
    settings = dict(job.settings)
    kind = job.run.kind
    if job.recovery and settings.get(VMALLOC_OBJECTS):
        kind = VMALLOC
    if kind:
        outcome = recovery_outcome(job.recovery, kind)
        if outcome is None:
            text = f"not decided what recovery {job.recovery} does to kind {kind}"
            return Failure("incomplete", text)
        if outcome in _KNOB_OF:
            settings[_KNOB_OF[outcome]] = 1
        if job.run.kind and not kind_named(job.run.kind).in_slab:
            settings["slab_objects"] = 0
    return settings


def prepared_of(
    job: Job, settings: Mapping[str, int], options: Options, built: Callable[[Machine], None]
) -> Prepared:
    """The machine of a job, prepared for a search; kept, as it takes longer than a short search.

    `built` is called as soon as there is a machine: a huge one takes long to prepare.
    """
    new = False

    def make() -> Prepared:
        nonlocal new
        new = True
        with _nothing_collected():
            machine = machine_of(job, settings)
            built(machine)
            return prepare(machine, options)

    compiles = options.engine != "python" and options.compiler is not None
    key = (*_what(job, settings), options.reductions, compiles)
    prepared = kept("machine", key, make, lambda prepared: job.files)
    if not new:
        built(prepared.machine)
    return prepared


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Terms of a machine are trees and stay: looking for cycles would take a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _what(job: Job, settings: Mapping[str, int]) -> tuple[object, ...]:
    """What makes a machine, besides the content of files; its `repr` is its name in the cache."""
    place, mutant = str(job.path.resolve()), str(job.mutant)
    return place, sorted(settings.items()), job.properties, mutant


def machine_of(job: Job, settings: Mapping[str, int]) -> Machine:
    """The machine of a job, with the edits of its mutant."""
    edits: tuple[Edit, ...] = ()
    if job.mutant is not None:
        edits = read_mutant(job.mutant, PROPERTIES).edits
    return build_machine(job.path, settings, job.properties, edits)


def recovery_outcome(recovery: str, kind: str) -> Outcome | None:
    """What a recovery does to objects of a kind, on the first architecture that has them."""
    # Z3 takes a while to load, and most jobs do without.
    from engines.symbolic.start_address import outcome_of

    arch = "arm64" if kind_named(kind).tagged else "x86-64"
    return outcome_of(recovery, kind, arch)


def _plain(job: Job, machine: Machine, result: Exploration) -> Explored:
    found = {name: _kept_found(job, machine, v) for name, v in result.violations.items()}
    return Explored(
        config=dict(machine.config),
        reason=result.reason,
        engine=result.engine,
        states=result.states,
        transitions=result.transitions,
        depth=result.depth,
        seconds=result.seconds,
        compile_seconds=result.compile_seconds,
        bits=result.bits,
        bytes_per_state=round(result.bytes_per_state, 1),
        rest_states=result.rest_states,
        stuck_states=result.stuck_states,
        found=found,
        # A goal is judged on the whole graph: its violation stops no search.
        cutting=tuple(n for n, v in result.violations.items() if v.kind not in ("goal", "lasso")),
        reductions=result.reductions,
        notes=result.notes,
        steps=_steps(machine, result.fired),
        tested=_tested(machine, result.fired),
        lossy=result.miss_probability,
        undecided=frozenset(
            goal.prop for goal in machine.goals if result.miss_probability is not None
        ),
        acted=frozenset(tr.process or tr.name for tr in machine.transitions if result.fired[tr.id]),
    )


def _tested(machine: Machine, fired: Mapping[int, int]) -> frozenset[str]:
    """The properties that something in the machine looks at: by the steps that were taken."""
    taken = (op for tr in machine.transitions if fired[tr.id] for op in flat(tr.body))
    checks = {op.prop for op in taken if isinstance(op, Check)}
    invariants = {invariant.prop for invariant in machine.invariants}
    return frozenset(checks | invariants | {goal.prop for goal in machine.goals})


def _kept_found(job: Job, machine: Machine, violation: Violation) -> Found:
    """A violation in words. They are kept: to simplify a trace takes longer than to find it.

    The engine's steps were confirmed by the interpreter in this search; only what follows from
    them and from the machine is recalled.
    """
    steps = tuple((firing.transition.id, firing.args) for firing in violation.trace)
    what = _what(job, dict(machine.config))
    how = (violation.property, violation.kind, violation.stem, steps, violation.shortest)
    key = (*what, *how, job.key, job.explained)
    return kept("trace", key, lambda: _found(job, machine, violation), lambda found: job.files)


def _found(job: Job, machine: Machine, violation: Violation) -> Found:
    trace = build_trace(
        machine,
        violation.property,
        violation.message,
        violation.kind,
        violation.trace,
        run=job.key if job.mutant else job.run.name,
        stem=violation.stem,
    )
    keep(trace, job)
    about = (violation.property, violation.message, trace.kind)
    found = Found(*about, len(violation.trace), violation.shortest)
    return explained(machine, found, trace) if job.explained else found


def explained(machine: Machine, found: Found, trace: Trace) -> Found:
    """With a trace that is simplified and explained."""
    simple = simplify(machine, trace)
    return replace(found, trace=simple, explanation=explain(machine, simple))


def _steps(machine: Machine, fired: Mapping[int, int]) -> tuple[Step, ...]:
    """Every source statement once, with the sum of its firings."""
    steps: dict[tuple[str, str, int], Step] = {}
    for tr in machine.transitions:
        where = tr.where
        process = "" if where.file.startswith("model/kernel/") else tr.process or ""
        step = Step(process, where.file, where.line, where.routine, where.text, fired[tr.id])
        known = steps.get(step.place)
        steps[step.place] = replace(step, fired=step.fired + known.fired) if known else step
    return tuple(steps[place] for place in sorted(steps))
