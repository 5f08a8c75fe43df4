"""Test by permutation whether two datasets are one distribution, and correct several p-values after Holm."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.significance.value_checks import as_scores

ROUNDING = 1e-10
"""Values of a statistic that differ by less than this share of the largest are ties, where they are sums in float64."""
SINGLE_ROUNDING = 2e-5
"""The same where distances and products are float32."""


def relabellings(m: int, n: int, draws: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw random labels of m + n pooled images: 1 for the m called S, 0 for those called P.

    Parameters
    ----------
    m, n
        Numbers of images in S and in P.
    draws
        Number of random labellings.
    rng
        Where the randomness comes from; the same state gives the same labels.

    Returns
    -------
    ndarray
        (m + n, draws) uint8; every column sums to m.

    Raises
    ------
    InputError
        Fewer than one image on a side, or fewer than one draw.

    Examples
    --------
    >>> labels = relabellings(2, 4, 5, np.random.default_rng(0))
    >>> labels.shape, labels.sum(axis=0).tolist()
    ((6, 5), [2, 2, 2, 2, 2])
    """
    for name, value in (("m", m), ("n", n), ("draws", draws)):
        if value < 1:
            raise InputError.of(name, "must be at least 1", value)
    labels = np.repeat(np.array([1, 0], np.uint8), [m, n])
    return rng.permuted(np.tile(labels[:, None], draws), axis=0)


def assignments(m: int, n: int, draws: int, rng: np.random.Generator) -> Float64Array:
    """Draw signed weights of m + n pooled images under random labels: 1/m for those called S, −1/n for those called P.

    With u such a column and D the distances between all pooled images, −uᵀ D u is the energy distance between the images
    called S and those called P; when S and P come from one distribution, every labelling is as likely as the true one.
    Source: Székely & Rizzo, "Energy statistics: A class of statistics based on distances", J. Stat. Plan. Inference 143
    (2013).

    Parameters
    ----------
    m, n, draws, rng
        Images in S and in P, labellings, and where the randomness comes from.

    Returns
    -------
    ndarray
        (m + n, draws) float64; every column sums to 0.

    Raises
    ------
    InputError
        Fewer than one image on a side, or fewer than one draw.

    Examples
    --------
    >>> u = assignments(2, 4, 5, np.random.default_rng(0))
    >>> u.shape, (u > 0).sum(axis=0).tolist(), bool(np.allclose(u.sum(axis=0), 0.0))
    ((6, 5), [2, 2, 2, 2, 2], True)
    """
    return np.where(relabellings(m, n, draws, rng), 1.0 / m, -1.0 / n)


def p_value(observed: float, null: ArrayLike, *, rounding: float = ROUNDING) -> float:
    """Compute the share of labellings at least as extreme as the true one: (1 + #{null ≥ observed}) / (1 + draws).

    Source: Phipson & Smyth, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9 (2010).

    Parameters
    ----------
    observed
        The statistic under the true labels; large means different.
    null
        (draws,) its values under random labels.
    rounding
        Values that differ by less than this share of the largest count as ties: the same labelling, summed in another order.

    Returns
    -------
    float
        Between 1 / (1 + draws) and 1.

    Raises
    ------
    InputError
        No draws, or values that are not finite.

    Examples
    --------
    >>> p_value(3.0, [1.0, 2.0, 3.0, 4.0])
    0.6
    """
    values = as_scores(null, "null")
    statistic = float(as_scores([observed], "observed")[0])
    slack = rounding * max(abs(statistic), float(np.abs(values).max()))
    return float((1 + np.count_nonzero(values >= statistic - slack)) / (1 + len(values)))


def holm(p_values: Iterable[float | None]) -> list[float | None]:
    """Correct p-values after Holm: the chance of any false rejection among them stays below the level.

    The i-th smallest of k is multiplied by k − i + 1, then made to rise, and cut at 1. Source: Holm, "A simple
    sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979).

    Parameters
    ----------
    p_values
        One a hypothesis, in any order; None or NaN is an undefined one, which is not counted among the k.

    Returns
    -------
    list
        In the order given; None where undefined.

    Raises
    ------
    InputError
        A value outside [0, 1].

    Examples
    --------
    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    raw = np.array([np.nan if value is None else value for value in p_values], dtype=np.float64)
    defined = np.flatnonzero(~np.isnan(raw))
    for position in defined[(raw[defined] < 0.0) | (raw[defined] > 1.0)][:1]:
        raise InputError.of(f"p_values[{position}]", "must lie between 0 and 1", float(raw[position]))
    rising = defined[np.argsort(raw[defined], kind="stable")]
    steps = raw[rising] * np.arange(len(rising), 0, -1)
    raw[rising] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [None if np.isnan(value) else float(value) for value in raw]
