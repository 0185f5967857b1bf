"""Starts one measurement in a process of its own and reads its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.host_memory import touch_memory
from benchmarks.measure import Measured

TOP = Path(__file__).resolve().parents[1]
ENOUGH = 2 << 30
"""Bytes that most measurements stay below."""


def command_for(case: Case) -> list[str]:
    """The command of a measurement; it prints its figures."""
    return [sys.executable, "-m", "benchmarks.measure", json.dumps(asdict(case))]


def with_cache(cache: Path) -> dict[str, str]:
    """The environment in which compiled models are kept in this folder."""
    return {**os.environ, "XDG_CACHE_HOME": str(cache)}


def one_measurement(case: Case, cache: Path, memory: int = ENOUGH) -> Measured:
    """Measure a case that may need so many bytes; ends this program if the child fails."""
    return timed_measurement(case, cache, memory)[0]


def timed_measurement(case: Case, cache: Path, memory: int = ENOUGH) -> tuple[Measured, float]:
    """The same, and the wall seconds of the whole process that measured."""
    touch_memory(memory)
    began = time.monotonic()
    child = subprocess.run(
        command_for(case),
        cwd=TOP,
        env=with_cache(cache),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if child.returncode != 0:
        raise SystemExit(f"{case.name}: the measurement ended with exit code {child.returncode}")
    return measured_from(child.stdout), seconds


def measured_from(answer: str) -> Measured:
    """The figures that a measurement printed."""
    figures = json.loads(answer)
    return Measured(**{**figures, "violated": tuple(figures["violated"])})
