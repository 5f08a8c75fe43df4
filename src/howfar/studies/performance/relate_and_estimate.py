"""Relate performance to distance (tables 3-5, figs. 4-6 of the paper), and estimate it for datasets without labels."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import group_numbers
from howfar.data.image_groups_and_variations import look_tiled, pattern_of, tiles
from howfar.data.untrusted_documents_and_tables import column_roles
from howfar.errors import InputError, StoreError
from howfar.experiment_tracking import Log, check_tracker, log_result
from howfar.io.file_location import absolute
from howfar.metrics.metric_interface import defined
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options_by_function import RelateOptions, RelateSettings
from howfar.pipeline.primary_reference import GATE_COLUMNS
from howfar.progress import doing
from howfar.random_streams import stream
from howfar.relation.calibrated_estimator import KnownFits
from howfar.relation.labelled_images import take
from howfar.relation.performance_by_distance import PerformancePoints, curve, parts
from howfar.relation.site_judge import DISTANCE, MEAN, Evidence, SiteJudge, SiteJudgement, judge_of, left_out
from howfar.relation.trend import can_be_pooled, pooled_trend, trend, verdict
from howfar.results import Comparison, Evaluation, Provenance, Relation, RelationSettings, SetEstimate
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.results.relation_result import BLANK, DatasetRelation, DistancePart, Trend, TrendVerdict, without_foreground
from howfar.significance.bootstrap import effective, few_groups
from howfar.studies.column_slices import check_sliceable, columns_of, performance_slices
from howfar.studies.performance.image_performance import (
    GIVEN,
    GROUP,
    NOT_TUNED,
    ROLES,
    VALUE,
    ImagePerformance,
    Matched,
    MeasuredImages,
    Performances,
    files_of,
    groups_of,
    read_performances,
    split_performances,
)
from howfar.studies.run_report import draw

ESTIMATED: Final = {
    "estimate": "predicted", "estimate_low": "low", "estimate_high": "high", "p_value": "p_value", "listed": "listed",
}  # fmt: skip
"""The columns of a relation's images that hold what the judge says of them."""


def expect(
    judge: SiteJudge, evidence: Evidence, measured: MeasuredImages, known: KnownFits, wanted: str, group: str | None = None
) -> dict[str, SiteJudgement]:
    """Judge every dataset by name: a labelled one with its labels hidden, an unlabelled one with all labels."""
    groups = np.array(groups_of(measured.images, group), dtype=np.str_)
    performance, sets = measured.scores.performance, measured.sets
    judged: dict[str, SiteJudgement] = {}
    for name in dict.fromkeys(sets.tolist()):
        inside = np.flatnonzero(sets == name)
        hidden = bool(np.isfinite(performance[inside]).any())
        judging = left_out(judge, evidence, name, wanted, known) if hidden else judge
        if judging is None:
            continue  # without its own labels there is nothing to learn from
        numbers = group_numbers(groups[inside].tolist())
        independent = None if numbers is None else effective(numbers)
        columns = take(measured.columns, inside)
        judged[name] = judging.site(name, columns, performance=performance[inside], independent=independent)
    return judged


