"""Describe the shape of a predicted foreground: how far its largest piece reaches, how wide it is, in how many pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.metrics.probability_maps import above, as_map


def foreground_shape(prediction: ArrayLike, threshold: float) -> dict[str, float]:
    """Measure the pixels with p > threshold: extent, width and number of connected pieces (8 neighbours).

    `foreground_extent` is the diagonal of the largest piece's bounding box over the image's diagonal, 0 to 1;
    `foreground_width` the mean over the foreground of a pixel's Euclidean distance from the nearest background pixel, in
    pixels (about a quarter of the width of a long stripe; beyond the image's edge nothing is known, so it counts as neither);
    `foreground_components` the number of pieces. All are 0 where nothing is predicted; where all is, the width is the image's
    diagonal.

    Parameters
    ----------
    prediction
        (h, w) probability map: uint8 with p = value/255, floating p in [0, 1], or bool.
    threshold
        Where a pixel counts as predicted foreground, 0 to 1.

    Raises
    ------
    InputError
        A map that is not two-dimensional, has no pixel, or holds values outside [0, 1].

    Examples
    --------
    >>> stripe = np.zeros((30, 40))
    >>> stripe[10:13, :] = 1.0
    >>> {name: round(value, 2) for name, value in foreground_shape(stripe, 0.5).items()}
    {'foreground_extent': 0.8, 'foreground_width': 1.33, 'foreground_components': 1.0}
    """
    from scipy import ndimage

    b = above(as_map(prediction, "prediction"), threshold)
    diagonal = float(np.hypot(*b.shape))
    if not b.any():
        return {"foreground_extent": 0.0, "foreground_width": 0.0, "foreground_components": 0.0}
    pieces, count = ndimage.label(b, structure=np.ones((3, 3), dtype=np.int8))
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    rows, columns = ndimage.find_objects(pieces)[largest - 1]
    extent = float(np.hypot(rows.stop - rows.start, columns.stop - columns.start)) / diagonal
    width = diagonal if b.all() else float(ndimage.distance_transform_edt(b)[b].mean())
    return {"foreground_extent": extent, "foreground_width": width, "foreground_components": float(count)}
