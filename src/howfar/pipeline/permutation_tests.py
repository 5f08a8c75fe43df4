"""Test by permutation whether two datasets have one distribution, and whether a slice is as far from the primary as others."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.distances.pairwise_distances import PAIRS_PER_TILE, SINGLE_FROM, in_single, quadratic_forms, row_sums
from howfar.errors import InputError
from howfar.memory import at_a_time
from howfar.pipeline.distance_bootstrap import PairGroups
from howfar.projection import Projection
from howfar.projection.gram_and_moments import DOUBLE, SINGLE
from howfar.significance import interval, p_value, relabellings, resample_counts, unbiased_mean
from howfar.significance.hypothesis_tests import FEWEST, ROUNDING, SINGLE_ROUNDING

# Bytes of a pair in a tile (its distance, and what that is computed from), and of an image in a bootstrap draw: where pairs are
# few all is float64, and counts are drawn as integers of that size.
_FEW, _MANY = (40, 20), (16, 5)


def relabellings_at_once(usual: int, n: int, m: int, z: int, bootstrap: int = 0) -> int:
    """Compute how many relabellings of n + m projected images fit in memory at a time, beside the bootstrap draws."""
    rows = n + m
    of_pair, of_draw = _MANY if n * m >= SINGLE_FROM else _FEW
    held = of_pair * min(rows**2, PAIRS_PER_TILE) + score_bytes(rows, z) + of_draw * rows * bootstrap
    # A relabelling is drawn, set beside the true labels, and multiplied in single precision.
    return at_a_time(usual, rows * (2 * DOUBLE + SINGLE), held, f"distances of {rows:,} images")


def score_bytes(rows: int, z: int) -> int:
    """Estimate the bytes that z components of some images take while distances are computed."""
    return DOUBLE * 4 * rows * z


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


def pair_labellings(
    pair: Projection, permutations: int, seed: Sequence[int], groups: PairGroups | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield blocks of labels for S's images followed by P's."""
    true = np.repeat(np.array([1, 0], np.uint8), [len(pair.secondary), len(pair.primary)])
    rng, pooled = np.random.default_rng(list(seed)), None if groups is None else groups.pooled
    return _labellings(true, pair.components, permutations, rng, pooled)


def permutation_p_value(
    pair: Projection, permutations: int = 999, seed: Sequence[int] = (0,), groups: PairGroups | None = None
) -> float:
    """Test by permutation whether S and P come from one distribution, with the energy distance as statistic.

    Valid where the projection treats P and S alike (modes pair, joint and none), so that labels may be exchanged. The smallest
    p of B = `permutations` random relabellings is 1 / (B + 1). With `groups` whole groups are relabelled.
    """
    pooled, energies = np.concatenate([pair.secondary, pair.primary]), list[Float64Array]()
    for labels in pair_labellings(pair, permutations, seed, groups):
        of_s = labels.sum(axis=0, dtype=np.float64)
        of_p = len(pooled) - of_s
        # 1/m and −1/n, times m n: no weight is rounded then.
        weights = np.where(labels, of_p.astype(np.float32), -of_s.astype(np.float32))
        energies.append(quadratic_forms(pooled, pooled, weights, weights) / -np.square(of_s * of_p))
    return _tested(energies, pooled)


def _tested(blocks: Sequence[Float64Array], rows: Float64Array) -> float:
    """Compute the permutation p-value of the first of the values, that of the true labels, among those of all labels."""
    values = np.concatenate(blocks)
    return p_value(float(values[0]), values[1:], rounding=SINGLE_ROUNDING if in_single(rows, rows) else ROUNDING)


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
    fewest: int = FEWEST,
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