def relation_notes(
    images: pd.DataFrame,
    given: Sequence[Evaluation],
    matched: Matched,
    settings: RelationSettings,
    estimates: Sequence[SetEstimate],
    first: str,
) -> Iterator[str]:
    """Yield the notes of a relation, most important first; `first` is the estimator that is tried first."""
    if settings.threshold_source == NOT_TUNED:
        yield (
            f"the common threshold is {settings.threshold:.2f}, tuned on nothing: evaluate the primary dataset too and pass "
            "its performance, or give --threshold"
        )
    if tolerance := max((evaluation.tolerance for evaluation in given), default=0.0):
        yield f"predictions count within {tolerance:g} px of the truth"
    without = [evaluation.dataset or "a table" for evaluation in given if evaluation.task == GIVEN]
    if without and settings.threshold is None and any(evaluation.task == "segmentation" for evaluation in given):
        yield (
            f"{', '.join(without)} came without pixel counts: every performance is taken as it was given, which need not be at "
            "one threshold"
        )
    if matched.changed:
        images_are = "1 image is" if matched.changed == 1 else f"{matched.changed} images are"
        yield (
            f"{images_are} not, by content, what the performance was measured on, and matched by name: if files were changed "
            "or renumbered since, evaluate again"
        )
    for name, count in matched.unmatched.items():
        if count:
            noun, verb = ("image", "is") if count == 1 else ("images", "are")
            yield f"{count} {noun} in the performance of {name or 'a table'} {verb} not in the run: left out"
    for dataset, rows in images.groupby("dataset", sort=False):
        lacking = len(rows) - int(rows["performance"].notna().sum())
        if 0 < lacking < len(rows):
            have = "has" if lacking == 1 else "have"
            yield f"{lacking} of {len(rows)} images of {dataset} {have} no performance: left out of its trend"
    yield from fallbacks(estimates, first)
    blank = without_foreground(images)
    yield from (f"{name}: {BLANK}: F is undefined there" for name in blank)
    unlabelled = [row.dataset for row in estimates if row.measured is None and row.dataset not in blank]
    if unlabelled and settings.threshold is not None:
        yield (
            f"F is undefined for an image without foreground: the estimates for {', '.join(unlabelled)} are what its images "
            "would score if they hold some, as the labelled ones do"
        )
    grouped = GROUP in images and images[GROUP].nunique() < len(images)
    if settings.bootstrap and settings.group is None and not grouped:
        # A single stem in a dataset numbers its photographs, as in IMG-0001 and IMG-0002, and not their tiles.
        counts = [tiles(rows["image"].tolist()) for _, rows in images.groupby("dataset")]
        photographs, tile_count = (sum(column) for column in zip(*counts, strict=True))
        if look_tiled(len(images), photographs, tile_count):
            yield (
                f"image names look like tiles of {photographs} photographs, which are not independent: --group '(.+)-[0-9]+' "
                "resamples photographs, and widens the intervals to what they should be"
            )
    for dataset, rows in images.groupby("dataset", sort=False) if settings.bootstrap and GROUP in images else ():
        yield from filter(None, [few_groups(str(dataset), len(rows), group_numbers(rows[GROUP].tolist()))])
    for evaluation in given:
        for note in evaluation.notes:
            yield f"{evaluation.dataset or 'performance'}: {note}"


def fallbacks(estimates: Sequence[SetEstimate], first: str | None) -> Iterator[str]:
    """Note the unlabelled sets that lack inputs of the `first` estimator and use another one."""
    for row in estimates:
        if row.measured is None and row.estimator != first:
            lacking = "its predictions" if row.estimator in (MEAN, DISTANCE) else "a signal that the labelled sets have"
            yield f"{row.dataset} lacks what {first} needs ({lacking}): estimated by {row.estimator} instead"


CURVE = ("dataset", "image", "distance", "performance", "smoothed")
BY_THRESHOLD = ("threshold", "precision", "recall", "f", "dataset")


