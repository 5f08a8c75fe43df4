"""Report distance and performance by slice: the images of a dataset that share a value in a column, such as one camera."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import group_numbers
from howfar.data import Dataset
from howfar.data.image_tables_and_lists import why_no_text
from howfar.errors import InputError
from howfar.formatting_and_escaping import printable
from howfar.io.file_location import Url
from howfar.option_checks_and_signatures import nearest
from howfar.pipeline.pair_measurement import KEPT
from howfar.pipeline.permutation_tests import SliceEnergy, slice_energies
from howfar.random_streams import stream
from howfar.results import Comparison, Features, RelationSettings
from howfar.results.relation_result import DistanceSlice, PerformanceSlice
from howfar.significance import holm
from howfar.significance.hypothesis_tests import FEWEST, slice_means

BEYOND: Final = 95
"""Percentile among P's own images above which an image is counted as far."""
_TABLES: Final = (".csv", ".parquet", ".pq")
LABEL, GROUP = "label", "group"
PREFIX: Final = "table_"
"""Begins the name, in a table of images, of a dataset's column that has the name of one of howfar's."""


def columns_of(by: Any) -> tuple[str, ...]:
    """Return the columns that define slices, from one name or several; raise `InputError` for what is no name."""
    names = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, Sequence) else (by,)
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError.of("by", "must be the name of a column, or several", name, "pass 'camera'")
    return tuple(dict.fromkeys(names))


def further_columns(dataset: Dataset | Features) -> dict[str, dict[str, str]]:
    """Collect the extra columns of a dataset's own table, by column and image."""
    columns: dict[str, dict[str, str]] = {}
    for item in dataset.items if isinstance(dataset, Dataset) else ():
        own = ((LABEL, item.label), (GROUP, item.group))
        pairs = (*((column, text) for column, text in own if text is not None), *item.further)
        for column, text in pairs:
            columns.setdefault(column, {})[item.name] = text
    return columns


def check_columns(by: Sequence[str], secondaries: Iterable[Dataset | Features]) -> None:
    """Raise `InputError` if no secondary's table has a slice column with a value in some row."""
    tables = [dataset for dataset in (secondaries if by else ()) if isinstance(dataset, Dataset)]
    known = {column: None for dataset in tables for column in further_columns(dataset)}
    for column in by:
        if column not in known:
            for table in (dataset.root for dataset in tables):
                if isinstance(table, (Path, Url)) and table.suffix.lower() in _TABLES and (why := why_no_text(table, column)):
                    rule = f"must be a column with a value for some image, and it {why} {printable(table)}"
                    raise InputError.of("by", rule, column, "write one value a cell")
            remedy = nearest(column, list(known), "columns") if known else "name a CSV or Parquet table with that column"
            raise InputError.of("by", "must be a column of a secondary's table", column, remedy)


def with_slices(comparisons: Iterable[Comparison], secondaries: Sequence[Dataset | Features]) -> tuple[Comparison, ...]:
    """Add the extra columns of the datasets' tables to the tables of images, and slices to the results."""
    further = {dataset.name: further_columns(dataset) for dataset in secondaries}
    made = []
    for comparison in comparisons:
        images = comparison.images
        keys, added = list(zip(images["dataset"], images["image"], strict=True)), dict[str, list[str | None]]()
        for column in dict.fromkeys(column for columns in further.values() for column in columns):
            # A comparison's own table has the column of groups already.
            if column != GROUP:
                name = f"{PREFIX}{column}" if column in OWN_COLUMNS or column in images else column
                added[name] = [further.get(dataset, {}).get(column, {}).get(image) for dataset, image in keys]
        images = pd.concat([images, pd.DataFrame(added, index=images.index)], axis=1) if added else images
        comparison = replace(comparison, images=images)
        made.append(replace(comparison, slices=distance_slices(comparison)))
    return tuple(made)


