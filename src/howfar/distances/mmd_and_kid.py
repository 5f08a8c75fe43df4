"""Compute the maximum mean discrepancy (MMD) between datasets, with a Gaussian kernel, and with KID's cubic kernel.

Each pair of images is computed once. Rounding goes either way, so over millions of pairs it leaves about 1e-7 of a discrepancy.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar import memory
from howfar.arrays import Float64Array, FloatArray, as_features, as_pair
from howfar.distances import pairwise_distances as pairwise
from howfar.errors import InputError, check_at_least

_BITS = {np.float32: 16, np.float64: 20}
"""Bits of the number of a bin."""


def ranked_value(
    tiles: Callable[[], Iterator[FloatArray]],
    rank: int,
    low: float,
    high: float,
    most: int,
    kind: type[np.float32 | np.float64] = np.float32,
) -> float | None:
    """Find the value of a given rank (from 0) in passes over the data; None if the value is outside [`low`, `high`].

    Floats that are not negative sort as their bits do. Where more than `most` values lie between the bounds, they are counted
    in bins of equal width in these bits, and the next pass looks in the bin of the wanted value alone. `tiles` starts a pass.
    """
    whole: type[np.integer[Any]] = np.int32 if kind is np.float32 else np.int64
    first, last = (int(kind(value).view(whole)) for value in (low, high))
    while first <= last:
        shift = max(0, (last - first).bit_length() - _BITS[kind])
        below = count = 0
        held: list[NDArray[np.integer[Any]]] = []
        counts = np.zeros(((last - first) >> shift) + 1, np.int64)
        for values in tiles():
            bits = values.reshape(-1).view(whole)
            below += int(np.count_nonzero(bits < first))
            held.append(bits[(bits >= first) & (bits <= last)])
            count += len(held[-1])
            if count > most:
                for some in held:
                    counts += np.bincount((some - first) >> shift, minlength=len(counts))
                held.clear()
        place = rank - below
        if not 0 <= place < count:
            return None
        if count <= most:
            candidates = np.concatenate(held)
            candidates.partition(place)
            return float(candidates[place].view(kind))
        first += int(np.searchsorted(np.cumsum(counts), place, side="right")) << shift
        last = min(last, first + (1 << shift) - 1)
        if first == last:
            return float(whole(first).view(kind))
    return None


KEPT = 1 << 28
"""Most bytes of squared distances that are held for a second look; of more they are computed again."""
ASTRAY = 1 << 10
"""Products with the centre so many times as long as the longest row leave float32 too few digits for the rows' own."""
_HELD = 1 << 20
_ROWS, _COLUMNS = 256, 4096
_BRACKET = 0.06


class Means(NamedTuple):
    """Hold a kernel's means (or sums) over pairs within S, within P, and between S and P."""

    within_s: float
    within_p: float
    between: float