@with_options(RelateOptions)
def relate(
    run: Comparison | str | Path, performance: Performances | Sequence[Performances], **options: Unpack[RelateOptions]
) -> Relation:
    r"""Test whether performance falls with distance in each secondary dataset, and estimate performance without labels.

    For each labelled set: F of its nearer and farther halves and thirds (tables 3-5), the curve over scaled I^dist (figs
    4-6), Spearman, Kendall, slope and partial correlation with intervals, and a verdict; then all sets pooled within sets.
    Then estimators of performance that need no labels, from distance, confidence and agreement, each judged by leaving one
    labelled set out beside "predict the mean"; the judge of sites (`howfar.relation.site_judge`) estimates every set by the
    labels of the others, sets it against them, and lists its probable failures.

    Parameters
    ----------
    run
        What `howfar.compare` returned, or its run folder, into which the relation and its report are then written.
    performance
        `Evaluation` objects, files of ``howfar evaluate -o``, or tables with the columns image and performance (and where
        known dataset, foreground, signals); one or several. One of the primary itself gives the common threshold. A file of
        one dataset may be called by its name in place of a column dataset.

    Raises
    ------
    HowfarError
        A file that is missing or unreadable, images that are not in the run, an impossible setting.

    Examples
    --------
    >>> import howfar
    >>> rng = np.random.default_rng(0)
    >>> p, s = rng.normal(size=(60, 4)), rng.normal(size=(80, 4)) * np.linspace(0.5, 4, 80)[:, None]
    >>> run = howfar.compare(p, {"site": s}, bootstrap=0, permutations=0)
    >>> table = run.images[["dataset", "image"]].assign(performance=0.9 - 0.5 * run.images["i_dist_scaled"])
    >>> relate(run, table, bootstrap=200).datasets[0].verdict.kind
    'falls'
    """
    given = checked(RelateOptions, options)
    check_tracker(given["log"])
    check_resampling(given)
    comparison = run if isinstance(run, Comparison) else Comparison.load(run)
    by = columns_of(given["by"])
    check_sliceable(by, comparison.images)
    if not isinstance(run, Comparison):
        page_folder("run", run, Comparison.COMMAND)
    names = [comparison.primary.name, *(dataset.name for dataset in comparison.datasets)]
    read = read_performances(performance, names, column_roles(given["columns"], ROLES))
    relation, _ = related(comparison, read, given, files_of(performance))
    if not isinstance(run, Comparison):
        earlier = relation.metric
        if (absolute(run) / Relation.DOCUMENT).is_file():
            with suppress(StoreError):  # what is damaged is made anew
                earlier = Relation.load(run).metric
        # A threshold is no task, and what a table of performances is of is not known.
        measures = {each.partition(" at ")[0] for each in (earlier, relation.metric)}
        if len(measures) > 1 and VALUE not in measures:
            rule = f"must be {earlier}, as the relation in {run} is"
            remedy = "relate them in another run folder: howfar compare --out"
            raise InputError.of("performance", rule, relation.metric, remedy)
        draw(comparison, relation.save(run), relation=relation)
    log_result(Log.of(given["log"], f"relate {relation.primary}"), picked(RelateSettings, given), relation.to_dict())
    return relation


def check_resampling(given: RelateOptions) -> None:
    """Raise `InputError` for a number of draws or a photograph expression that makes resampling impossible."""
    if given["bootstrap"] == 1:
        raise InputError.of("bootstrap", "must be 0 (no intervals) or at least 2", 1, "pass 1000")
    if given["group"] is not None:
        pattern_of(given["group"])


