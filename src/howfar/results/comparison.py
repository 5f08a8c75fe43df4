"""Hold the result of a distance study, which says how far each secondary dataset is from the primary one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from howfar import registry
from howfar.numbers import format_interval, format_number, format_p
from howfar.options import Maps
from howfar.results.assessment import Assessment
from howfar.results.copies import no_copies
from howfar.results.image_map import ImageMap
from howfar.results.json_values import plain
from howfar.results.records import Leak, Provenance, Skipped
from howfar.results.relation import Relation
from howfar.results.result import Result, holding
from howfar.results.slices import DistanceSlice, distance_table, too_small
from howfar.results.tables import Cells, as_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PrimarySummary:
    """Hold the primary dataset's name, size and leave-one-out self-distance in its own subspace (mean form)."""

    name: str
    n: int
    self_distance: float | None


@dataclass(frozen=True)
class BackboneSummary:
    """Describe the feature that was measured: name, length q, its layers' lengths, and its full identity."""

    name: str
    length: int
    layers: tuple[int, ...]
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """Hold the settings of a comparison, with the defaults filled in."""

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


@dataclass(frozen=True)
class DatasetSummary:
    """Hold the numbers of one secondary dataset against the primary one.

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


@dataclass(frozen=True)
class BaselineSummary:
    """Hold a trivial backbone's numbers of one secondary, which show what a distance owes to colour and layout alone."""

    backbone: str
    dataset: str
    o_dist_scaled: float
    relative: float | None
    energy: float


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Say how far each secondary dataset is from the primary one; `howfar.compare` makes it.

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
    TABLES: ClassVar = {
        "images": "images.parquet",
        "primary_images": "primary.parquet",
        "near_duplicates": "near_duplicates.parquet",
    }
    BESIDE: ClassVar = ("datasets.parquet",)
    LATER: ClassVar = ("near_duplicates",)
    COLUMNS: ClassVar = {
        "images": holding("dataset image path content", "i_dist i_dist_mean i_dist_scaled knn percentile p_value"),
        "primary_images": holding("against image path content", "i_dist_mean"),
    }
    FILLED: ClassVar = ("datasets",)
    COMMAND: ClassVar = "compare"
    MISSING: ClassVar = "pass a run folder that howfar compare --out wrote"
    FIGURES: ClassVar = "figures"
    REPORT: ClassVar = "html"

    primary: PrimarySummary
    backbone: BackboneSummary
    settings: Settings
    datasets: tuple[DatasetSummary, ...]
    images: pd.DataFrame
    primary_images: pd.DataFrame
    provenance: Provenance
    baselines: tuple[BaselineSummary, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    leaks: tuple[Leak, ...] = ()
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    near_duplicates: pd.DataFrame = field(default_factory=no_copies)
    slices: tuple[DistanceSlice, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row a secondary with every number of its summary; intervals and rivals have columns of their own."""
        import pandas as pd

        return pd.DataFrame([_flat(dataset) for dataset in self.datasets])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar compare --json`` and of ``result.json``; per-image tables are left out."""
        return self._json(seed=self.settings.seed, near_duplicates=plain(self.near_duplicates))

    def explore(self, relation: Relation | None = None, *, map: Maps | None = None) -> Any:  # noqa: A002  # its name
        """Show the images in a notebook, to be pointed at, filtered, looked at and collected; see `howfar explore`.

        The pictures come from the kernel, by the notebook's own channel: no port is opened.

        Parameters
        ----------
        relation
            How performance goes with distance in this run; by default the one in its run folder, where it has one.
        map
            Open with a UMAP of all components (umap) or with the first two (pca), as ``howfar compare --map`` does.

        Returns
        -------
        howfar.explore.widget.Explorer
            Shows itself where it ends a cell. Its ``picked`` and ``selected`` are pandas DataFrames of what was collected and
            of what passes all filters.

        Raises
        ------
        MissingExtraError
            anywidget is absent, or for a UMAP umap-learn.
        """
        return registry.load("explorers", "comparison")(self, relation, map)

    @classmethod
    def discard(cls, folder: str | Path) -> None:
        """Remove a run from a folder, with its relation, assessment and map, which are of no use to another run."""
        super().discard(folder)
        for kind in (Relation, Assessment, ImageMap):
            kind.discard(folder)

    def _frames(self) -> dict[str, pd.DataFrame]:
        return {**super()._frames(), "datasets.parquet": self.to_frame()}

    def table(self) -> Cells:
        """Return the header and cells of the summary table, one row a secondary."""
        o_dist = ("O^dist (sum)", "O^dist (mean)", "row-scaled")
        header = ("dataset", "n", *o_dist, "relative [95 % CI]", "energy", "p", "expl. var.")
        return header, [_cells(dataset) for dataset in self.datasets]

    def rivals_table(self) -> Cells:
        """Return the header and cells of the literature's distances, one row a distance and secondary, with interval and p."""
        names = dict.fromkeys(name for dataset in self.datasets for name in dataset.rivals)
        return ("distance", "dataset", "value", "95 % CI", "p"), [
            _rival_cells(name, dataset) for name in names for dataset in self.datasets if name in dataset.rivals
        ]

    def caption(self) -> str:
        """Say in one line what the table is about."""
        own = "undefined (one image)" if self.primary.self_distance is None else f"{self.primary.self_distance:.4g}"
        return (
            f"{self.primary.name}: {self.primary.n} images, self-distance {own}; "
            f"{self.backbone.name} (q = {self.backbone.length:,}), "
            f"{self.settings.projection} projection, seed {self.settings.seed}"
        )

    def footer(self) -> list[str]:
        """Return the notes, and how many images are leaked or skipped."""
        lines = list(self.notes)
        if self.leaks:
            lines.append(f"{len(self.leaks)} images are in {self.primary.name} and in a secondary too (.leaks)")
        if len(self.near_duplicates):
            lines.append(f"{len(self.near_duplicates)} pairs of images are equal or nearly so (.near_duplicates)")
        if self.slices:
            lines += as_text(*distance_table(self.slices))
            lines += filter(None, [too_small(self.slices)])
        if self.skipped:
            lines.append(f"{len(self.skipped)} files were skipped (.skipped)")
        return lines


def _cells(dataset: DatasetSummary) -> tuple[str, ...]:
    with_interval = None if dataset.relative_ci is None else format_interval(dataset.relative, *dataset.relative_ci, ".3f")
    return (
        dataset.name,
        str(dataset.n),
        format_number(dataset.o_dist),
        format_number(dataset.o_dist_mean),
        f"{dataset.o_dist_scaled:.3f}",
        with_interval or format_number(dataset.relative),
        format_number(dataset.energy),
        format_p(dataset.p_value),
        f"{100 * dataset.explained_variance:.1f} %",
    )


def _rival_cells(name: str, dataset: DatasetSummary) -> tuple[str, ...]:
    interval = dataset.rivals_ci.get(name)
    between = "–" if interval is None else f"[{', '.join(map(format_number, interval))}]"
    p_value = dataset.rivals_p.get(name)
    return (name, dataset.name, format_number(dataset.rivals[name]), between, format_p(p_value))


def _flat(dataset: DatasetSummary) -> dict[str, Any]:
    row = asdict(dataset)
    for name in ("o_dist_mean_ci", "relative_ci", "energy_ci"):
        low, high = row.pop(name) or (None, None)
        row[f"{name}_low"], row[f"{name}_high"] = low, high
    intervals, p_values = row.pop("rivals_ci"), row.pop("rivals_p")
    for name, value in row.pop("rivals").items():
        low, high = intervals.get(name, (None, None))
        row.update({name: value, f"{name}_low": low, f"{name}_high": high, f"{name}_p": p_values.get(name)})
    return row