def distance_slices(comparison: Comparison) -> tuple[DistanceSlice, ...]:
    """Compute each slice's distances, farthest first and too small slices last; Holm corrects over all slices of a column."""
    settings, images, made = comparison.settings, comparison.images, list[DistanceSlice]()
    for column in settings.by:
        found = []
        for dataset in comparison.datasets:
            rows = images[images["dataset"] == dataset.name]
            names, numbers = slice_numbers(rows, column)
            if names == [""]:
                continue  # this dataset's table has no such column
            rng = stream(settings.seed, "slices of distance", f"{dataset.name}\n{column}")
            draws = {"bootstrap": settings.bootstrap, "permutations": settings.permutations}
            groups = group_numbers([of if isinstance(of, str) else None for of in rows[GROUP]]) if GROUP in rows else None
            to_primary = rows["i_dist_mean"].to_numpy(dtype=np.float64)
            means = slice_means(to_primary, numbers, groups, rng=rng, **draws)
            if groups is not None:  # an energy's draws take images as independent
                draws = {"bootstrap": 0, "permutations": 0}
            energies = dict[int, SliceEnergy]()
            columns = [f"pc{number}" for number in range(1, dataset.components + 1)]
            if dataset.components <= KEPT and set(columns) <= set(rows):
                scores, n = rows[columns].to_numpy(dtype=np.float64), comparison.primary.n
                # A single image has no distance from others; of all pairs of P's images 1/n are an image with itself.
                within = 0.0 if dataset.self_distance is None else dataset.self_distance * (n - 1) / n
                energies = slice_energies(scores, to_primary, within, numbers, rng=rng.spawn(1)[0], **draws)
            found += [(dataset, names[at], rows[numbers == at], mean, energies.get(at)) for at, mean in means.items()]
        adjusted = corrected([(dataset.name, mean.p_value) for dataset, _, _, mean, _ in found])
        of_energy = corrected([(dataset.name, energy and energy.p_value) for dataset, *_, energy in found])
        for (dataset, value, rows, mean, energy), p_value, p_energy in zip(found, adjusted, of_energy, strict=True):
            unit = dataset.self_distance if dataset.relative is not None else None
            percentiles = rows["percentile"].to_numpy(dtype=np.float64)
            row = DistanceSlice(
                dataset=dataset.name,
                column=column,
                value=value,
                n=mean.n,
                o_dist_mean=float(rows["i_dist_mean"].mean()),
                relative=_over(mean.mean, unit),
                relative_ci=None if mean.ci is None or unit is None else (mean.ci[0] / unit, mean.ci[1] / unit),
                beyond_95=None if np.isnan(percentiles).any() else float((percentiles > BEYOND).mean()),
                difference=_over(mean.difference, unit),
                p_value=p_value,
                p_value_raw=mean.p_value,
                small=mean.photographs < FEWEST,
            )
            if energy is not None:
                raw = energy.p_value
                row = replace(row, energy=energy.energy, energy_ci=energy.ci, energy_p_value=p_energy, energy_p_value_raw=raw)
            made.append(row)

    def order(row: DistanceSlice) -> tuple[Any, ...]:
        nearness = -(row.o_dist_mean if row.relative is None else row.relative)
        return settings.by.index(row.column), row.small, nearness, row.dataset, row.value

    return tuple(sorted(made, key=order))


def corrected(tests: Sequence[tuple[str, float | None]]) -> list[float | None]:
    """Correct the p-values of slices, given with their datasets, after Holm; two slices of a dataset are one test."""
    of_dataset = Counter(dataset for dataset, _ in tests)
    once: dict[object, float | None] = {}
    keys: list[object] = []
    for position, (dataset, p_value) in enumerate(tests):
        keys.append(dataset if of_dataset[dataset] == 2 and p_value is not None else position)
        once.setdefault(keys[-1], p_value)
    adjusted = dict(zip(once, holm(once.values()), strict=True))
    return [adjusted[key] for key in keys]


