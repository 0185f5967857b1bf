"""Mutants: known bugs that the search must find, and the properties that they kill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.edits import Mutant, read_mutant
from nolock.catalogue import design_named, mutant_paths, unknown
from nolock.explored import MODEL_ERROR, Explored, Failure, Result
from nolock.jobs import Job, properties_of
from nolock.verdicts import UNDECIDED, Standing, stopped
from properties.registry import PROPERTIES


@dataclass(frozen=True)
class MutantRow:
    """A mutant and what was found. With no property to violate, everything must hold."""

    mutant: Mutant
    result: Result

    @property
    def found(self) -> tuple[str, ...]:
        """The properties that it violates."""
        return tuple(self.result.found) if isinstance(self.result, Explored) else ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The properties that it must violate and does not."""
        return tuple(name for name in self.mutant.violates if name not in self.found)

    @property
    def standing(self) -> Standing:
        """Whether the search found what it must."""
        if isinstance(self.result, Failure):
            broken = self.result.kind in ("crash", "disagreement")
            return "unexpected" if broken else "incomplete"
        if MODEL_ERROR in self.found:
            return "unexpected"
        if self.mutant.violates:
            if not self.missing:
                return "expected"
            return "unexpected" if self._is_decided else "incomplete"
        if self.found:
            return "unexpected"
        return "expected" if self._is_decided else "incomplete"

    @property
    def _is_decided(self) -> bool:
        """Whether what was not found is not there: a lossy search does not see all of it."""
        if isinstance(self.result, Failure) or not self.result.complete:
            return False
        wanted = self.missing if self.mutant.violates else PROPERTIES
        return self.result.undecided.isdisjoint(wanted)

    @property
    def says(self) -> str:
        """What was found, in words."""
        if isinstance(self.result, Failure):
            return self.result.text
        if MODEL_ERROR in self.found:
            return f"the model is wrong: {self.result.found[MODEL_ERROR].message}"
        if self.mutant.violates and not self.missing:
            return "found"
        if not self.result.complete:
            return stopped(self.result)
        if self.found and not self.mutant.violates:
            return f"violates {', '.join(self.found)}"
        if not self._is_decided:
            return UNDECIDED
        return "not found" if self.mutant.violates else "holds, as it should"

    @property
    def length(self) -> int | None:
        """Steps of the shortest trace of the first property that it must violate."""
        if isinstance(self.result, Explored) and self.mutant.violates:
            found = self.result.found.get(self.mutant.violates[0])
            return found.length if found else None
        return None


def mutant_job(path: Path) -> tuple[Mutant, Job]:
    """A mutant and its job."""
    mutant = read_mutant(path, PROPERTIES)
    run = mutant.run
    design = design_named(mutant.design)
    job = Job(
        owner=f"mutants/{mutant.id}",
        place=f"mutants/{mutant.id}",
        path=design.path,
        run=run,
        settings=tuple(sorted(run.settings.items())),
        properties=properties_of(run),
        recovery=design.recovery,
        mutant=path,
        files=design.files,
    )
    return mutant, job


def mutant_named(name: str) -> Job:
    """The job of a mutant by its ID; raises InputError for an unknown one."""
    jobs = {mutant.id: job for mutant, job in map(mutant_job, mutant_paths().values())}
    if name not in jobs:
        raise unknown("mutant", name, jobs)
    return jobs[name]


def killed_by(
    rows: Iterable[MutantRow], others: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The mutants (and other witnesses) that violate each property, as they must."""
    killers: dict[str, list[str]] = {name: [] for name in PROPERTIES}
    for row in rows:
        for name in row.mutant.violates:
            if name in row.found:
                killers[name].append(row.mutant.id)
    for name, witnesses in others.items():
        killers[name] += witnesses
    return {name: tuple(by) for name, by in killers.items()}