def cubic_discrepancy(s: FloatArray, p: FloatArray) -> float | None:
    """Compute the unbiased squared MMD of the kernel (a·b / z + 1)³ in float32; None if float32 is not precise enough.

    With c amid P and x = a·b − c·c the kernel is a cubic in x: its constant cancels, its linear part follows from the means,
    and only its square and its cube are summed over pairs, where x is small beside c·c.
    """
    centre, z = pairwise.centre_of(p), s.shape[1]
    a, b, unit = pairwise.in_units(s, p)
    of_centre = centre / unit
    along_a, along_b = a @ of_centre, b @ of_centre
    whole = 3.0 * (z / unit**2 + float(of_centre @ of_centre))
    if max(np.abs(along_a).max(), np.abs(along_b).max()) > ASTRAY or not whole < 1e30:
        return None

    def mean(left: pairwise.Single, right: pairwise.Single, of_left: Float64Array, of_right: Float64Array, same: bool) -> float:
        total, rows, columns = 0.0, of_left.astype(np.float32), of_right.astype(np.float32)
        for at_rows, at_columns, x in pairwise.product_tiles(left, right, same):
            # Sum x²(w + x), w thrice the kernel's constant; within one dataset, pairs count twice and self-pairs not.
            x += rows[at_rows, None]
            x += columns[at_columns]
            on_diagonal = same and at_rows == at_columns
            if on_diagonal:
                np.fill_diagonal(x, 0.0)
            squares = np.square(x)
            x += np.float32(whole)
            x *= squares
            total += float(x.sum(axis=1).sum(dtype=np.float64)) * (2.0 if same and not on_diagonal else 1.0)
        return total / (len(left) * (len(left) - 1) if same else len(left) * len(right))

    means = Means(mean(a, a, along_a, along_a, True), mean(b, b, along_b, along_b, True), mean(a, b, along_a, along_b, False))
    # The unbiased squared MMD of the kernel a·b: the squared distance of the means minus the variances of both.
    middle, variance = [], []
    for x in (a, b):
        middle.append(x.mean(axis=0, dtype=np.float64))
        squares = float(np.einsum("ij,ij->", x, x, dtype=np.float64)) - len(x) * float(middle[-1] @ middle[-1])
        variance.append(squares / (len(x) * (len(x) - 1)))
    step = middle[0] - middle[1]
    linear = float(step @ step - variance[0] - variance[1])

    scale = unit**2 / z
    apart = linear * whole**2 / 3.0 + (means.within_s - means.between) + (means.within_p - means.between)
    return float(np.float64(scale) ** 3 * apart)


class SquaredDistances:
    """Iterate repeatedly over the squared distances of all pairs of images of S and P, each pair once, in scaled units."""

    def __init__(self, s: FloatArray, p: FloatArray) -> None:
        self._a, self._b, self.unit = pairwise.in_units(s, p)
        self._same = s.shape == p.shape and np.array_equal(s, p)
        self.images = len(s) + len(p)
        held = 4 * self.images * (self.images - 1) // 2
        self._kept: list[tuple[str, pairwise.Single]] | None = None
        self._keeps = held <= KEPT and not memory.is_set()

    def tiles(self) -> Iterator[tuple[str, pairwise.Single]]:
        """Yield tiles with the kind of their pairs (``s``, ``p`` or ``sp``); self-pairs and repeated pairs are infinite."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[tuple[str, pairwise.Single]] = []
        for kind, left, right in (("s", self._a, self._a), ("p", self._b, self._b), ("sp", self._a, self._b)):
            for at_rows, at_columns, values in pairwise.squared_tiles(left, right, kind != "sp"):
                if kind != "sp" and at_rows == at_columns:
                    # The diagonal and the lower triangle repeat pairs of the upper one.
                    values[np.tri(len(values), dtype=bool)] = np.inf
                if self._keeps:
                    kept.append((kind, values.copy()))
                yield kind, values
        if self._keeps:
            self._kept = kept

    def median(self) -> float | None:
        """Compute the median (lower of the middle two); None if the bracket estimated from sampled rows misses it."""
        pairs = self.images * (self.images - 1) // 2
        most = _HELD if memory.is_set() else KEPT // np.dtype(np.float32).itemsize
        return ranked_value(lambda: (values for _, values in self.tiles()), (pairs - 1) // 2, *self._bracket(), most)

    def _bracket(self) -> tuple[float, float]:
        """Estimate bounds of the median from the distances between sampled rows."""
        rows, columns = (
            np.concatenate([self._a[::step], self._b[::step]])
            for step in (-(-self.images // count) for count in (_ROWS, _COLUMNS))
        )
        values = np.concatenate([squares.flatten() for _, _, squares in pairwise.squared_tiles(rows, columns)])
        low, high = (int(share * (len(values) - 1)) for share in (0.5 - _BRACKET, 0.5 + _BRACKET))
        values.partition((low, high))
        return float(values[low]), float(values[high])

    def gaussian(self, width: float) -> Means:
        """Compute the means of exp(−d² / 2σ²), with `width` = σ in the unit of the features."""
        m, n, factor = len(self._a), len(self._b), np.float32(-0.5 * (self.unit / width) ** 2)
        sums = {"s": 0.0, "p": 0.0, "sp": 0.0}
        for kind, values in self.tiles():
            exponents = np.multiply(values, factor)
            sums[kind] += float(np.exp(exponents, out=exponents).sum(axis=1).sum(dtype=np.float64))
        means = Means(2.0 * sums["s"] / (m * (m - 1)), 2.0 * sums["p"] / (n * (n - 1)), sums["sp"] / (m * n))
        # The pairs of a set and its copy are those of the set, and each image with its own.
        return means._replace(between=(1 - 1 / m) * means.within_s + 1 / m) if self._same else means


FORM_PAIRS_PER_TILE = 1 << 20
SINGLE_FROM = 1 << 24
"""Pairs from which on kernel values and weights are multiplied in float32."""
_SAMPLED = 64


Kernel: TypeAlias = Callable[[Float64Array, Float64Array], Float64Array]
"""Computes the kernel between the rows of two float64 arrays, (m, z), (n, z) -> (m, n)."""


class Forms(NamedTuple):
    """Hold weighted sums (draws,) and row sums (m,) of a kernel less a constant; within one dataset without self-pairs."""

    values: Float64Array
    row_sums: Float64Array


def cubic(a: Float64Array, b: Float64Array) -> Float64Array:
    """Compute KID's kernel less its constant, (a·b / z + 1)³ − 1."""
    products: Float64Array = a @ b.T
    products /= a.shape[1]
    return _cubed(products)


