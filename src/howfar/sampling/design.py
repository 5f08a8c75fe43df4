"""Draw a random sample of images to label, stratified by predicted performance, with inclusion probabilities (`Sample`)."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_groups, as_row
from howfar.errors import InputError

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Sample:
    """Hold the images to label and their inclusion probabilities, (k,) each, in random order.

    `indices` are positions among the site's images; `probabilities` the share n_h / N_h of each image's stratum that is drawn;
    `strata` the number of its stratum, 0 the lowest predicted performance. Raises `InputError` for lengths that differ, an
    image drawn twice, a probability outside (0, 1], or more than one in a stratum.

    Examples
    --------
    >>> sample = Sample(np.array([3, 0]), np.array([0.5, 0.5]), np.array([0, 0]))
    >>> len(sample), sample.population
    (2, 4)
    """

    indices: NDArray[np.int64]
    probabilities: Float64Array
    strata: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, kind in (("indices", np.integer), ("probabilities", np.number), ("strata", np.integer)):
            given = getattr(self, name)
            part = np.asarray(given)
            if part.ndim != 1 or (part.size and not np.issubdtype(part.dtype, kind)):
                what = "whole numbers" if kind is np.integer else "numbers"
                raise InputError.of("sample", f"must have one row of {what} as its {name}", given)
            object.__setattr__(self, name, part)
        count = len(self.indices)
        shapes = {np.shape(part) for part in (self.indices, self.probabilities, self.strata)}
        if shapes != {(count,)} or not count:
            raise InputError.of("sample", "must give an index, a probability and a stratum of each image", sorted(shapes))
        if len(np.unique(self.indices)) < count or self.indices.min() < 0:
            raise InputError.of("sample", "must name each image once, by its position from 0", "one named twice or below 0")
        if not ((self.probabilities > 0) & (self.probabilities <= 1)).all():
            raise InputError.of("sample", "must have probabilities above 0 and at most 1", self.probabilities.min())
        for stratum in np.unique(self.strata):
            inside = self.probabilities[self.strata == stratum]
            if np.ptp(inside) > _ROUNDING:
                raise InputError.of("sample", "must have one probability in each stratum", sorted(set(inside.tolist())))

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def population(self) -> int:
        """Return the number of images the sample was drawn from: Σ 1 / probability, which is exact for this design."""
        return round(float(np.sum(1.0 / self.probabilities)))

    @property
    def weights(self) -> Float64Array:
        """Return each drawn image's weight, the share of the site it represents, (k,) with sum 1."""
        inverse = 1.0 / self.probabilities
        weights: Float64Array = inverse / inverse.sum()
        return weights

    @property
    def whole(self) -> bool:
        """Return whether every image of the site was drawn."""
        return bool((self.probabilities >= 1.0).all())

    @property
    def simple(self) -> bool:
        """Return whether the sample is a simple random sample, with one stratum."""
        return bool((self.strata == self.strata[0]).all())


_LARGEST = 1e100
"""Sizes above it are none, and their sum would overflow."""


def as_shares(x: ArrayLike, name: str, length: int | None = None) -> Float64Array:
    """Validate `x` as a one-dimensional array of numbers in [0, 1] or NaN."""
    values = as_row(x, name, length=length, undefined=True, least=1)
    outside = (values < 0.0) | (values > 1.0)
    if outside.any():
        remedy = "give performance as a share, not in percent"
        raise InputError.of(name, "must lie in [0, 1]", float(values[outside][0]), remedy)
    return values


def filled(proxy: Float64Array) -> Float64Array:
    """Replace missing predictions by the mean of the known ones (0.5 if none); estimates stay unbiased."""
    known = proxy[np.isfinite(proxy)]
    return np.where(np.isnan(proxy), known.mean() if len(known) else 0.5, proxy)


