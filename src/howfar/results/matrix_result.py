"""Hold the result of `howfar matrix`: the distances between every two datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias

from howfar.errors import InputError
from howfar.results.comparison_result import BackboneSummary, Settings
from howfar.results.display_and_shared_records import Cells, Skipped, plain
from howfar.results.result import RecordedResult, holding

if TYPE_CHECKING:
    import pandas as pd

PAIRS: Final = "pairs.parquet"
Measure: TypeAlias = Literal["mutual", "relative", "inhomogeneity", "energy", "o_dist_mean"]
MEASURES: Final[tuple[Measure, ...]] = ("mutual", "relative", "inhomogeneity", "energy", "o_dist_mean")
DIAGONAL: Final = {"mutual": 1.0, "relative": 1.0, "inhomogeneity": 0.0, "energy": 0.0, "o_dist_mean": float("nan")}
"""What stands where a dataset meets itself; its self-distance is another one in every pair's space."""


@dataclass(frozen=True)
class MatrixDataset:
    """Hold a dataset's name, number of readable images, and source folder or table ("" without one)."""

    name: str
    n: int
    source: str


@dataclass(frozen=True, eq=False, repr=False)
class Matrix(RecordedResult):
    """Hold the distances between every two datasets, made by `howfar.matrix`.

    Attributes
    ----------
    datasets
        In the caller's order.
    backbone, settings, provenance
        What was measured, how, and by what. Of the settings `permutations`, `neighbours` and `rivals` are of no use here.
    pairs
        A row for each two datasets (one, other): o_dist_mean; self_one and self_other, each one's self-distance in that pair's
        space; relative_one and relative_other, o_dist_mean over them, the larger of which is `mutual`; energy; inhomogeneity,
        energy over twice o_dist_mean, 0 for equal datasets and at most 1; low and high of 95 % intervals where there was a
        bootstrap; components, explained_variance; nan where a value is undefined. `key` stands for the images and settings of
        the row, `turned` for the order in which it was measured.
    options
        What `howfar.load_backbone` was given, its `name` among it; without that where it is not known.
    skipped, notes
        Files that could not be used; what a reader should know.
    """

    DOCUMENT: ClassVar = "matrix.json"
    FILLED: ClassVar = ("datasets",)
    COMMAND: ClassVar = "matrix"
    SUBJECT: ClassVar = ": the matrix"
    REPORT: ClassVar = "matrix"

    datasets: tuple[MatrixDataset, ...]
    backbone: BackboneSummary
    settings: Settings
    pairs: pd.DataFrame = field(
        metadata=holding("one other key", "o_dist_mean relative_one relative_other energy inhomogeneity")
    )
    options: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the datasets' names."""
        return tuple(dataset.name for dataset in self.datasets)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each two datasets, without the columns that only a later run needs."""
        return self.pairs.drop(columns=["key", "turned"], errors="ignore")

    def mutual(self) -> pd.Series:
        """Compute the mutual distance of each pair, the larger of its two relative distances.

        1 is as far as the images of both lie from each other. A dataset that varies much has a long yardstick, by which all
        others are near; by theirs it is far. Where one of the two has none, all its images being equal, it is nan.
        """
        return self.pairs[["relative_one", "relative_other"]].max(axis=1, skipna=False).rename("mutual")

    def square(self, measure: Measure = "mutual") -> pd.DataFrame:
        """Return one measure as a square table with datasets as index and columns.

        Raises `InputError` for an unknown measure.

        Parameters
        ----------
        measure
            ``relative`` takes the row as P. The others are symmetric; ``mutual`` is the larger of the two relatives.
        """
        import numpy as np
        import pandas as pd

        if measure not in MEASURES:
            raise InputError.of("measure", f"must be one of {', '.join(MEASURES)}", measure)
        positions = {name: position for position, name in enumerate(self.names)}
        values = np.full((len(positions), len(positions)), np.nan)
        one, other = (self.pairs[side].map(positions).to_numpy() for side in ("one", "other"))
        if measure == "mutual":
            values[one, other] = values[other, one] = self.mutual()
        else:
            both = ("relative_one", "relative_other") if measure == "relative" else (measure, measure)
            values[one, other], values[other, one] = (self.pairs[name] for name in both)
        np.fill_diagonal(values, DIAGONAL[measure])
        return pd.DataFrame(values, index=list(positions), columns=list(positions))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar matrix --json``."""
        return self._json(pairs=plain(self.to_frame()))

    def _document(self) -> dict[str, Any]:
        return self._json()

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        matrix = super()._read(document, root)
        if list(zip(matrix.pairs["one"], matrix.pairs["other"], strict=True)) != list(combinations(matrix.names, 2)):
            raise ValueError("its table is of other datasets")
        return matrix

    def nearest(self) -> pd.DataFrame:
        """Return each dataset's nearest and farthest other dataset, with relative distances over its own self-distance.

        The dataset is taken as the primary one, so that these are the numbers of `howfar.compare`; None and nan where it has
        no yardstick, all its images being equal.
        """
        import numpy as np
        import pandas as pd

        by_primary = self.square("relative").T
        rows = []
        for dataset in self.datasets:
            others = by_primary[dataset.name].drop(dataset.name).dropna().sort_values(kind="stable")
            ordered = list(others.items()) or [(None, np.nan)]
            rows.append((dataset.name, dataset.n, *ordered[0], *ordered[-1]))
        return pd.DataFrame(rows, columns=["dataset", "n", "nearest", "nearest_value", "farthest", "farthest_value"])

    def table(self) -> Cells:
        """Return header and cells, one row per dataset: its nearest and farthest other by its own self-distance."""
        rows: list[tuple[str, ...]] = []
        for row in self.nearest().fillna({"nearest": "–", "farthest": "–"}).to_dict("records"):
            near, far = (f"{value:.2f}" if value == value else "–" for value in (row["nearest_value"], row["farthest_value"]))
            rows.append((row["dataset"], str(row["n"]), row["nearest"], near, row["farthest"], far))
        return ("dataset", "n", "nearest", "relative", "farthest", "relative"), rows

    def caption(self) -> str:
        return (
            f"{len(self.datasets)} datasets, {len(self.pairs):,} pairs; {self.backbone.name} (q = {self.backbone.length:,}), "
            f"{self.settings.projection} projection, seed {self.settings.seed}; "
            "relative 1: as far as the row's images are from each other"
        )
