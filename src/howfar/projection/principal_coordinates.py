"""Turn features to their principal axes and keep all of them: fewer numbers an image, and the same distances."""

from __future__ import annotations

from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, as_rows
from howfar.projection.projector import Projector
from howfar.protocols import Rows


def principal_coordinates(x: ArrayLike | Rows) -> Float64Array:
    """Give n images of q features min(n − 1, q) coordinates each, at the same distances from each other.

    Principal components of any of these images, and distances, are the same as of their features: many pairs of parts of one
    dataset are then projected at a cost that q has no part in.

    Parameters
    ----------
    x
        (n, q) features.

    Returns
    -------
    ndarray
        (n, min(n − 1, q)) float64, and one column where n is 1. Distances agree to rounding: that of float32 where the inner
        products of so many numbers are computed in float32.

    Raises
    ------
    InputError
        Features that are not a finite two-dimensional table of numbers.

    Examples
    --------
    >>> principal_coordinates([[0.0, 0.0, 1.0], [3.0, 4.0, 1.0]]).round(6).tolist()
    [[2.5], [-2.5]]
    """
    rows = as_rows(x, "x")
    return Projector(rows, max(1, min(rows.shape[0] - 1, rows.shape[1]))).own()
