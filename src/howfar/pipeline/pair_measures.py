"""Compute distances, intervals and p-values of two projected datasets, or of a dataset's subgroups, within a memory budget."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar import registry
from howfar.arrays import Float64Array
from howfar.cores import available_cores
from howfar.distances.knn import neighbours as nearest_images
from howfar.distances.pairwise import PAIRS_PER_TILE, SINGLE_FROM, in_single, quadratic_forms, row_sums
from howfar.errors import InputError
from howfar.memory import at_a_time, beside, budget, plan, within
from howfar.pipeline.distance_intervals import (
    FEWEST,
    MOST_DRAWS,
    MOST_OF_OTHERS,
    MOST_RELABELLINGS,
    Counts,
    Distance,
    DistanceDraws,
    PairGroups,
    Resamples,
    RowSums,
    above_rounding,
    own_distances,
    rival_intervals,
    rival_null,
)
from howfar.projection import Projection
from howfar.projection.basis import itemsize
from howfar.projection.gram_and_moments import (
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
from howfar.significance import interval, p_value, p_values, percentiles, relabellings, resample_counts, unbiased_mean
from howfar.significance.bootstrap import effective, widened, widening
from howfar.significance.hypothesis_tests import FEWEST as FEWEST_OF_SLICE
from howfar.significance.hypothesis_tests import ROUNDING, SINGLE_ROUNDING

# Bytes of a pair in a tile (its distance, and what that is computed from), and of an image in a bootstrap draw: where pairs are
# few all is float64, and counts are drawn as integers of that size.
_FEW, _MANY = (40, 20), (16, 5)
# Numbers of an image in the tables: its distances and percentile, and once more when the tables are put together.
_COLUMNS = 16


def check_plan(
    sizes: Sequence[int], q: int, layers: int, settings: Settings, basis: bool = False, executor: Runner | None = None
) -> None:
    """Raise `InputError` if measuring a primary dataset and its secondaries exceeds the memory budget, where there is one.

    `sizes` are the numbers of images of the primary dataset, then of each secondary; their `q` features are of `layers` parts;
    `basis` says that the primary's own axes are wanted. Pairs that run at once on this machine share the budget. The error
    names the step that needs the most, how much, and what to do.
    """
    n, *others = sizes
    parts = layers if settings.scale == "layers" else 1
    together = [sum(others)] if settings.projection == "joint" else others
    at_once = 1
    if executor is not None and executor.processes and settings.projection != "joint":
        at_once = min(getattr(executor, "workers", None) or available_cores(), available_cores())
    with within(budget(at_once)), plan():
        for m in together:
            fitted = n if settings.projection == "primary" else n + m
            z = components(fitted, q, settings)
            if q > fitted:
                # The primary's own inner products, on which later rows are projected, are held in float64 beside.
                gram_columns(1, n, m, q, parts + 2 * (settings.projection == "primary"))
                at_a_time(1, DOUBLE, _scores(n + m, z), f"{z:,} components of {n + m:,} images")
                continue
            moment_rows(1, q)
            with beside(kept_moments(q)):
                score_rows(1, n + m, q, z)
        for m in others:
            relabellings_at_once(1, n, m, components(n + m, q, settings), settings.bootstrap)
        if basis and q > n:
            z = components(n, q, settings)
            subspace_columns(1, n, q, z, itemsize(q, z))


def components(rows: int, q: int, settings: Settings) -> int:
    """Compute the number of components z that the projection keeps."""
    most = max(1, min(rows - 1, q))
    return most if settings.projection == "none" else min(settings.components, most)


def kept(sizes: Sequence[int], q: int, settings: Settings) -> int:
    """Estimate the bytes of all pairs' results: scores of every secondary's images, and tables."""
    n, *others = sizes
    return DOUBLE * sum(2 * m * components(n + m, q, settings) + _COLUMNS * (m + n // 4) for m in others)


def relabellings_at_once(usual: int, n: int, m: int, z: int, bootstrap: int = 0) -> int:
    """Compute how many relabellings of n + m projected images fit in memory at a time, beside the bootstrap draws."""
    rows = n + m
    of_pair, of_draw = _MANY if n * m >= SINGLE_FROM else _FEW
    held = of_pair * min(rows**2, PAIRS_PER_TILE) + _scores(rows, z) + of_draw * rows * bootstrap
    # A relabelling is drawn, set beside the true labels, and multiplied in single precision.
    return at_a_time(usual, rows * (2 * DOUBLE + SINGLE), held, f"distances of {rows:,} images")


def _scores(rows: int, z: int) -> int:
    return DOUBLE * 4 * rows * z


# What has a column or a field of its own; every other registered distance stands among the rivals.
OWN_COLUMN = ("i_dist", "knn", "mahalanobis")
OWN_FIELD = ("o_dist", "energy")
NAMED = 5
"""Nearest images of P that are named for an image of S, at most."""


@dataclass(frozen=True, eq=False)
class PairMeasures:
    """Hold the measures of a projected pair; None for quantities that need two images of a set with one.

    `i_dist`, `knn`, `mahalanobis`, `percentile` (0-100 among P's own leave-one-out distances) and `conformal` (p-value against
    them) are (m,) by image of S; `own` is (n,). Intervals (`_ci`) are 95 %, over the images of S and P with the projection held
    fixed; of rivals that are means over the images of S, over these alone. `nearest` and `nearest_distances` are (m, k), k at
    most `NAMED`.
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
    groups: PairGroups | None = None,
) -> PairMeasures:
    """Measure a projected pair: the paper's distances, their rivals, calibration by P's own images, and intervals.

    `neighbours` is k of the nearest-neighbour distance; `bootstrap` 0 leaves intervals out, and `rivals` False the registered
    dataset distances, of which some take far longer than all else. `primary_draws`, (n, bootstrap) counts of P's images, are
    shared by several secondaries; else they are drawn from `seed`. With `groups` whole groups are resampled, an image of P is
    measured against other groups' images alone, and dataset distances that are not the paper's have no interval.
    """
    p, s = pair.primary, pair.secondary
    (n, m), (in_p, in_s) = (len(p), len(s)), (None, None) if groups is None else groups
    near = nearest_images(s, p, k=min(neighbours, n))
    nearest = near.distances.mean(axis=1)
    spread = above_rounding(np.ptp(p, axis=0).max(), max(np.abs(s).max(), np.abs(p).max()))
    mahalanobis = _defined("image_distances", "mahalanobis", s, p) if spread else None
    others = {"knn_mean": nearest, "mahalanobis_mean": mahalanobis} | (_rivals(s, p) if rivals else {})
    means = {name: float(np.mean(value)) for name, value in others.items() if value is not None}
    sums = RowSums.of(p, s)
    i_dist = sums.between / n
    own = own_distances(sums.within_p, p, in_p)
    resampled, rivals_ci = None, dict[str, tuple[float, float]]()
    if bootstrap:
        resamples = Resamples.drawn(n, m, bootstrap, np.random.default_rng(list(seed)), primary_draws, groups)
        resampled = DistanceDraws.of(p, s, sums, resamples)
    if bootstrap and m >= FEWEST:
        rng, draws = np.random.default_rng([*seed, 1]), min(bootstrap, MOST_DRAWS)
        of_s = resample_counts(m, draws, rng, in_s)
        of_p = resample_counts(n, draws, rng, in_p) if primary_draws is None else primary_draws[:, :draws]
        rivals_ci = _rival_intervals(pair, others, means, of_s, of_p, groups)
    return PairMeasures(
        i_dist=i_dist,
        knn=nearest,
        mahalanobis=mahalanobis,
        percentile=None if own is None else percentiles(i_dist, own),
        conformal=None if own is None else p_values(i_dist, own, in_p),
        own=own,
        relative=None if own is None or not above_rounding(own.mean(), i_dist.mean()) else float(i_dist.mean() / own.mean()),
        energy=sums.energy(),
        rivals=means,
        o_dist_ci=None if resampled is None else resampled.between_ci(),
        relative_ci=None if resampled is None else resampled.relative_ci(),
        energy_ci=None if resampled is None else resampled.energy_ci(),
        nearest=near.rows[:, :NAMED],
        nearest_distances=near.distances[:, :NAMED],
        rivals_ci=rivals_ci,
    )


