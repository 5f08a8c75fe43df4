"""Draw which images to label to measure a model: a stratified random sample by predicted performance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.sampling.sample import Sample
from howfar.sampling.value_checks import as_count, as_groups, as_proxy, as_rng, as_sizes

STRATIFIED_FROM = 8
"""Labels from which on the sample has strata; fewer are a simple random sample, of which bounds hold without assumptions."""
_LABELS_A_STRATUM = 4
_LEAST = 2
_FLOOR = 0.05


def predicted_spread(proxy: ArrayLike) -> Float64Array:
    """Compute how far performance may lie from its prediction p: √(p (1 − p) + 0.05).

    The first term is the largest variance that a quantity in [0, 1] of mean p can have; the second sees to it that images that
    are predicted to be all right, or all wrong, are drawn too.

    Examples
    --------
    >>> from howfar.sampling.design import predicted_spread
    >>> predicted_spread([0.0, 0.5]).round(2).tolist()
    [0.22, 0.55]
    """
    p = np.asarray(proxy, dtype=np.float64)
    return np.asarray(np.sqrt(p * (1.0 - p) + _FLOOR))


def draw(
    proxy: ArrayLike,
    k: int,
    *,
    groups: ArrayLike | None = None,
    sizes: ArrayLike | None = None,
    seed: int | np.random.Generator = 0,
) -> Sample:
    """Draw k of a site's m images to label, so that what they show of the model holds for all m, whatever the shift.

    From 8 labels on, images are sorted by predicted performance into strata of equal size, one for every 4 labels, and those
    without a prediction into one of their own. Stratum h, of N_h images, gets n_h labels in proportion to N_h times its mean
    `predicted_spread` (Neyman's allocation: Neyman, "On the two different aspects of the representative method", J. R. Stat.
    Soc. 97 (1934)), at least 2. Every image of the stratum has the chance n_h / N_h of being drawn, however good the
    predictions are, so that weighting by its inverse is unbiased. Fewer than 8 labels are a simple random sample, each image
    with the chance k / m.

    With `groups` (the photograph that each tile shows), each image has the same chance as without, but in a stratum images of
    one photograph are drawn together as seldom as the numbers allow: photographs are put in random order and images are taken
    at equal steps from a random start (systematic sampling; Madow & Madow, Ann. Math. Stat. 15 (1944)). The labels then show
    as many photographs as they can, where whole photographs would show few.

    With `sizes`, to measure pooled F (`howfar.sampling.ratio`), strata are cut by size instead, each with the same total size,
    and the spread of an image is multiplied by its size. Most of a few images with very many false pixels are then drawn, which
    rule pooled F and which a sample by predicted performance seldom holds. `howfar.sampling.mean` reads such a sample too.

    Parameters
    ----------
    proxy
        (m,) predicted performance, 0 to 1; NaN where there is none. It may be wrong: intervals then become wider, not false.
    k
        How many to draw; m or more takes all.
    groups
        (m,) the photograph that each image is of.
    sizes
        (m,) expected 2TP + FP + FN of each image, such as the predicted pixels plus the sum of probabilities.
    seed
        Seed, or the generator that the randomness comes from.

    Returns
    -------
    Sample
        The min(k, m) drawn images, in random order.

    Raises
    ------
    InputError
        A proxy that is not one row of numbers in [0, 1] or NaN, k below 1, groups of another length, or negative sizes.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw
    >>> sample = draw(np.linspace(0, 1, 100), 16)
    >>> len(sample), np.bincount(sample.strata).tolist(), sample.population
    (16, [3, 5, 5, 3], 100)
    """
    p = as_proxy(proxy)
    k, rng = as_count(k, "k"), as_rng(seed)
    photographs = None if groups is None else as_groups(groups, len(p))
    if k >= len(p):
        return _sample([(np.arange(len(p)), len(p))], rng)
    weights = None if sizes is None else as_sizes(sizes, len(p))
    # What a model misses is in no expected size: an average image's size is added, so that small ones are drawn too.
    weights = None if weights is None else weights + weights.mean()
    cells = _strata(p, k, rng) if weights is None else _strata_of_size(weights, k, rng)
    spreads = predicted_spread(np.where(np.isnan(p), 0.5, p)) * (1.0 if weights is None else weights)
    counts = _allocation([len(cell) for cell in cells], [float(spreads[cell].mean()) for cell in cells], k)
    taken = [_take(cell, count, photographs, rng) for cell, count in zip(cells, counts, strict=True)]
    return _sample(list(zip(taken, map(len, cells), strict=True)), rng)


def _sample(taken: list[tuple[NDArray[np.int64], int]], rng: np.random.Generator) -> Sample:
    """Put the images taken of each stratum, given with the stratum's size, in random order."""
    indices = np.concatenate([images for images, _ in taken])
    strata = np.repeat(np.arange(len(taken)), [len(images) for images, _ in taken])
    shares = np.array([len(images) / size for images, size in taken])
    order = rng.permutation(len(indices))
    return Sample(indices[order], shares[strata[order]], strata[order])


