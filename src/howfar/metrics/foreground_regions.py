"""Describe each connected piece of a predicted foreground by its shape and by the values within it and on its rim."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics.edge_preference import LUMA
from howfar.metrics.probability_maps import BoolMap, above, as_map

FEATURES: Final = (
    "area",
    "extent",
    "elongation",
    "probability_mean",
    "probability_std",
    "grey_mean",
    "grey_std",
    "rim_mean",
    "rim_std",
)
"""What is measured of a region, in the order of its columns."""
MOST: Final = 16
SMALLEST: Final = 10
"""Regions of fewer pixels are left out: they are noise of the map more often than an object."""
RIM: Final = 2
"""How far the rim reaches beyond a region, in pixels."""


def foreground_regions(prediction: ArrayLike, picture: NDArray[Any], threshold: float) -> Float64Array:
    """Measure the regions with p > threshold (connected by 8 neighbours, of at least 10 pixels), the largest 16 first.

    Of each region: its area over the image's; the diagonal of its bounding box over the image's; its elongation
    1 − √(λ₂ / λ₁), λ₁ ≥ λ₂ the variances of its pixels along its principal axes, each with 1/12 for a pixel's own width, so
    that a disc has 0 and a line nearly 1; mean and standard deviation of p, and of the grey values, 0 to 1, within it; and of
    the grey values on its rim, the pixels that are no foreground and within 2 of it (of its own where there are none).

    Parameters
    ----------
    prediction
        (h, w) probability map: uint8 with p = value/255, floating p in [0, 1], or bool.
    picture
        (h, w, 3) RGB or (h, w) grey, of 0 to 255.
    threshold
        Where a pixel counts as predicted foreground, 0 to 1.

    Returns
    -------
    ndarray
        (r, 9), a row a region; its columns are those of `FEATURES`. No row where no foreground is predicted.

    Raises
    ------
    InputError
        A malformed map or picture, two sizes, or a threshold outside [0, 1].

    Examples
    --------
    >>> p, grey = np.zeros((40, 60)), np.full((40, 60), 204.0)
    >>> p[20, 10:50], grey[20, 10:50] = 0.9, 51.0
    >>> dict(zip(FEATURES, foreground_regions(p, grey, 0.5)[0].round(2).tolist(), strict=True))
    {'area': 0.02, 'extent': 0.55, 'elongation': 0.98, 'probability_mean': 0.9, 'probability_std': 0.0, 'grey_mean': 0.2,
    'grey_std': 0.0, 'rim_mean': 0.8, 'rim_std': 0.0}
    """
    from scipy import ndimage

    values = as_map(prediction, "prediction")
    grey = _grey(picture)
    if values.shape != grey.shape:
        raise InputError.of("prediction and picture", "must have one size", (values.shape, grey.shape))
    foreground = above(values, threshold)
    pieces, _ = ndimage.label(foreground, structure=np.ones((3, 3), dtype=np.int8))
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    largest = np.argsort(-areas, kind="stable")[:MOST]
    boxes = ndimage.find_objects(pieces)
    p = values / 255.0 if values.dtype == np.uint8 else values.astype(np.float64)
    rows = [_features(pieces, int(n), boxes[n - 1], foreground, p, grey) for n in largest if areas[n] >= SMALLEST]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))


def _grey(picture: NDArray[Any]) -> Float64Array:
    grey = np.asarray(picture, dtype=np.float64)
    if grey.ndim == 3 and grey.shape[2] == 3:
        grey = grey @ np.asarray(LUMA)
    if grey.ndim != 2:
        raise InputError.of("picture", "must be (h, w, 3) or (h, w)", np.shape(picture))
    return np.asarray(grey / 255.0)


def _features(
    pieces: NDArray[Any], number: int, box: tuple[slice, slice], foreground: BoolMap, p: Float64Array, grey: Float64Array
) -> tuple[float, ...]:
    """Measure one region, in its bounding box and the rim around it."""
    from scipy import ndimage

    window = tuple(slice(max(0, side.start - RIM), side.stop + RIM) for side in box)
    inside = pieces[window] == number
    around = ndimage.binary_dilation(inside, np.ones((3, 3), dtype=np.bool_), iterations=RIM) & ~foreground[window]
    within, rim = grey[window][inside], grey[window][around]
    rim = rim if len(rim) else within
    sides = [side.stop - side.start for side in box]
    probabilities = p[window][inside]
    return (
        len(within) / grey.size,
        float(np.hypot(*sides) / np.hypot(*grey.shape)),
        _elongation(inside),
        float(probabilities.mean()),
        float(probabilities.std()),
        float(within.mean()),
        float(within.std()),
        float(rim.mean()),
        float(rim.std()),
    )


def _elongation(inside: BoolMap) -> float:
    small, large = np.linalg.eigvalsh(np.cov(np.array(np.nonzero(inside)), bias=True) + np.eye(2) / 12.0)
    return float(1.0 - np.sqrt(max(small, 0.0) / large))