def permutation_p_value(
    pair: Projection, permutations: int = 999, seed: Sequence[int] = (0,), groups: PairGroups | None = None
) -> float:
    """Test by permutation whether S and P come from one distribution, with the energy distance as statistic.

    Valid where the projection treats P and S alike (modes pair, joint and none), so that labels may be exchanged. The smallest
    p of B = `permutations` random relabellings is 1 / (B + 1). With `groups` whole groups are relabelled.
    """
    pooled = np.concatenate([pair.secondary, pair.primary])
    m, n, energies = len(pair.secondary), len(pair.primary), []
    for labels in _pair_labellings(pair, permutations, seed, groups):
        if groups is None:
            # 1/m and −1/n, times m n: no weight is rounded then.
            weights = np.where(labels, np.float32(n), np.float32(-m))
            energies.append(quadratic_forms(pooled, pooled, weights, weights) / -((m * n) ** 2))
            continue
        of_s = labels.sum(axis=0, dtype=np.float64)
        of_p = m + n - of_s
        weights = np.where(labels, of_p.astype(np.float32), -of_s.astype(np.float32))
        energies.append(quadratic_forms(pooled, pooled, weights, weights) / -np.square(of_s * of_p))
    return _tested(energies, pooled)


def _tested(blocks: Sequence[Float64Array], rows: Float64Array) -> float:
    """Compute the permutation p-value of the first of the values, that of the true labels, among those of all labels."""
    values = np.concatenate(blocks)
    return p_value(float(values[0]), values[1:], rounding=SINGLE_ROUNDING if in_single(rows, rows) else ROUNDING)


