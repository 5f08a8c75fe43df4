"""Hold the result of `howfar compare`: distances of new datasets and their images from the primary dataset, and their map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from howfar import registry
from howfar.formatting_and_escaping import format_interval, format_number, format_p, share
from howfar.options import Maps
from howfar.results.assessment_result import Assessment
from howfar.results.display_and_shared_records import Cells, Leak, Provenance, Skipped, TableColumn, as_text, cells, plain
from howfar.results.relation_result import DistanceSlice, Relation, slice_table, too_small
from howfar.results.result import RecordedResult, Result, holding

if TYPE_CHECKING:
    import pandas as pd


COPIES: Final = {
    "dataset": "str", "image": "str", "path": "str", "other_dataset": "str", "other": "str",
    "other_path": "str", "kind": "str", "found_by": "str", "agreement": "float64", "mirrored": "bool",
    "dropped": "bool",
}  # fmt: skip
"""Columns of the table of near duplicates, and their types."""


def no_copies() -> pd.DataFrame:
    """Return an empty table of near duplicates."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COPIES.items()})


@dataclass(frozen=True, eq=False, repr=False)
class ImageMap(Result):
    """Hold the positions of a comparison's images in a UMAP, made by `howfar compare --map umap`.

    `places` has one row an image and panel: against (the secondary whose subspace the panel is, "" where all share one),
    dataset, image, x, y. `panelled` says whether each pair of datasets has a map of its own, `components` and `neighbours` what
    it was made of, and `first` which map pages open with: "umap", or "pca" for the first two components.
    """

    DOCUMENT: ClassVar = "map.json"
    COMMAND: ClassVar = "report --map umap"
    MISSING: ClassVar = "run howfar report RUN --map umap"
    SUBJECT: ClassVar = ": the map of its images"
    REPORT: ClassVar = ""
    PAGE: ClassVar = False

    places: pd.DataFrame = field(metadata=holding("against dataset image", "x y", file="map.parquet"))
    panelled: bool
    components: int
    neighbours: int
    seed: int
    provenance: Provenance
    first: Literal["pca", "umap"] = "umap"

    @classmethod
    def of(cls, result: Result) -> Self | None:
        """Return the map in a result's folder if it belongs to this run, else None; raise `StoreError` if it is damaged."""
        folder = result.folder
        if folder is None or not (folder / cls.DOCUMENT).is_file():
            return None
        found = cls.load(folder)
        return found if result.run_id in found.parents else None

    def table(self) -> Cells:
        counts = self.places.groupby("against", sort=False).size()
        return ("panel", "images"), [(str(name) or "all", str(count)) for name, count in counts.items()]

    def caption(self) -> str:
        return f"UMAP of {self.components} components, {self.neighbours} neighbours, seed {self.seed}"


@dataclass(frozen=True)
class PrimarySummary:
    """Hold the primary dataset's name, size and leave-one-out self-distance in its own subspace (mean form)."""

    name: str
    n: int
    self_distance: float | None


@dataclass(frozen=True)
class BackboneSummary:
    """Describe the measured feature: name, length q, layer lengths, and full identity."""

    name: str
    length: int
    layers: tuple[int, ...]
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """Hold the settings of a comparison, including defaults."""

    components: int
    projection: Literal["pair", "primary", "joint", "none"]
    scale: Literal["none", "layers"]
    seed: int
    bootstrap: int
    permutations: int
    neighbours: int
    limit: int | None = None
    rivals: bool = True
    leaks: Literal["warn", "drop", "refuse"] = "warn"
    by: tuple[str, ...] = ()
    group: str | None = None


@dataclass(frozen=True)
class DatasetSummary:
    """Hold the distances of one secondary dataset from the primary one.

    `o_dist` is the paper's sum form (mean over S of sums over P), `o_dist_mean` the mean over all pairs;
    `o_dist_scaled` is the row-scaled value of tables 2 and 6; `self_distance` is P's, in this pair's subspace, and
    `relative` is `o_dist_mean` over it; `energy` is 2E d(s,p) − E d(p,p') − E d(s,s'); `p_value` is the permutation
    p-value after Holm's correction over the secondaries, `p_value_raw` before it; `beyond` is the share of images whose
    conformal p-value is at most 0.05; intervals are 95 % bootstrap intervals, low then high. None stands where a value is
    undefined. `rivals` are the literature's distances by name, `rivals_ci` and `rivals_p` their intervals and p-values (Holm's
    correction is of one rival at a time), where they have one.
    """

    name: str
    n: int
    o_dist: float
    o_dist_mean: float
    o_dist_mean_ci: tuple[float, float] | None
    o_dist_scaled: float
    self_distance: float | None
    relative: float | None
    relative_ci: tuple[float, float] | None
    energy: float
    energy_ci: tuple[float, float] | None
    p_value: float | None
    p_value_raw: float | None
    beyond: float | None
    components: int
    explained_variance: float
    rivals: Mapping[str, float] = field(default_factory=dict)
    rivals_ci: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    rivals_p: Mapping[str, float] = field(default_factory=dict)


