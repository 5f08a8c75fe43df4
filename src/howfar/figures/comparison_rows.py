"""Which datasets a figure shows, in which order, and the numbers of each: what the figures read of a Comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from howfar.errors import InputError
from howfar.figures.style import Look, look, name_text
from howfar.results import Comparison, DatasetSummary

if TYPE_CHECKING:
    import pandas as pd

    from howfar.arrays import Float64Array


@dataclass(frozen=True, eq=False)
class Row:
    """One secondary as figures show it: its summary, its look, its images and P's images in the same subspace."""

    summary: DatasetSummary
    look: Look
    images: pd.DataFrame
    primary: pd.DataFrame

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.summary.name

    @property
    def distances(self) -> Float64Array:
        """I^dist of its images in mean form, ascending; only finite values."""
        return _ascending(self.images)

    @property
    def own(self) -> Float64Array:
        """P's leave-one-out distances in the same subspace, ascending; empty where P is one image."""
        return _ascending(self.primary)


def rows(comparison: Comparison, limit: int) -> tuple[list[Row], str]:
    """The secondaries that a figure shows, nearest first, and a note on those it leaves out.

    The order is that of `relative`, or of `o_dist_mean` where `relative` is undefined; ties keep the caller's order.
    A dataset keeps the look of its place in the caller's order whatever the figure shows.

    Parameters
    ----------
    comparison
        The result.
    limit
        Datasets to show at most; where there are more, the farthest are shown.

    Raises
    ------
    InputError
        `limit` is below 1.
    """
    if limit < 1:
        raise InputError.of("limit", "must be at least 1", limit)
    everything = comparison.datasets
    by_relative = all(dataset.relative is not None for dataset in everything)
    order = sorted(range(len(everything)), key=lambda i: _key(everything[i], by_relative))
    left_out = max(0, len(order) - limit)
    images = dict(tuple(comparison.images.groupby("dataset", sort=False)))
    primary = dict(tuple(comparison.primary_images.groupby("against", sort=False)))
    shown = [Row(everything[i], look(i), images[everything[i].name], primary[everything[i].name]) for i in order[left_out:]]
    return shown, f"The {limit} farthest of {len(order)} datasets are shown." if left_out else ""


def own_name(comparison: Comparison) -> str:
    """What figures call P's own images.

    They are P's images, each measured against the others.
    """
    return f"{name_text(comparison.primary.name)} itself"


def _key(dataset: DatasetSummary, by_relative: bool) -> float:
    return dataset.relative if by_relative and dataset.relative is not None else dataset.o_dist_mean


def _ascending(frame: pd.DataFrame) -> Float64Array:
    values = np.asarray(frame["i_dist_mean"], dtype=np.float64)
    return np.sort(values[np.isfinite(values)])
