"""Measure how strongly an image shows thin lines, without a model: the response of a ridge filter at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics.edge_preference import LUMA

SCALES: Final = (1.0, 2.0, 4.0)
"""Standard deviations σ of the Gaussian, in pixels: of even lines those 2σ wide answer most."""
TRUNCATE: Final = 6.0
"""Standard deviations at which the filters end: at scipy's 4 the second derivative of a plain ground is not yet 0."""
STRONGEST: Final = 0.01
"""The share of the pixels whose response counts: thin structures cover a few per cent of an image."""


def ridge_strength(picture: NDArray[Any], scales: Sequence[float] = SCALES) -> Float64Array:
    """Compute at each pixel how much its surroundings look like a line, dark or bright: max over σ of σ² (|λ₁| − |λ₂|).

    λ₁ and λ₂, |λ₁| ≥ |λ₂|, are the eigenvalues of the Hessian of the grey values smoothed by a Gaussian of σ. Across a line
    the second derivative is large and along it 0, so the difference is |λ₁|; it is 0 at the centre of a round spot, where both
    are alike, and of a saddle. σ² makes scales comparable (Lindeberg, "Edge detection and ridge detection with automatic scale
    selection", IJCV 1998). Filters of this kind are Frangi, Niessen, Vincken & Viergever (MICCAI 1998) and Sato et al. (Medical
    Image Analysis 1998), who take lines of one sign only; here either counts, as sites differ in it. With m half the trace and
    d half the difference of the eigenvalues |λ₁| − |λ₂| = 2 min(|m|, d).

    Parameters
    ----------
    picture
        (h, w) grey or (h, w, 3) RGB, on any scale. The border is repeated beyond the edge.
    scales
        σ in pixels.

    Returns
    -------
    ndarray
        (h, w) float64, on the picture's scale.

    Raises
    ------
    InputError
        The picture is neither grey nor RGB, or a scale is not above 0.

    Examples
    --------
    >>> line = np.zeros((9, 9))
    >>> line[4] = 1.0
    >>> ridge_strength(line, [1.0])[:, 4].round(2).tolist()
    [0.0, 0.04, 0.16, 0.0, 0.4, 0.0, 0.16, 0.04, 0.0]
    """
    from scipy.ndimage import gaussian_filter

    values = np.asarray(picture, dtype=np.float64)
    if values.ndim == 3 and values.shape[2] == 3:
        values = values @ np.asarray(LUMA)
    if values.ndim != 2:
        raise InputError.of("picture", "must be (h, w, 3) or (h, w)", np.shape(picture))
    if not len(scales) or min(scales) <= 0.0:
        raise InputError.of("scales", "must be numbers above 0, in pixels", list(scales), f"pass {SCALES}")
    strength = np.zeros(values.shape)
    for scale in scales:
        down, across, mixed = (
            gaussian_filter(values, scale, order, mode="nearest", truncate=TRUNCATE) for order in ((2, 0), (0, 2), (1, 1))
        )
        spread = np.hypot((down - across) / 2.0, mixed)
        np.maximum(strength, 2.0 * scale**2 * np.minimum(np.abs(down + across) / 2.0, spread), out=strength)
    return strength


def ridge_response(picture: NDArray[Any], scales: Sequence[float] = SCALES) -> float:
    """Compute one number of an image: the mean of the strongest hundredth of `ridge_strength`, less its median.

    The median is that of the ground: an image that is rough everywhere does not answer as one with a line on a smooth ground.
    Arguments, and what is raised, are those of `ridge_strength`.

    Examples
    --------
    >>> line = np.full((40, 40), 0.8)
    >>> line[20] = 0.2
    >>> round(ridge_response(line), 2), ridge_response(np.full((40, 40), 0.8))
    (0.23, 0.0)
    """
    strength = np.sort(ridge_strength(picture, scales), axis=None)
    strongest = max(1, round(STRONGEST * len(strength)))
    return float(strength[-strongest:].mean() - np.median(strength))
