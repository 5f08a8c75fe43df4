"""Distances of every dataset from every other, as `howfar.matrix` returns them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from howfar import registry
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.plots import Plots
from howfar.results.comparison import BackboneSummary, Settings
from howfar.results.files import plain, replace, tupled
from howfar.results.records import Provenance, Skipped
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT: Final = 1
DOCUMENT: Final = "matrix.json"
PAIRS: Final = "pairs.parquet"
Measure: TypeAlias = Literal["inhomogeneity", "relative", "energy", "o_dist_mean"]
MEASURES: Final[tuple[Measure, ...]] = ("inhomogeneity", "relative", "energy", "o_dist_mean")
DIAGONAL: Final = {"inhomogeneity": 0.0, "relative": 1.0, "energy": 0.0, "o_dist_mean": float("nan")}
"""What stands where a dataset meets itself; its self-distance is another one in every pair's space."""


@dataclass(frozen=True)
class MatrixDataset:
    """One of the datasets: name, readable images, and the folder or table that it was read from ("" where there is none)."""

    name: str
    n: int
    source: str


@dataclass(frozen=True, eq=False, repr=False)
class Matrix:
    """Distances of every dataset from every other.

    Attributes
    ----------
    datasets
        In the caller's order.
    backbone, settings, provenance
        What was measured, how, and by what. Of the settings `permutations`, `neighbours` and `rivals` are of no use here.
    pairs
        A row for each two datasets (one, other): o_dist_mean; self_one and self_other, each one's self-distance in that pair's
        space; relative_one and relative_other, o_dist_mean over them; energy; inhomogeneity, energy over twice o_dist_mean, 0
        for equal datasets and at most 1; low and high of 95 % intervals where there was a bootstrap; components,
        explained_variance; nan where a value is undefined. `key` stands for the images and settings of the
        row, `turned` for the order in which it was measured.
    options
        What was passed on to the backbone.
    skipped, notes
        Files that could not be used; what a reader should know.
    """

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
        """The datasets' names."""
        return tuple(one.name for one in self.datasets)

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``found.plot.matrix_map()``."""
        return Plots(self, "matrix_figures")

    def to_frame(self) -> pd.DataFrame:
        """One row for each two datasets, without what is for a later run alone."""
        return self.pairs.drop(columns=["key", "turned"])

    def square(self, measure: Measure = "inhomogeneity") -> pd.DataFrame:
        """A square table of one measure, datasets as index and columns.

        Parameters
        ----------
        measure
            ``inhomogeneity``, ``energy`` and ``o_dist_mean`` are symmetric. ``relative`` is not: the row is taken as P.

        Raises
        ------
        InputError
            An unknown measure.
        """
        import numpy as np
        import pandas as pd

        if measure not in MEASURES:
            raise InputError.of("measure", f"must be one of {', '.join(MEASURES)}", measure)
        place = {name: k for k, name in enumerate(self.names)}
        values = np.full((len(place), len(place)), np.nan)
        one, other = (self.pairs[side].map(place).to_numpy() for side in ("one", "other"))
        both = ("relative_one", "relative_other") if measure == "relative" else (measure, measure)
        values[one, other], values[other, one] = (self.pairs[name] for name in both)
        np.fill_diagonal(values, DIAGONAL[measure])
        return pd.DataFrame(values, index=list(place), columns=list(place))

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar matrix --json``."""
        pairs = [
            {str(key): None if isinstance(value, float) and value != value else value for key, value in row.items()}
            for row in self.to_frame().to_dict("records")
        ]
        return {"format": FORMAT, **self._document(), "pairs": pairs}

    def _document(self) -> dict[str, Any]:
        return {
            "datasets": [asdict(one) for one in self.datasets],
            "backbone": asdict(self.backbone),
            "settings": asdict(self.settings),
            "provenance": asdict(self.provenance),
            "options": dict(self.options),
            "skipped": [asdict(one) for one in self.skipped],
            "notes": list(self.notes),
        }

    def save(self, out: str | Path, report: bool = True) -> Path:
        """Write a folder with matrix.json, pairs.parquet, figures/ and report.html.

        Parameters
        ----------
        out
            The folder, made where it is not there; what is in it by these names is replaced.
        report
            False leaves out figures and report.
        """
        root = Path(out)
        root.mkdir(parents=True, exist_ok=True)
        replace(root / PAIRS, partial(self.pairs.to_parquet, index=False))
        document = plain({"format": FORMAT, **self._document()})
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        replace(root / DOCUMENT, lambda path: path.write_text(text, encoding="utf-8"))
        if report:
            registry.load("reports", "matrix")(self, root)
        return root

    @classmethod
    def load(cls, folder: str | Path) -> Matrix:
        """Read what `save` wrote.

        Raises
        ------
        MissingPathError
            The folder holds no matrix.
        StoreError
            It is damaged, or of another format.
        """
        import pandas as pd

        root = Path(folder)
        if not (root / DOCUMENT).is_file():
            raise MissingPathError(f"{root / DOCUMENT} is not there: name a folder that howfar matrix wrote")
        try:
            document: Mapping[str, Any] = json.loads((root / DOCUMENT).read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise StoreError(f"{root}: a matrix of another format than this howfar reads ({FORMAT}): run matrix again")
            found = cls(
                datasets=tuple(MatrixDataset(**row) for row in document["datasets"]),
                backbone=BackboneSummary(**tupled(document["backbone"], "layers")),
                settings=Settings(**document["settings"]),
                pairs=pd.read_parquet(root / PAIRS),
                provenance=Provenance(**document["provenance"]),
                options=document["options"],
                skipped=tuple(Skipped(**row) for row in document["skipped"]),
                notes=tuple(document["notes"]),
            )
            if list(zip(found.pairs["one"], found.pairs["other"], strict=True)) != list(combinations(found.names, 2)):
                raise ValueError("its table is of other datasets")
            return found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{root}: the matrix is damaged ({type(error).__name__}): run matrix again") from error

    def nearest(self) -> pd.DataFrame:
        """One row a dataset: n, and by inhomogeneity the nearest and farthest other; None and nan where undefined."""
        import numpy as np
        import pandas as pd

        square = self.square()
        rows = []
        for one in self.datasets:
            others = square[one.name].drop(one.name).dropna().sort_values(kind="stable")
            ordered = [(str(name), float(value)) for name, value in others.items()]
            near, far = (ordered[0], ordered[-1]) if ordered else ((None, np.nan), (None, np.nan))
            ends = {"nearest": near[0], "nearest_value": near[1], "farthest": far[0], "farthest_value": far[1]}
            rows.append({"dataset": one.name, "n": one.n, **ends})
        return pd.DataFrame(rows)

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and cells, a row a dataset: its nearest and its farthest other, by inhomogeneity."""
        rows: list[tuple[str, ...]] = [
            (
                str(row["dataset"]),
                str(row["n"]),
                str(row["nearest"] or "–"),
                _three(row["nearest_value"]),
                str(row["farthest"] or "–"),
                _three(row["farthest_value"]),
            )
            for row in self.nearest().to_dict("records")
        ]
        return ("dataset", "n", "nearest", "inhomogeneity", "farthest", "inhomogeneity"), rows

    def caption(self) -> str:
        """One line that says what the table is about."""
        return (
            f"{len(self.datasets)} datasets, {len(self.pairs):,} pairs; {self.backbone.name} (q = {self.backbone.length:,}), "
            f"{self.settings.projection} projection, seed {self.settings.seed}"
        )

    def remarks(self) -> list[str]:
        """Lines that the terminal shows under the table."""
        return [f"note: {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *self.notes])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), list(self.notes))


def _three(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"
