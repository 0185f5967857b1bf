"""One measurement in a process of its own: started by benchmarks/__main__.py, answers in JSON.

The parent gives it an empty cache of compiled models, so that compiling is measured too, and one
core. Time to verdict is the wall time of this whole process, starting Python included, as a user
would wait for it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.cases import Case, machine_named
from engines.explicit.explore import Options, explore
from engines.reductions.wanted import NO_REDUCTIONS, Reductions


@dataclass(frozen=True)
class Measured:
    """What one search took. `build_seconds`: from the design's text to the machine.

    `compile_seconds` are the C compiler's and the generator's. `bytes_per_state` is the C engine's
    own count of all it keeps; for Python it is how much the process grew.
    """

    bits: int
    states: int
    transitions: int
    depth: int
    complete: bool
    build_seconds: float
    compile_seconds: float
    search_seconds: float
    bytes_per_state: float
    violated: tuple[str, ...]

    @property
    def rate(self) -> float:
        """States per second of searching."""
        return self.states / max(self.search_seconds, 1e-9)


def measure(case: Case) -> Measured:
    """Build the machine and search it."""
    began = time.monotonic()
    machine = machine_named(case.machine)
    built = time.monotonic()
    before = _resident()
    found = explore(
        machine,
        Options(
            engine=case.engine,
            seconds=case.seconds,
            reductions=Reductions() if case.reductions else NO_REDUCTIONS,
            threads=case.threads,
            fingerprints=case.fingerprints,
            memory=case.memory,
        ),
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    python = found.engine == "python"
    return Measured(
        bits=found.bits,
        states=found.states,
        transitions=found.transitions,
        depth=found.depth,
        complete=found.complete,
        build_seconds=built - began,
        compile_seconds=found.compile_seconds,
        search_seconds=found.seconds,
        bytes_per_state=grown / max(found.states, 1) if python else found.bytes_per_state,
        violated=tuple(found.violations),
    )


def _resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Reads a case from the command line and prints what was measured."""
    case = Case(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(measure(case))))


if __name__ == "__main__":
    main()
