"""Count the CPU cores that may be used, and keep idle linear-algebra threads from occupying them."""

from __future__ import annotations

import os

LIMIT = "OMP_NUM_THREADS"
WAIT = "OPENBLAS_THREAD_TIMEOUT"


def available_cores() -> int:
    """Count the cores that this process may use, which a container or a job scheduler may have made fewer than there are.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def numeric_threads() -> int:
    """Count the threads for numerics: the cores at hand, or fewer where ``OMP_NUM_THREADS`` says so.

    Examples
    --------
    >>> 1 <= numeric_threads() <= available_cores()
    True
    """
    limit = os.environ.get(LIMIT, "").split(",")[0].strip()
    return max(1, min(available_cores(), int(limit))) if limit.isdigit() else available_cores()


def wait_briefly() -> None:
    """Make the threads of NumPy's and SciPy's linear algebra wait at most 2²⁰ cycles for the next product, then sleep.

    By default they wait 2²⁶ cycles and more, a good part of a tenth of a second, on cores that other loops then need. The
    setting is read once, when NumPy is loaded: call this before. What the user has set stands.

    Examples
    --------
    >>> wait_briefly()
    >>> WAIT in os.environ
    True
    """
    os.environ.setdefault(WAIT, "20")
