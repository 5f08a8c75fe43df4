"""Compute the literature's other distances of a projected pair (MMD, Fréchet, Wasserstein …), their intervals and p-values.

A kernel's sums of all draws are products of one kernel matrix with the draws' weights; a Fréchet distance is made of each
draw's moments, a sliced Wasserstein distance of its images in order along lines. Nothing is projected anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from howfar import registry
from howfar.arrays import Float64Array
from howfar.distances.frechet import frechet_of_draws
from howfar.distances.mmd_and_kid import Kernel, cubic, gaussian, kernel_forms, median_bandwidth, typical
from howfar.distances.sliced_wasserstein import Slices
from howfar.errors import InputError
from howfar.pipeline.distance_bootstrap import Counts, Ends, PairGroups
from howfar.pipeline.permutation_tests import pair_labellings
from howfar.projection import Projection
from howfar.significance import interval, p_value, unbiased_mean
from howfar.significance.bootstrap import effective, widened, widening
from howfar.significance.hypothesis_tests import SINGLE_ROUNDING

Distance: TypeAlias = Callable[[Float64Array, Float64Array], float]
OWN: Final = {"image_distances": ("i_dist", "knn", "mahalanobis"), "dataset_distances": ("o_dist", "energy")}
"""Registered distances that have a column or a field of their own; every other stands among the rivals."""
MOST_DRAWS: Final = 500
"""Bootstrap draws that rivals are computed for, at most."""
MOST_RELABELLINGS: Final = 499
"""Relabellings that rivals are computed for, at most: the smallest p-value is 1 / 500."""
LONGEST: Final = 256
"""Components up to which Fréchet distances of resamples are computed: the time of each grows with their cube."""
MOST_OF_OTHERS: Final = 199
"""Draws, and relabellings, that a distance of another package is computed for, each from its images anew."""
FEWEST: Final = 3


def rival_values(s: Float64Array, p: Float64Array) -> dict[str, Any]:
    """Compute all rivals: image distances, named with ``_mean``, give one value per image, dataset distances one number."""
    rivals = [(kind, name) for kind, own in OWN.items() for name in registry.names(kind) if name not in own]
    return {f"{name}_mean" if kind == "image_distances" else name: defined(kind, name, s, p) for kind, name in rivals}


def defined(kind: str, name: str, s: Float64Array, p: Float64Array) -> Any:
    """Compute a registered distance; None if undefined for these sets (single or equal images) or if it overflows."""
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


def _of_others(values: Iterable[str]) -> Iterator[tuple[str, Distance]]:
    """Yield the dataset distances of other packages among some names; they are nan where `defined` has no value."""

    def called(name: str, s: Float64Array, p: Float64Array) -> float:
        value = defined("dataset_distances", name, s, p)
        return np.nan if value is None else float(value)

    for name in registry.names("dataset_distances"):
        if name in values and not registry.is_ours("dataset_distances", name):
            yield name, partial(called, name)


class _KernelMeans(NamedTuple):
    """Hold each draw's kernel means: over pairs of different images within S, within P, and over pairs between S and P."""

    s: Float64Array
    p: Float64Array
    between: Float64Array

    def discrepancy(self) -> Float64Array:
        """Compute the unbiased squared MMD, in which a constant subtracted from the kernel cancels."""
        return (self.s - self.between) + (self.p - self.between)

    def biased(self, m: int, n: int, constant: float) -> Float64Array:
        """Compute the biased squared MMD of a kernel with k(x, x) = 1, from means of the kernel minus `constant`."""
        own = (1.0 - constant - self.s) / m + (1.0 - constant - self.p) / n
        return np.asarray(self.discrepancy() + own, dtype=np.float64)


