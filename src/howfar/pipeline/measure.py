"""Measure a projected pair of datasets: the paper's distances, rival distances, bootstrap intervals and p-values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar import registry
from howfar.arrays import Float64Array
from howfar.cores import numeric_threads
from howfar.distances.knn import neighbours as nearest_images
from howfar.distances.pairwise import compiles, quadratic_forms
from howfar.errors import InputError
from howfar.memory import is_set
from howfar.pipeline.bootstrap import Counts, DistanceDraws, Resamples, RowSums, above_rounding
from howfar.pipeline.memory_plan import relabellings_at_once
from howfar.pipeline.rival_significance import FEWEST, MOST_DRAWS, MOST_RELABELLINGS, rival_intervals, rival_null
from howfar.projection import Projection
from howfar.significance import interval, p_value, p_values, percentiles, relabellings, resample_counts
from howfar.significance.permutation import ROUNDING, SINGLE_ROUNDING

# What has a column or a field of its own; every other registered distance stands among the rivals.
OWN_COLUMN = ("i_dist", "knn", "mahalanobis")
OWN_FIELD = ("o_dist", "energy")
_BESIDE = 1 << 24
"""Counts up to which they may lie in memory while all else is measured."""
NAMED = 5
"""Nearest images of P that are named for an image of S, at most."""


@dataclass(frozen=True, eq=False)
class PairMeasures:
    """Hold what is measured of a projected pair; None stands where P (or S) is a single image and the quantity needs two.

    Attributes
    ----------
    i_dist, knn, mahalanobis, percentile, conformal
        (m,) per image of S: mean distance from P, mean distance to the nearest images of P, Mahalanobis distance, rank
        among P's own leave-one-out distances (0-100), conformal p-value against them.
    own
        (n,) leave-one-out distances of P's images.
    relative, energy, rivals
        O^dist over P's self-distance; energy distance; the literature's distances by name.
    o_dist_ci, relative_ci, energy_ci, rivals_ci
        95 % bootstrap intervals, over the images of S and of P, the projection held fixed; of the rivals that are means over
        the images of S, over these alone.
    nearest, nearest_distances
        (m, k) rows of the nearest images of P, at most `NAMED` of them, and their distances, rising.
    """

    i_dist: Float64Array
    knn: Float64Array
    mahalanobis: Float64Array | None
    percentile: Float64Array | None
    conformal: Float64Array | None
    own: Float64Array | None
    relative: float | None
    energy: float
    rivals: dict[str, float]
    o_dist_ci: tuple[float, float] | None
    relative_ci: tuple[float, float] | None
    energy_ci: tuple[float, float] | None
    nearest: NDArray[np.int64]
    nearest_distances: Float64Array
    rivals_ci: dict[str, tuple[float, float]]


def measure(
    pair: Projection,
    neighbours: int = 5,
    bootstrap: int = 1000,
    seed: Sequence[int] = (0,),
    rivals: bool = True,
    primary_draws: NDArray[np.uint8] | None = None,
) -> PairMeasures:
    """Measure a projected pair: the paper's distances, their rivals, calibration by P's own images, and intervals.

    `neighbours` is k of the nearest-neighbour distance, at most n. `bootstrap` resamples, of the seed `seed`, stand behind the
    intervals; 0 leaves them out. `rivals` False leaves out the registered dataset distances, of which some take far longer than
    all else. `primary_draws` are (n, bootstrap) counts of P's images (`resample_counts`), the same for several secondaries;
    else drawn from `seed`. Raises `InputError` where `neighbours` is below 1.
    """
    with _drawn_beside(pair, bootstrap, seed, primary_draws) as resampled:
        return _measured(pair, neighbours, rivals, resampled)


class _Resampled(NamedTuple):
    """Wait for resamples: those of distances, and the counts of S and of P for the rivals; None where there are none."""

    distances: Callable[[], Resamples] | None = None
    rivals: Callable[[], tuple[Counts, Counts]] | None = None


def _measured(pair: Projection, neighbours: int, rivals: bool, drawn: _Resampled) -> PairMeasures:
    p, s = pair.primary, pair.secondary
    near = nearest_images(s, p, k=min(neighbours, len(p)))
    nearest = near.distances.mean(axis=1)
    spread = above_rounding(np.ptp(p, axis=0).max(), max(np.abs(s).max(), np.abs(p).max()))
    mahalanobis = _defined("image_distances", "mahalanobis", s, p) if spread else None
    others = {"knn_mean": nearest, "mahalanobis_mean": mahalanobis} | (_rivals(s, p) if rivals else {})
    means = {name: float(np.mean(value)) for name, value in others.items() if value is not None}
    sums = RowSums.of(p, s)
    i_dist = sums.between / len(p)
    own = sums.within_p / (len(p) - 1) if len(p) > 1 else None
    resampled = None if drawn.distances is None else DistanceDraws.of(p, s, sums, drawn.distances())
    return PairMeasures(
        i_dist=i_dist,
        knn=nearest,
        mahalanobis=mahalanobis,
        percentile=None if own is None else percentiles(i_dist, own),
        conformal=None if own is None else p_values(i_dist, own),
        own=own,
        relative=None if own is None or not above_rounding(own.mean(), i_dist.mean()) else float(i_dist.mean() / own.mean()),
        energy=sums.energy(),
        rivals=means,
        o_dist_ci=None if resampled is None else interval(resampled.between),
        relative_ci=None if resampled is None else resampled.relative_ci(),
        energy_ci=None if resampled is None else resampled.energy_ci(),
        nearest=near.rows[:, :NAMED],
        nearest_distances=near.distances[:, :NAMED],
        rivals_ci={} if drawn.rivals is None else _rival_intervals(pair, others, means, *drawn.rivals()),
    )


def permutation_p_value(pair: Projection, permutations: int = 999, seed: Sequence[int] = (0,)) -> float:
    """Test "S and P are draws of one distribution" by permutation, with the energy distance of the pooled rows.

    Valid where the projection treats P and S alike (modes pair, joint and none), so that labels may be exchanged. The smallest
    p of B = `permutations` random relabellings is 1 / (B + 1).
    """
    pooled = np.concatenate([pair.secondary, pair.primary])
    m, n, energies = len(pair.secondary), len(pair.primary), []
    for labels in _labellings(pair, permutations, seed):
        # 1/m and −1/n, times m n: no weight is rounded then.
        weights = np.where(labels, np.float32(n), np.float32(-m))
        energies.append(quadratic_forms(pooled, pooled, weights, weights) / -((m * n) ** 2))
    values = np.concatenate(energies)
    rounding = SINGLE_ROUNDING if compiles(pooled, pooled) else ROUNDING
    return p_value(float(values[0]), values[1:], rounding=rounding)


def rival_p_values(
    pair: Projection, rivals: Mapping[str, float], permutations: int, seed: Sequence[int] = (0,)
) -> dict[str, float]:
    """Test the same by howfar's other dataset distances among `rivals`, with at most `MOST_RELABELLINGS` labellings.

    Where `permutations` and `seed` are those of `permutation_p_value`, so are the labellings.
    """
    names = [name for name in rivals if name in registry.OURS["dataset_distances"]]
    parts = list[dict[str, Float64Array]]()
    for labels in _labellings(pair, min(permutations, MOST_RELABELLINGS), seed):
        parts.append(rival_null(pair.secondary, pair.primary, names, labels))
    null = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {
        name: p_value(float(values[0]), values[1:], rounding=SINGLE_ROUNDING)
        for name, values in null.items()
        if np.isfinite(values).all()
    }


def _labellings(pair: Projection, permutations: int, seed: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Yield labels of S's images, then P's, (m + n, draws), some at a time; before the first drawn ones stand the true ones."""
    m, n = len(pair.secondary), len(pair.primary)
    true = np.repeat(np.array([1, 0], np.uint8), [m, n])[:, None]
    rng, step = np.random.default_rng(list(seed)), relabellings_at_once(permutations, n, m, pair.components)
    for start in range(0, permutations, step):
        drawn = relabellings(m, n, min(step, permutations - start), rng)
        yield drawn if start else np.concatenate([true, drawn], axis=1)


