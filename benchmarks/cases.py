"""What is measured: machines and ways to search them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.synthetic import synthetic
from model.language.machine import Machine
from nolock.catalogue import design_named, runs_named
from nolock.jobs import jobs_of
from nolock.work import machine_of, settings_of

Engine = Literal["c", "python"]

SMALL_RUN = "pages"
OTHER_SMALL_RUNS = {
    **{"bpf_mem_alloc": "up", "call_rcu_nmi": "up"},
    **{"landed": "vmalloc", "rfc_v2": "vmalloc"},
}
"""A run of each design that Python finishes within a minute; some have no pages."""
LARGE_RUNS = ("mainline/tasks", "rcu_ptr/tasks", "nmi_detect/any-context", "allow_spin/any-context")
SYNTHETIC_BITS = (64, 128, 320)
LARGE_TARGET, SMALL_TARGET = 1_500_000, 3_000_000
"""States/s that the C engine is to reach on one core without reductions."""


@dataclass(frozen=True)
class Case:
    """One machine, searched one way. `seconds` ends a search that would not end by itself.

    A machine is DESIGN/RUN, synthetic/BITS, or synthetic/BITS/ARRIVALS.
    """

    machine: str
    engine: Engine
    reductions: bool
    seconds: float | None = None
    threads: int = 1
    fingerprints: bool = False
    memory: int | None = None

    @property
    def search(self) -> str:
        """The way to search, in words."""
        engine = "C" if self.engine == "c" else "Python"
        return engine if self.reductions else f"{engine}, no reductions"

    @property
    def name(self) -> str:
        """Both in one."""
        return f"{self.machine}: {self.search}"


def all_cases(designs: Sequence[str], seconds: float) -> list[Case]:
    """Every case: designs small and large, then synthetic machines for `seconds` each."""
    cases = []
    for design in designs:
        small = f"{design}/{OTHER_SMALL_RUNS.get(design, SMALL_RUN)}"
        cases += [Case(small, "c", True), Case(small, "c", False), Case(small, "python", True)]
    cases += [Case(large, "c", True) for large in LARGE_RUNS if large.split("/")[0] in designs]
    for bits in SYNTHETIC_BITS:
        machine = f"synthetic/{bits}"
        cases += [Case(machine, "c", False, seconds), Case(machine, "python", False, seconds)]
    return cases


def target_of(machine: str) -> int:
    """The target for a machine: the smaller synthetic ones have the higher one."""
    return SMALL_TARGET if machine in ("synthetic/64", "synthetic/128") else LARGE_TARGET


def machine_named(name: str) -> Machine:
    """The machine of a case."""
    owner, _, which = name.partition("/")
    if owner == "synthetic":
        bits, _, arrivals = which.partition("/")
        return synthetic(int(bits), budget=int(arrivals or 3))
    manifest = design_named(owner)
    job = jobs_of(manifest, runs_named(manifest, [which]))[0]
    settings = settings_of(job)
    if not isinstance(settings, dict):
        raise ValueError(f"{name}: {settings.text}")
    return machine_of(job, settings)
