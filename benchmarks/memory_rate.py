"""How many random accesses a second the memory allows, and how fast a line goes between two cores.

    python -m benchmarks.memory_rate [--mib 1024] [--seconds 1] [--threads 1 2]

The first is the limit of an exact search; the second is what threads that share an index wait for.
With several threads each has a table of its own, and the rates are those of all together.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from engines.explicit.compiler import find_compiler, no_compiler

_SOURCE = Path(__file__).with_suffix(".c")
_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class MemoryRate:
    """Random accesses a second: many under way at once, and each waiting for the one before."""

    apart: float
    chained: float


def measure_memory(mib: int = 1024, seconds: float = 1.0, threads: int = 1) -> MemoryRate:
    """Measure with a table of `mib` MiB for each thread; CompilerError without a C compiler."""
    library = _library()
    library.memory_rate.argtypes = [ctypes.c_uint64, ctypes.c_double, ctypes.c_void_p]

    def measured(_: int) -> tuple[float, float]:
        rates = (ctypes.c_double * 2)()
        if not library.memory_rate(mib << 20, seconds, rates):
            raise MemoryError(f"no {mib} MiB to measure with")
        return rates[0], rates[1]

    with ThreadPoolExecutor(threads) as pool:
        rates = list(pool.map(measured, range(threads)))
    return MemoryRate(sum(apart for apart, _ in rates), sum(chained for _, chained in rates))


def measure_line(seconds: float = 0.2) -> float | None:
    """Seconds for a cache line to another core and back; None where none can be used."""
    library = _library()
    library.line_trip.argtypes = [ctypes.c_double]
    library.line_trip.restype = ctypes.c_double
    trip: float = library.line_trip(seconds)
    return trip if trip > 0 else None


@functools.cache
def _library() -> ctypes.CDLL:
    compiler = find_compiler()
    if compiler is None:
        raise no_compiler()
    with tempfile.TemporaryDirectory(prefix="nolock-memory-") as folder:
        built = Path(folder) / "memory_rate.so"
        compiler.compile_shared(_SOURCE, built, _FLAGS)
        return ctypes.CDLL(str(built))


def main() -> None:
    """Prints a line for each number of threads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    for threads in args.threads:
        rate = measure_memory(args.mib, args.seconds, threads)
        print(
            f"{threads} {'thread' if threads == 1 else 'threads'}, {args.mib} MiB each: "
            f"{rate.apart / 1e6:.0f} M/s at once, {rate.chained / 1e6:.1f} M/s one after the other"
        )
    if max(args.threads) > 1 and (trip := measure_line(args.seconds)):
        print(f"a cache line to another core and back: {trip * 1e9:.0f} ns")


if __name__ == "__main__":
    main()
