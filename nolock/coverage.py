"""Which statements no run of a design reached, and whether its file says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from model.language.declarations import nearest
from model.manifest import Manifest, Unreached
from nolock.explored import Step


@dataclass(frozen=True)
class Coverage:
    """The union over a design's runs. `stale` entries explain nothing that is unreached.

    `statements` are those of each routine, in all runs.
    """

    steps: int
    unreached: tuple[Step, ...]
    explained: tuple[tuple[Step, str], ...]
    stale: tuple[Unreached, ...]
    statements: Mapping[str, frozenset[str]]

    @property
    def names(self) -> tuple[str, ...]:
        """The statements without an explanation, by name."""
        return tuple(step_name(step) for step in self.unreached)


def coverage_of(manifest: Manifest, runs: Iterable[Iterable[Step]]) -> Coverage:
    """Put the runs of a design together and look for its explanations."""
    union: dict[tuple[str, str, int], Step] = {}
    for steps in runs:
        for step in steps:
            known = union.get(step.place)
            union[step.place] = replace(step, fired=step.fired + known.fired) if known else step
    unreached = [union[place] for place in sorted(union) if not union[place].fired]
    left: list[Step] = []
    explained: list[tuple[Step, str]] = []
    used: set[Unreached] = set()
    for step in unreached:
        reasons = [entry for entry in manifest.unreached if _explains(entry, step)]
        used.update(reasons)
        if reasons:
            explained.append((step, reasons[0].because))
        else:
            left.append(step)
    stale = tuple(entry for entry in manifest.unreached if entry not in used)
    texts: dict[str, set[str]] = {}
    for step in union.values():
        texts.setdefault(step.routine, set()).add(step.text)
    statements = {routine: frozenset(found) for routine, found in texts.items()}
    return Coverage(len(union), tuple(left), tuple(explained), stale, statements)


def stale_text(entry: Unreached, coverage: Coverage) -> str:
    """What is wrong with an explanation that explains nothing."""
    statements = coverage.statements.get(entry.routine)
    if statements is None:
        hint = nearest(entry.routine, coverage.statements)
        return f"no run has a step in a routine `{entry.routine}`; {hint}"
    if entry.statement != "*" and entry.statement not in statements:
        hint = nearest(entry.statement, statements)
        return f"`{entry.routine}` has no step `{entry.statement}`; {hint}"
    return (
        f"UNREACHED explains {entry.routine!r}, {entry.statement!r}, "
        "but every such statement is reached"
    )


def step_name(step: Step) -> str:
    """A statement as reports name it."""
    by = f" ({step.process})" if step.process else ""
    return f"{step.file}:{step.line} {step.routine}{by}: {step.text}"


def _explains(entry: Unreached, step: Step) -> bool:
    return (
        entry.routine == step.routine
        and entry.statement in ("*", step.text)
        and entry.process in ("", step.process)
    )