@contextmanager
def _drawn_beside(
    pair: Projection, bootstrap: int, seed: Sequence[int], primary_draws: NDArray[np.uint8] | None
) -> Iterator[_Resampled]:
    """Draw images of S and of P anew: on a core that waits while all else is measured, or, within a budget, when needed."""
    m, n, draws = len(pair.secondary), len(pair.primary), min(bootstrap, MOST_DRAWS)
    if not bootstrap:
        yield _Resampled()
        return

    def of_distances() -> Resamples:
        return Resamples.drawn(n, m, bootstrap, np.random.default_rng(list(seed)), primary_draws)

    def of_rivals() -> tuple[Counts, Counts]:
        rng = np.random.default_rng([*seed, 1])
        of_s = resample_counts(m, draws, rng)
        return of_s, resample_counts(n, draws, rng) if primary_draws is None else primary_draws[:, :draws]

    drawn = (m if primary_draws is not None else m + n) * bootstrap
    if numeric_threads() == 1 or drawn > _BESIDE or is_set():
        yield _Resampled(of_distances, of_rivals if m >= FEWEST else None)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="howfar-draws") as beside:
        first = beside.submit(of_distances)
        yield _Resampled(first.result, beside.submit(of_rivals).result if m >= FEWEST else None)


def _rival_intervals(
    pair: Projection, others: Mapping[str, Any], means: Mapping[str, float], of_s: Counts, of_p: Counts
) -> dict[str, tuple[float, float]]:
    """Draw the rivals anew: those of images over the images of S, those of datasets over both."""
    of_images = {name: np.asarray(values, np.float64) for name, values in others.items() if np.ndim(values) == 1}
    return _of_means(of_images, of_s) | rival_intervals(pair.secondary, pair.primary, means, of_s, of_p)


def _of_means(of_images: Mapping[str, Float64Array], of_s: Counts) -> dict[str, tuple[float, float]]:
    """Compute intervals of the means of values that images have."""
    weights = of_s.astype(np.float64)
    return {name: interval(values @ weights / len(values)) for name, values in of_images.items()}


def _rivals(s: Float64Array, p: Float64Array) -> dict[str, Any]:
    """Compute every other registered distance, howfar's and other packages'; of image distances the values of all images."""
    image = {name: "image_distances" for name in registry.names("image_distances") if name not in OWN_COLUMN}
    dataset = {name: "dataset_distances" for name in registry.names("dataset_distances") if name not in OWN_FIELD}
    of_images = {f"{name}_mean": _defined(kind, name, s, p) for name, kind in image.items()}
    return of_images | {name: _defined(kind, name, s, p) for name, kind in dataset.items()}


def _defined(kind: str, name: str, s: Float64Array, p: Float64Array) -> Any:
    """Compute a rival distance, or None for sets that it is not defined on (single or equal images), or where it overflows."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            distance = registry.load(kind, name)(s, p)
    except InputError:
        return None
    return distance if np.isfinite(distance).all() else None
