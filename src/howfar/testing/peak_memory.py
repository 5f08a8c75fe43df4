"""The peak memory of a process, as tests and benchmarks read it."""

from __future__ import annotations

import re
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """Most memory that this program has had at a time, in MiB.

    On Linux the kernel's mark of this very program. What `getrusage` tells there counts the parent's memory too, from before
    the program was started, so that under a large parent it hides what it should show; elsewhere it is all there is.

    Examples
    --------
    >>> peak_mib() > 1
    True
    """
    if STATUS.is_file():
        found = re.search(r"VmHWM:\s*([0-9]+)", STATUS.read_text(encoding="ascii", errors="replace"))
        if found:
            return int(found[1]) / 1024
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
