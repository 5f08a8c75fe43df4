"""Hold the result of a matrix study, the distances of every dataset from every other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias

from howfar.errors import InputError
from howfar.results.comparison import BackboneSummary, Settings
from howfar.results.json_values import plain
from howfar.results.records import Provenance, Skipped
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd

PAIRS: Final = "pairs.parquet"
Measure: TypeAlias = Literal["mutual", "relative", "inhomogeneity", "energy", "o_dist_mean"]
MEASURES: Final[tuple[Measure, ...]] = ("mutual", "relative", "inhomogeneity", "energy", "o_dist_mean")
DIAGONAL: Final = {"mutual": 1.0, "relative": 1.0, "inhomogeneity": 0.0, "energy": 0.0, "o_dist_mean": float("nan")}
"""What stands where a dataset meets itself; its self-distance is another one in every pair's space."""


@dataclass(frozen=True)
class MatrixDataset:
    """Hold a dataset's name, its readable images, and the folder or table that it was read from ("" where there is none)."""

    name: str
    n: int
    source: str


@dataclass(frozen=True, eq=False, repr=False)
class Matrix(Result):
    """Hold the distances of every dataset from every other; `howfar.matrix` makes it.

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
    TABLES: ClassVar = {"pairs": PAIRS}
    COLUMNS: ClassVar = {"pairs": holding("one other key", "o_dist_mean relative_one relative_other energy inhomogeneity")}
    FILLED: ClassVar = ("datasets",)
    COMMAND: ClassVar = "matrix"
    MISSING: ClassVar = "name a folder that howfar matrix wrote"
    SUBJECT: ClassVar = ": the matrix"
    FIGURES: ClassVar = "matrix_figures"
    REPORT: ClassVar = "matrix"

    datasets: tuple[MatrixDataset, ...]
    backbone: BackboneSummary
    settings: Settings
    pairs: pd.DataFrame
    provenance: Provenance
    options: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the datasets' names."""
        return tuple(dataset.name for dataset in self.datasets)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each two datasets, without what is for a later run alone."""
        return self.pairs.drop(columns=["key", "turned"], errors="ignore")

    def mutual(self) -> pd.Series:
        """Compute how far the two datasets of each row of `pairs` lie apart, by either's yardstick: the larger relative.

        1 is as far as the images of both lie from each other. A dataset that varies much has a long yardstick, by which all
        others are near; by theirs it is far. Where one of the two has none, all its images being equal, it is nan.
        """
        return self.pairs[["relative_one", "relative_other"]].max(axis=1, skipna=False).rename("mutual")

    def square(self, measure: Measure = "mutual") -> pd.DataFrame:
        """Make a square table of one measure, with the datasets as index and columns.

        Parameters
        ----------
        measure
            ``relative`` takes the row as P. The others are symmetric; ``mutual`` is the larger of the two relatives.

        Raises
        ------
        InputError
            An unknown measure.
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
        """Return each dataset's nearest and farthest other by its own yardstick, a row each, with their relative distances.

        The dataset is taken as the primary one, so that these are the numbers of `howfar.compare`; None and nan where it has
        no yardstick, all its images being equal.
        """
        import numpy as np
        import pandas as pd

        by_primary = self.square("relative").T
        rows = []
        for dataset in self.datasets:
            others = by_primary[dataset.name].drop(dataset.name).dropna().sort_values(kind="stable")
            ordered = [(str(name), float(value)) for name, value in others.items()]
            near, far = (ordered[0], ordered[-1]) if ordered else ((None, np.nan), (None, np.nan))
            ends = {"nearest": near[0], "nearest_value": near[1], "farthest": far[0], "farthest_value": far[1]}
            rows.append({"dataset": dataset.name, "n": dataset.n, **ends})
        return pd.DataFrame(rows)

    def table(self) -> Cells:
        """Return the header and cells, a row a dataset: its nearest and its farthest other, by its own yardstick."""
        rows: list[tuple[str, ...]] = [
            (
                str(row["dataset"]),
                str(row["n"]),
                row["nearest"] if isinstance(row["nearest"], str) else "–",
                _two(row["nearest_value"]),
                row["farthest"] if isinstance(row["farthest"], str) else "–",
                _two(row["farthest_value"]),
            )
            for row in self.nearest().to_dict("records")
        ]
        return ("dataset", "n", "nearest", "relative", "farthest", "relative"), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return (
            f"{len(self.datasets)} datasets, {len(self.pairs):,} pairs; {self.backbone.name} (q = {self.backbone.length:,}), "
            f"{self.settings.projection} projection, seed {self.settings.seed}; "
            "relative 1: as far as the row's images lie apart"
        )


def _two(value: float) -> str:
    return f"{value:.2f}" if value == value else "–"
