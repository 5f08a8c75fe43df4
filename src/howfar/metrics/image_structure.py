"""Measure an image's structure: edges, thin lines, and the shape and components of a predicted foreground."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics.probability_maps import IntArray, above, as_map, row_blocks

LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def _grey(picture: NDArray[Any]) -> Float64Array:
    values = np.asarray(picture, dtype=np.float64)
    if values.ndim == 3 and values.shape[2] == 3:
        values = values @ np.asarray(LUMA)
    if values.ndim != 2:
        raise InputError.of("picture", "must be (h, w, 3) or (h, w)", np.shape(picture))
    return values


def gradient_magnitude(picture: NDArray[Any]) -> Float64Array:
    """Compute the gradient magnitude of the grey image, √(Sx² + Sy²), by Sobel's kernels, (h, w) on the image's scale times 8.

    Source: Sobel and Feldman, "A 3×3 isotropic gradient operator for image processing" (1968). The image's border is repeated
    beyond its edge. Raises `InputError` for a picture that is neither (h, w) grey nor (h, w, 3) RGB.

    Examples
    --------
    >>> step = np.zeros((4, 6))
    >>> step[:, 3:] = 1.0
    >>> gradient_magnitude(step)[1].tolist()
    [0.0, 0.0, 4.0, 4.0, 0.0, 0.0]
    """
    from scipy.ndimage import sobel

    values = _grey(picture)
    across, down = (sobel(values, axis=axis, mode="nearest") for axis in (1, 0))
    return np.asarray(np.hypot(across, down))


def edge_preference(probabilities: ArrayLike, picture: NDArray[Any]) -> float | None:
    """Compute Spearman's rank correlation over pixels between a probability map and the image's gradient magnitude.

    1 where a pixel is the more likely foreground the stronger the image changes there, 0 where the map has nothing to do with
    edges, None where map or gradient is the same everywhere. Raises `InputError` where the two differ in size.

    Examples
    --------
    >>> picture = np.random.default_rng(0).random((16, 16))
    >>> edge_preference(gradient_magnitude(picture) ** 2, picture)
    1.0
    >>> edge_preference(np.zeros((16, 16)), picture) is None
    True
    """
    from scipy.stats import spearmanr

    map_, strength = np.asarray(probabilities), gradient_magnitude(picture)
    if map_.shape != strength.shape:
        raise InputError.of("probabilities", f"must be of the picture's size, {strength.shape}", map_.shape)
    if np.ptp(map_) == 0.0 or np.ptp(strength) == 0.0:
        return None
    return round(float(spearmanr(map_, strength, axis=None).statistic), 12)


SCALES: Final = (1.0, 2.0, 4.0)
"""Standard deviations σ of the Gaussian, in pixels: of even lines those 2σ wide answer most."""
TRUNCATE: Final = 6.0
"""Standard deviations at which the filters end: at scipy's 4 the second derivative of a plain ground is not yet 0."""
STRONGEST: Final = 0.01
"""The share of the pixels whose response counts: thin structures cover a few per cent of an image."""