def _relative(row: DatasetSummary) -> str:
    return format_interval(row.relative, *row.relative_ci, ".3f") if row.relative_ci else format_number(row.relative)


_RELATIVE: Final = TableColumn("relative [95 % CI]", _relative, "relative")
COLUMNS: Final = (
    TableColumn("dataset", "name"),
    TableColumn("n", "n", "n"),
    TableColumn("O^dist (sum)", lambda row: format_number(row.o_dist), "o_dist"),
    TableColumn("O^dist (mean)", lambda row: format_number(row.o_dist_mean), "o_dist_mean"),
    TableColumn("row-scaled", lambda row: f"{row.o_dist_scaled:.3f}", "o_dist_scaled"),
    _RELATIVE,
    TableColumn("energy", lambda row: format_number(row.energy), "energy"),
    TableColumn("p", lambda row: format_p(row.p_value), "p_value"),
    TableColumn("expl. var.", lambda row: f"{100 * row.explained_variance:.1f} %", "explained_variance"),
)
BEYOND: Final = TableColumn("beyond", lambda row: "–" if row.beyond is None else share(row.beyond), "beyond")


@dataclass(frozen=True)
class BaselineSummary:
    """Hold a trivial backbone's distances of a secondary, which show the effect of colour and layout alone."""

    backbone: str
    dataset: str
    o_dist_scaled: float
    relative: float | None
    energy: float


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(RecordedResult):
    """Hold the distance of each secondary dataset from the primary one, made by `howfar.compare`.

    Attributes
    ----------
    primary, backbone, settings, provenance
        What was compared, by which feature, how, and with what.
    datasets
        One `DatasetSummary` for each secondary, in the caller's order.
    images
        One row an image of a secondary: dataset, image, path, content, i_dist (sum over P), i_dist_mean, i_dist_scaled
        (0-1 within the dataset), knn, mahalanobis, percentile (0-100, among P's own images), p_value (conformal), and the
        projected image: pc1, pc2 … pcz (nan beyond those that its pair has), of which x and y are the first two; the nearest
        images of P, nearest1 … nearest5, and their distances, nearest1_distance …; what the judge of sites reads in P's own
        subspace, gate_distance, gate_knn, gate_mahalanobis, gate_residual; then what the dataset's own table says.
    primary_images
        One row an image of P and a secondary: against, image, path, content, i_dist_mean (leave-one-out, in that
        pair's subspace), pc1, pc2.
    baselines, skipped, leaks, notes
        What the trivial backbones say, what could not be used, which images are in P too, what a reader should know.
    near_duplicates
        One row a pair of images that are equal, or nearly so: one of a secondary (dataset, image, path) and one of P, or
        another of the secondaries (other_dataset, other, other_path); kind ("equal" or "near"), found_by ("content",
        "hash" or "features"), agreement (share of equal bits of their perceptual hashes), mirrored, dropped.
    slices
        With `by`, the numbers of each slice, the farthest first.
    options
        What `howfar.load_backbone` was given, its `name` among it; empty where that is not known.
    sources
        The folder, table or container of each dataset that can be read again from there.
    """

    DOCUMENT: ClassVar = "result.json"
    BESIDE: ClassVar = ("datasets.parquet",)
    FILLED: ClassVar = ("datasets", "images", "primary_images")
    COMMAND: ClassVar = "compare"
    MISSING: ClassVar = "pass a run folder that howfar compare --out wrote"
    FIGURES: ClassVar = "figures"
    REPORT: ClassVar = "html"

    primary: PrimarySummary
    backbone: BackboneSummary
    settings: Settings
    datasets: tuple[DatasetSummary, ...]
    images: pd.DataFrame = field(
        metadata=holding("dataset image path content", "i_dist i_dist_mean i_dist_scaled knn percentile p_value")
    )
    primary_images: pd.DataFrame = field(metadata=holding("against image path content", "i_dist_mean", file="primary.parquet"))
    baselines: tuple[BaselineSummary, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    leaks: tuple[Leak, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    near_duplicates: pd.DataFrame = field(default_factory=no_copies)
    slices: tuple[DistanceSlice, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row per secondary with every number of its summary; intervals and rivals are separate columns."""
        import pandas as pd

        rows = []
        for dataset in self.datasets:
            row = asdict(dataset)
            for name in ("o_dist_mean_ci", "relative_ci", "energy_ci"):
                low, high = row.pop(name) or (None, None)
                row[f"{name}_low"], row[f"{name}_high"] = low, high
            intervals, p_values = row.pop("rivals_ci"), row.pop("rivals_p")
            for name, value in row.pop("rivals").items():
                low, high = intervals.get(name, (None, None))
                row.update({name: value, f"{name}_low": low, f"{name}_high": high, f"{name}_p": p_values.get(name)})
            rows.append(row)
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar compare --json`` and ``result.json``, without per-image tables."""
        return self._json(seed=self.settings.seed, near_duplicates=plain(self.near_duplicates))

    def explore(self, relation: Relation | None = None, *, map: Maps | None = None) -> Any:  # noqa: A002  # its name
        """Show the images in a notebook for pointing, filtering, viewing and collecting; see `howfar explore`.

        The pictures come from the kernel, by the notebook's own channel: no port is opened.

        Raises `MissingExtraError` where anywidget is absent, or umap-learn for a UMAP.

        Parameters
        ----------
        relation
            How performance goes with distance in this run; by default the one in its run folder, where it has one.
        map
            Open with a UMAP of all components (umap) or with the first two (pca), as ``howfar compare --map`` does.

        Returns
        -------
        howfar.explore.notebook_widget.Explorer
            Shows itself where it ends a cell. Its ``picked`` and ``selected`` are pandas DataFrames of what was collected and
            of what passes all filters.
        """
        return registry.load("explorers", "comparison")(self, relation, map)

    @classmethod
    def discard(cls, folder: str | Path) -> None:
        """Remove a run from a folder, with its relation, assessment and map, which do not fit another run."""
        super().discard(folder)
        for kind in (Relation, Assessment, ImageMap):
            kind.discard(folder)

    def _frames(self) -> dict[str, pd.DataFrame]:
        return {**super()._frames(), "datasets.parquet": self.to_frame()}

    def table(self) -> Cells:
        """Return the header and cells of the summary table, one row per secondary."""
        return cells(self.datasets, COLUMNS)

    def as_printed(self) -> tuple[str, Cells]:
        """Return the caption and the four columns that Python and the terminal print; `table` has all columns."""
        home = self.primary.name
        caption = f"Distance from {home} ({self.primary.n} images) by {self.backbone.name}; "
        columns = [*COLUMNS[:2], _RELATIVE, BEYOND._replace(title=f"beyond 95 % of {home}")]
        return f"{caption}relative 1 is as far as images of {home} are from each other", cells(self.datasets, columns)

    def rivals_table(self) -> Cells:
        """Return header and cells of the literature's distances, one row per distance and secondary, with interval and p."""
        names = dict.fromkeys(name for dataset in self.datasets for name in dataset.rivals)
        rows: list[tuple[str, ...]] = []
        for name, dataset in ((name, dataset) for name in names for dataset in self.datasets if name in dataset.rivals):
            interval = dataset.rivals_ci.get(name)
            between = "–" if interval is None else f"[{', '.join(map(format_number, interval))}]"
            value, p_value = format_number(dataset.rivals[name]), format_p(dataset.rivals_p.get(name))
            rows.append((name, dataset.name, value, between, p_value))
        return ("distance", "dataset", "value", "95 % CI", "p"), rows

    def caption(self) -> str:
        own = "undefined (one image)" if self.primary.self_distance is None else f"{self.primary.self_distance:.4g}"
        return (
            f"{self.primary.name}: {self.primary.n} images, self-distance {own}; "
            f"{self.backbone.name} (q = {self.backbone.length:,}), "
            f"{self.settings.projection} projection, seed {self.settings.seed}"
        )

    def footer(self) -> list[str]:
        """Return the notes and the numbers of leaked and skipped images."""
        lines = list(self.notes)
        if self.leaks:
            lines.append(f"{len(self.leaks)} images are in {self.primary.name} and in a secondary too (.leaks)")
        if len(self.near_duplicates):
            lines.append(f"{len(self.near_duplicates)} pairs of images are equal or nearly so (.near_duplicates)")
        if self.slices:
            lines += [*as_text(*slice_table(self.slices)), *filter(None, [too_small(self.slices)])]
        if self.skipped:
            lines.append(f"{len(self.skipped)} files were skipped (.skipped)")
        return lines
