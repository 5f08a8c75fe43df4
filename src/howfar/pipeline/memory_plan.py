"""Check from sizes alone, before any work, whether comparing datasets fits the memory budget."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.cores import available_cores
from howfar.distances.pairwise import COMPILED_FROM, PAIRS_PER_TILE
from howfar.memory import at_a_time, beside, budget, plan, within
from howfar.projection.basis import itemsize
from howfar.projection.memory_estimates import (
    DOUBLE,
    SINGLE,
    gram_columns,
    kept_moments,
    moment_rows,
    score_rows,
    subspace_columns,
)
from howfar.protocols import Runner
from howfar.results import Settings

# Bytes of a pair in a tile (its distance, and what that is computed from), and of an image in a bootstrap draw: where pairs are
# few all is float64, and counts are drawn as integers of that size.
_FEW, _MANY = (40, 20), (16, 5)
# Numbers of an image in the tables: its distances and percentile, and once more when the tables are put together.
_COLUMNS = 16


def check_plan(
    sizes: Sequence[int], q: int, layers: int, settings: Settings, basis: bool = False, executor: Runner | None = None
) -> None:
    """Raise where measuring a primary dataset and its secondaries does not fit the memory budget.

    Without a budget nothing is checked.

    `sizes` are the numbers of images of the primary dataset, then of each secondary; `q` features of an image are of `layers`
    parts; `basis` says whether the primary's own axes are wanted, for images that come later. Where pairs are tasks of the
    `executor`'s own processes, those that may be at work on this machine share the budget; the memory of other machines is not
    known. Raises `InputError` where a step does not fit: the line names the one that needs the most, how much that is and what
    to do.
    """
    n, *others = sizes
    parts = layers if settings.scale == "layers" else 1
    together = [sum(others)] if settings.projection == "joint" else others
    with within(budget(pairs_at_once(executor, settings))), plan():
        for m in together:
            _check_projection(n, m, q, parts, settings)
        for m in others:
            relabellings_at_once(1, n, m, components(n + m, q, settings), settings.bootstrap)
        if basis and q > n:
            z = components(n, q, settings)
            subspace_columns(1, n, q, z, itemsize(q, z))


def pairs_at_once(executor: Runner | None, settings: Settings) -> int:
    """Count the pairs of datasets that may be measured at a time on this machine."""
    if executor is None or not executor.processes or settings.projection == "joint":
        return 1
    return min(getattr(executor, "workers", None) or available_cores(), available_cores())


def _check_projection(n: int, m: int, q: int, parts: int, settings: Settings) -> None:
    fitted = n if settings.projection == "primary" else n + m
    z = components(fitted, q, settings)
    if q > fitted:
        # The primary's own inner products, on which later rows are projected, are held in float64 beside.
        gram_columns(1, n, m, q, parts + 2 * (settings.projection == "primary"))
        at_a_time(1, DOUBLE, _scores(n + m, z), f"{z:,} components of {n + m:,} images")
        return
    moment_rows(1, q)
    with beside(kept_moments(q)):
        score_rows(1, n + m, q, z)


def components(rows: int, q: int, settings: Settings) -> int:
    """Compute z, the number of components, as the projection clamps it."""
    most = max(1, min(rows - 1, q))
    return most if settings.projection == "none" else min(settings.components, most)


def kept(sizes: Sequence[int], q: int, settings: Settings) -> int:
    """Compute the bytes of the results of all pairs: scores of every secondary's images, and tables."""
    n, *others = sizes
    return DOUBLE * sum(2 * m * components(n + m, q, settings) + _COLUMNS * (m + n // 4) for m in others)


def relabellings_at_once(usual: int, n: int, m: int, z: int, bootstrap: int = 0) -> int:
    """Compute how many relabellings of n + m projected images to take at a time, beside so many bootstrap draws."""
    rows = n + m
    of_pair, of_draw = _MANY if n * m >= COMPILED_FROM else _FEW
    held = of_pair * min(rows**2, PAIRS_PER_TILE) + _scores(rows, z) + of_draw * rows * bootstrap
    # A relabelling is drawn, set beside the true labels, and multiplied in single precision.
    return at_a_time(usual, rows * (2 * DOUBLE + SINGLE), held, f"distances of {rows:,} images")


def _scores(rows: int, z: int) -> int:
    return DOUBLE * 4 * rows * z
