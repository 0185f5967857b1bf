"""Who was explored together with whom, and which verdicts a design does not have.

One run seldom holds everybody whom a design can meet: states multiply. So runs split them, and
here is what the split leaves out. Two actors have met if one search that came to its end held both,
and an object for each that frees one: then every interleaving of theirs was covered, within that
run's bounds and for the properties that it checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from model.environments import ENVIRONMENTS
from nolock.explored import Explored, Result
from nolock.jobs import BARRIER, START_ADDRESS, Job
from nolock.verdicts import Verdict
from properties.registry import PROPERTIES


@dataclass(frozen=True)
class Actor:
    """Somebody whom a run can hold: from `least` of a knob on, if a step of `acts` was taken.

    `acts` is a process or an action of the kernel's parts. Where it is empty the knob says it all:
    readers and others' grace periods have no steps of their own. `frees`: it needs an object.
    """

    name: str
    knob: str
    acts: str
    least: int = 1
    frees: bool = False


# How many tasks, CPUs and objects there are is a matter of size, and part of the bounds.
ACTORS = (
    Actor("task", "tasks", "client", frees=True),
    Actor("sleeping task", "sleepers", "sleeping_client", frees=True),
    Actor("boot task", "boot", "boot_client", frees=True),
    Actor("worker", "workers", "kworker"),
    Actor("second worker", "workers", "kworker", 2),
    Actor("softirq", "softirqs", "softirq_frees", frees=True),
    Actor("hardirq", "hardirqs", "device_interrupts", frees=True),
    Actor("NMI", "nmis", "nmi", frees=True),
    Actor("second NMI", "nmis", "nmi", 2, frees=True),
    Actor("probe", "probes", "probe", frees=True),
    Actor("reader", "readers", ""),
    Actor("others' grace periods", "other_gps", ""),
    Actor("preemption", "preemptions", "task_is_preempted"),
    Actor("barrier", "barriers", "barrier"),
    Actor("second barrier", "barriers", "barrier", 2),
    Actor("shrinker", "shrinks", "shrinker"),
    Actor("hotplug", "hotplug", "stopper"),
)

Pair = tuple[str, str]
_FREE = frozenset(actor.name for actor in ACTORS if actor.frees)


@dataclass(frozen=True)
class Together:
    """The actors of one run that came to its end. Of those that free, as many as there are objects
    act in one execution.

    `properties` are those that it judged; `cut_by` those whose violation it did not go beyond.
    """

    run: str
    environment: str
    actors: tuple[str, ...]
    objects: int
    properties: tuple[str, ...]
    cut_by: tuple[str, ...]

    @property
    def pairs(self) -> list[Pair]:
        """Who met whom."""
        met = combinations(self.actors, 2)
        return [pair for pair in met if self.objects > 1 or not _FREE.issuperset(pair)]


@dataclass(frozen=True)
class NoVerdict:
    """A property without a verdict in these environments, and why."""

    property: str
    environments: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Meetings:
    """What the runs of a design say together.

    `never`: pairs of the design's actors that no run held both of. `cut`: those that only runs held
    that end at a violation. `absent`: actors that act in no run. `no_run`: environments without
    one.
    """

    together: tuple[Together, ...]
    actors: tuple[str, ...]
    absent: tuple[str, ...]
    never: tuple[Pair, ...]
    cut: tuple[Pair, ...]
    no_verdict: tuple[NoVerdict, ...]
    no_run: tuple[str, ...]

    @property
    def pairs(self) -> int:
        """How many pairs the design's actors make."""
        return len(self.actors) * (len(self.actors) - 1) // 2

    def largest(self) -> list[Together]:
        """One run for each set of actors that is part of no other in its environment.

        A run with fewer objects does not stand for one with more.
        """
        found: dict[tuple[str, tuple[str, ...]], Together] = {}
        for one in sorted(self.together, key=lambda one: -one.objects):
            larger = any(
                other.environment == one.environment
                and other.objects >= one.objects
                and set(other.actors) > set(one.actors)
                for other in self.together
            )
            if not larger:
                found.setdefault((one.environment, one.actors), one)
        order = list(ENVIRONMENTS)
        return sorted(found.values(), key=lambda one: order.index(one.environment))


def meetings_of(
    jobs: Sequence[Job], results: Mapping[str, Result], verdicts: Sequence[Verdict]
) -> Meetings:
    """Put the runs of a design together."""
    together = []
    for job in jobs:
        result = results[job.key]
        if isinstance(result, Explored) and result.complete:
            judged = tuple(v.property for v in verdicts if v.run == job.run.name)
            objects = result.config.get("objects", 0)
            cut_by = tuple(sorted(result.cutting))
            together.append(
                Together(job.run.name, job.run.env, _actors_of(result), objects, judged, cut_by)
            )
    everybody = {name for one in together for name in one.actors}
    actors = tuple(actor.name for actor in ACTORS if actor.name in everybody)
    met = {pair for one in together for pair in one.pairs}
    beyond = {pair for one in together if not one.cut_by for pair in one.pairs}
    pairs = list(combinations(actors, 2))
    here = {job.run.env for job in jobs}
    return Meetings(
        together=tuple(together),
        actors=actors,
        absent=tuple(actor.name for actor in ACTORS if actor.name not in everybody),
        never=tuple(pair for pair in pairs if pair not in met),
        cut=tuple(pair for pair in pairs if pair in met and pair not in beyond),
        no_verdict=_without_verdict(jobs, verdicts),
        no_run=tuple(name for name in ENVIRONMENTS if name not in here),
    )


def _actors_of(result: Explored) -> tuple[str, ...]:
    """Those whom the bounds allow and who took a step; a second one that frees needs an object."""
    return tuple(
        actor.name
        for actor in ACTORS
        if result.config.get(actor.knob, 0) >= actor.least
        and not (actor.frees and result.config.get("objects", 0) < actor.least)
        and (not actor.acts or actor.acts in result.acted)
    )


def _without_verdict(jobs: Sequence[Job], verdicts: Sequence[Verdict]) -> tuple[NoVerdict, ...]:
    """By property, environments with the same reason together."""
    decided = {(v.property, v.environment) for v in verdicts if v.verdict != "incomplete"}
    reasons: dict[tuple[str, str], list[str]] = {}
    for prop in PROPERTIES:
        for env in ENVIRONMENTS:
            there = [job for job in jobs if job.run.env == env]
            if there and (prop, env) not in decided:
                reasons.setdefault((prop, _why_none(prop, there)), []).append(env)
    return tuple(NoVerdict(prop, tuple(envs), why) for (prop, why), envs in reasons.items())


def _why_none(prop: str, jobs: Sequence[Job]) -> str:
    if any(prop in job.properties for job in jobs):
        return "no run there has a step that could violate it"
    return {
        BARRIER: "nobody calls the barrier there",
        START_ADDRESS: "all objects are plain slab there",
    }.get(prop, "no run there asks for it")
