"""Compute the paper's distances I^dist and O^dist, how well O^dist separates identities, and the energy distance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, FloatArray, as_features, as_groups, as_pair, quotient
from howfar.distances.pairwise_distances import row_sums
from howfar.errors import InputError


def image_to_dataset(s: ArrayLike, p: ArrayLike, device: str = "cpu") -> Float64Array:
    """Compute the mean distance of each image of S from all images of P: I^dist(s_j) = (1/n) Σ_k ‖s_j − p_k‖ (eq. 7).

    The paper's own I^dist is the sum, n times this; the mean does not grow with the size of P. `s` and `p` are (m, z) and (n,
    z) projected features, `device` is ``cpu``, ``cuda``, ``cuda:1``, or ``auto``: a CUDA device where there is one, else the
    CPU. Returns (m,) float64, in the unit of the features. Raises `InputError` for features that are not two-dimensional,
    empty, not finite, or of different widths, and for a device that there is not.

    Examples
    --------
    >>> image_to_dataset([[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [3.0, 4.0]]).tolist()
    [2.5, 2.5]
    """
    return row_sums(s, p, device=device) / len(np.asarray(p))


def dataset_to_dataset(s: ArrayLike, p: ArrayLike, device: str = "cpu") -> float:
    """Compute the mean distance over all pairs of S and P: O^dist(S, P) = (1/m) Σ_j I^dist(s_j) (eq. 7, mean form).

    O^dist(P, P) is not 0: it is the mean distance between P's own images. `energy` is 0 for equal datasets. Arguments and
    errors are those of `image_to_dataset`.

    Examples
    --------
    >>> dataset_to_dataset([[0.0]], [[1.0], [3.0]])
    2.0
    """
    return float(image_to_dataset(s, p, device).mean())


def leave_one_out(p: ArrayLike, device: str = "cpu", groups: ArrayLike | None = None) -> Float64Array:
    """Compute the mean distance of each image of P, (n, z), from the other images of P, (n,): its leave-one-out I^dist.

    With `groups`, (n,), the group of each image is left out with it, unless it is the only one: a new image has no other tile
    of its photograph in P.
    Raises `InputError` for features that are empty or not finite, one image only, or a device that there is not.

    Examples
    --------
    >>> leave_one_out([[0.0], [1.0], [3.0]]).tolist()
    [2.0, 1.5, 2.5]
    """
    primary = as_features(p, "p")
    if len(primary) < 2:
        raise InputError.of("p", "must hold at least two images", f"{len(primary)} row", "a self-distance needs pairs")
    sums = row_sums(primary, primary, device=device)
    if groups is None:
        return sums / (len(primary) - 1)
    return of_other_groups(sums, primary, as_groups(groups, len(primary)))


def of_other_groups(sums: Float64Array, rows: FloatArray, groups: NDArray[np.int64]) -> Float64Array:
    """Compute each image's mean distance from other groups' images (from all others if one group), (n,), from `sums` to all."""
    sizes = np.bincount(groups)
    if len(sizes) == 1:
        return sums / (len(rows) - 1)
    return (sums - own_group_sums(rows, groups)) / (len(rows) - sizes[groups])


def own_group_sums(rows: FloatArray, groups: NDArray[np.int64]) -> Float64Array:
    """Sum each image's distances from the images of its own group, (n,)."""
    sums = np.zeros(len(rows))
    order, sizes = np.argsort(groups, kind="stable"), np.bincount(groups)
    for members in np.split(order, np.cumsum(sizes)[:-1]):
        if len(members) > 1:
            sums[members] = row_sums(rows[members], rows[members])
    return sums


def self_distance(p: ArrayLike, device: str = "cpu", groups: ArrayLike | None = None) -> float:
    """Compute the self-distance O^dist(P, P), the mean over different images; `relative` is O^dist(S, P) divided by it.

    Arguments and errors are those of `leave_one_out`.

    Examples
    --------
    >>> self_distance([[0.0], [1.0], [3.0]])
    2.0
    """
    return float(leave_one_out(p, device, groups).mean())


def energy(s: ArrayLike, p: ArrayLike, device: str = "cpu") -> float:
    """Compute the energy distance 2 E d(s, p) − E d(p, p') − E d(s, s') over all pairs (V-statistic).

    Never negative, and 0 exactly where the two samples are equal; two finite samples of one distribution come out near (1/m +
    1/n) E d, not at 0, so judge it by its p-value. Source: Székely & Rizzo, "Energy statistics: A class of statistics based on
    distances", J. Stat. Plan. Inference 143 (2013). (SciPy's one-dimensional ``energy_distance`` is its square root.) Arguments
    and errors are those of `image_to_dataset`.

    Examples
    --------
    >>> energy([[0.0], [1.0]], [[0.0], [1.0]]), energy([[0.0]], [[2.0]])
    (0.0, 4.0)
    """
    secondary, primary = as_pair(s, p)
    pairs = ((secondary, primary), (primary, primary), (secondary, secondary))
    return energy_of_sums(*(row_sums(rows, others, device=device) for rows, others in pairs))


def energy_of_sums(between: Float64Array, within_p: Float64Array, within_s: Float64Array) -> float:
    """Compute the energy distance from sums of distances by image: S to P (m,), P to P (n,), and S to S (m,)."""
    m, n = len(between), len(within_p)
    return max(0.0, float(2.0 * (between.sum() / (m * n)) - within_p.sum() / n**2 - within_s.sum() / m**2))


@dataclass(frozen=True)
class IdentityMargin:
    """Hold how well distances separate an identity from other identities.

    `margin` is (nearest other − farthest own) / farthest own: above 0 every own variation is nearer than any of another
    identity; NaN where every own distance is 0. `violated` is the share of `pairs` (own variation, another identity's
    variation) in which the other is not farther.
    """

    margin: float
    violated: float
    pairs: int


def identity_margin(own: Sequence[float], others: Sequence[float]) -> IdentityMargin:
    """Compare distances from one reference to variations of its own identity and to variations of other identities.

    The paper's claim (eqs. 9 to 11) is O^dist(p1 vk, p1 v1) < O^dist(pi vj, p1 v1) for every k, j and every other identity i.
    It holds where no pair is violated. `own` and `others` are O^dist from the reference. Raises `InputError` where either is
    empty, or a distance is not finite or below 0.

    Examples
    --------
    >>> identity_margin([1.0, 2.0], [1.5, 3.0])
    IdentityMargin(margin=-0.25, violated=0.25, pairs=4)
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in (own, others)]
    for name, values in zip(("own", "others"), arrays, strict=True):
        if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values >= 0)).all():
            raise InputError.of(name, "must be one or more distances of at least 0", values.tolist())
    inside, outside = arrays
    violated = float((outside[None, :] <= inside[:, None]).mean())
    return IdentityMargin(float(quotient(outside.min(), inside.max())) - 1, violated, inside.size * outside.size)
