"""Hold the result of `howfar relate`: trends of performance over distance, estimates, failures, gate checks and slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from howfar.formatting_and_escaping import format_estimate, format_number, format_p, share, signed
from howfar.results.display_and_shared_records import Cells, Interval, TableColumn, as_text, cells
from howfar.results.result import RecordedResult, holding

if TYPE_CHECKING:
    import pandas as pd


EMPTY = "(empty)"
SMALL = "too small"
ENERGY = ("energy [95 % CI]", "p of energy")


@dataclass(frozen=True)
class DistanceSlice:
    """Hold the distances of one slice of a secondary dataset.

    `value` is what its images have in the column `column`, "" where the table leaves that empty. `o_dist_mean` is their mean
    I^dist in mean form, `relative` the same over the primary's self-distance, as of the dataset; `relative_ci` its 95 %
    bootstrap interval over the slice's images, the primary's held fixed; `beyond_95` the share of images whose percentile among
    the primary's own is above 95; `difference` the slice's `relative` less that of the rest of its dataset; `p_value` that of a
    permutation test of "this slice is as far as the rest", after Holm's correction over the column's slices, `p_value_raw`
    before it. `energy` is the slice's energy distance from the primary, with `energy_ci` and the p-values of its own test of
    the same, alike. None stands where a value is undefined, or the slice is `small`: too small to say anything.
    """

    dataset: str
    column: str
    value: str
    n: int
    o_dist_mean: float
    relative: float | None
    relative_ci: tuple[float, float] | None
    beyond_95: float | None
    difference: float | None
    p_value: float | None
    p_value_raw: float | None
    small: bool
    energy: float | None = None
    energy_ci: tuple[float, float] | None = None
    energy_p_value: float | None = None
    energy_p_value_raw: float | None = None


@dataclass(frozen=True)
class PerformanceSlice:
    """Hold the performance of one slice of a secondary dataset.

    `n` images are in the slice, `scored` of them have a performance, of `photographs` photographs (tiles of one are one).
    `mean` is their mean performance at the common threshold, `mean_ci` its 95 % bootstrap interval over photographs;
    `estimate` the mean of what is estimated for all its images without their labels; `listed` how many are listed as probable
    failures; `difference` the slice's mean performance less that of the rest of its dataset; `p_value` that of a permutation
    test of "this slice does as well as the rest" over photographs, after Holm's correction over the column's slices,
    `p_value_raw` before it. None stands where a value is undefined, or the slice is `small`: too small to say anything.
    """

    dataset: str
    column: str
    value: str
    n: int
    scored: int
    photographs: int
    mean: float | None
    mean_ci: tuple[float, float] | None
    estimate: float | None
    listed: int
    difference: float | None
    p_value: float | None
    p_value_raw: float | None
    small: bool


Slice: TypeAlias = DistanceSlice | PerformanceSlice


def slice_columns(slices: Sequence[Slice]) -> list[TableColumn]:
    """Return the columns of a table of slices by distance, or by performance."""
    name = TableColumn("slice", lambda each: f"{each.column} = {each.value or EMPTY}")
    first = [name, TableColumn("dataset", "dataset"), TableColumn("n", "n", "n")]
    rest = TableColumn("less the rest", lambda each: signed(each.difference, 3), "difference")
    p = TableColumn("p", lambda each: SMALL if each.small else format_p(each.p_value), "p_value")
    if any(isinstance(each, PerformanceSlice) for each in slices):
        scored, listed = TableColumn("scored", "scored", "scored"), TableColumn("listed", "listed", "listed")
        mean = TableColumn("mean [95 % CI]", lambda each: Interval(each.mean, *(each.mean_ci or ())), "mean")
        estimate = TableColumn("estimate", lambda each: format_number(each.estimate, 3), "estimate")
        return [*first, scored, mean, rest, p, estimate, listed]
    distance = TableColumn("relative [95 % CI]", lambda each: Interval(each.relative, *(each.relative_ci or ())), "relative")
    far = TableColumn("over 95th percentile", lambda row: "–" if row.beyond_95 is None else share(row.beyond_95), "beyond_95")
    energy = TableColumn(ENERGY[0], _energy, "energy")
    p_of_energy = TableColumn(ENERGY[1], lambda each: SMALL if each.small else format_p(each.energy_p_value), "energy_p_value")
    # Slices that an earlier version made have none.
    known = any(each.energy is not None for each in slices if isinstance(each, DistanceSlice))
    return [*first, distance, far, rest, p, *([energy, p_of_energy] if known else [])]


def _energy(each: DistanceSlice) -> str:
    ends = "" if each.energy is None or each.energy_ci is None else f" [{', '.join(map(format_number, each.energy_ci))}]"
    return f"{format_number(each.energy)}{ends}"


def slice_table(slices: Sequence[Slice]) -> Cells:
    """Return header and cells of slices by distance, or by performance."""
    return cells(slices, slice_columns(slices))


def too_small(slices: Sequence[Slice], fewest: int = 10) -> str:
    """State how many slices are too small, and by which rule; return "" if none is."""
    count = sum(each.small for each in slices)
    if not count:
        return ""
    of = "photographs" if any(isinstance(each, PerformanceSlice) for each in slices) else "images"
    has, stand = ("has", "stands") if count == 1 else ("have", "stand")
    return (
        f"{count} of {len(slices)} slices {has} fewer than {fewest} {of}, which is too small to say anything: "
        f"without interval and test, and {stand} last"
    )


@dataclass(frozen=True)
class GateReading:
    """Hold one check of a dataset against the range of the labelled datasets.

    Attributes
    ----------
    check
        What is checked: "distance", "knn", "residual", "share", "scale", "size" or "tiles".
    value
        The dataset's value; None where it is not known.
    low, high
        The limits: the range of the labelled datasets and a margin beyond; None where that side has none.
    inside
        Whether the value lies in the range; None where it cannot be said.
    words
        The check in a sentence for a person.
    remedy
        What to do where the value lies outside; "" where it lies inside.
    beyond
        Where between the range of the labelled datasets (0) and the limit (1) the value lies; above 1 outside.
    """

    check: str
    value: float | None
    low: float | None
    high: float | None
    inside: bool | None
    words: str
    remedy: str = ""
    beyond: float = 0.0


@dataclass(frozen=True)
class Gate:
    """Hold all checks of a dataset, the most important first."""

    dataset: str
    readings: tuple[GateReading, ...]

    @property
    def inside(self) -> bool | None:
        """Return whether all checks are inside the range; None if no check was possible."""
        known = [reading.inside for reading in self.readings if reading.inside is not None]
        return all(known) if known else None

    @property
    def beyond(self) -> float:
        """Return the worst check's excess: 0 in the range of the labelled datasets, 1 at its limit, more beyond."""
        return max((reading.beyond for reading in self.readings), default=0.0)

    @property
    def outside(self) -> tuple[GateReading, ...]:
        """Return the checks that lie outside the labelled range."""
        return tuple(reading for reading in self.readings if reading.inside is False)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the checks with a labelled range but no value of the dataset, which may lie outside."""
        return tuple(reading.check for reading in self.readings if reading.value is None)

    def unchecked(self) -> str:
        """Name the checks that were not possible; return "" if there are none."""
        if self.inside is None:
            return "the gate could check nothing"
        names = ", ".join(reading.check for reading in self.readings if reading.inside is None)
        return f"the gate could not check {names}" if names else ""

    def warning(self) -> str:
        """Return a one-line reason for distrusting an estimate, with the remedy; "" if no check is outside.

        Examples
        --------
        >>> far = GateReading("distance", 1.41, 1.0, 1.21, False, "farther than any labelled site")
        >>> Gate("highway", (far,)).warning()
        'highway: farther than any labelled site'
        """
        if not self.outside:
            return ""
        remedies = dict.fromkeys(reading.remedy for reading in self.outside if reading.remedy)
        words = f"{self.dataset}: {'; '.join(reading.words for reading in self.outside)}"
        return f"{words}: {'; or '.join(remedies)}" if remedies else words


# An interval's end is an estimate plus an error: rounding may make it miss the value that gave the error.
_ROUNDING = 1e-9
BLANK: Final = "labelled, without foreground"


@dataclass(frozen=True)
class Trend:
    """Describe the trend of performance with distance over `n` images in `groups` independent photographs.

    `spearman` and `kendall` (τ_b) are rank correlations; `slope` is the change of performance over the whole range of
    distances of a set (distance scaled to 0-1), by least squares; `partial` is Spearman's given the foreground share, None
    where that is unknown. Pooled over sets, ranks and values are taken within each set first.
    """

    n: int
    groups: int
    spearman: Interval
    kendall: Interval
    slope: Interval
    partial: Interval | None


@dataclass(frozen=True)
class TrendVerdict:
    """Describe a trend in words; programs may rely on `kind`."""

    kind: Literal["falls", "rises", "consistent", "none"]
    text: str


@dataclass(frozen=True)
class DistancePart:
    """Describe a half or third of a dataset by distance (tables 3-5): performance, mean and spread of scaled I^dist.

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
    """Hold the relation of performance and I^dist in a secondary dataset.

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
    halves: tuple[DistancePart, ...]
    thirds: tuple[DistancePart, ...]
    trend: Trend | None
    verdict: TrendVerdict


@dataclass(frozen=True)
class Judgement:
    """Hold the errors of a performance estimator when one labelled dataset is left out at a time.

    `kind` is "baseline" (predict the mean), "distance", "confidence", "agreement" or "combined". `mae_image` is the mean
    absolute error of an image's performance (each set counts alike), `mae_set` of a set's mean; `coverage` and `width` are
    the measured share and the mean length of the image intervals; `auroc` of "performance is below τ", pooled, and
    `auroc_within` the mean over sets that hold both kinds; `aurc` is the mean risk (1 − performance) over all coverages,
    the images with the highest estimates kept first. `set_errors` is estimate less truth of each set's mean; `set_coverage`
    and `set_width` are the share and the mean length of the sets' intervals that held it. `home_error` is the error of the mean
    of the primary dataset's own kind when it alone was left out; it has labels wherever a model is used, so all else is of the
    foreign sets.
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
    set_coverage: float | None = None
    set_width: float | None = None
    home_error: float | None = None


