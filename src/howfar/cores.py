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
    """Let idle threads of linear algebra and of torch sleep soon, so that they free their cores.

    The threads of NumPy's and SciPy's linear algebra wait at most 2²⁰ cycles for the next product. By default they wait 2²⁶
    cycles and more, a good part of a tenth of a second, on cores that other loops then need. The threads of OpenMP, by which
    torch computes, sleep at once. By default they spin, and where other programs want the cores too they wait in vain for one
    that is not running: on two cores beside two other programs a step of UNet++ took 17 s with torch's two threads, 1.3 s with
    the same two that sleep, and 1.2 to 3.7 s with one. How many threads there are stays as it is, and with it every digit.

    The settings are read once, when NumPy and torch are loaded: call this before. What the user has set stands.
    """
    os.environ.setdefault(WAIT, "20")
    if not any(name in os.environ for name in _WAITS):
        os.environ[SLEEP] = "passive"