def related(
    comparison: Comparison,
    evaluations: Sequence[Evaluation],
    given: RelateOptions,
    files: tuple[str, ...] = (),
    *,
    source: str = "",
    further: MeasuredImages | None = None,
) -> tuple[Relation, SiteJudge]:
    """Relate performance to distance by checked options; return the relation and the judge of sites behind its estimates."""
    measured, judge, judged = expectation(comparison, evaluations, given, further=further)
    numbers = checked(RelateSettings, {**picked(RelateSettings, given), "threshold": measured.scores.threshold})
    settings = RelationSettings(
        threshold_source=source or measured.scores.source,
        performance=files,
        estimator=given["estimator"],
        by=columns_of(given["by"]),
        **numbers,
    )
    matched, scores = measured.matched, measured.scores
    images = comparison.images[["dataset", "image", "path", "i_dist_mean", "i_dist_scaled"]]
    images = images.assign(
        prediction=matched.rows.get("prediction", ""),
        group=groups_of(comparison.images, settings.group),
        foreground=matched.rows.get("foreground", np.nan),
        performance=scores.performance,
    )
    for column, name in ESTIMATED.items():
        images[column] = False if column == "listed" else np.nan
        for dataset, judgement in judged.items():
            images.loc[images["dataset"] == dataset, column] = getattr(judgement, name)
    estimates, failures, gates = (
        tuple(each for said in judged.values() if (each := getattr(said, part)) is not None)
        for part in ("estimate", "failures", "gate")
    )
    sets = [str(name) for name in images["dataset"].unique()]
    labelled = [name for name in sets if images["performance"][images["dataset"] == name].notna().any()]
    by_set = _Related(images, scores, settings)
    pooled, verdict = by_set.pooled(labelled)
    relation = Relation(
        primary=comparison.primary.name,
        metric=scores.metric,
        settings=settings,
        datasets=tuple(by_set.dataset(name, matched.unmatched.get(name, 0)) for name in labelled),
        pooled=pooled,
        pooled_verdict=verdict,
        judgements=judge.judgements,
        choices=(),
        estimator=judge.order[0],
        estimates=estimates,
        failures=failures,
        gates=gates,
        images=images,
        curves=by_set.curves(labelled),
        thresholds=by_set.thresholds(labelled),
        slices=performance_slices(images, comparison.images, settings),
        provenance=Provenance.now(),
        notes=tuple(relation_notes(images, evaluations, matched, settings, estimates, judge.order[0])),
    )
    return relation.made_from(comparison), judge


def expectation(
    comparison: Comparison,
    evaluations: Sequence[Evaluation],
    given: RelateOptions,
    *,
    further: MeasuredImages | None = None,
    rivals: bool = True,
) -> tuple[MeasuredImages, SiteJudge, dict[str, SiteJudgement]]:
    """Judge every dataset of a run by the labels of the others; return its measured images, the judge and what it says."""
    own, others = split_performances(evaluations, comparison.primary.name, "evaluate one too")
    images = comparison.images
    distances = {name: images[column] for column, name in GATE_COLUMNS.items() if column in images}
    if len(distances) < len(GATE_COLUMNS):
        # A run of an earlier version: distances of its own projection, over the primary's self-distance in it.
        unit = images["dataset"].map({dataset.name: dataset.self_distance or np.nan for dataset in comparison.datasets})
        distances = {"i_dist": images["i_dist_mean"] / unit, "knn": images["knn"] / unit, "mahalanobis": images["mahalanobis"]}
    numbers = {name: values.to_numpy(dtype=np.float64) for name, values in distances.items()}
    measured = MeasuredImages.of(images, numbers, others, own, given["threshold"])
    scores, strangers = measured.scores, measured.matched.strangers
    if strangers:
        rule = f"must be of the images of {strangers[0]} in the run"
        raise InputError.of("performance", rule, "other images of the same names", "evaluate the images of the run")
    if further is None and not np.isfinite(scores.performance).any():
        received = ", ".join(evaluation.dataset or "a table" for evaluation in others)
        remedy = "evaluate one that has labels, or masks with foreground"
        raise InputError.of("performance", "must be known of an image of some secondary dataset", received, remedy)
    doing("judging sites, each labelled one with its labels hidden")
    evidence, known = measured.evidence(given["group"], comparison.primary.name, further), KnownFits()
    how: Any = {"wanted": given["estimator"], "known": known, "rivals": rivals}
    judge = judge_of(evidence, measured.terms(given), scores.metric, scores.threshold, **how)
    return measured, judge, expect(judge, evidence, measured, known, given["estimator"], given["group"])


