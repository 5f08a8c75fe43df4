"""Compare a thresholded map with that of the mirrored image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.metrics.probability_maps import above, as_map


def flip_overlap(prediction: ArrayLike, of_flipped: ArrayLike, threshold: float) -> float:
    """Compute the Dice overlap of a thresholded map and that of the left-right flipped image, flipped back: 0 to 1.

    2 |b ∧ b′| / (|b| + |b′|) with b = [p > threshold] and b′ the same of the flipped image's map. Where neither predicts a
    pixel it is 0, as the F of an image with foreground is then 0 too.

    Parameters
    ----------
    prediction
        (h, w) probability map of the image.
    of_flipped
        (h, w) map that the model gives for the flipped image, as the model gives it.
    threshold
        Where a pixel counts as predicted foreground, 0 to 1.

    Raises
    ------
    InputError
        Shapes that differ, a map that is not two-dimensional or holds values outside [0, 1].

    Examples
    --------
    >>> flip_overlap([[0.9, 0.0, 0.0]], [[0.0, 0.8, 0.9]], 0.5), flip_overlap([[0.1]], [[0.1]], 0.5)
    (0.667, 0.0)
    """
    first, second = as_map(prediction, "prediction"), as_map(of_flipped, "of_flipped")[:, ::-1]
    if first.shape != second.shape:
        shapes = (first.shape, second.shape)
        raise InputError.of("prediction and of_flipped", "must have one shape", shapes, "bring one map to the other's size")
    b, mirrored = above(first, threshold), above(second, threshold)
    size = int(np.count_nonzero(b)) + int(np.count_nonzero(mirrored))
    return 2.0 * int(np.count_nonzero(b & mirrored)) / size if size else 0.0