def as_count(x: int, name: str) -> int:
    """Validate a number of images as an integer of at least 1."""
    if isinstance(x, bool) or not isinstance(x, Integral):
        raise InputError.of(name, "must be a whole number", x, "pass 16")
    if x < 1:
        raise InputError.of(name, "must be at least 1", x)
    return int(x)


def as_rng(seed: int | np.random.Generator) -> np.random.Generator:
    """Return a random generator for a seed; a generator is returned unchanged."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise InputError.of("seed", "must be a whole number of at least 0, or a generator", seed, "pass 0") from error


def check_sample(sample: Sample) -> None:
    """Raise `InputError` unless the argument is a `Sample`."""
    if not isinstance(sample, Sample):
        raise InputError.of("sample", "must be what howfar.sampling.draw returned", type(sample).__name__)


def check_fits(sample: Sample, length: int, name: str = "proxy") -> None:
    """Raise `InputError` unless the sample was drawn from `length` images."""
    if sample.population != length:
        raise InputError.of(name, f"must have the {sample.population} images that the sample was drawn from", length)
    if int(sample.indices.max()) >= length:
        raise InputError.of("sample", f"must name images below {length}", int(sample.indices.max()))


STRATIFIED_FROM = 8
"""Labels from which on the sample has strata; fewer are a simple random sample, of which bounds hold without assumptions."""
_LABELS_A_STRATUM = 4
_LEAST = 2
_FLOOR = 0.05


def predicted_spread(proxy: ArrayLike) -> Float64Array:
    """Compute the assumed spread of performance around its prediction p: √(p (1 − p) + 0.05).

    The first term is the largest variance that a quantity in [0, 1] of mean p can have; by the second, images that are
    predicted to be all right, or all wrong, are drawn too.
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
    """Draw a stratified random sample of k of a site's m images, for unbiased estimates under any distribution shift.

    From 8 labels on, images are sorted by predicted performance `proxy`, (m,) from 0 to 1, into strata of equal size, one for
    every 4 labels, and those without a prediction (NaN) into one of their own. Stratum h, of N_h images, gets n_h labels in
    proportion to N_h times its mean `predicted_spread` (Neyman's allocation: Neyman, "On the two different aspects of the
    representative method", J. R. Stat. Soc. 97 (1934)), at least 2. Every image of the stratum has the chance n_h / N_h of
    being drawn, however good the predictions are, so that weighting by its inverse is unbiased: wrong predictions make
    intervals wider, not false. Fewer than 8 labels are a simple random sample, each image with the chance k / m.

    With `groups`, (m,) the photograph that each tile shows (or scene, patient, clip), and 8 labels or more, each image has the
    same chance as without, but in a stratum images of one group are drawn together as seldom as the numbers allow: groups are
    put in random order and images are taken at equal steps from a random start (systematic sampling; Madow & Madow, Ann. Math.
    Stat. 15 (1944)). The more alike the images of a group are, the less such a sample varies; intervals state the variance of a
    sample without groups.

    With `sizes`, (m,) the expected 2TP + FP + FN of each image such as the predicted pixels plus the sum of probabilities,
    strata are cut by size instead, each with the same total size, and the spread of an image is multiplied by its size. Most of
    a few images with very many false pixels are then drawn, which rule pooled F (`howfar.sampling.ratio`) and which a sample by
    predicted performance seldom holds. `howfar.sampling.mean` reads such a sample too.

    Returns the min(k, m) drawn images, in random order but one of each stratum first, so that the first labels tell something
    already; `seed` may be a generator. Raises `InputError` for a proxy that is not one row of numbers in [0, 1] or NaN, k below
    1, groups of another length, or negative sizes.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw
    >>> sample = draw(np.linspace(0, 1, 100), 16)
    >>> len(sample), np.bincount(sample.strata).tolist(), sample.population
    (16, [3, 5, 5, 3], 100)
    """
    p = as_shares(proxy, "proxy")
    k, rng = as_count(k, "k"), as_rng(seed)
    photographs = None if groups is None else as_groups(groups, len(p))
    if k >= len(p):
        return _sample([(np.arange(len(p)), len(p))], rng)
    weights = None
    if sizes is not None:
        expected = as_row(sizes, "sizes", length=len(p), undefined=True)
        if not (expected >= 0.0).all() or not expected.any():
            wrong = expected[~(expected >= 0.0)]
            raise InputError.of("sizes", "must be numbers of 0 or more, not all 0", float(wrong[0]) if len(wrong) else 0.0)
        if expected.max() > _LARGEST:
            raise InputError.of("sizes", f"must be at most {_LARGEST:g}", float(expected.max()), "give them in pixels")
        # What a model misses is in no expected size: an average image's size is added, so that small ones are drawn too.
        weights = expected + expected.mean()
    if k < STRATIFIED_FROM:
        # Bounds for so few labels hold of a simple random sample alone.
        cells, photographs = [np.arange(len(p))], None
    else:
        cells = _strata(p, k, rng) if weights is None else _strata_of_size(weights, k, rng)
    spreads = predicted_spread(np.where(np.isnan(p), 0.5, p)) * (1.0 if weights is None else weights)
    # In proportion to size times spread, at least 2 a stratum and at most its size: each further label goes where the variance
    # of the estimate, Σ (N_h S_h)² / n_h, falls most (Wright, Am. Stat. 66 (2012)).
    limits = np.array([len(cell) for cell in cells])
    totals = limits * np.array([float(spreads[cell].mean()) for cell in cells])
    counts = np.minimum(limits, _LEAST if len(cells) > 1 else 1)
    while counts.sum() < k:
        gain = np.where(counts < limits, totals / np.sqrt(counts * (counts + 1)), -1.0)
        counts[int(np.argmax(gain))] += 1
    taken = [_take(cell, count, photographs, rng) for cell, count in zip(cells, counts.tolist(), strict=True)]
    return _sample(list(zip(taken, map(len, cells), strict=True)), rng)


