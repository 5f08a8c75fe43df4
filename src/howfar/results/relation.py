"""How performance goes with distance, what unlabelled images will probably score, and which of them probably fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from howfar.errors import MissingPathError, StoreError
from howfar.numbers import format_number
from howfar.plots import Plots
from howfar.results.files import plain, replace
from howfar.results.records import Provenance
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
FILES = ("relation.json", "relation.parquet", "curves.parquet", "thresholds.parquet")


@dataclass(frozen=True)
class Coefficient:
    """A coefficient with its bootstrap interval; None where it is undefined (constant values, too few images)."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Trend:
    """How performance goes with distance over `n` images in `groups` independent groups (photographs).

    `spearman` and `kendall` (τ_b) are rank correlations; `slope` is the change of performance over the whole range of
    distances of a set (distance scaled to 0-1), by least squares; `partial` is Spearman's given the foreground share, None
    where that is unknown. Pooled over sets, ranks and values are taken within each set first.
    """

    n: int
    groups: int
    spearman: Coefficient
    kendall: Coefficient
    slope: Coefficient
    partial: Coefficient | None


@dataclass(frozen=True)
class Verdict:
    """A trend in words; `kind` is what a program may rely on."""

    kind: Literal["falls", "rises", "consistent", "none"]
    text: str


@dataclass(frozen=True)
class Part:
    """A half or third of a set by distance (tables 3-5): performance, and mean and standard deviation of scaled I^dist.

    `performance` is F at the threshold that is best for this part, as the paper; `performance_common` at the threshold that
    all images share; `mean` the mean of the images' own values at it. For a task without thresholds the three are one.
    """

    label: str
    n: int
    performance: float | None
    threshold: float | None
    performance_common: float | None
    mean: float | None
    distance_mean: float
    distance_std: float


@dataclass(frozen=True)
class DatasetRelation:
    """One secondary: how its performance goes with I^dist.

    `n` images were measured, `scored` of them have a performance; `unmatched` images of the performance file are not in
    the run. `mean` is the mean per-image performance at the common threshold, `pooled` F of the summed counts at it,
    `ods` and `ods_threshold` F at the threshold that looks at this set's own labels.
    """

    name: str
    n: int
    scored: int
    unmatched: int
    mean: float | None
    pooled: float | None
    ods: float | None
    ods_threshold: float | None
    halves: tuple[Part, ...]
    thirds: tuple[Part, ...]
    trend: Trend | None
    verdict: Verdict