@dataclass(frozen=True)
class Choice:
    """Hold the errors from using the estimator judged best, among all (`among` "all") or one kind ("distance").

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
    """Hold a dataset's predicted mean performance, with an interval from the errors on left-out datasets.

    `level` is that of the interval.
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

    @property
    def held(self) -> bool:
        """Return whether the interval contains the measured mean, up to rounding; False without a measured mean.

        Examples
        --------
        >>> SetEstimate("site", "mean", 9, 0.5, 0.4, 0.6, 0.9, measured=0.6).held
        True
        """
        return self.measured is not None and self.low - _ROUNDING <= self.measured <= self.high + _ROUNDING

    def text(self, *, doubted: bool = False) -> str:
        """Format the estimate with its interval, in brackets if it is doubted."""
        return format_estimate(self.predicted, self.low, self.high, doubted=doubted)


@dataclass(frozen=True)
class Failures:
    """Count the images of a set that probably score below τ.

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
    """Hold the settings of a relation, including defaults.

    `threshold` is the common one and `threshold_source` where it comes from, in words; `tau` is the performance below
    which an image counts as failed and above which a flat curve counts as consistent; `flat` is the largest change over
    the whole range of distances that counts as flat; `level` is that of the intervals, `error_rate` that of
    failure lists; `group` is the regular expression whose first group names an image's photograph; `performance` are
    the files of performances, none where one of them was given in memory; `estimator` is the one that was
    asked for, "auto" or a name, "" where that is not known; `by` are the columns that slices were made by.
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
    performance: tuple[str, ...] = ()
    estimator: str = ""
    by: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Relation(RecordedResult):
    """Hold the relation of performance and distance in each secondary dataset, made by `howfar.relate`.

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
        What choosing the best estimator was worth, of runs of earlier versions; nothing is chosen any more.
    estimator
        The estimator that estimates and failure lists use: `howfar.relation.site_judge` has the rule; or the caller's.
    estimates, failures
        For every set of the run, labelled (judged) or not.
    gates
        For every set of the run whether labelled sets like it are known, so that its estimate may be believed: an unlabelled
        set against all labelled ones, a labelled one against the others.
    slices
        With `by`, performance, estimate and listed failures of each slice, the worst first.
    images
        One row an image of the run: dataset, image, path, prediction, i_dist_mean, i_dist_scaled, group, foreground,
        performance (nan where unknown), estimate, estimate_low, estimate_high, p_value (of "it does not fail"), listed.
        For labelled sets the estimates are those made with the set left out.
    curves
        Dataset, image, distance (scaled I^dist, ascending), performance (raw), smoothed (centred moving average).
    thresholds
        Dataset, threshold, precision, recall, f of each set that has counts.
    """

    DOCUMENT: ClassVar = "relation.json"
    FILLED: ClassVar = ("images",)
    COMMAND: ClassVar = "relate"
    MISSING: ClassVar = "run howfar relate on this folder first"
    SUBJECT: ClassVar = ": the relation"

    primary: str
    metric: str
    settings: RelationSettings
    datasets: tuple[DatasetRelation, ...]
    pooled: Trend | None
    pooled_verdict: TrendVerdict | None
    judgements: tuple[Judgement, ...]
    choices: tuple[Choice, ...]
    estimator: str | None
    estimates: tuple[SetEstimate, ...]
    failures: tuple[Failures, ...]
    images: pd.DataFrame = field(metadata=holding("dataset image", "performance", file="relation.parquet"))
    curves: pd.DataFrame = field(metadata=holding("dataset image", "distance performance smoothed"))
    thresholds: pd.DataFrame = field(metadata=holding("dataset", "threshold precision recall f"))
    gates: tuple[Gate, ...] = ()
    slices: tuple[PerformanceSlice, ...] = ()

    def table(self) -> Cells:
        """Return header and formatted cells, one row per labelled dataset; means are over images, also in halves."""
        means, trends = ("mean", "mean, near half", "mean, far half"), ("Spearman [95 % CI]", "slope [95 % CI]")
        rows: list[tuple[str, ...]] = []
        for dataset in self.datasets:
            halves = [format_number(part.mean, 3) for part in dataset.halves] or ["–", "–"]
            numbers = (None, None) if dataset.trend is None else (dataset.trend.spearman, dataset.trend.slope)
            changes = ("–" if number is None else f"{number:+.2f}" for number in numbers)
            mean = format_number(dataset.mean, 3)
            rows.append((dataset.name, str(dataset.scored), mean, *halves, *changes, dataset.verdict.kind))
        return ("dataset", "n", *means, *trends, "verdict"), rows

    def caption(self) -> str:
        source = f" ({self.settings.threshold_source})" if self.settings.threshold_source else ""
        return f"{self.metric}{source}, by distance from {self.primary}"

    def footer(self) -> list[str]:
        """Return warnings on doubted estimates, the verdict over all sets, the slices, and the notes."""
        verdict = [] if self.pooled_verdict is None else [self.pooled_verdict.text]
        slices = [*as_text(*slice_table(self.slices)), *filter(None, [too_small(self.slices)])] if self.slices else []
        return [*self.warnings(), *verdict, *slices, *self.notes]

    def gate(self, dataset: str) -> Gate | None:
        """Return the gate of a dataset; None if there is none."""
        return next((gate for gate in self.gates if gate.dataset == dataset), None)

    def probable_failures(self, dataset: str | None = None) -> pd.DataFrame:
        """Return the rows of the listed images of a dataset, or of all, by increasing estimate; ties are ordered by name."""
        listed = self.images["listed"].astype(bool) & (True if dataset is None else self.images["dataset"] == dataset)
        return self.images[listed].sort_values(["estimate", "dataset", "image"], kind="stable")

    def listed_wrongly(self) -> tuple[int, int]:
        """Return how many listed images of known performance do not fail, and how many listed images have one."""
        known = self.probable_failures()["performance"].dropna()
        return int((known >= self.settings.tau).sum()), len(known)

    def doubted(self, row: SetEstimate) -> bool:
        """Return whether an estimate is not to be trusted: the dataset is outside the gate and has no measured score."""
        gate = self.gate(row.dataset)
        return row.measured is None and gate is not None and gate.inside is False

    def doubted_sets(self) -> set[str]:
        """Return the names of the datasets whose estimates are not to be trusted."""
        return {row.dataset for row in self.estimates if self.doubted(row)}

    def warnings(self) -> list[str]:
        """Return a warning for each unlabelled dataset outside the gate."""
        new = {row.dataset for row in self.estimates if row.measured is None}
        return [gate.warning() for gate in self.gates if gate.dataset in new and gate.inside is False]


def without_foreground(images: pd.DataFrame) -> list[str]:
    """List the datasets whose masks are all blank, from rows of images with dataset and foreground."""
    if "foreground" not in images:
        return []
    shares = images.dropna(subset="foreground").groupby("dataset", sort=False)["foreground"].max()
    return [str(name) for name in shares.index[shares == 0]]
