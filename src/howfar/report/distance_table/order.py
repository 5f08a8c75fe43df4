"""Answer by backbone whether the datasets without cracks are the farthest, which is what the paper says of table 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from howfar.results import Comparison, DatasetSummary
from howfar.results.distance_table import DistanceTable

WITHOUT_CRACKS: Final = ("S_5", "S_6")


@dataclass(frozen=True)
class Order:
    """Hold one backbone's answer.

    Attributes
    ----------
    nearest, farthest
        The dataset without cracks that is nearest by O^dist, and the farthest of the others.
    holds, relative
        Whether every dataset without cracks is farther than every other, by O^dist and by relative distance (None where that is
        undefined).
    apart
        Whether the intervals of the two distances do not overlap; None without intervals.
    trivial
        Whether the backbone is a trivial one.
    """

    nearest: DatasetSummary
    farthest: DatasetSummary
    holds: bool
    relative: bool | None
    apart: bool | None
    trivial: bool

    @property
    def ratio(self) -> float | None:
        """Return the nearest distance without cracks over the farthest other one; None where that is 0."""
        other = self.farthest.o_dist_mean
        return self.nearest.o_dist_mean / other if other > 0 else None


def orders(table: DistanceTable, symbols: Mapping[str, str]) -> dict[str, Order]:
    """Answer by each backbone; nothing where no secondary stands for S_5 or S_6, or all of them do."""
    bare = [name for name in table.secondaries if symbols.get(name) in WITHOUT_CRACKS]
    if not bare or len(bare) == len(table.secondaries):
        return {}
    comparisons = table.comparison.comparisons
    return {each.backbone.name: _order(each, bare, each.backbone.name in table.trivial) for each in comparisons}


def _order(comparison: Comparison, bare: list[str], trivial: bool) -> Order:
    without = [dataset for dataset in comparison.datasets if dataset.name in bare]
    others = [dataset for dataset in comparison.datasets if dataset.name not in bare]
    nearest = min(without, key=lambda dataset: dataset.o_dist_mean)
    farthest = max(others, key=lambda dataset: dataset.o_dist_mean)
    near, far = nearest.o_dist_mean_ci, farthest.o_dist_mean_ci
    ends = [dataset.relative for dataset in without], [dataset.relative for dataset in others]
    defined = [[value for value in values if value is not None] for values in ends]
    whole = all(len(kept) == len(values) for kept, values in zip(defined, ends, strict=True))
    return Order(
        nearest=nearest,
        farthest=farthest,
        holds=nearest.o_dist_mean > farthest.o_dist_mean,
        relative=min(defined[0]) > max(defined[1]) if whole else None,
        apart=None if near is None or far is None else near[0] > far[1] or near[1] < far[0],
        trivial=trivial,
    )
