"""Where an image's distance stands among those of P's own images: conformal p-value and percentile."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.significance.scores import as_scores


def p_values(scores: ArrayLike, calibration: ArrayLike) -> Float64Array:
    """Conformal p-value of each score: (1 + #{calibration ≥ score}) / (n + 1).

    Small means farther than P's own images are. For an image exchangeable with the calibration images, the chance of a
    p-value of at most α is at most α. Source: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World" (2005);
    for outliers: Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal p-values", Ann. Stat. 51 (2023).
    Leave-one-out distances of P's images are such a calibration up to 1/n: an image of P is measured against n − 1
    others, a new one against n.

    Parameters
    ----------
    scores
        (m,) distances of new images; large means far.
    calibration
        (n,) distances of P's own images, each from the others.

    Returns
    -------
    ndarray
        (m,) float64, between 1 / (n + 1) and 1.

    Raises
    ------
    InputError
        Not one-dimensional, empty, or not finite.

    Examples
    --------
    >>> p_values([0.0, 2.0, 9.0], [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.75, 0.25]
    """
    ordered, values = np.sort(as_scores(calibration, "calibration")), as_scores(scores, "scores")
    at_least = len(ordered) - np.searchsorted(ordered, values, side="left")
    return np.asarray((1 + at_least) / (len(ordered) + 1), dtype=np.float64)


def percentiles(scores: ArrayLike, calibration: ArrayLike) -> Float64Array:
    """Percentile of each score among the calibration scores: the share below it plus half the share equal to it, 0 to 100.

    Parameters
    ----------
    scores
        (m,) distances of new images.
    calibration
        (n,) distances of P's own images, each from the others.

    Returns
    -------
    ndarray
        (m,) float64, 0 (nearer than every image of P) to 100 (farther than all).

    Raises
    ------
    InputError
        Not one-dimensional, empty, or not finite.

    Examples
    --------
    >>> percentiles([0.0, 2.0, 9.0], [1.0, 2.0, 3.0]).tolist()
    [0.0, 50.0, 100.0]
    """
    ordered, values = np.sort(as_scores(calibration, "calibration")), as_scores(scores, "scores")
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return np.asarray(50.0 * (below + up_to) / len(ordered), dtype=np.float64)
