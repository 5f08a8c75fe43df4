"""Decide which datasets a figure shows, in which order, and the look that each has in every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.figures.style import Look, look, name_text
from howfar.results import Comparison, DatasetSummary, Relation

Entry = TypeVar("Entry")


def looks(relation: Relation) -> dict[str, Look]:
    """Give every dataset of a relation, labelled or not, the look of its place among the secondaries."""
    return {str(name): look(position) for position, name in enumerate(dict.fromkeys(relation.images["dataset"]))}


def first(datasets: Sequence[Entry], limit: int) -> tuple[list[Entry], str]:
    """Return the first `limit` datasets, and a note on how many a figure leaves out."""
    require_one("limit", limit)
    left_out = len(datasets) > limit
    return list(datasets[:limit]), f"The first {limit} of {len(datasets)} datasets are shown." if left_out else ""


def require_one(argument: str, value: int) -> None:
    """Refuse, with an `InputError`, to show fewer things than one."""
    if value < 1:
        raise InputError.of(argument, "must be at least 1", value)


@dataclass(frozen=True, eq=False)
class Row:
    """Hold one secondary for a figure: its summary, its look, its images and the primary's in one subspace."""

    summary: DatasetSummary
    look: Look
    images: pd.DataFrame
    primary: pd.DataFrame

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.summary.name

    @property
    def distances(self) -> Float64Array:
        """Return I^dist of its images in mean form, ascending; only finite values."""
        return _ascending(self.images)

    @property
    def own(self) -> Float64Array:
        """Return the primary's leave-one-out distances in the same subspace, ascending; empty where it is one image."""
        return _ascending(self.primary)


def rows(comparison: Comparison, limit: int) -> tuple[list[Row], str]:
    """Return the secondaries that a figure shows, nearest first, and a note on those it leaves out.

    The order is that of `relative`, or of `o_dist_mean` where `relative` is undefined; ties keep the caller's order. A dataset
    keeps the look of its place in the caller's order whatever the figure shows. Of more than `limit` datasets the farthest are
    shown.
    """
    require_one("limit", limit)
    datasets, order = comparison.datasets, nearest_first(comparison)
    left_out = max(0, len(order) - limit)
    images = dict(tuple(comparison.images.groupby("dataset", sort=False)))
    primary = dict(tuple(comparison.primary_images.groupby("against", sort=False)))
    shown = [Row(datasets[i], look(i), images[datasets[i].name], primary[datasets[i].name]) for i in order[left_out:]]
    return shown, f"The {limit} farthest of {len(order)} datasets are shown." if left_out else ""


def nearest_first(comparison: Comparison) -> list[int]:
    """Return the places of the secondaries in order of `relative`, or of `o_dist_mean` where that is undefined."""
    measure = "o_dist_mean" if any(dataset.relative is None for dataset in comparison.datasets) else "relative"
    return sorted(range(len(comparison.datasets)), key=lambda position: float(getattr(comparison.datasets[position], measure)))


def own_name(comparison: Comparison) -> str:
    """Name the primary's own images, each measured against the others, as figures do."""
    return f"{name_text(comparison.primary.name)} itself"


def _ascending(frame: pd.DataFrame) -> Float64Array:
    values = np.asarray(frame["i_dist_mean"], dtype=np.float64)
    return np.sort(values[np.isfinite(values)])
