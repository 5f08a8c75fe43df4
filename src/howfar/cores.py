"""How many cores there are to compute with, and that none of them is kept from it."""

from __future__ import annotations

import os

LIMIT = "OMP_NUM_THREADS"
WAIT = "OPENBLAS_THREAD_TIMEOUT"


def available_cores() -> int:
    """How many cores this process may use, which a container or a job scheduler may have made fewer than there are.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def numeric_threads() -> int:
    """Threads for numerics: the cores at hand, or fewer where ``OMP_NUM_THREADS`` says so, as it does to the linear algebra.

    Examples
    --------
    >>> 1 <= numeric_threads() <= available_cores()
    True
    """
    said = os.environ.get(LIMIT, "").split(",")[0].strip()
    return max(1, min(available_cores(), int(said))) if said.isdigit() else available_cores()


def wait_briefly() -> None:
    """Have the threads of NumPy's and SciPy's linear algebra wait for the next product 2²⁰ cycles at most, then sleep.

    By themselves they go on for 2²⁶ and more, a good part of a tenth of a second, on the cores that other loops are on by then.
    They ask once, when NumPy is loaded: call it before. What the user has set stands.

    Examples
    --------
    >>> wait_briefly()
    >>> WAIT in os.environ
    True
    """
    os.environ.setdefault(WAIT, "20")