def _cubed(products: Float64Array) -> Float64Array:
    """Compute (x + 1)³ − 1; the constant, which cancels, would cost precision."""
    return products * (3.0 + products * (3.0 + products))


def gaussian(width: float) -> Kernel:
    """Make the Gaussian kernel exp(−‖a − b‖² / 2σ²) with σ = `width`."""
    unit = pairwise.unit_of(width)

    def kernel(a: Float64Array, b: Float64Array) -> Float64Array:
        a, b = a / unit, b / unit
        squared = pairwise.double_squared(a, b, np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b))
        squared *= -0.5 / (width / unit) ** 2
        return np.exp(squared, out=squared)

    return kernel


def typical(kernel: Kernel, x: Float64Array) -> float:
    """Compute the median of the kernel over sampled pairs; subtracting this constant cancels in the MMD and keeps digits."""
    some = x[:: -(-len(x) // _SAMPLED)]
    values = kernel(some, some)[np.triu_indices(len(some), 1)]
    return float(np.median(values)) if values.size else 0.0


def kernel_forms(
    kernel: Kernel, x: Float64Array, y: Float64Array, u: NDArray[np.uint8], v: NDArray[np.uint8], constant: float
) -> Forms:
    """Compute Σᵢⱼ u[i, d] (k(xᵢ, yⱼ) − constant) v[j, d] for each draw d; only over i ≠ j if `y` is `x` and `v` is `u`."""
    same, single = y is x and v is u, len(x) * len(y) >= SINGLE_FROM
    right: FloatArray = v.astype(np.float32 if single else np.float64)
    total, sums, step = np.zeros(u.shape[1]), np.zeros(len(x)), max(1, FORM_PAIRS_PER_TILE // len(y))
    for start in range(0, len(x), step):
        rows = x[start : start + step]
        first = start if same else 0
        k = kernel(rows, y[first:])
        k -= constant
        if same:
            k[:, : len(rows)] = np.triu(k[:, : len(rows)], 1)
            sums[first:] += k.sum(axis=0)
        sums[start : start + len(rows)] += k.sum(axis=1)
        # In a unit of their own, so that float32 does not overflow.
        unit = pairwise.unit_of(max(float(k.max()), -float(k.min())))
        k /= unit
        products = k.astype(right.dtype, copy=False) @ right[first:]
        total += np.einsum("id,id->d", products, u[start : start + len(rows)], dtype=np.float64) * unit
    return Forms(total * 2.0 if same else total, sums)


_COLLECT = 1 << 20


def median_distance(x: ArrayLike, pairs_per_tile: int = pairwise.PAIRS_PER_TILE) -> float:
    """Compute the exact median distance of different rows (lower of the middle two), `pairs_per_tile` distances at a time."""
    rows = as_features(x, "x")
    n = len(rows)
    if n < 2:
        raise InputError.of("x", "must hold at least two rows", n, "one row has no pairs")
    # Of the n² entries, the n smallest are those of the diagonal, and every pair stands twice.
    rank = n + 2 * ((n * (n - 1) // 2 - 1) // 2)

    def tiles() -> Iterator[Float64Array]:
        return (d for _, _, d in pairwise.distance_blocks(rows, rows, pairs_per_tile))

    return float(ranked_value(tiles, rank, 0.0, np.inf, _COLLECT, np.float64) or 0.0)


def mmd(
    s: ArrayLike,
    p: ArrayLike,
    bandwidth: float | Literal["median"] = "median",
    *,
    unbiased: bool = False,
    pairs_per_tile: int = pairwise.PAIRS_PER_TILE,
) -> float:
    """Compute the squared MMD, E k(s, s') + E k(p, p') − 2 E k(s, p), with the kernel k(a, b) = exp(−‖a − b‖² / 2σ²).

    Source: Gretton et al., "A kernel two-sample test", J. Mach. Learn. Res. 13 (2012): eq. 5 over all pairs (biased; never
    negative, and 0 exactly where the two samples are equal), or eq. 3 over pairs of different images (`unbiased`; around 0, and
    often below it, for two samples of one distribution).

    `s` and `p` are (m, z) and (n, z) features; `bandwidth` is σ in their unit: "median" is the median distance between the
    images of S and P taken together (their section 8), exact and without a seed; where more than half of those distances are 0,
    their mean. At most `pairs_per_tile` distances are computed at once. The result has no unit, and is at most 2. Raises
    `InputError` for features that `howfar.arrays.as_pair` refuses, a bandwidth that is not positive, or a single image where
    `unbiased`.

    Examples
    --------
    >>> mmd([[0.0], [1.0]], [[0.0], [1.0]])
    0.0
    >>> mmd([[0.0]], [[1.0]], bandwidth=1.0)
    0.7869386805747332
    """
    secondary, primary = as_pair(s, p)
    if unbiased:
        _need_pairs(secondary, primary)
    if bandwidth != "median" and not (isinstance(bandwidth, int | float | np.floating) and 0.0 < bandwidth < np.inf):
        raise InputError.of("bandwidth", "must be 'median' or a positive number", bandwidth)
    m, n = len(secondary), len(primary)
    many = pairwise.in_single(secondary, primary) and pairs_per_tile == pairwise.PAIRS_PER_TILE
    squared = SquaredDistances(secondary, primary) if many else None
    width = _median_width(secondary, primary, squared, pairs_per_tile) if bandwidth == "median" else float(bandwidth)
    if squared is not None:
        means = squared.gaussian(width)
        own_s, own_p = means.within_s, means.within_p
        if not unbiased:
            # For a set and its copy the biased estimate is exactly 0.
            own_s, own_p = (1 - 1 / m) * own_s + 1 / m, (1 - 1 / n) * own_p + 1 / n
        discrepancy = (own_s - means.between) + (own_p - means.between)
        return discrepancy if unbiased else max(0.0, discrepancy)
    centre = pairwise.centre_of(primary)
    sums = _kernel_sums(gaussian(width), secondary - centre, primary - centre, pairs_per_tile)
    if unbiased:
        return _different_pairs(sums, m, n, (float(m), float(n)))
    return max(0.0, sums.within_s / m**2 + sums.within_p / n**2 - 2.0 * (sums.between / (m * n)))


def kid(s: ArrayLike, p: ArrayLike, *, pairs_per_tile: int = pairwise.PAIRS_PER_TILE) -> float:
    """Compute the kernel inception distance (KID): the unbiased squared MMD with the cubic kernel k(a, b) = (a·b / z + 1)³.

    Source: Bińkowski, Sutherland, Arbel & Gretton, "Demystifying MMD GANs" (ICLR 2018), section 4, over all images at once
    rather than averaged over random subsets. Being unbiased it is around 0, and often below it, for two samples of one
    distribution; for a sample and itself it is negative, not 0. The kernel depends on where the origin lies. The result is in
    the sixth power of the features' unit, for features large beside 1; infinite beyond float64. `s` and `p` are (m, z) and (n,
    z), of which at most `pairs_per_tile` pairs are computed at once. Raises `InputError` for features that
    `howfar.arrays.as_pair` refuses, or a single image in S or P.

    Examples
    --------
    >>> kid([[1.0], [1.0]], [[0.0], [0.0]])
    7.0
    """
    secondary, primary = as_pair(s, p)
    check_at_least(1, pairs_per_tile=pairs_per_tile)
    _need_pairs(secondary, primary)
    with np.errstate(over="ignore", invalid="ignore"):
        single = pairwise.in_single(secondary, primary) and pairs_per_tile == pairwise.PAIRS_PER_TILE
        found = cubic_discrepancy(secondary, primary) if single else None
        if found is None:
            s64, p64 = secondary.astype(np.float64), primary.astype(np.float64)
            own_s, own_p = (float(_cubed(np.einsum("ij,ij->i", x, x) / x.shape[1]).sum()) for x in (s64, p64))
            found = _different_pairs(_kernel_sums(cubic, s64, p64, pairs_per_tile), len(s64), len(p64), (own_s, own_p))
    return found if np.isfinite(found) else float("inf")


def _kernel_sums(kernel: Kernel, s: Float64Array, p: Float64Array, pairs_per_tile: int) -> Means:
    """Sum a kernel over all pairs within S, within P, and between them, self-pairs included, in blocks of rows."""
    sums = []
    for a, b in ((s, s), (p, p), (s, p)):
        step = max(1, pairs_per_tile // len(b))
        sums.append(float(sum(kernel(a[start : start + step], b).sum() for start in range(0, len(a), step))))
    return Means(*sums)


def _different_pairs(sums: Means, m: int, n: int, own: tuple[float, float]) -> float:
    """Compute the unbiased squared MMD; `own` holds the sums over self-pairs, Σ k(s, s) and Σ k(p, p)."""
    within_s, within_p = (sums.within_s - own[0]) / (m * (m - 1)), (sums.within_p - own[1]) / (n * (n - 1))
    return within_s + within_p - 2.0 * (sums.between / (m * n))


def median_bandwidth(s: FloatArray, p: FloatArray) -> float:
    """Compute the default σ of `mmd`, the median distance."""
    return _median_width(s, p, SquaredDistances(s, p) if pairwise.in_single(s, p) else None, pairwise.PAIRS_PER_TILE)


def _median_width(s: FloatArray, p: FloatArray, squared: SquaredDistances | None, pairs_per_tile: int) -> float:
    """Compute the median distance between images of S and P together, or their mean where more than half of them are 0."""
    if squared is not None and (found := squared.median()):
        return float(squared.unit * np.sqrt(found))
    pooled = np.concatenate([s, p]).astype(np.float64)
    median = median_distance(pooled, pairs_per_tile)
    if median > 0.0:
        return median
    mean = float(pairwise.row_sums(pooled, pooled, pairs_per_tile).sum()) / (len(pooled) * (len(pooled) - 1))
    # All images equal: every distance is 0, and any width gives a kernel of 1.
    return mean if mean > 0.0 else 1.0


def _need_pairs(s: FloatArray, p: FloatArray) -> None:
    if len(s) < 2 or len(p) < 2:
        raise InputError.of(
            "s and p", "must each hold at least two images", (len(s), len(p)), "an unbiased estimate needs pairs"
        )
