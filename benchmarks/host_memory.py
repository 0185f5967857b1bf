"""Memory that the host of a virtual machine has given before something is measured.

A virtual machine may return free memory to its host. Whoever touches it next then waits for the
host: seen here, a search of one second took a quarter longer. That would be measured by chance,
most where a search is fast. So before each measured search as much memory as it may need is touched
and freed, the same for everybody. In a search of minutes the host may have taken some of it back
before it is used.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_TOP = Path(__file__).resolve().parents[1]
_POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE of Linux 5.14 and later, which Python does not name."""


def touch_memory(size: int) -> None:
    """Touch and free so many bytes, and no more than most of what the machine has.

    In a process of its own: the largest size of this one would be told as that of its children.
    Where that fails, it says so, and what follows is measured as it is.
    """
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 85 // 100
    command = [sys.executable, "-m", "benchmarks.host_memory", str(min(size, most))]
    if subprocess.run(command, cwd=_TOP, check=False).returncode:
        print(f"{size} bytes of memory could not be touched beforehand", file=sys.stderr)


def main() -> None:
    """Touches."""
    size = int(sys.argv[1])
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        with suppress(OSError, AttributeError):
            memory.madvise(mmap.MADV_HUGEPAGE)
        try:
            memory.madvise(_POPULATE_WRITE)
        except OSError:
            for at in range(0, size, mmap.PAGESIZE):
                memory[at] = 1


if __name__ == "__main__":
    main()
