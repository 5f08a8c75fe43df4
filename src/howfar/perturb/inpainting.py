"""Fill a part of an image from what surrounds it: colours by normalised convolution, grain by reflection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from howfar.perturb.labelled_perturbation import Foreground, as_pixels
from howfar.perturb.perturbation import Pixels

MARGIN = 0.006
"""Share of the shorter side that a mask is widened by: annotated edges are rarely all of the foreground's."""
_FIRST, _ENOUGH = 2.0, 0.1
Values = NDArray[np.floating[Any]]


def inpaint(pixels: Pixels, mask: Foreground) -> Pixels:
    """Replace an image's foreground, widened a little, by a guess of the background behind it.

    The colour of a hidden pixel x is the mean of the known ones, Σ G(x − y) I(y) / Σ G(x − y) over known y, with a Gaussian G
    of 2 pixels, doubled where it covers less than a tenth of known pixels: normalised convolution, Knutsson & Westin,
    "Normalized and differential convolution" (CVPR 1993). To this is added what the known pixel at the mirrored place beyond
    the nearest edge differs from its own such mean, so that the filled part has the grain of its surroundings.

    Where nothing is known the image's mean colour is returned; where nothing is hidden, the image.

    Parameters
    ----------
    pixels
        The image, (h, w, 3) uint8.
    mask
        What is to be replaced, (h, w) bool.

    Returns
    -------
    Pixels
        (h, w, 3) uint8.

    Examples
    --------
    >>> road = np.full((32, 32, 3), 90, np.uint8)
    >>> road[:, 15:17] = 20
    >>> crack = np.zeros((32, 32), bool)
    >>> crack[:, 15:17] = True
    >>> inpaint(road, crack)[:, 15:17].min().item()
    90
    """
    if not mask.any():
        return pixels.copy()
    margin = max(1, round(MARGIN * min(mask.shape)))
    hidden = ndimage.binary_dilation(mask, iterations=margin)
    values = pixels.astype(np.float32)
    if hidden.all():
        return as_pixels(np.broadcast_to(values.mean(axis=(0, 1)), values.shape))
    smooth = _spread(values, ~hidden)
    rows, columns = _mirrored(hidden)
    return as_pixels(np.where(hidden[..., None], smooth + (values - smooth)[rows, columns], values))


def _spread(values: Values, known: Foreground) -> Values:
    """Compute each pixel's mean of the known ones around it, by the narrowest Gaussian that covers enough of them."""
    weight = known.astype(np.float32)
    weighted = values * weight[..., None]
    smooth, missing = np.zeros_like(values), np.ones(known.shape, np.bool_)
    sigma = _FIRST
    while missing.any():
        last = sigma > max(known.shape)
        cover = ndimage.gaussian_filter(weight, sigma, mode="nearest")
        here = missing & (last | (cover >= _ENOUGH))
        total = ndimage.gaussian_filter(weighted, (sigma, sigma, 0), mode="nearest")
        smooth[here] = total[here] / np.maximum(cover[here], np.finfo(np.float32).tiny)[:, None]
        missing &= ~here
        sigma *= 2
    return smooth


def _mirrored(hidden: Foreground) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find for each hidden pixel the known one mirrored at the nearest edge, or the nearest where that is hidden too."""
    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    here = np.indices(hidden.shape)
    limits = np.array(hidden.shape).reshape(2, 1, 1) - 1
    beyond = np.clip(2 * nearest - here, 0, limits)
    usable = ~hidden[beyond[0], beyond[1]]
    rows, columns = np.where(usable, beyond, nearest)
    return rows, columns