@dataclass(frozen=True, eq=False)
class _Related:
    """Relate the performance of a run's images to distance, for each set and for all sets pooled."""

    images: pd.DataFrame
    scores: ImagePerformance
    settings: RelationSettings

    def scored(self, name: str) -> NDArray[np.intp]:
        """Find the rows of a set's images that have a performance of their own."""
        return np.flatnonzero(((self.images["dataset"] == name) & self.images["performance"].notna()).to_numpy())

    def counted(self, name: str) -> NDArray[np.intp]:
        """Find the rows of a set's images that its scores cover, with blank masks too, as false alarms count."""
        return np.flatnonzero((self.images["dataset"] == name).to_numpy() & self.scores.counted)

    def points(self, name: str) -> PerformancePoints:
        """Return the scored images of a set as points, with distances scaled over the whole set before any split."""
        rows = self.images.iloc[self.scored(name)]
        foreground = rows["foreground"].to_numpy(dtype=np.float64)
        return PerformancePoints.of(
            rows["i_dist_scaled"].to_numpy(),
            rows["performance"].to_numpy(),
            foreground=foreground if np.isfinite(foreground).any() else None,
            groups=rows["group"].to_numpy(dtype=str),
        )

    def dataset(self, name: str, unmatched: int) -> DatasetRelation:
        """Relate a dataset: its scores, halves and thirds, trend and verdict."""
        rows = self.counted(name)
        mean = float(self.images["performance"].iloc[rows].mean())
        own_trend = trend(self.points(name), stream(self.settings.seed, "relation", name), self.settings.bootstrap)
        ods, ods_threshold = self.scores.retuned(rows)
        return DatasetRelation(
            name=name,
            n=int((self.images["dataset"] == name).sum()),
            scored=len(self.scored(name)),
            unmatched=unmatched,
            mean=mean,
            pooled=defined(self.scores.common(rows)),
            ods=defined(ods),
            ods_threshold=defined(ods_threshold),
            halves=self._parts(rows, 2),
            thirds=self._parts(rows, 3),
            trend=own_trend,
            verdict=self._verdict(own_trend, mean),
        )

    def pooled(self, names: Sequence[str]) -> tuple[Trend | None, TrendVerdict | None]:
        """Relate all sets together; each image is compared with images of its own set only."""
        if not names:
            return None, None
        # What is said of all sets is of those that the trend is of.
        used = [name for name in names if can_be_pooled(self.points(name))] or list(names)
        rng = stream(self.settings.seed, "relation", "")
        pooled = pooled_trend([self.points(name) for name in used], rng, self.settings.bootstrap)
        means = [float(self.images["performance"].iloc[self.scored(name)].mean()) for name in used]
        return pooled, self._verdict(pooled, float(np.mean(means)), len(used))

    def curves(self, names: Sequence[str]) -> pd.DataFrame:
        """Compute performance by distance as figs 4-6 draw it: each set's images in order, raw and smoothed."""
        frames = []
        for name in names:
            rows = self.images.iloc[self.scored(name)]
            performance = rows["performance"].to_numpy()
            order, distance, smoothed = curve(rows["i_dist_scaled"].to_numpy(), rows["image"].tolist(), performance)
            columns = (name, rows["image"].to_numpy()[order], distance, performance[order], smoothed)
            frames.append(pd.DataFrame(dict(zip(CURVE, columns, strict=True))))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(CURVE))

    def thresholds(self, names: Sequence[str]) -> pd.DataFrame:
        """Compute precision, recall and F of each set at every threshold; sets without counted pixels have no rows."""
        frames = [self.scores.by_threshold(self.counted(name)).assign(dataset=name) for name in names]
        frames = [frame for frame in frames if len(frame)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(BY_THRESHOLD))

    def _parts(self, rows: NDArray[np.intp], count: int) -> tuple[DistancePart, ...]:
        images = self.images.iloc[rows]
        return parts(
            images["i_dist_scaled"].to_numpy(),
            images["image"].tolist(),
            count,
            retuned=lambda chosen: self.scores.retuned(rows[chosen]),
            common=lambda chosen: self.scores.common(rows[chosen]),
            values=images["performance"].to_numpy(),
        )

    def _verdict(self, trend: Trend | None, mean: float, sets: int = 1) -> TrendVerdict:
        called = "F" if self.scores.threshold is not None else "performance"
        return verdict(trend, mean, tau=self.settings.tau, flat=self.settings.flat, metric_name=called, sets=sets)
