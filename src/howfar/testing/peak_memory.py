"""Measure the peak memory of a process, for tests and benchmarks."""

from __future__ import annotations

import re
from pathlib import Path

from howfar.errors import HowfarError

STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """Measure the most memory that this process has held at a time, in MiB.

    On Linux it is the kernel's high-water mark of this process, since `getrusage` there includes the parent's memory from
    before the process was started. Other systems have `getrusage` alone, and Windows has neither: `HowfarError`.

    Examples
    --------
    >>> peak_mib() > 1
    True
    """
    if STATUS.is_file():
        mark = re.search(r"VmHWM:\s*([0-9]+)", STATUS.read_text(encoding="ascii", errors="replace"))
        if mark:
            return int(mark[1]) / 1024
    import sys

    try:
        import resource
    except ImportError as error:
        raise HowfarError(f"peak memory can be measured on Linux and macOS alone, and this is {sys.platform}") from error

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