def _sample(taken: list[tuple[NDArray[np.int64], int]], rng: np.random.Generator) -> Sample:
    """Build a sample from the images drawn of strata and their sizes, in random order but one image of each stratum first."""
    indices = np.concatenate([images for images, _ in taken])
    strata = np.repeat(np.arange(len(taken)), [len(images) for images, _ in taken])
    shares = np.array([len(images) / size for images, size in taken])
    order = rng.permutation(len(indices))
    firsts = np.unique(strata[order], return_index=True)[1]
    order = np.concatenate([order[np.sort(firsts)], np.delete(order, firsts)])
    return Sample(indices[order], shares[strata[order]], strata[order])


def _strata(p: Float64Array, k: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Split images into strata by predicted performance; ties are in random order."""
    known, unknown = np.flatnonzero(np.isfinite(p)), np.flatnonzero(np.isnan(p))
    if not len(known):
        return [unknown]
    ordered = known[np.lexsort((rng.random(len(known)), p[known]))]
    number = max(1, min(k // _LABELS_A_STRATUM - (len(unknown) > 0), len(known) // _LEAST))
    cells = [np.asarray(cell) for cell in np.array_split(ordered, number)]
    return [*cells, unknown] if len(unknown) else cells


def _strata_of_size(sizes: Float64Array, k: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Split images into strata by size, with equal total size and at least 2 images each."""
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


def _take(cell: NDArray[np.int64], count: int, groups: NDArray[np.int64] | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `count` images of a stratum with equal probability, spread over photographs if `groups` is given."""
    if groups is None:
        return np.asarray(rng.choice(cell, count, replace=False))
    order = rng.permutation(groups.max() + 1)[groups[cell]]
    ordered = cell[np.lexsort((rng.random(len(cell)), order))]
    step = len(cell) / count
    positions = np.floor(step * (rng.random() + np.arange(count))).astype(np.int64)
    return np.asarray(ordered[np.minimum(positions, len(cell) - 1)])
