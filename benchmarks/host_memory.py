"""Memory that the host of a virtual machine has given before something is measured.

A virtual machine may return its free memory to the host. Whoever touches it next then waits for
the host: seen here, a search of one second took a quarter longer. That would be measured by chance,
most where a search is fast. So each measured search comes right after as much memory as it may need
has been touched and freed; the same before everybody's.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

_TOP = Path(__file__).resolve().parents[1]
_POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE of Linux 5.14 and later, which Python does not name."""


def touch_memory(size: int) -> None:
    """Touch and free so many bytes, and no more than most of what the machine has.

    In a process of its own: the largest size of this one would be told as that of its children.
    """
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 85 // 100
    command = [sys.executable, "-m", "benchmarks.host_memory", str(min(size, most))]
    subprocess.run(command, cwd=_TOP, check=True)


def main() -> None:
    """Touches. Does nothing where the kernel cannot make pages on demand."""
    with mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
            memory.madvise(_POPULATE_WRITE)
        except OSError:
            return


if __name__ == "__main__":
    main()