def ridge_strength(picture: NDArray[Any], scales: Sequence[float] = SCALES) -> Float64Array:
    """Compute the ridge strength of dark or bright lines at each pixel: max over σ of σ² (|λ₁| − |λ₂|), (h, w).

    λ₁ and λ₂, |λ₁| ≥ |λ₂|, are the eigenvalues of the Hessian of the grey values smoothed by a Gaussian of σ. Across a line the
    second derivative is large and along it 0, so the difference is |λ₁|; it is 0 at the centre of a round spot, where both are
    alike, and of a saddle. σ² makes scales comparable (Lindeberg, "Edge detection and ridge detection with automatic scale
    selection", IJCV 1998). Filters of this kind are Frangi, Niessen, Vincken & Viergever (MICCAI 1998) and Sato et al. (Medical
    Image Analysis 1998), who take lines of one sign only; here either counts, as sites differ in it. With m half the trace and
    d half the difference of the eigenvalues |λ₁| − |λ₂| = 2 min(|m|, d).

    `scales` are σ in pixels. The border is repeated beyond the edge. Raises `InputError` for a picture that is neither grey nor
    RGB, or a scale that is not above 0.

    Examples
    --------
    >>> line = np.zeros((9, 9))
    >>> line[4] = 1.0
    >>> ridge_strength(line, [1.0])[:, 4].round(2).tolist()
    [0.0, 0.04, 0.16, 0.0, 0.4, 0.0, 0.16, 0.04, 0.0]
    """
    from scipy.ndimage import gaussian_filter

    values = _grey(picture)
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
    """Compute the ridge response of an image: the mean of the top 1 % of `ridge_strength` minus the median.

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


def foreground_shape(prediction: ArrayLike, threshold: float) -> dict[str, float]:
    """Measure the foreground p > threshold: extent, width and number of connected components (8 neighbours).

    `foreground_extent` is the diagonal of the largest piece's bounding box over the image's diagonal, 0 to 1;
    `foreground_width` the mean over the foreground of a pixel's Euclidean distance from the nearest background pixel, in pixels
    (about a quarter of the width of a long stripe; beyond the image's edge nothing is known, so it counts as neither);
    `foreground_components` the number of pieces. All are 0 where nothing is predicted; where all is, the width is the image's
    diagonal. `prediction` is (h, w): uint8 with p = value/255, floating p in [0, 1], or bool. Raises `InputError` for any
    other.

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
    largest = 1 + int(np.argmax(_areas(pieces, count)[1:]))
    rows, columns = ndimage.find_objects(pieces)[largest - 1]
    extent = float(np.hypot(rows.stop - rows.start, columns.stop - columns.start)) / diagonal
    del pieces
    width = diagonal
    if not b.all():
        nearest = ndimage.distance_transform_edt(b, return_distances=False, return_indices=True)
        total = 0.0
        # All at once would take 38 bytes a pixel.
        for block in row_blocks(b.shape):
            down, across = np.nonzero(b[block])
            steps = nearest[0, block][down, across] - (down + block.start), nearest[1, block][down, across] - across
            total += float(np.sqrt(steps[0] ** 2 + steps[1] ** 2, dtype=np.float64).sum())
        width = total / int(np.count_nonzero(b))
    return {"foreground_extent": extent, "foreground_width": width, "foreground_components": float(count)}


def _areas(pieces: NDArray[Any], count: int) -> IntArray:
    """Count the pixels of the background and of each of `count` numbered pieces, (count + 1,)."""
    areas = np.zeros(count + 1, dtype=np.int64)
    for rows in row_blocks(pieces.shape):
        areas += np.bincount(pieces[rows].ravel(), minlength=count + 1)
    return areas


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
    """Measure the 16 largest foreground regions with p > threshold (8-connected, at least 10 pixels), largest first.

    Of each region: its area over the image's; the diagonal of its bounding box over the image's; its elongation 1 − √(λ₂ / λ₁),
    λ₁ ≥ λ₂ the variances of its pixels along its principal axes, each with 1/12 for a pixel's own width, so that a disc has 0
    and a line nearly 1; mean and standard deviation of p, and of the grey values, 0 to 1, within it; and of the grey values on
    its rim, the pixels that are no foreground and within 2 of it (of its own where there are none).

    `prediction` is that of `foreground_shape`, `picture` (h, w, 3) RGB or (h, w) grey, of 0 to 255. Returns (r, 9), a row a
    region; its columns are those of `FEATURES`. Raises `InputError` for a malformed map or picture, two sizes, or a threshold
    outside [0, 1].

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
    grey = _grey(picture) / 255.0
    if values.shape != grey.shape:
        raise InputError.of("prediction and picture", "must have one size", (values.shape, grey.shape))
    foreground = above(values, threshold)
    pieces, count = ndimage.label(foreground, structure=np.ones((3, 3), dtype=np.int8))
    areas = _areas(pieces, count)
    areas[0] = 0
    largest = np.argsort(-areas, kind="stable")[:MOST]
    boxes = ndimage.find_objects(pieces)
    p = values / 255.0 if values.dtype == np.uint8 else values.astype(np.float64)
    rows = []
    for number in (int(n) for n in largest if areas[n] >= SMALLEST):
        box = boxes[number - 1]
        window = tuple(slice(max(0, side.start - RIM), side.stop + RIM) for side in box)
        inside = pieces[window] == number
        around = ndimage.binary_dilation(inside, np.ones((3, 3), dtype=np.bool_), iterations=RIM) & ~foreground[window]
        within, rim = grey[window][inside], grey[window][around]
        extent = np.hypot(*(side.stop - side.start for side in box)) / np.hypot(*grey.shape)
        small, large = np.linalg.eigvalsh(np.cov(np.array(np.nonzero(inside)), bias=True) + np.eye(2) / 12.0)
        elongation = 1.0 - np.sqrt(max(small, 0.0) / large)
        parts = (p[window][inside], within, rim if len(rim) else within)
        spreads = (moment for part in parts for moment in (part.mean(), part.std()))
        rows.append((len(within) / grey.size, extent, elongation, *spreads))
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))
