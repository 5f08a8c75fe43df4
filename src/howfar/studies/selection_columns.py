"""Read what strategies need that no run holds: predicted regions, entropies by class, and the response of a ridge filter."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.data import decode, read_bytes
from howfar.data.predictions import read_prediction
from howfar.errors import HowfarError
from howfar.metrics.class_entropy import class_entropy
from howfar.metrics.foreground_regions import FEATURES, MOST, foreground_regions
from howfar.metrics.ridges import ridge_response
from howfar.relation.label_free_columns import HISTOGRAM
from howfar.runners import LocalRunner
from howfar.selection.pool import REGIONS
from howfar.selection.ridge_response import RIDGE
from howfar.selection.stratified_entropy import CLASSES

# As in the study of selection: the word for it in an error, and what an evaluation needs for it.
OF_MAPS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(CLASSES, (HISTOGRAM, "")),
    REGIONS: ("maps", " --predictions DIR"),
}
SIDE = 512
"""Longest side, in pixels, that a picture is shrunk to for the ridge filter, so that its scales are relative to the image."""


def map_columns(
    needs: Collection[str], rows: pd.DataFrame, paths: Sequence[str], histograms: Float64Array | None, threshold: float
) -> dict[str, Float64Array]:
    """Compute the columns of one dataset that are made of its maps, of those that a strategy needs; only what some image has.

    `rows` are the dataset's of the performance files, with the column prediction where they name maps, in the order of `paths`,
    the images' files; `histograms` is (m, 256), nan where an image has none. An image without is nan.
    """
    columns: dict[str, Float64Array] = {}
    if histograms is not None and set(CLASSES) & set(needs):
        columns |= dict(zip(CLASSES, _class_entropies(histograms, threshold).T, strict=True))
    if REGIONS in needs and "prediction" in rows:
        maps = rows["prediction"].fillna("").astype(str)
        columns[REGIONS] = _regions(list(zip(paths, maps, strict=True)), threshold)
    return {name: values for name, values in columns.items() if np.isfinite(values).any()}


def ridge_column(images: pd.DataFrame) -> dict[str, Float64Array]:
    """Compute the ridge response of a run's images, nan where the file of one cannot be read; no column where none can.

    `images` has the columns path and content.
    """
    files = list(images[["path", "content"]].itertuples(index=False, name=None))
    values = np.array(list(LocalRunner().run(lambda file: _ridge(*file), files)), dtype=np.float64)
    return {RIDGE: values} if np.isfinite(values).any() else {}


def missing_in(values: NDArray[np.float64]) -> int:
    """Count the images that have no value of a column.

    Examples
    --------
    >>> missing_in(np.array([[[1.0]], [[np.nan]]]))
    1
    """
    return int((~np.isfinite(values).reshape(len(values), -1).all(axis=1)).sum())


def _class_entropies(histograms: Float64Array, threshold: float) -> Float64Array:
    known = np.isfinite(histograms).all(axis=1)
    entropies = np.full((len(histograms), len(CLASSES)), np.nan)
    for row in np.flatnonzero(known):
        entropies[row] = class_entropy(histograms[row].astype(np.int64), threshold)
    return entropies


def _regions(files: Sequence[tuple[str, str]], threshold: float) -> Float64Array:
    """Measure the predicted regions of images and their maps, (m, 16, 9); 0 beyond an image's last, nan without a map."""

    def measured(pair: tuple[str, str]) -> Float64Array:
        image, prediction = pair
        table = np.zeros((MOST, len(FEATURES)))
        try:
            if not prediction:
                return np.full_like(table, np.nan)
            picture = np.asarray(decode(read_bytes(image)).image)
            found = foreground_regions(read_prediction(prediction).values, picture, threshold)
        except HowfarError:
            return np.full_like(table, np.nan)
        table[: len(found)] = found
        return table

    return np.stack(list(LocalRunner().run(measured, files)))


# A study asks for it again with each seed and number of shots, and no model changes it.
@lru_cache(maxsize=1 << 16)
def _ridge(path: str, content: str) -> float:
    """Compute the ridge response of an image file; nan where it cannot be read. `content` tells files of one path apart."""
    try:
        picture = decode(read_bytes(path)).image.convert("L")
    except HowfarError:
        return float("nan")
    picture.thumbnail((SIDE, SIDE))
    return ridge_response(np.asarray(picture) / 255.0)