def _sliced(z: int, names: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return the factor and power that convert the mean W₂² along lines to each sliced distance among `names`."""
    return {name: by for name, by in {"sliced_wasserstein": (1.0, 0.5), "mind": (3.0 * z, 1.0)}.items() if name in names}


def intervals(
    pair: Projection,
    values: Mapping[str, Any],
    means: Mapping[str, float],
    of_s: Counts,
    of_p: Counts,
    groups: PairGroups | None,
) -> dict[str, Ends]:
    """Compute intervals of rivals: image distances by resampling S, dataset distances by resampling both sets.

    `values` are rivals by image or of the dataset, `means` their means where they are defined; `of_s` and `of_p` are bootstrap
    counts. Dataset distances have no interval by groups.
    """
    weights, found = of_s.astype(np.float64), dict[str, Ends]()
    factor = 1.0 if groups is None else widening([1.0], [effective(groups.s)])
    for name, by_image in values.items():
        if np.ndim(by_image) == 1:
            draws = np.asarray(by_image, np.float64) @ weights / weights.sum(axis=0)
            ends = interval(draws) if groups is None else widened(draws, factor)
            found |= {} if ends is None else {name: ends}
    if groups is not None:
        return found
    s, p = pair.secondary, pair.primary
    found |= rival_intervals(s, p, means, of_s, of_p)
    for name, distance in _of_others(means):
        drawn = zip(of_s.T[:MOST_OF_OTHERS], of_p.T[:MOST_OF_OTHERS], strict=True)
        distances = np.array([distance(np.repeat(s, in_s, axis=0), np.repeat(p, in_p, axis=0)) for in_s, in_p in drawn])
        if np.isfinite(distances).all():
            # Moved as that of a Fréchet distance, which repeated images move up as well.
            found[name] = interval(distances - distances.mean() + means[name])
    return found


def rival_intervals(
    s: Float64Array, p: Float64Array, values: Mapping[str, float], of_s: Counts, of_p: Counts
) -> dict[str, Ends]:
    """Compute 95 % bootstrap intervals of howfar's own dataset distances among `values` from counts of draws.

    A draw repeats images, which moves a Fréchet or sliced Wasserstein distance up as having few images does. Their draws are
    therefore moved so that their mean is the distance itself; the others are unbiased.
    """
    if min(len(s), len(p)) < FEWEST:
        return {}
    m, n, found = len(s), len(p), dict[str, Ends]()
    if "kid" in values:
        found["kid"] = interval(_drawn(cubic, s, p, of_s, of_p, typical(cubic, p)).discrepancy())
    if "mmd" in values:
        kernel = gaussian(median_bandwidth(s, p))
        constant = typical(kernel, p)
        drawn = _drawn(kernel, s, p, of_s, of_p, constant).biased(m, n, constant)
        found["mmd"] = interval(np.maximum(drawn, 0.0))
    if "frechet" in values and s.shape[1] <= LONGEST:
        found["frechet"] = _about(values["frechet"], frechet_of_draws(s, p, of_s, of_p, (m - 1, n - 1)))
    if sliced := _sliced(s.shape[1], values):
        slices = Slices(s, p)
        drawn, own = slices.resampled(of_s, of_p), slices.resampled(np.ones((m, 1), np.uint8), np.ones((n, 1), np.uint8))
        for name, (factor, power) in sliced.items():
            square = (values[name] ** (1 / power)) / factor
            # The lines of the draws are fewer than those of the distance; what counts is how far draws are from their own.
            low, high = _about(square, drawn * (square / own[0]) if own[0] > 0 else drawn)
            found[name] = ((factor * low) ** power, (factor * high) ** power)
    return found


def _about(value: float, draws: Float64Array) -> Ends:
    low, high = interval(draws - draws.mean() + value)
    return max(0.0, low), max(0.0, high)


def _drawn(kernel: Kernel, s: Float64Array, p: Float64Array, of_s: Counts, of_p: Counts, constant: float) -> _KernelMeans:
    m, n = len(s), len(p)
    pairs = ((s, s, of_s, of_s), (p, p, of_p, of_p), (s, p, of_s, of_p))
    within_s, within_p, between = (kernel_forms(kernel, *pair, constant).values for pair in pairs)
    return _KernelMeans(unbiased_mean(within_s / m**2, of_s), unbiased_mean(within_p / n**2, of_p), between / (m * n))


def rival_p_values(
    pair: Projection, rivals: Mapping[str, float], permutations: int, seed: Sequence[int] = (0,)
) -> dict[str, float]:
    """Run the permutation test with the dataset distances in `rivals`, by at most `MOST_RELABELLINGS` labellings.

    The labellings are those of `permutation_p_value` with the same `permutations` and `seed`. Those of distances of other
    packages are at most `MOST_OF_OTHERS`.
    """
    names = [name for name in rivals if name in registry.OURS["dataset_distances"]]
    parts = [
        rival_null(pair.secondary, pair.primary, names, labels)
        for labels in pair_labellings(pair, min(permutations, MOST_RELABELLINGS), seed)
    ]
    null = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    pooled = np.concatenate([pair.secondary, pair.primary])
    for name, distance in _of_others(rivals):
        drawn = [
            distance(pooled[called], pooled[~called])
            for labels in pair_labellings(pair, min(permutations, MOST_OF_OTHERS), seed)
            for called in labels.T.astype(bool)
        ]
        null[name] = np.array(drawn)
    return {
        name: p_value(float(values[0]), values[1:], rounding=SINGLE_ROUNDING)
        for name, values in null.items()
        if np.isfinite(values).all()
    }


def rival_null(s: Float64Array, p: Float64Array, names: Sequence[str], labels: Counts) -> dict[str, Float64Array]:
    """Compute rival distances, Wasserstein ones squared, by `labels` of the pooled images: (m + n, draws), 1 for S."""
    m, n, pooled = len(s), len(p), np.concatenate([s, p])
    pooled -= p.mean(axis=0)
    found = dict[str, Float64Array]()
    if "kid" in names and min(m, n) > 1:
        raw = np.concatenate([s, p])
        found["kid"] = _relabelled(cubic, raw, labels, m, n, typical(cubic, raw)).discrepancy()
    if "mmd" in names and min(m, n) > 1:
        kernel = gaussian(median_bandwidth(s, p))
        constant = typical(kernel, pooled)
        found["mmd"] = _relabelled(kernel, pooled, labels, m, n, constant).biased(m, n, constant)
    if "frechet" in names and s.shape[1] <= LONGEST:
        found["frechet"] = frechet_of_draws(pooled, pooled, labels, 1 - labels, (m - 1, n - 1))
    if sliced := _sliced(s.shape[1], names):
        found |= dict.fromkeys(sliced, Slices(s, p).relabelled(labels))
    return found


def _relabelled(kernel: Kernel, pooled: Float64Array, labels: Counts, m: int, n: int, constant: float) -> _KernelMeans:
    called_s, row_sums = kernel_forms(kernel, pooled, pooled, labels, labels, constant)
    from_s = row_sums @ labels
    between = from_s - called_s
    called_p = row_sums.sum() - from_s - between
    return _KernelMeans(called_s / (m * (m - 1)), called_p / (n * (n - 1)), between / (m * n))
