"""Estimate an unlabelled site's performance with an interval, check the gate (is the site too different?), list failures.

The least left-out error of many estimators is smaller than what the winner does on a further set (Varma & Simon, "Bias in error
estimation when using cross-validation for model selection", BMC Bioinformatics 7, 2006). So nothing is chosen among those that
read a model's predictions: their `consensus` is used. An estimator that reads distances alone stands in where there are no
predictions to read, if it did clearly better than the mean of the labelled sets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.calibrated_estimator import Calibrated, KnownFits, calibrated, resolved
from howfar.relation.failure_list import failures
from howfar.relation.gate import GateRange, Values, fit, values_by_set, values_of
from howfar.relation.labelled_images import MIRRORED, Columns, LabelledImages, rows, take
from howfar.relation.leave_one_dataset_out import HiddenSite, judge_labelled
from howfar.relation.performance_estimators import every, named
from howfar.results import Choice, Failures, Judgement, SetEstimate
from howfar.results.display_and_shared_records import plain
from howfar.results.relation_result import Gate

MEAN: Final = "mean"
CONSENSUS: Final = "consensus"
SINGLE: Final = ("atc", "signals", "boosted")
"""Estimators that stand in, in this order, for an image or a site that lacks a column of the consensus."""
DISTANCE: Final = "knn"
"""The distance that is used where there are no predictions: it has no fault between two clusters of P, as I^dist has."""
SET_OF: Final = "·"
"""Between the name of a dataset and that of a corruption in the name of a corrupted set, as `howfar.corrupt` writes it."""
ENOUGH: Final = 3
"""Fewer labelled sites than these cannot show that a distance does better than their mean."""


def in_order(usable: Collection[str], judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """List the estimators to try in order, "mean" last; the first whose columns an image has is used for that image.

    `usable` are those that the labelled sets have the columns for.

    Examples
    --------
    >>> in_order({"mean", "consensus", "atc", "knn"}, [])
    ('consensus', 'atc', 'mean')
    >>> in_order({"mean", "knn"}, [])
    ('mean',)
    """
    reading = (CONSENSUS, *(name for name in SINGLE if name in usable)) if CONSENSUS in usable else ()
    distance = (DISTANCE,) if DISTANCE in usable and clearly_better(DISTANCE, MEAN, judgements) else ()
    return (*reading, *distance, MEAN)


def clearly_better(estimator: str, other: str, judgements: Sequence[Judgement]) -> bool:
    """Return whether an estimator's error on the sites' means is lower than another's by more than one standard error.

    The standard error is that of the mean of their differences over the sites (the "one standard error rule" of Breiman,
    Friedman, Olshen & Stone, "Classification and regression trees", 1984, section 3.4.3). Fewer than three sites show nothing.
    """
    errors = {row.estimator: row.set_errors for row in judgements}
    if estimator not in errors or other not in errors:
        return False
    shared = [name for name in errors[estimator] if name in errors[other]]
    if len(shared) < ENOUGH:
        return False
    gains = np.array([abs(errors[other][name]) - abs(errors[estimator][name]) for name in shared])
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))


AUTO: Final = "auto"
REPEATED: Final = "mosaic"
"""The corruption of small copies of an image side by side: no photograph is like that, so mosaics do not widen the gate."""
ERROR_RATE: Final = 0.2
"""Of profiles that an earlier version made, which hold none."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Hold a site judge's labelled images, and the values of the gate's checks by set (of the primary dataset under "")."""

    labelled: LabelledImages
    readings: Mapping[str, Values]

    @classmethod
    def of(cls, images: LabelledImages, home: LabelledImages | None, primary: str) -> Evidence:
        """Collect the images with a performance that is not NaN, and those of the primary's own kind (`home`).

        Datasets are taken by name, so that no order in which they were passed changes a digit.
        """
        scored = np.flatnonzero(np.isfinite(images.performance))
        names = [str(name) for name in np.unique(images.sets[scored])]
        labelled = images.take(scored[np.argsort(images.sets[scored], kind="stable")])
        read, own = values_by_set(images.columns, images.sets), {} if home is None else values_of(home.columns)
        if home is not None:
            labelled = LabelledImages.stacked(labelled, home)
        # The primary dataset's own kind is the unit of distances and of the residual.
        readings: dict[str, Values] = {"": {**own, "distance": 1.0, "residual": 1.0}, **{name: read[name] for name in names}}
        begin = f"{primary}{SET_OF}"
        corrupted = {name: name.removeprefix(begin).split(" ")[0] for name in names if name.startswith(begin)}
        rows = (labelled.columns, labelled.performance, labelled.sets, labelled.groups)
        return cls(LabelledImages.of(*rows, None if home is None else str(home.sets[0]), corrupted), readings)

    def without(self, dataset: str) -> Evidence:
        """Return the evidence without the labelled images of one site."""
        rest = self.labelled.take(self.labelled.sets != dataset)
        return Evidence(rest, {name: values for name, values in self.readings.items() if name != dataset})

    def gate(self) -> GateRange:
        """Learn the gate's range from the labelled sets' readings; readings of mosaics do not widen the range."""
        kinds = self.labelled.kinds
        mosaics = set() if kinds is None else set(self.labelled.sets[kinds == REPEATED])
        return fit({name: values for name, values in self.readings.items() if name not in mosaics})


