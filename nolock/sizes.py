"""How large each search was when it was last done, to begin the largest first.

It changes the order in which searches begin, and nothing else: a lost or stale note costs time.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from engines.kept import cache_directory, write_atomically
from nolock.explored import Explored
from nolock.jobs import Job

_STATES_PER_WEIGHT = 3000
"""Of the searches of the built-in designs, in the middle; they lie from 100 to 60,000."""


def size_of(job: Job, known: Mapping[str, int]) -> float:
    """The states that it had, or a guess from its bounds."""
    return known.get(_name(job), job.weight * _STATES_PER_WEIGHT)


def known_sizes() -> dict[str, int]:
    """The states of the searches that have been done, by name."""
    try:
        content = json.loads((cache_directory() / "sizes.json").read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: size for name, size in content.items() if isinstance(size, int)}


def note_sizes(jobs: list[Job], results: Mapping[str, Any]) -> None:
    """Keep the states of what was explored; of two commands at once one may lose its notes."""
    found = {job: results[job.key] for job in jobs}
    new = {_name(job): r.states for job, r in found.items() if isinstance(r, Explored)}
    known = known_sizes()
    if new.items() <= known.items():
        return
    text = json.dumps({**known, **new}, indent=0, sort_keys=True)
    with contextlib.suppress(OSError):
        write_atomically(cache_directory() / "sizes.json", text.encode())


def _name(job: Job) -> str:
    return f"{job.place}/{job.run.name}{job.options}"
