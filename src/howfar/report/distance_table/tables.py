"""Make the tables of the study of distances: what each backbone measures, table 2, raw and relative distances, the thirds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from howfar.arrays import Float64Array
from howfar.numbers import format_number
from howfar.report.distance_table.order import Order
from howfar.report.tables import UNDEFINED, Cell, Column, Table, count, decimal, number, with_interval
from howfar.results import Comparison, DatasetSummary
from howfar.results.distance_table import DistanceTable

FARTHEST: Final = 2
"""How many of the farthest datasets of a row are marked, as in table 2 of the paper."""


def features(table: DistanceTable) -> Table:
    """List what each backbone measures (table 1)."""
    columns = (
        Column("backbone"),
        Column("loaded as", "the registered name (howfar backbones); M of a study is its model trained on P alone"),
        Column("feature"),
        Column("q", "length of the feature"),
    )
    rows = []
    for each in table.features:
        loaded = f"{each.registered}, M of {each.model}" if each.model else each.registered
        rows.append((Cell(each.label), Cell(loaded), Cell(each.feature), count(each.length)))
    return Table(columns, tuple(rows))


def scaled(table: DistanceTable) -> Table:
    """Make table 2: row-scaled O^dist, the two farthest datasets of each row strong where there are more than two."""
    rows = []
    for comparison in table.comparison.comparisons:
        values = {dataset.name: dataset.o_dist_scaled for dataset in comparison.datasets}
        far = set(sorted(values, key=lambda name: -values[name])[:FARTHEST]) if len(values) > FARTHEST else set()
        cells = (decimal(values[name], strong=name in far) for name in table.secondaries)
        rows.append((Cell(comparison.backbone.name), *cells))
    return Table((Column("backbone"), *map(Column, table.secondaries)), tuple(rows))


def raw(table: DistanceTable) -> Table:
    """List O^dist in mean form with its interval, beside P's distance from itself."""
    own = Column("P itself", "mean distance of P's own images from each other, in P's own subspace or the one that all share")
    rows = []
    for comparison in table.comparison.comparisons:
        cells = (_with_ci(dataset.o_dist_mean, dataset.o_dist_mean_ci, _digits) for dataset in comparison.datasets)
        rows.append((Cell(comparison.backbone.name), number(comparison.primary.self_distance, 3), *cells))
    return Table((Column("backbone"), own, *map(Column, table.secondaries)), tuple(rows))


def relative(table: DistanceTable) -> Table:
    """List O^dist over P's distance from itself, with its interval."""
    rows = []
    for comparison in table.comparison.comparisons:
        cells = (_with_ci(dataset.relative, dataset.relative_ci, "{:.2f}".format) for dataset in comparison.datasets)
        rows.append((Cell(comparison.backbone.name), *cells))
    return Table((Column("backbone"), *map(Column, table.secondaries)), tuple(rows))


def without_cracks(orders: Mapping[str, Order]) -> Table:
    """List by backbone the nearest dataset without cracks beside the farthest other one."""
    columns = (
        Column("backbone"),
        Column("nearest without cracks", "the dataset standing for S5 or S6 with the least O^dist (mean form)"),
        Column("farthest other", "the other dataset with the greatest O^dist"),
        Column("ratio", "of the two distances; above 1 all datasets without cracks are farthest"),
        Column("farthest?", "whether every dataset without cracks is farther than every other, by O^dist"),
        Column("intervals apart", "whether the 95 % intervals of the two distances do not overlap"),
        Column("by relative", "the same question by O^dist over P's distance from itself in each pair's subspace"),
    )
    rows = []
    for name, order in orders.items():
        pair = (Cell(f"{each.name} {_digits(each.o_dist_mean)}") for each in (order.nearest, order.farthest))
        ratio = UNDEFINED if order.ratio is None else Cell(f"{order.ratio:.3f}", order.ratio)
        told = (_yes(order.holds), _yes(order.apart), _yes(order.relative))
        rows.append((Cell(f"{name} (trivial)" if order.trivial else name), *pair, ratio, *told))
    return Table(columns, tuple(rows))


def last_thirds(table: DistanceTable) -> Table:
    """List the share of each dataset's range of I^dist that its last third spans; 1/3 is an even spread."""
    rows = []
    for comparison in table.comparison.comparisons:
        spans = spans_of(comparison)
        rows.append((Cell(comparison.backbone.name), *(decimal(spans[name], 2) for name in table.secondaries)))
    return Table((Column("backbone"), *map(Column, table.secondaries)), tuple(rows))


def spans_of(comparison: Comparison) -> dict[str, float | None]:
    """Compute by dataset the share of the range of I^dist above the nearest image of the last third."""
    by_name = dict(tuple(comparison.images.groupby("dataset", sort=False)["i_dist_scaled"]))
    return {str(name): _span(values.to_numpy(dtype=np.float64)) for name, values in by_name.items()}


def _span(values: Float64Array) -> float | None:
    """Take the scaled distances of one dataset; None where it has fewer than three images, or all are equally far."""
    ordered = np.sort(values)
    if len(ordered) < 3 or ordered[-1] == ordered[0]:
        return None
    return float(ordered[-1] - np.array_split(ordered, 3)[2][0])


def _with_ci(value: float | None, interval: tuple[float, float] | None, write: Any) -> Cell:
    low, high = interval or (None, None)
    return with_interval(value, low, high, write)


def _digits(value: float) -> str:
    return format_number(value, 3)


def _yes(answer: bool | None) -> Cell:
    return UNDEFINED if answer is None else Cell("yes" if answer else "no", float(answer), strong=not answer)


def undecided(datasets: tuple[DatasetSummary, ...], level: float) -> list[str]:
    """Name the datasets whose permutation p-value, after Holm's correction, is above the level."""
    return [dataset.name for dataset in datasets if dataset.p_value is not None and dataset.p_value > level]
