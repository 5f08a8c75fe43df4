"""The distance study's result: how far each secondary dataset is from the primary one, and the run folder that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from howfar import registry
from howfar.errors import MissingPathError, StoreError
from howfar.numbers import format_number, format_p
from howfar.plots import Plots
from howfar.results.files import plain, replace, tupled
from howfar.results.records import Leak, Provenance, Skipped
from howfar.results.relation import Relation
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1


@dataclass(frozen=True)
class PrimarySummary:
    """P: its name, its size, and its leave-one-out self-distance in its own subspace (mean form)."""

    name: str
    n: int
    self_distance: float | None


@dataclass(frozen=True)
class BackboneSummary:
    """The feature that was measured: name, length q, its layers' lengths, and its full identity."""

    name: str
    length: int
    layers: tuple[int, ...]
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """What the caller chose, with the defaults filled in."""

    components: int
    projection: Literal["pair", "primary", "joint", "none"]
    scale: Literal["none", "layers"]
    seed: int
    bootstrap: int
    permutations: int
    neighbours: int
    limit: int | None = None
    rivals: bool = True


@dataclass(frozen=True)
class DatasetSummary:
    """One secondary dataset against P.

    `o_dist` is the paper's sum form (mean over S of sums over P), `o_dist_mean` the mean over all pairs;
    `o_dist_scaled` is the row-scaled value of tables 2 and 6; `self_distance` is P's, in this pair's subspace, and
    `relative` is `o_dist_mean` over it; `energy` is 2E d(s,p) − E d(p,p') − E d(s,s'); `p_value` is the permutation
    p-value after Holm's correction over the secondaries, `p_value_raw` before it; `beyond` is the share of images whose
    conformal p-value is at most 0.05; intervals are 95 % bootstrap intervals, low then high. None stands where a value is
    undefined.
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


@dataclass(frozen=True)
class BaselineSummary:
    """A trivial backbone's view of one secondary: what a distance owes to colour and layout alone."""

    backbone: str
    dataset: str
    o_dist_scaled: float
    relative: float | None
    energy: float


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """How far each secondary dataset is from the primary one, as `howfar.compare` returns it.

    Attributes
    ----------
    primary, backbone, settings, provenance
        What was compared, by which feature, how, and with what.
    datasets
        One `DatasetSummary` for each secondary, in the caller's order.
    images
        One row an image of a secondary: dataset, image, path, content, i_dist (sum over P), i_dist_mean, i_dist_scaled
        (0-1 within the dataset), knn, mahalanobis, percentile (0-100, among P's own images), p_value (conformal), and the
        projected image: pc1, pc2 … pcz (nan beyond those that its pair has).
    primary_images
        One row an image of P and a secondary: against, image, path, content, i_dist_mean (leave-one-out, in that
        pair's subspace), pc1, pc2.
    """

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

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``comparison.plot.violin()``."""
        return Plots(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a secondary, every number of its summary; intervals and rivals as columns of their own."""
        import pandas as pd

        return pd.DataFrame([_flat(dataset) for dataset in self.datasets])

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar compare --json`` and of ``result.json``; per-image tables are left out."""
        document = {
            "format": FORMAT,
            "primary": asdict(self.primary),
            "backbone": plain(asdict(self.backbone)),
            "seed": self.settings.seed,
            "settings": asdict(self.settings),
            "datasets": [plain(asdict(dataset)) for dataset in self.datasets],
            "baselines": [asdict(baseline) for baseline in self.baselines],
            "skipped": [asdict(skipped) for skipped in self.skipped],
            "leaks": [asdict(leak) for leak in self.leaks],
            "notes": list(self.notes),
            "provenance": plain(asdict(self.provenance)),
        }
        return document

    def save(self, out: str | Path, report: bool = True) -> Path:
        """Write a run folder and return it: result.json, images, datasets and primary.parquet, figures/ and report.html.

        Parameters
        ----------
        out
            The folder, made where it is not there; a run already in it is replaced.
        report
            False leaves out figures/ and report.html, which read the image files again.
        """
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        Relation.discard(folder)
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        tables = {"images": self.images, "primary": self.primary_images, "datasets": self.to_frame()}
        for name, frame in tables.items():
            replace(folder / f"{name}.parquet", partial(frame.to_parquet, index=False))
        replace(folder / "result.json", lambda path: path.write_text(text, encoding="utf-8"))
        if report:
            registry.load("reports", "html")(self, folder)
        return folder

    @classmethod
    def load(cls, run: str | Path) -> Comparison:
        """Read a run folder back.

        Raises
        ------
        MissingPathError
            The folder or a file of it is not there.
        StoreError
            The run is damaged, or was written by another format.
        """
        folder = Path(run)
        for name in ("result.json", "images.parquet", "primary.parquet"):
            if not (folder / name).is_file():
                raise MissingPathError(f"{folder / name} is not there: pass a run folder that howfar compare --out wrote")
        try:
            return cls._read(folder)
        except (ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise StoreError(f"{folder} is damaged ({type(error).__name__}: {reason}): run compare again") from error

    @classmethod
    def _read(cls, folder: Path) -> Comparison:
        import pandas as pd

        document = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        if document.get("format") != FORMAT:
            raise StoreError(f"{folder} has run format {document.get('format')}, this howfar reads {FORMAT}: run compare again")
        return cls(
            primary=PrimarySummary(**document["primary"]),
            backbone=BackboneSummary(**tupled(document["backbone"], "layers")),
            settings=Settings(**document["settings"]),
            datasets=tuple(
                DatasetSummary(**tupled(row, "o_dist_mean_ci", "relative_ci", "energy_ci")) for row in document["datasets"]
            ),
            images=pd.read_parquet(folder / "images.parquet"),
            primary_images=pd.read_parquet(folder / "primary.parquet"),
            provenance=Provenance(**document["provenance"]),
            baselines=tuple(BaselineSummary(**row) for row in document["baselines"]),
            skipped=tuple(Skipped(**row) for row in document["skipped"]),
            leaks=tuple(Leak(**row) for row in document["leaks"]),
            notes=tuple(document["notes"]),
        )

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and formatted cells of the summary table, one row a secondary: what terminal, notebook and report show."""
        header = (
            "dataset",
            "n",
            "O^dist (sum)",
            "O^dist (mean)",
            "row-scaled",
            "relative [95 % CI]",
            "energy",
            "p",
            "expl. var.",
        )
        return header, [_cells(dataset) for dataset in self.datasets]

    def caption(self) -> str:
        """One line that says what the table is about."""
        own = "undefined (one image)" if self.primary.self_distance is None else f"{self.primary.self_distance:.4g}"
        return (
            f"{self.primary.name}: {self.primary.n} images, self-distance {own}; "
            f"{self.backbone.name} (q = {self.backbone.length:,}), "
            f"{self.settings.projection} projection, seed {self.settings.seed}"
        )

    def remarks(self) -> list[str]:
        """Lines that the terminal shows under the table."""
        return [f"note: {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *_footer(self)])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), _footer(self))


def _cells(dataset: DatasetSummary) -> tuple[str, ...]:
    relative = format_number(dataset.relative)
    if dataset.relative is not None and dataset.relative_ci is not None:
        low, high = dataset.relative_ci
        relative = f"{dataset.relative:.3f} [{low:.3f}, {high:.3f}]"
    return (
        dataset.name,
        str(dataset.n),
        format_number(dataset.o_dist),
        format_number(dataset.o_dist_mean),
        f"{dataset.o_dist_scaled:.3f}",
        relative,
        format_number(dataset.energy),
        format_p(dataset.p_value),
        f"{100 * dataset.explained_variance:.1f} %",
    )


def _footer(comparison: Comparison) -> list[str]:
    lines = list(comparison.notes)
    if comparison.leaks:
        lines.append(f"{len(comparison.leaks)} images are in {comparison.primary.name} and in a secondary too (.leaks)")
    if comparison.skipped:
        lines.append(f"{len(comparison.skipped)} files were skipped (.skipped)")
    return lines


def _flat(dataset: DatasetSummary) -> dict[str, Any]:
    row = asdict(dataset)
    for name in ("o_dist_mean_ci", "relative_ci", "energy_ci"):
        low, high = row.pop(name) or (None, None)
        row[f"{name}_low"], row[f"{name}_high"] = low, high
    row.update(row.pop("rivals"))
    return row
