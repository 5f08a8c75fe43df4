"""Measure how far a probability map follows an image's edges: its rank correlation with the strength of the gradient."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError

LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def gradient_magnitude(picture: NDArray[Any]) -> Float64Array:
    """Compute the strength of an image's gradient, √(Sx² + Sy²), by Sobel's two kernels on its grey values.

    Source: Sobel and Feldman, "A 3×3 isotropic gradient operator for image processing" (1968). The image's border is repeated
    beyond its edge.

    Parameters
    ----------
    picture
        (h, w, 3) RGB or (h, w) grey, on any scale.

    Returns
    -------
    ndarray
        (h, w) float64, on the image's scale times 8.

    Raises
    ------
    InputError
        The picture is neither grey nor RGB.

    Examples
    --------
    >>> step = np.zeros((4, 6))
    >>> step[:, 3:] = 1.0
    >>> gradient_magnitude(step)[1].tolist()
    [0.0, 0.0, 4.0, 4.0, 0.0, 0.0]
    """
    from scipy.ndimage import sobel

    values = np.asarray(picture, dtype=np.float64)
    if values.ndim == 3 and values.shape[2] == 3:
        values = values @ np.asarray(LUMA)
    if values.ndim != 2:
        raise InputError.of("picture", "must be (h, w, 3) or (h, w)", np.shape(picture))
    across, down = (sobel(values, axis=axis, mode="nearest") for axis in (1, 0))
    return np.asarray(np.hypot(across, down))


def edge_preference(probabilities: ArrayLike, picture: NDArray[Any]) -> float | None:
    """Compute Spearman's rank correlation, over the pixels, of a probability map with the image's gradient magnitude.

    1 where a pixel is the more likely foreground the stronger the image changes there, 0 where the map has nothing to do with
    edges. Ranks make it independent of how sure the map is.

    Parameters
    ----------
    probabilities
        (h, w), on any scale.
    picture
        (h, w, 3) RGB or (h, w) grey.

    Returns
    -------
    float or None
        None where the map or the gradient is the same everywhere.

    Raises
    ------
    InputError
        The two differ in size.

    Examples
    --------
    >>> picture = np.random.default_rng(0).random((16, 16))
    >>> edge_preference(gradient_magnitude(picture) ** 2, picture)
    1.0
    >>> edge_preference(np.zeros((16, 16)), picture) is None
    True
    """
    from scipy.stats import rankdata

    map_, strength = np.asarray(probabilities), gradient_magnitude(picture)
    if map_.shape != strength.shape:
        raise InputError.of("probabilities", f"must be of the picture's size, {strength.shape}", map_.shape)
    ranks = [rankdata(values, axis=None) for values in (map_, strength)]
    centred = [each - each.mean() for each in ranks]
    lengths = [float(np.linalg.norm(each)) for each in centred]
    if min(lengths) == 0.0:
        return None
    return float(np.clip(centred[0] @ centred[1] / (lengths[0] * lengths[1]), -1.0, 1.0).round(12))
