"""Count the CPU cores that may be used, and keep idle linear-algebra threads from occupying them."""

import os

LIMIT = "OMP_NUM_THREADS"
WAIT = "OPENBLAS_THREAD_TIMEOUT"
SLEEP = "OMP_WAIT_POLICY"
_WAITS = (SLEEP, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""The environment variables by which users say how OpenMP's threads wait."""


def available_cores() -> int:
    """Count the cores that this process may use; a container or job scheduler may allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def numeric_threads() -> int:
    """Count the threads for numerics: the available cores, or fewer if ``OMP_NUM_THREADS`` says so."""
    limit = os.environ.get(LIMIT, "").split(",")[0].strip()
    return max(1, min(available_cores(), int(limit))) if limit.isdigit() else available_cores()


def wait_briefly() -> None:
    """Let idle threads of linear algebra and of torch sleep soon; call this before NumPy and torch are loaded.

    By default the threads of NumPy's linear algebra wait 2²⁶ cycles, a good part of a tenth of a second, on cores that other
    loops need, and those of OpenMP, by which torch computes, spin: on two cores beside two other programs a step of UNet++ took
    17 s, and 1.3 s with threads that sleep. Their number, and so every digit, stays. What the user has set stands.
    """
    os.environ.setdefault(WAIT, "20")
    if not any(name in os.environ for name in _WAITS):
        os.environ[SLEEP] = "passive"