def _strata(p: Float64Array, k: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Sort images into strata; equal predictions are put in random order."""
    if k < STRATIFIED_FROM:
        return [np.arange(len(p))]
    known, unknown = np.flatnonzero(np.isfinite(p)), np.flatnonzero(np.isnan(p))
    if not len(known):
        return [unknown]
    ordered = known[np.lexsort((rng.random(len(known)), p[known]))]
    number = max(1, min(k // _LABELS_A_STRATUM - (len(unknown) > 0), len(known) // _LEAST))
    cells = [np.asarray(cell) for cell in np.array_split(ordered, number)]
    return [*cells, unknown] if len(unknown) else cells


def _strata_of_size(sizes: Float64Array, k: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Sort images by size into strata of equal total size, of at least 2 images each."""
    if k < STRATIFIED_FROM:
        return [np.arange(len(sizes))]
    ordered = np.lexsort((rng.random(len(sizes)), sizes))
    total = np.cumsum(sizes[ordered])
    number = np.minimum((k // _LABELS_A_STRATUM) * total / total[-1], k // _LABELS_A_STRATUM - 1e-9).astype(np.int64)
    cells: list[NDArray[np.int64]] = []
    for cell in (ordered[number == place] for place in np.unique(number)):
        if cells and min(len(cells[-1]), len(cell)) < _LEAST:
            cells[-1] = np.concatenate([cells[-1], cell])
        else:
            cells.append(cell)
    return cells


def _allocation(sizes: list[int], spreads: list[float], k: int) -> list[int]:
    """Share k labels among strata in proportion to size times spread, each at least 2 and at most its size.

    Each further label goes where the variance of the estimate, Σ (N_h S_h)² / n_h, falls most (Wright, "The equivalence of
    Neyman optimum allocation for sampling and equal proportions for apportioning the U.S. House of Representatives", Am. Stat.
    66 (2012)).
    """
    limits, totals = np.array(sizes), np.array(sizes) * np.array(spreads)
    counts = np.minimum(limits, _LEAST if len(sizes) > 1 else 1)
    while counts.sum() < k:
        gain = np.where(counts < limits, totals / np.sqrt(counts * (counts + 1)), -1.0)
        counts[int(np.argmax(gain))] += 1
    return [int(count) for count in counts]


def _take(cell: NDArray[np.int64], count: int, groups: NDArray[np.int64] | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Take `count` images of a stratum, each with the same chance: at random, or spread over photographs."""
    if groups is None:
        return np.asarray(rng.choice(cell, count, replace=False))
    order = rng.permutation(groups.max() + 1)[groups[cell]]
    ordered = cell[np.lexsort((rng.random(len(cell)), order))]
    step = len(cell) / count
    positions = np.floor(step * (rng.random() + np.arange(count))).astype(np.int64)
    return np.asarray(ordered[np.minimum(positions, len(cell) - 1)])
