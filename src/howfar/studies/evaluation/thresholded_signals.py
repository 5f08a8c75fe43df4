"""Compute the label-free signals of thresholded maps, once the threshold of an evaluation is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Item
from howfar.data.predictions import read_prediction
from howfar.metrics import flip_overlap, foreground_shape
from howfar.relation.label_free_columns import FLIP_OVERLAP, SHAPES
from howfar.studies.evaluation.map_scores import Sources, with_bar


def thresholded_signals(items: Sequence[Item], sources: Sources, threshold: float, progress: bool) -> dict[str, Float64Array]:
    """Read the images' maps again, and measure their foreground at the threshold: a column a signal, (n,).

    The shape of the predicted foreground, and where there are maps of flipped images its overlap with theirs. Raises
    `ImageError` for a map that cannot be read any more.
    """
    rows = list(with_bar(_Thresholded(sources, threshold), items, progress, "shapes"))
    names = (*SHAPES, *((FLIP_OVERLAP,) if sources.flipped is not None else ()))
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}


@dataclass(frozen=True)
class _Thresholded:
    sources: Sources
    threshold: float

    def __call__(self, item: Item) -> dict[str, float]:
        values = read_prediction(self.sources.main.files[item.name]).values
        row = foreground_shape(values, self.threshold)
        if self.sources.flipped is not None:
            mirrored = read_prediction(self.sources.flipped.files[item.name]).values
            row[FLIP_OVERLAP] = flip_overlap(values, mirrored, self.threshold)
        return row
