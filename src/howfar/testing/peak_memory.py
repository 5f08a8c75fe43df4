"""Measure the peak memory of a process, for tests and benchmarks."""

from __future__ import annotations

import re
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """Measure the most memory that this process has held at a time, in MiB.

    On Linux it is the kernel's high-water mark of this process, since `getrusage` there includes the parent's memory from
    before the process was started. Other systems have `getrusage` alone.

    Examples
    --------
    >>> peak_mib() > 1
    True
    """
    if STATUS.is_file():
        mark = re.search(r"VmHWM:\s*([0-9]+)", STATUS.read_text(encoding="ascii", errors="replace"))
        if mark:
            return int(mark[1]) / 1024
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
