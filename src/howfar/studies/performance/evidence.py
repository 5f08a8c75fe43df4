"""Collect what labelled images say of a model, for the judge of sites: one path for relate, assess and profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.relation.gate import Values, values_by_set, values_of
from howfar.relation.label_free_columns import HISTOGRAM, TILE_AGREEMENT, VALUES, Columns, take
from howfar.relation.site_judge import Evidence

PIXELS = "pixels"
AS_ITSELF: Final = {"distance": 1.0, "residual": 1.0}
"""What the primary dataset reads of itself, as both are in units of its own."""
SET_OF: Final = "·"
"""Between the name of a dataset and that of a corruption in the name of a corrupted set, as `howfar.corrupt` writes it."""


@dataclass(frozen=True, eq=False)
class Home:
    """Hold the labelled images of the primary dataset's own kind: their set's name, columns, performance, and photographs."""

    name: str
    columns: Columns
    performance: Float64Array
    groups: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Further:
    """Hold m images that are no images of a run, with what is known of them: corrupted versions of the primary's images."""

    columns: Mapping[str, NDArray[Any]]
    performance: Float64Array
    sets: NDArray[np.str_]


def evidence_of(
    columns: Mapping[str, NDArray[Any]],
    performance: Float64Array,
    sets: NDArray[np.str_],
    groups: NDArray[np.str_] | None,
    home: Home | None,
    primary: str,
    further: Further | None = None,
) -> Evidence:
    """Collect the labelled images of sites and corrupted sets, and of the primary dataset's own kind.

    `columns` holds what is known of n images without labels, `performance` (n,) is NaN where unknown, `sets` and `groups` (n,)
    name each image's dataset and photograph; `primary` is the primary dataset's name, by which corrupted versions of its images
    are known; `further` are such versions. Datasets are taken by name, so that no order in which they were passed changes a
    digit.
    """
    if further is not None:
        columns = joined(columns, len(sets), further.columns, len(further.sets))
        performance = np.concatenate([performance, further.performance])
        sets = np.concatenate([sets, further.sets])
        groups = None if groups is None else np.concatenate([groups, further.sets])
    scored = np.isfinite(performance)
    labelled = [str(name) for name in np.unique(sets[scored])]
    order = np.concatenate([np.flatnonzero(scored & (sets == name)) for name in labelled] or [np.zeros(0, dtype=np.intp)])
    read = values_by_set(columns, sets)
    readings: dict[str, Values] = {"": own_values(home), **{name: read[name] for name in labelled}}
    inputs: dict[str, NDArray[Any]] = dict(take(columns, order))
    values, names = performance[order], sets[order]
    photographs = None if groups is None else groups[order]
    if home is not None:
        inputs = joined(inputs, len(order), home.columns, len(home.performance))
        values, names = np.concatenate([values, home.performance]), np.concatenate([names, [home.name] * len(home.performance)])
        photographs = None if photographs is None else np.concatenate([photographs, home.groups])
    corrupted = {name: kind for name in labelled if (kind := corruption_of(name, primary))}
    return Evidence(inputs, values, names, photographs, None if home is None else home.name, corrupted, readings)


def corruption_of(dataset: str, primary: str) -> str:
    """Name the kind of corruption of a corrupted version of the primary dataset; "" of any other dataset.

    Examples
    --------
    >>> corruption_of("roads·blur 3", "roads"), corruption_of("cfd", "roads")
    ('blur', '')
    """
    begin = f"{primary}{SET_OF}"
    return dataset.removeprefix(begin).split(" ")[0] if dataset.startswith(begin) else ""


def joined(first: Columns, count: int, second: Columns, further: int) -> dict[str, NDArray[Any]]:
    """Stack the columns of `count` images and of `further` ones, NaN for images that lack one.

    Examples
    --------
    >>> joined({"knn": [1.0]}, 1, {"entropy": [0.5]}, 1)["entropy"].tolist()
    [nan, 0.5]
    """

    def values(columns: Columns, name: str, rows: int) -> NDArray[Any]:
        shape = (rows, VALUES) if name == HISTOGRAM else (rows,)
        return np.asarray(columns[name], dtype=np.float64) if name in columns else np.full(shape, np.nan)

    names = dict.fromkeys([*first, *second])
    return {name: np.concatenate([values(first, name, count), values(second, name, further)]) for name in names}


def own_values(home: Home | None) -> dict[str, float | None]:
    """Read the checks' values of the primary dataset itself, and of its labelled images where there are some."""
    own = {} if home is None else values_of(home.columns)
    return {**{name: value for name, value in own.items() if value is not None}, **AS_ITSELF}


def sizes_at(rows: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Collect the number of pixels of each image, and the agreement of its whole and its tiled map, nan where not known."""
    columns = {
        name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in (PIXELS, TILE_AGREEMENT) if name in rows
    }
    if PIXELS not in columns and HISTOGRAM in rows:
        counted = [np.sum(counts) if isinstance(counts, (np.ndarray, list)) else np.nan for counts in rows[HISTOGRAM]]
        columns[PIXELS] = np.array(counted, dtype=np.float64)
    return columns