@dataclass(frozen=True)
class Terms:
    """Hold the settings of a site judge: failure threshold, confidence level, error rate of failure lists, and tiling.

    `network` is what `howfar predict` recorded in the labelled images' maps: the network, and how it is fed and read.
    """

    tau: float
    level: float
    error_rate: float
    tiled: bool = False
    network: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SiteJudgement:
    """Hold the judgement of one site of m images: estimate, gate, probable failures, and predictions by image.

    `predicted`, `low`, `high` and `p_value` (of "it does not fail") are (m,), NaN where there is none; `listed` (m,) says
    whether an image is on the failure list.
    """

    estimate: SetEstimate | None
    gate: Gate | None
    failures: Failures | None
    predicted: Float64Array
    low: Float64Array
    high: Float64Array
    p_value: Float64Array
    estimators: tuple[str | None, ...]
    listed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SiteJudge:
    """Judge unlabelled sites by estimators calibrated on labelled sets and the gate's range; made by `judge_of`.

    `metric` names the measure of performance in words. `threshold` is the common one, at which `predicted_foreground` counts.
    `order` are the estimators to try for an image. `judgements` are empty where nothing can be left out. `gate` is None in
    profiles of howfar 0.1; `choice` is kept of profiles that an earlier version made.
    """

    metric: str
    threshold: float | None
    terms: Terms
    sets: Mapping[str, int]
    order: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    fits: Mapping[str, Calibrated]
    gate: GateRange | None
    remarks: tuple[str, ...] = ()
    choice: Choice | None = field(default=None, repr=False)

    @property
    def cut(self) -> float:
        """Return the threshold for a map's foreground: the common threshold, or 0.5 if unknown."""
        return 0.5 if self.threshold is None else self.threshold

    def ranked(self, wanted: str = AUTO) -> tuple[str, ...]:
        """List the estimators to try for an image: `order` for "auto", otherwise the wanted estimator, then "mean"."""
        if wanted == AUTO:
            return self.order
        if wanted not in self.fits:
            raise InputError.of("estimator", f"must be auto or one of {', '.join(self.fits)}", wanted)
        return tuple(dict.fromkeys((wanted, MEAN)))

    def predict(
        self, columns: Columns, wanted: str = AUTO
    ) -> tuple[Float64Array, Float64Array, Float64Array, tuple[str | None, ...]]:
        """Predict the performance of m images: value, low and high end of its interval, and estimator used, (m,) each.

        `columns` are distances in units of the primary dataset's self-distance, and signals of the images' maps.
        """
        predictions = np.full((3, rows(columns)), np.nan)
        names: list[str | None] = [None] * predictions.shape[1]
        for name in self.ranked(wanted):
            rest = np.flatnonzero(np.isnan(predictions[0]))
            if not len(rest):
                break
            predictions[:, rest] = self.fits[name].predict(take(columns, rest))
            for index in rest[np.isfinite(predictions[0, rest])]:
                names[index] = name
        return predictions[0], predictions[1], predictions[2], tuple(names)

    def site(
        self, dataset: str, columns: Columns, performance: Float64Array | None = None, independent: float | None = None
    ) -> SiteJudgement:
        """Judge a site by its images' columns; `performance` (m,) only scores it; `independent` is as in `of_estimates`."""
        gate = None if self.gate is None else self.gate.read(dataset, values_of(columns), tiled=self.terms.tiled)
        return self.of_predictions(dataset, *self.predict(columns), gate, performance, independent)

    def of_predictions(
        self,
        dataset: str,
        predicted: Float64Array,
        low: Float64Array,
        high: Float64Array,
        estimators: tuple[str | None, ...],
        gate: Gate | None,
        performance: Float64Array | None = None,
        independent: float | None = None,
    ) -> SiteJudgement:
        """Judge a site from the per-image results of `predict`; the estimator of most images gives the interval."""
        used = Counter(name for name in estimators if name is not None).most_common(1)
        if not used:
            undefined = np.full(len(predicted), np.nan)
            none = np.zeros(len(predicted), dtype=np.bool_)
            return SiteJudgement(None, gate, None, predicted, low, high, undefined, estimators, none)
        fit = self.fits[used[0][0]]
        known = np.zeros(0) if performance is None else performance[np.isfinite(performance)]
        measured, beyond = float(np.mean(known)) if len(known) else None, 0.0 if gate is None else gate.beyond
        estimate = fit.of_estimates(predicted[np.isfinite(predicted)], dataset, measured, beyond, independent)
        asked = {"tau": self.terms.tau, "error_rate": self.terms.error_rate}
        failing, p_value, listed = failures(fit, predicted, dataset, **asked, performance=performance)
        return SiteJudgement(estimate, gate, failing, predicted, low, high, p_value, estimators, listed)

    def corrupted(self) -> tuple[tuple[SetEstimate, bool | None], ...]:
        """List for each corrupted set its estimate without its kind of corruption, and whether the gate accepts the set."""
        fit = self.fits[self.order[0]]
        names, found = np.array(fit.sets, dtype=np.str_), []
        for name in fit.set_errors("corrupted"):
            of_set = names == name
            gate = None if self.gate is None else self.gate.left_out(name, tiled=self.terms.tiled)
            beyond, inside = (0.0, None) if gate is None else (gate.beyond, gate.inside)
            found.append((fit.of_estimates(fit.estimates[of_set], name, float(fit.performance[of_set].mean()), beyond), inside))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the judge without its fits as JSON values."""
        return {
            "metric": self.metric,
            "threshold": self.threshold,
            **asdict(self.terms),
            "sets": dict(self.sets),
            "judgements": [plain(asdict(judgement)) for judgement in self.judgements],
            "estimators": list(self.fits),
            "choice": None if self.choice is None else plain(asdict(self.choice)),
            "auto": list(self.order),
            "remarks": list(self.remarks),
            "gate": None if self.gate is None else self.gate.to_dict(),
        }

    def fitted(self) -> dict[str, Any]:
        """Return the fitted estimators as JSON values, by name."""
        return {name: fit.to_dict() for name, fit in self.fits.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], fitted: Mapping[str, Any]) -> SiteJudge:
        """Rebuild the judge from the values of `to_dict` and `fitted`."""
        rate = float(document.get("error_rate", ERROR_RATE))
        fits = {str(name): Calibrated.from_dict(fit) for name, fit in fitted.items()}
        order = tuple(str(name) for name in document["auto"])
        if not order or not set(order) <= fits.keys():
            raise ValueError(f"order of estimators {order} of {sorted(fits)}")
        return cls(
            metric=str(document["metric"]),
            threshold=None if document["threshold"] is None else float(document["threshold"]),
            terms=Terms(
                float(document["tau"]),
                float(document["level"]),
                rate,
                bool(document.get("tiled", False)),
                dict(document.get("network", {})),
            ),
            sets={str(name): int(count) for name, count in document["sets"].items()},
            order=order,
            judgements=tuple(Judgement(**row) for row in document["judgements"]),
            fits=fits,
            gate=None if document.get("gate") is None else GateRange.from_dict(document["gate"]),
            remarks=tuple(document["remarks"]),
            choice=None if document["choice"] is None else Choice(**document["choice"]),
        )


def judge_of(
    evidence: Evidence,
    terms: Terms,
    metric: str,
    threshold: float | None,
    *,
    wanted: str = AUTO,
    known: KnownFits | None = None,
    rivals: bool = True,
    remarks: Collection[str] = (),
) -> SiteJudge:
    """Build the site judge: fit, calibrate and evaluate all usable estimators, and learn the gate's range.

    `wanted` is "auto" or the estimator to use, `known` are fits that were made before. Without `rivals` only the estimators
    that may be used are fitted, and none is judged beside them.
    """
    known, labelled, gate = known or KnownFits(), evidence.labelled, evidence.gate()
    sites, tiled = np.unique(labelled.sets[labelled.roles == "site"].astype(np.str_)).tolist(), terms.tiled
    usable = {estimator.name: settled for estimator in every() if (settled := resolved(estimator, labelled)) is not None}
    # The gate without one site's labels: which others it stops, and how far the site is out of their range.
    hidden = {
        name: HiddenSite(_stopped(sites, gate.without(name), tiled), gate.left_out(name, tiled=tiled).beyond) for name in sites
    }
    judged = [estimator for name, estimator in usable.items() if rivals or name == DISTANCE]
    judgements, _ = judge_labelled(judged, labelled, tau=terms.tau, level=terms.level, known=known, hidden=hidden)
    if wanted != AUTO and resolved(named(wanted), labelled) is None:
        raise InputError.of("estimator", "must be one whose signals the labelled sets have", wanted, f"{AUTO} picks from those")
    order = tuple(dict.fromkeys(in_order(usable, judgements) if wanted == AUTO else (named(wanted).name, MEAN)))
    used = usable if rivals else {name: usable[name] for name in order if name in usable}
    stopped = _stopped(sites, gate, tiled)
    return SiteJudge(
        metric=metric,
        threshold=threshold,
        terms=terms,
        sets=dict(Counter(labelled.sets.tolist())),
        order=order,
        judgements=judgements if rivals else (),
        fits={name: calibrated(estimator, labelled, terms.level, known, stopped) for name, estimator in used.items()},
        gate=gate,
        remarks=tuple(remarks),
    )


def _stopped(sites: Sequence[str], gate: GateRange, tiled: bool) -> frozenset[str]:
    """List the sites that the gate rejects when left out."""
    return frozenset(name for name in sites if gate.left_out(name, tiled=tiled).inside is False)


def left_out(judge: SiteJudge, evidence: Evidence, dataset: str, wanted: str, known: KnownFits) -> SiteJudge | None:
    """Build the site judge without one site's labels; None if no other images are labelled.

    What it says of the site is, to the last bit, what would be said of it if it had no labels. The mean stands in for a wanted
    estimator that no other labelled set has the columns for.
    """
    rest = evidence.without(dataset)
    if not len(rest.labelled.performance):
        return None
    usable = wanted == AUTO or resolved(named(wanted), rest.labelled) is not None
    asked = wanted if usable else MEAN
    return judge_of(rest, judge.terms, judge.metric, judge.threshold, wanted=asked, known=known, rivals=False)


FIRST: Final = "would be used first, but needs"
"""How the note of an estimator begins whose predictions were not passed."""


def notes(judge: SiteJudge, at_hand: Collection[str], wanted: str = AUTO) -> tuple[str, ...]:
    """Describe how reliable the predictions are for images that have the columns `at_hand`."""
    ranked = judge.ranked(wanted)
    missing = [name for name in judge.fits[ranked[0]].needs if name not in at_hand]
    if wanted != AUTO and missing:
        raise InputError(f"estimator {wanted} needs {', '.join(missing)}: pass the folders of maps that they are read from")
    used = next(name for name in ranked if set(judge.fits[name].needs) <= set(at_hand))
    better = ranked[: ranked.index(used)]
    more = []
    if better:
        absent = set(judge.fits[better[0]].needs) - set(at_hand)
        what = "predictions of the mirrored images: pass them too" if absent <= MIRRORED else "predictions: pass them"
        more = [f"{_with_error(judge, better[0])} {FIRST} {what}"]
    return (_trust(judge, used), *more, *judge.remarks)


def learnt_notes(judge: SiteJudge | None, datasets: Iterable[str]) -> tuple[str, ...]:
    """Note each dataset that has the name of a labelled set: the judge may have learnt from its labels."""
    known = {} if judge is None else judge.sets
    return tuple(
        f"{name}: the profile learnt from {known[name]} labelled images of a set of this name; if they are the same images, "
        "its estimate is not that of a new site"
        for name in dict.fromkeys(datasets)
        if name in known
    )


def lines(judge: SiteJudge) -> tuple[str, ...]:
    """Describe the judge in two lines of text: the labelled images known, and the estimator used."""
    images = sum(judge.sets.values())
    sets = ", ".join(f"{name} {count}" for name, count in judge.sets.items())
    known = f"used: {_with_error(judge, judge.order[0])}" if judge.judgements else "not judged: that takes two labelled sets"
    return (f"performance {judge.metric}, known of {images} images ({sets})", f"estimators  {known}")


def judgement_of(judge: SiteJudge, name: str) -> Judgement | None:
    """Return an estimator's leave-one-set-out evaluation; None if it could not be evaluated."""
    return next((judgement for judgement in judge.judgements if judgement.estimator == name), None)


