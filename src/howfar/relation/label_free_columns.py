"""Check and select the columns of distances, confidences and agreements that images have without labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, quotient
from howfar.errors import InputError

Columns: TypeAlias = Mapping[str, ArrayLike]
Mask: TypeAlias = NDArray[np.bool_]

HISTOGRAM = "histogram"
VALUES = 256
DISTANCES = ("i_dist", "knn", "mahalanobis")
CONFIDENCES = (
    "average_confidence",
    "foreground_confidence",
    "mean_probability",
    "predicted_foreground",
    "nuclear_norm",
    "entropy",
)
AGREEMENTS = ("flip_agreement", "ensemble_agreement")
SOFT_F = "soft_f"
FLIP_OVERLAP = "flip_overlap"
TILE_AGREEMENT = "tile_agreement"
"""Dice of the foreground of an image's whole and its tiled map; the gate reads it, no estimator does."""
SHAPES = ("foreground_extent", "foreground_width", "foreground_components")
AT_THRESHOLD = (FLIP_OVERLAP, *SHAPES)
"""Signals of the thresholded map, which cannot be computed from a histogram for another threshold."""
SIGNALS = (*CONFIDENCES, SOFT_F, *AGREEMENTS, *AT_THRESHOLD)
"""Signals of a segmenter's maps."""
CONFIDENCE, BOX_COUNT = "class_confidence", "box_count"
"""Columns by which images of a classifier and of a detector are told: the probability of the class, the number of boxes."""
MARGIN = "margin"
CLASS_SIGNALS = (CONFIDENCE, MARGIN, "entropy", "nuclear_norm", "mano")
BOX_AGREEMENTS = ("box_stability", "box_consistency")
BOX_SIGNALS = ("box_score", BOX_COUNT, "box_entropy", *BOX_AGREEMENTS)
EVERY_SIGNAL = tuple(dict.fromkeys((*SIGNALS, *CLASS_SIGNALS, *BOX_SIGNALS)))


def rows(columns: Columns) -> int:
    """Count the images m, which all columns share.

    Raises `InputError` where there is no column, or columns differ in length.
    """
    if not hasattr(columns, "items"):
        raise InputError.of("columns", "must be a mapping of names to columns", type(columns).__name__)
    lengths = {name: len(np.atleast_1d(np.asarray(values))) for name, values in columns.items()}
    if not lengths:
        raise InputError.of("columns", "must hold at least one column", "none", "the number of images is read from it")
    if len(set(lengths.values())) > 1:
        raise InputError.of("columns", "must all have one row an image", lengths)
    return next(iter(lengths.values()))


def column(columns: Columns, name: str) -> Float64Array:
    """Return one column as float64: (m,), or (m, 256) for `histogram`; NaN for an image that lacks it.

    An image lacks a column that is absent, or whose value is NaN or infinite. It lacks its histogram too where that counts
    no pixel; else the histogram is returned as shares of the image's pixels. Raises `InputError` for columns that do not fit
    together, a column of another shape, or one that is not numeric.
    """
    m = rows(columns)
    shape = (m, VALUES) if name == HISTOGRAM else (m,)
    if name not in columns:
        return np.full(shape, np.nan)
    try:
        values = np.array(columns[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {name} must be numeric: {error}") from error
    if values.shape != shape:
        raise InputError.of(f"column {name}", f"must have shape {shape}", values.shape)
    return _shares(values) if name == HISTOGRAM else np.where(np.isfinite(values), values, np.nan)


def available(columns: Columns, needs: Iterable[str]) -> Mask:
    """Find which images have every one of the columns, (m,) bool.

    Raises `InputError` for columns of different lengths, or one that is not numeric.
    """
    have = np.ones(rows(columns), dtype=np.bool_)
    for name in needs:
        have &= np.isfinite(column(columns, name)).reshape(len(have), -1).all(axis=1)
    return have


def take(columns: Columns, which: ArrayLike) -> dict[str, NDArray[np.generic]]:
    """Select the columns of some images, by their positions or a mask over all."""
    index = np.asarray(which)
    return {name: np.asarray(values)[index] for name, values in columns.items()}


def narrow(columns: Columns, needs: Iterable[str]) -> dict[str, ArrayLike]:
    """Select the needed columns alone, or the first where none of them is there, so that the images can still be counted."""
    wanted = {name: columns[name] for name in needs if name in columns}
    return wanted or dict(list(columns.items())[:1])


def _shares(counts: Float64Array) -> Float64Array:
    totals = counts.sum(axis=1, keepdims=True)
    return quotient(counts, np.where(np.isfinite(totals), totals, np.nan))