@dataclass(frozen=True)
class Judgement:
    """An estimator of performance, judged by leaving one labelled dataset out at a time.

    `kind` is "baseline" (predict the mean), "distance", "confidence", "agreement" or "combined". `mae_image` is the mean
    absolute error of an image's performance (each set counts alike), `mae_set` of a set's mean; `coverage` and `width` are
    the measured share and the mean length of the image intervals; `auroc` of "performance is below τ", pooled, and
    `auroc_within` the mean over sets that hold both kinds; `aurc` is the mean risk (1 − performance) over all coverages,
    the images with the highest estimates kept first. `set_errors` is estimate less truth of each set's mean.
    """

    estimator: str
    kind: str
    sets: int
    images: int
    mae_image: float
    mae_set: float
    coverage: float | None
    width: float | None
    auroc: float | None
    auroc_within: float | None
    aurc: float | None
    set_errors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What it is worth to use the estimator that is judged best, of all (`among` "all") or of one kind ("distance").

    The errors of a winner flatter it, since it was chosen by them. So for each labelled set an estimator is chosen by what the
    other sets say alone (`picked`), and its error is taken on the set: `mae_image`, `mae_set` and `set_errors` are those of
    the choosing itself, to be held against those of "mean". `winner` has the least error over all `sets`.
    """

    among: str
    winner: str
    sets: int
    mae_image: float
    mae_set: float
    picked: Mapping[str, str]
    set_errors: Mapping[str, float]


@dataclass(frozen=True)
class SetEstimate:
    """Predicted mean performance of a set, with a conformal interval at `level` (the highest that the labelled sets allow).

    `measured` is the true mean where the set has labels (then the estimate was made without them), else None.
    """

    dataset: str
    estimator: str
    n: int
    predicted: float
    low: float
    high: float
    level: float
    measured: float | None


@dataclass(frozen=True)
class Failures:
    """The images of a set that probably score below τ.

    At most `error_rate` of the `listed` images are expected not to fail, where the images are exchangeable with labelled
    ones. `measured_error` is that share as measured on a labelled set left out of the fit, None where none is listed or
    labelled; `failing` how many of it truly fail, `found` how many of those are on the list.
    """

    dataset: str
    tau: float
    error_rate: float
    estimator: str
    n: int
    listed: int
    measured_error: float | None = None
    failing: int | None = None
    found: int | None = None


@dataclass(frozen=True)
class RelationSettings:
    """What the caller chose, with the defaults filled in.

    `threshold` is the common one and `threshold_source` where it comes from, in words; `tau` is the performance below
    which an image counts as failed and above which a flat curve counts as consistent; `flat` is the largest change over
    the whole range of distances that counts as flat; `level` is that of the conformal intervals, `error_rate` that of
    failure lists; `group` is the regular expression whose first group names an image's photograph.
    """

    threshold: float | None
    threshold_source: str
    tau: float
    flat: float
    level: float
    error_rate: float
    bootstrap: int
    seed: int
    group: str | None


@dataclass(frozen=True, eq=False, repr=False)
class Relation:
    """How performance goes with distance in each secondary dataset, as `howfar.relate` returns it.

    Attributes
    ----------
    primary, metric, settings, provenance
        The primary's name, what performance is in words, how it was related, with what.
    datasets
        One `DatasetRelation` for each secondary that has performances, in the run's order.
    pooled, pooled_verdict
        The trend within sets, pooled over them; None where no set has performances.
    judgements
        Every estimator, judged by leave-one-dataset-out; "mean" first. Empty with fewer than two labelled sets.
    choices
        What choosing the best of all estimators is worth, and the best distance; empty with fewer than two labelled sets.
    estimator
        The estimator that estimates and failure lists use: the best by `mae_image` where choosing it is worth more than
        "mean", else "mean"; or the caller's.
    estimates, failures
        For every set of the run, labelled (judged) or not.
    images
        One row an image of the run: dataset, image, path, prediction, i_dist_mean, i_dist_scaled, group, foreground,
        performance (nan where unknown), estimate, estimate_low, estimate_high, p_value (of "it does not fail"), listed.
        For labelled sets the estimates are those made with the set left out.
    curves
        Dataset, image, distance (scaled I^dist, ascending), performance (raw), smoothed (centred moving average).
    thresholds
        Dataset, threshold, precision, recall, f of each set that has counts.
    """

    primary: str
    metric: str
    settings: RelationSettings
    datasets: tuple[DatasetRelation, ...]
    pooled: Trend | None
    pooled_verdict: Verdict | None
    judgements: tuple[Judgement, ...]
    choices: tuple[Choice, ...]
    estimator: str | None
    estimates: tuple[SetEstimate, ...]
    failures: tuple[Failures, ...]
    images: pd.DataFrame
    curves: pd.DataFrame
    thresholds: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``relation.plot.performance()``."""
        return Plots(self, "relation_figures")

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar relate --json`` and of ``relation.json``; per-image tables are left out."""
        return {
            "format": FORMAT,
            "primary": self.primary,
            "metric": self.metric,
            "settings": asdict(self.settings),
            "datasets": [plain(asdict(one)) for one in self.datasets],
            "pooled": None if self.pooled is None else asdict(self.pooled),
            "pooled_verdict": None if self.pooled_verdict is None else asdict(self.pooled_verdict),
            "judgements": [plain(asdict(one)) for one in self.judgements],
            "choices": [plain(asdict(one)) for one in self.choices],
            "estimator": self.estimator,
            "estimates": [asdict(one) for one in self.estimates],
            "failures": [asdict(one) for one in self.failures],
            "notes": list(self.notes),
            "provenance": plain(asdict(self.provenance)),
        }

    def save(self, run: str | Path) -> Path:
        """Write relation.json, relation.parquet, curves.parquet and thresholds.parquet into a run folder, and return it.

        An earlier relation is replaced; where the writing is cut off there is none, rather than a mixture of both.
        """
        folder = Path(run)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        self.discard(folder)
        tables = {"relation": self.images, "curves": self.curves, "thresholds": self.thresholds}
        for name, frame in tables.items():
            replace(folder / f"{name}.parquet", partial(frame.to_parquet, index=False))
        replace(folder / "relation.json", lambda path: path.write_text(text, encoding="utf-8"))
        return folder

    @staticmethod
    def discard(run: str | Path) -> None:
        """Remove what `save` wrote into a run folder, where there is any: it belongs to a run that was replaced."""
        for name in FILES:
            (Path(run) / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, run: str | Path) -> Relation:
        """Read it back from a run folder.

        Raises
        ------
        MissingPathError
            The folder holds none.
        StoreError
            It is damaged, or of another format.
        """
        folder = Path(run)
        for name in FILES:
            if not (folder / name).is_file():
                raise MissingPathError(f"{folder / name} is not there: run howfar relate on this folder first")
        try:
            return cls._read(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise StoreError(f"{folder}: relation is damaged ({type(error).__name__}: {reason}): run relate again") from error

    @classmethod
    def _read(cls, folder: Path) -> Relation:
        import pandas as pd

        document = json.loads((folder / "relation.json").read_text(encoding="utf-8"))
        if document.get("format") != FORMAT:
            raise StoreError(f"{folder}: relation has another format than this howfar reads ({FORMAT}): run relate again")
        pooled, verdict = document["pooled"], document["pooled_verdict"]
        return cls(
            primary=document["primary"],
            metric=document["metric"],
            settings=RelationSettings(**document["settings"]),
            datasets=tuple(_dataset(row) for row in document["datasets"]),
            pooled=None if pooled is None else _trend(pooled),
            pooled_verdict=None if verdict is None else Verdict(**verdict),
            judgements=tuple(Judgement(**row) for row in document["judgements"]),
            choices=tuple(Choice(**row) for row in document["choices"]),
            estimator=document["estimator"],
            estimates=tuple(SetEstimate(**row) for row in document["estimates"]),
            failures=tuple(Failures(**row) for row in document["failures"]),
            images=pd.read_parquet(folder / "relation.parquet"),
            curves=pd.read_parquet(folder / "curves.parquet"),
            thresholds=pd.read_parquet(folder / "thresholds.parquet"),
            provenance=Provenance(**document["provenance"]),
            notes=tuple(document["notes"]),
        )

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and formatted cells, one row a labelled set: what terminal, notebook and report show."""
        header = ("dataset", "n", "mean", "near half", "far half", "Spearman [95 % CI]", "slope [95 % CI]", "verdict")
        return header, [_cells(one) for one in self.datasets]

    def caption(self) -> str:
        """One line that says what the table is about."""
        source = f" ({self.settings.threshold_source})" if self.settings.threshold_source else ""
        return f"{self.metric}{source}, by distance from {self.primary}"

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *self._footer()])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), self._footer())

    def _footer(self) -> list[str]:
        verdict = [] if self.pooled_verdict is None else [self.pooled_verdict.text]
        return [*verdict, *self.notes]


def _cells(one: DatasetRelation) -> tuple[str, ...]:
    trend = one.trend
    halves = [format_number(part.performance_common, 3) for part in one.halves] or ["–", "–"]
    return (
        one.name,
        str(one.scored),
        format_number(one.mean, 3),
        *halves,
        "–" if trend is None else _with_interval(trend.spearman),
        "–" if trend is None else _with_interval(trend.slope),
        one.verdict.kind,
    )


def _with_interval(one: Coefficient) -> str:
    if one.value is None:
        return "–"
    if one.low is None or one.high is None:
        return f"{one.value:+.2f}"
    return f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"


def _dataset(row: dict[str, Any]) -> DatasetRelation:
    parts = {name: tuple(Part(**part) for part in row[name]) for name in ("halves", "thirds")}
    trend = None if row["trend"] is None else _trend(row["trend"])
    return DatasetRelation(**{**row, **parts, "trend": trend, "verdict": Verdict(**row["verdict"])})


def _trend(row: dict[str, Any]) -> Trend:
    names = ("spearman", "kendall", "slope", "partial")
    return Trend(**{**row, **{name: None if row[name] is None else Coefficient(**row[name]) for name in names}})
