"""Traces that searches have found, kept for `nolock trace`: it then need not search again.

Only `trace` reads them, and replays them first; `verify` always computes.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from counterexamples.store import TraceFileError, load, save
from counterexamples.trace import Trace
from engines.kept import cache_directory
from nolock.jobs import Job


def keep(trace: Trace, job: Job) -> None:
    """Put a trace as the engine found it into the cache; a full or read-only disk is no error."""
    path = _path(trace.identity.fingerprint, trace.property, job)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        save(trace, path)


def recall(fingerprint: str, prop: str, job: Job) -> Trace | None:
    """The trace that a search of this machine found for a property, if it is known."""
    try:
        return load(_path(fingerprint, prop, job))
    except TraceFileError:
        return None


def _path(fingerprint: str, prop: str, job: Job) -> Path:
    search = job.search
    parts = (
        fingerprint,
        prop,
        job.key,
        search.reductions,
    )
    name = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    return cache_directory() / "traces" / f"{name}.json"