def rival_p_values(
    pair: Projection, rivals: Mapping[str, float], permutations: int, seed: Sequence[int] = (0,)
) -> dict[str, float]:
    """Run the permutation test with the dataset distances in `rivals`, by at most `MOST_RELABELLINGS` labellings.

    The labellings are those of `permutation_p_value` with the same `permutations` and `seed`. Those of distances of other
    packages are at most `MOST_OF_OTHERS`.
    """
    names = [name for name in rivals if name in registry.OURS["dataset_distances"]]
    parts = list[dict[str, Float64Array]]()
    for labels in _pair_labellings(pair, min(permutations, MOST_RELABELLINGS), seed):
        parts.append(rival_null(pair.secondary, pair.primary, names, labels))
    null = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    pooled = np.concatenate([pair.secondary, pair.primary])
    for name, distance in _of_others(rivals):
        drawn = [
            distance(pooled[called], pooled[~called])
            for labels in _pair_labellings(pair, min(permutations, MOST_OF_OTHERS), seed)
            for called in labels.T.astype(bool)
        ]
        null[name] = np.array(drawn)
    return {
        name: p_value(float(values[0]), values[1:], rounding=SINGLE_ROUNDING)
        for name, values in null.items()
        if np.isfinite(values).all()
    }


def _labellings(
    true: NDArray[np.uint8],
    components: int,
    permutations: int,
    rng: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield labels (images, draws) in blocks of draws; the first column of the first block is the true labels."""
    m, n = int(true.sum()), int(len(true) - true.sum())
    step = relabellings_at_once(permutations, n, m, components)
    for start in range(0, permutations, step):
        drawn = relabellings(m, n, min(step, permutations - start), rng, groups)
        yield drawn if start else np.concatenate([true[:, None], drawn], axis=1)


def _pair_labellings(
    pair: Projection, permutations: int, seed: Sequence[int], groups: PairGroups | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield blocks of labels for S's images followed by P's."""
    true = np.repeat(np.array([1, 0], np.uint8), [len(pair.secondary), len(pair.primary)])
    pooled = None if groups is None else groups.pooled
    return _labellings(true, pair.components, permutations, np.random.default_rng(list(seed)), pooled)


def _rival_intervals(
    pair: Projection,
    others: Mapping[str, Any],
    means: Mapping[str, float],
    of_s: Counts,
    of_p: Counts,
    groups: PairGroups | None,
) -> dict[str, tuple[float, float]]:
    """Compute intervals of rivals: image distances by resampling S, dataset distances by resampling both sets."""
    of_images = {name: np.asarray(values, np.float64) for name, values in others.items() if np.ndim(values) == 1}
    weights = of_s.astype(np.float64)
    draws = {name: values @ weights / weights.sum(axis=0) for name, values in of_images.items()}
    if groups is not None:
        factor = widening([1.0], [effective(groups.s)])
        return {name: ends for name, values in draws.items() if (ends := widened(values, factor)) is not None}
    intervals = {name: interval(values) for name, values in draws.items()}
    s, p = pair.secondary, pair.primary
    intervals |= rival_intervals(s, p, means, of_s, of_p)
    for name, distance in _of_others(means):
        drawn = zip(of_s.T[:MOST_OF_OTHERS], of_p.T[:MOST_OF_OTHERS], strict=True)
        values = np.array([distance(np.repeat(s, in_s, axis=0), np.repeat(p, in_p, axis=0)) for in_s, in_p in drawn])
        if np.isfinite(values).all():
            # Moved as that of a Fréchet distance, which repeated images move up as well.
            intervals[name] = interval(values - values.mean() + means[name])
    return intervals


def _of_others(values: Iterable[str]) -> Iterator[tuple[str, Distance]]:
    """Yield the dataset distances of other packages among some names; they are nan where `_defined` has no value."""
    others = [name for name in registry.names("dataset_distances") if not registry.is_ours("dataset_distances", name)]

    def called(name: str, s: Float64Array, p: Float64Array) -> float:
        value = _defined("dataset_distances", name, s, p)
        return np.nan if value is None else float(value)

    return ((name, partial(called, name)) for name in others if name in values)


def _rivals(s: Float64Array, p: Float64Array) -> dict[str, Any]:
    """Compute all other registered distances; image distances give one value per image, dataset distances one number."""
    image = {name: "image_distances" for name in registry.names("image_distances") if name not in OWN_COLUMN}
    dataset = {name: "dataset_distances" for name in registry.names("dataset_distances") if name not in OWN_FIELD}
    of_images = {f"{name}_mean": _defined(kind, name, s, p) for name, kind in image.items()}
    return of_images | {name: _defined(kind, name, s, p) for name, kind in dataset.items()}


def _defined(kind: str, name: str, s: Float64Array, p: Float64Array) -> Any:
    """Compute a rival distance; None if undefined for these sets (single or equal images) or if it overflows."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            distance = registry.load(kind, name)(s, p)
    except InputError:
        return None
    wanted = (len(s),) if kind == "image_distances" else ()
    if not isinstance(distance, (int, float, np.number, np.ndarray)) or np.shape(distance) != wanted:
        received = f"{type(distance).__name__} of shape {np.shape(distance)}"
        raise InputError.of(f"{kind} {name}", f"must return {'one number an image' if wanted else 'a number'}", received)
    return distance if np.isfinite(distance).all() else None


class SliceEnergy(NamedTuple):
    """Hold the energy distance of a slice (subgroup) from P, a 95 % interval, and a p-value; None if undefined or too small."""

    energy: float
    ci: tuple[float, float] | None
    p_value: float | None


def slice_energies(
    scores: ArrayLike,
    distances: ArrayLike,
    within_primary: float,
    slices: ArrayLike,
    *,
    bootstrap: int = 1000,
    permutations: int = 999,
    fewest: int = FEWEST_OF_SLICE,
    rng: np.random.Generator,
) -> dict[int, SliceEnergy]:
    """Compute the energy distance of each slice from P, and test whether the rest of the dataset is equally far.

    Of a slice A of the dataset S it is 2 E d(a, p) − E d(p, p') − E d(a, a') over all pairs (Székely & Rizzo, "Energy
    statistics", J. Stat. Plan. Inference 143 (2013)), in the space of the whole dataset; P is held fixed. The interval is the
    percentile interval over the slice's images drawn anew. The test draws as many images of S as the slice has; its statistic
    is |energy of the slice − energy of the rest|.

    `scores` are (m, z) projected images of S, `distances` (m,) their mean distances from P, `within_primary` is E d(p, p') over
    all pairs, and `slices` are (m,) slice numbers. `bootstrap` or `permutations` 0 leaves intervals or p-values out; slices of
    fewer than `fewest` images have neither, and a slice that is the whole dataset has no test. Raises `InputError` for unlike
    lengths.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> s = np.r_[rng.normal(0, 1, (30, 2)), rng.normal(4, 1, (30, 2))]
    >>> far = np.linalg.norm(s, axis=1)  # from a P that is one point, at 0
    >>> found = slice_energies(s, far, 0.0, np.repeat([0, 1], 30), rng=rng)
    >>> [(round(each.energy, 1), each.p_value) for each in found.values()]
    [(0.7, 0.001), (10.0, 0.001)]
    """
    rows, far, labels = np.asarray(scores, dtype=np.float64), np.asarray(distances, dtype=np.float64), np.asarray(slices)
    if not len(rows) == len(far) == len(labels):
        raise InputError.of("slices", f"must have one entry an image, {len(rows)}", (len(far), len(labels)))
    found = {
        int(label): _slice(rows, far, within_primary, labels == label, bootstrap, permutations, fewest, rng)
        for label in np.unique(labels)
    }
    if len(found) == 2 and all(each.p_value is not None for each in found.values()):
        # Each is the rest of the other: one test, and one answer.
        first, second = found
        found[second] = found[second]._replace(p_value=found[first].p_value)
    return found


def _slice(
    rows: Float64Array,
    far: Float64Array,
    within_primary: float,
    inside: NDArray[np.bool_],
    bootstrap: int,
    permutations: int,
    fewest: int,
    rng: np.random.Generator,
) -> SliceEnergy:
    """Measure one slice of the images of S, (m, z), with mean distances from P, (m,), and the mean distance within P."""
    own, near = rows[inside], far[inside]
    count, others = len(own), len(rows) - len(own)
    within = float(row_sums(own, own).sum()) / count**2
    energy = float(np.maximum(0.0, 2.0 * float(near.mean()) - within_primary - within))
    if count < fewest:
        return SliceEnergy(energy, None, None)
    ci = p_value = None
    if bootstrap:
        # Self-pairs are counted as in the estimate.
        counts = resample_counts(count, bootstrap, rng)
        different = unbiased_mean(quadratic_forms(own, own, counts, counts) / count**2, counts)
        of_draws = (1 - 1 / count) * np.nan_to_num(different)
        ci = interval(np.maximum(0.0, 2.0 * (near @ counts) / count - within_primary - of_draws))
    if permutations and others:
        # Random slices of equal size, by the difference of energies of slice and rest, in which P's own term cancels.
        sums, differences = row_sums(rows, rows), list[Float64Array]()
        for drawn in _labellings(inside.astype(np.uint8), rows.shape[1], permutations, rng):
            inner = quadratic_forms(rows, rows, drawn, drawn)
            outer = sums.sum() - 2.0 * (sums @ drawn) + inner
            of_drawn = far @ drawn
            of_slice = 2.0 * of_drawn / count - inner / count**2
            of_rest = 2.0 * (far.sum() - of_drawn) / others - outer / others**2
            differences.append(np.abs(of_slice - of_rest))
        p_value = _tested(differences, rows)
    return SliceEnergy(energy, ci, p_value)