def _with_error(judge: SiteJudge, name: str) -> str:
    judgement = judgement_of(judge, name)
    return name if judgement is None else f"{name} (error of a dataset's mean {judgement.mae_set:.3f})"


def _trust(judge: SiteJudge, used: str) -> str:
    judgement, mean = judgement_of(judge, used), judgement_of(judge, MEAN)
    if judgement is None or mean is None:
        return f"predictions are by {used}; how well it does on a dataset that it was not fitted on is not known"
    sets = judgement.sets
    how = "with the one labelled dataset left out" if sets == 1 else f"with each of {sets} labelled datasets left out in turn"
    held = ""
    if judgement.coverage is not None:
        held = f"; {100 * judgement.coverage:.0f} % of the images lay in its {100 * judge.terms.level:.0f} % intervals"
    if judgement.set_coverage is not None:
        count = round(judgement.set_coverage * judgement.sets)
        held += f", and {count} of {judgement.sets} means in those of a dataset"
    if used == MEAN:
        return f"the estimate of every image is the labelled datasets' mean, with an error of {mean.mae_set:.3f} {how}{held}"
    return (
        f"predictions are by {used}, which missed a dataset's mean by {judgement.mae_set:.3f} {how} "
        f"({mean.mae_set:.3f} for predicting their mean) and an image by {judgement.mae_image:.3f}{held}"
    )