def slice_numbers(rows: pd.DataFrame, column: str) -> tuple[list[str], NDArray[np.int64]]:
    """Number a column's values in order, and return each row's number; an absent value is ""."""
    column = f"{PREFIX}{column}" if f"{PREFIX}{column}" in rows else column
    values = rows[column] if column in rows else [None] * len(rows)
    texts = ["" if value is None or value != value else str(value) for value in values]
    names, numbers = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return names.tolist(), numbers.astype(np.int64)


def _over(value: float | None, unit: float | None) -> float | None:
    return None if value is None or unit is None else value / unit


OWN_COLUMNS: Final = frozenset(
    ("dataset", "image", "path", "content", "i_dist", "i_dist_mean", "i_dist_scaled", "knn", "mahalanobis", "percentile",
     "p_value", "x", "y", "prediction", "group", "foreground", "performance", "estimate", "estimate_low", "estimate_high",
     "listed")
)  # fmt: skip
"""Columns of howfar's own tables of images, which a dataset's columns do not replace."""

PERMUTATIONS: Final = 999


def check_sliceable(by: Sequence[str], run: pd.DataFrame) -> None:
    """Raise `InputError` if a run's images lack a slice column."""
    # Columns of the datasets' own tables: all but howfar's, some of which are numbered.
    names = [str(name) for name in run if str(name) not in OWN_COLUMNS]
    known = [name.removeprefix(PREFIX) for name in names if not re.fullmatch(r"(pc|nearest)\d+(_distance)?", name)]
    for column in by:
        if column not in known:
            remedy = nearest(column, known, "columns") if known else "run howfar compare on tables that have it"
            raise InputError.of("by", "must be a column of the datasets' tables in the run", column, remedy)


def performance_slices(images: pd.DataFrame, run: pd.DataFrame, settings: RelationSettings) -> tuple[PerformanceSlice, ...]:
    """Compute each slice's performance (estimated without labels), worst first; `images` and `run` agree row by row."""
    made = []
    for column in settings.by:
        found = []
        for dataset in images["dataset"].unique():
            own = (images["dataset"] == dataset).to_numpy()
            names, numbers = slice_numbers(run[own], column)
            if names == [""]:
                continue  # this dataset's table has no such column
            rng = stream(settings.seed, "slices of performance", f"{dataset}\n{column}")
            values = images.loc[own, "performance"].to_numpy(dtype=np.float64)
            groups = images.loc[own, "group"].to_numpy(dtype=str)
            draws = {"bootstrap": settings.bootstrap, "permutations": PERMUTATIONS if settings.bootstrap else 0}
            means = slice_means(values, numbers, groups, rng=rng, **draws)
            found += [(str(dataset), names[number], images[own][numbers == number], means[number]) for number in means]
        adjusted = corrected([(dataset, mean.p_value) for dataset, *_, mean in found])
        for (dataset, value, rows, mean), p_value in zip(found, adjusted, strict=True):
            photographs = mean.photographs if mean.n else int(rows["group"].nunique())
            estimate = float(rows["estimate"].mean())
            row = PerformanceSlice(
                dataset=dataset,
                column=column,
                value=value,
                n=len(rows),
                scored=mean.n,
                photographs=photographs,
                mean=mean.mean,
                mean_ci=mean.ci,
                estimate=estimate if np.isfinite(estimate) else None,
                listed=int(rows["listed"].sum()),
                difference=mean.difference,
                p_value=p_value,
                p_value_raw=mean.p_value,
                small=photographs < FEWEST,
            )
            made.append(row)

    def order(row: PerformanceSlice) -> tuple[Any, ...]:
        value = row.mean if row.mean is not None else row.estimate
        return settings.by.index(row.column), row.small, np.inf if value is None else value, row.dataset, row.value

    return tuple(sorted(made, key=order))
