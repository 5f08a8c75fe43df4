"""Give performance by slice: of the images of one dataset that share a value of a column of its table, as one camera."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.errors import InputError
from howfar.results import RelationSettings
from howfar.results.slices import PerformanceSlice
from howfar.settings import nearest
from howfar.significance.slice_means import FEWEST, SliceMean, slice_means
from howfar.studies.slices import OWN_COLUMNS, PREFIX, corrected, slice_numbers

PERMUTATIONS: Final = 999
_STREAM: Final = 5


def check_sliceable(by: Sequence[str], run: pd.DataFrame) -> None:
    """Raise `InputError` where the images of a run have no column that slices are to be made by."""
    known = [str(name).removeprefix(PREFIX) for name in run if is_further(str(name))]
    for column in by:
        if column not in known:
            remedy = nearest(column, known, "columns") if known else "run howfar compare on tables that have it"
            raise InputError.of("by", "must be a column of the datasets' tables in the run", column, remedy)


def is_further(column: str) -> bool:
    """Tell whether a column of a run's images came from a dataset's own table.

    Examples
    --------
    >>> [is_further(name) for name in ("camera", "table_x", "x", "pc12", "nearest1", "nearest1_distance")]
    [True, True, False, False, False, False]
    """
    stem = column.removesuffix("_distance")
    numbered = any(stem.startswith(start) and stem.removeprefix(start).isdecimal() for start in ("pc", "nearest"))
    return column not in OWN_COLUMNS and not numbered


def performance_slices(images: pd.DataFrame, run: pd.DataFrame, settings: RelationSettings) -> tuple[PerformanceSlice, ...]:
    """Compute the performance of each slice, the worst first and those too small to say anything last.

    `images` are the relation's, `run` the comparison's, row by row the same. A slice without labels is ordered by its
    estimate. Holm's correction is over all slices of a column, whatever the dataset.
    """
    rows = [row for column in settings.by for row in _by_column(images, run, settings, column)]
    return tuple(sorted(rows, key=lambda row: (settings.by.index(row.column), row.small, _order(row), row.dataset, row.value)))


def _order(row: PerformanceSlice) -> float:
    value = row.mean if row.mean is not None else row.estimate
    return np.inf if value is None else value


def _by_column(images: pd.DataFrame, run: pd.DataFrame, settings: RelationSettings, column: str) -> Iterator[PerformanceSlice]:
    found = []
    for dataset in images["dataset"].unique():
        own = (images["dataset"] == dataset).to_numpy()
        names, numbers = slice_numbers(run[own], column)
        if len(names) == 1 and not names[0]:
            continue  # this dataset's table has no such column
        means = _means(images[own], numbers, settings, f"{dataset}\n{column}")
        found += [(str(dataset), names[number], images[own][numbers == number], means[number]) for number in means]
    adjusted = corrected([(dataset, mean.p_value) for dataset, *_, mean in found])
    for (dataset, value, rows, mean), p_value in zip(found, adjusted, strict=True):
        yield _slice(dataset, column, value, rows, mean, p_value)


def _means(rows: pd.DataFrame, numbers: NDArray[np.int64], settings: RelationSettings, seed: str) -> dict[int, SliceMean]:
    rng = np.random.default_rng([settings.seed, zlib.crc32(seed.encode()), _STREAM])
    values = rows["performance"].to_numpy(dtype=np.float64)
    draws = {"bootstrap": settings.bootstrap, "permutations": PERMUTATIONS if settings.bootstrap else 0}
    return slice_means(values, numbers, rows["group"].to_numpy(dtype=str), rng=rng, **draws)


def _slice(
    dataset: str, column: str, value: str, rows: pd.DataFrame, mean: SliceMean, p_value: float | None
) -> PerformanceSlice:
    photographs = int(rows["group"].nunique())
    return PerformanceSlice(
        dataset=dataset,
        column=column,
        value=value,
        n=len(rows),
        scored=mean.n,
        photographs=mean.photographs if mean.n else photographs,
        mean=mean.mean,
        mean_ci=mean.ci,
        estimate=_mean(rows["estimate"]),
        listed=int(rows["listed"].sum()),
        difference=mean.difference,
        p_value=p_value,
        p_value_raw=mean.p_value,
        small=(mean.photographs if mean.n else photographs) < FEWEST,
    )


def _mean(values: Any) -> float | None:
    mean = float(values.mean())
    return mean if np.isfinite(mean) else None
