"""Judge a site by what labelled sets say of it: estimate, interval, gate and probable failures; every command asks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator
from howfar.relation.calibrated_estimator import Calibrated, calibrated, resolved
from howfar.relation.failure_list import failures
from howfar.relation.gate import GateRange, Values, fit, values_of
from howfar.relation.known_fits import KnownFits
from howfar.relation.label_free_columns import Columns, narrow, rows, take
from howfar.relation.labelled_images import Labelled
from howfar.relation.leave_one_dataset_out import HiddenSite, judge
from howfar.relation.model_selection import DISTANCE, MEAN, in_order
from howfar.relation.performance_estimators import every, named
from howfar.results import Choice, Failures, Judgement, SetEstimate
from howfar.results.gate import Gate
from howfar.results.json_values import plain

AUTO: Final = "auto"
ERROR_RATE: Final = 0.2
"""Of profiles that an earlier version made, which hold none."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Hold the labelled images that a judge learns from, and what the gate reads of their sets.

    Attributes
    ----------
    columns, performance, sets, groups
        What is known of n labelled images without labels; their performance, set and, where known, photograph.
    home
        The set that is of the primary dataset's own kind, where it has labels.
    corrupted
        By name the sets that are corrupted versions of the primary dataset's images, with the kind of corruption.
    readings
        By name the values of the gate's checks of each labelled set; those of the primary dataset under "".
    """

    columns: Columns
    performance: Float64Array
    sets: NDArray[np.str_]
    groups: NDArray[np.str_] | None
    home: str | None
    corrupted: Mapping[str, str]
    readings: Mapping[str, Values]

    def without(self, dataset: str) -> Evidence:
        """Hide the labels of one site."""
        rest = self.sets != dataset
        return replace(
            self,
            columns=take(self.columns, rest),
            performance=self.performance[rest],
            sets=self.sets[rest],
            groups=None if self.groups is None else self.groups[rest],
            readings={name: values for name, values in self.readings.items() if name != dataset},
        )

    @property
    def sites(self) -> list[str]:
        """List the labelled sites, neither the primary's own kind nor corrupted versions of it."""
        names = dict.fromkeys(str(name) for name in self.sets)
        return [name for name in names if name != self.home and name not in self.corrupted]

    def labelled(self) -> Labelled:
        """Validate the images; raises `InputError` where they do not fit together."""
        return Labelled.of(self.columns, self.performance, self.sets, self.groups, self.home, self.corrupted)


@dataclass(frozen=True)
class Terms:
    """Hold what a judge is asked for.

    Performance below which an image counts as failed, confidence level of intervals, allowed share of wrong entries in a
    failure list, and whether maps are predicted by tiles, so that the size of whole images does not matter.
    """

    tau: float
    level: float
    error_rate: float
    tiled: bool = False


@dataclass(frozen=True, eq=False)
class SiteJudgement:
    """Hold what a judge says of one site of m images.

    Attributes
    ----------
    estimate, gate, failures
        Mean performance with its interval, every check of the gate, and the list of probable failures; None where nothing can
        be said.
    predicted, low, high, p_value
        (m,) each: estimate of an image's performance, its interval, and the p-value of "it does not fail"; NaN where there is
        none.
    estimators
        The estimator of each image, None where there is none.
    listed
        (m,) whether an image is on the failure list.
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
    """Hold estimators calibrated on labelled sets and the range of those sets, and judge sites by them; `judge_of` makes it.

    Attributes
    ----------
    metric
        Name of the measure of performance, in words.
    threshold
        The common threshold at which performance is taken and `predicted_foreground` counts; None where it is not known.
    terms
        What is asked for.
    sets
        The labelled sets and how many images of each have a performance.
    order
        The estimators to try for an image, the first that it has the columns for being used.
    judgements
        Every usable estimator, "mean" first, with each labelled set left out in turn; empty where nothing can be left out.
    fits
        The estimators by name, fitted on all labelled images.
    gate
        The range of the labelled sets; None in profiles of howfar 0.1.
    remarks
        Notes from when the estimators were fitted.
    choice
        What choosing among estimators was worth, of profiles that an earlier version made.
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
        """Return the threshold at which a map's foreground is counted: the common one, 0.5 where there is none."""
        return 0.5 if self.threshold is None else self.threshold

    def ranked(self, wanted: str = AUTO) -> tuple[str, ...]:
        """List the estimators to try for an image: those of `order` for "auto", else the one that is wanted, then the mean.

        Raises `InputError` where `wanted` is neither "auto" nor an estimator of the judge.
        """
        if wanted == AUTO:
            return self.order
        if wanted not in self.fits:
            raise InputError.of("estimator", f"must be auto or one of {', '.join(self.fits)}", wanted)
        return tuple(dict.fromkeys((wanted, MEAN)))

    def predict(
        self, columns: Columns, wanted: str = AUTO
    ) -> tuple[Float64Array, Float64Array, Float64Array, tuple[str | None, ...]]:
        """Predict the performance of m images: value, the ends of its interval, and the estimator that made it, (m,) each.

        `columns` are distances in units of the primary dataset's self-distance, and signals of the images' maps; `wanted` is
        "auto", or the name of one estimator. Raises `InputError` for another name.
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
        self, dataset: str, columns: Columns, wanted: str = AUTO, performance: Float64Array | None = None
    ) -> SiteJudgement:
        """Judge a site by the columns of its m images; `performance` (m,), where it is known, is only held against the answer.

        Raises `InputError` for an estimator that the judge does not have, or columns that do not fit.
        """
        gate = None if self.gate is None else self.gate.read(dataset, values_of(columns), tiled=self.terms.tiled)
        return self.of_predictions(dataset, *self.predict(columns, wanted), gate, performance)

    def of_predictions(
        self,
        dataset: str,
        predicted: Float64Array,
        low: Float64Array,
        high: Float64Array,
        estimators: tuple[str | None, ...],
        gate: Gate | None,
        performance: Float64Array | None = None,
    ) -> SiteJudgement:
        """Judge a site by what `predict` said of its images one by one; the estimator of most images gives the interval."""
        used = Counter(name for name in estimators if name is not None).most_common(1)
        if not used:
            undefined = np.full(len(predicted), np.nan)
            none = np.zeros(len(predicted), dtype=np.bool_)
            return SiteJudgement(None, gate, None, predicted, low, high, undefined, estimators, none)
        fit = self.fits[used[0][0]]
        known = np.zeros(0) if performance is None else performance[np.isfinite(performance)]
        estimate = fit.of_estimates(
            predicted[np.isfinite(predicted)],
            dataset,
            float(np.mean(known)) if len(known) else None,
            0.0 if gate is None else gate.beyond,
        )
        asked = {"tau": self.terms.tau, "error_rate": self.terms.error_rate}
        failing, p_value, listed = failures(fit, predicted, dataset, **asked, performance=performance)
        return SiteJudgement(estimate, gate, failing, predicted, low, high, p_value, estimators, listed)

    def corrupted(self) -> tuple[tuple[SetEstimate, bool | None], ...]:
        """List what is said of each corrupted set by a fit without its kind, and whether the gate of all others passes it."""
        fit = self.fits[self.order[0]]
        names, found = np.array(fit.sets, dtype=np.str_), []
        for name in fit.set_errors("corrupted"):
            of_set = names == name
            values = {} if self.gate is None else self.gate.sets.get(name, {})
            gate = None if self.gate is None else self.gate.without(name).read(name, values, tiled=self.terms.tiled)
            beyond, inside = (0.0, None) if gate is None else (gate.beyond, gate.inside)
            found.append((fit.of_estimates(fit.estimates[of_set], name, float(fit.performance[of_set].mean()), beyond), inside))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the fits as JSON values."""
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
        """Return the fits as JSON values."""
        return {name: fit.to_dict() for name, fit in self.fits.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], fitted: Mapping[str, Any]) -> SiteJudge:
        """Rebuild the judge from the values of `to_dict` and `fitted`.

        Raises `HowfarError` where an estimator of another package is not installed, or the fits are no such documents.
        """
        rate = float(document.get("error_rate", ERROR_RATE))
        fits = {str(name): Calibrated.from_dict(fit) for name, fit in fitted.items()}
        order = tuple(str(name) for name in document["auto"])
        if not order or not set(order) <= fits.keys():
            raise ValueError(f"order of estimators {order} of {sorted(fits)}")
        return cls(
            metric=str(document["metric"]),
            threshold=None if document["threshold"] is None else float(document["threshold"]),
            terms=Terms(float(document["tau"]), float(document["level"]), rate, bool(document.get("tiled", False))),
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
    """Fit, calibrate and judge the estimators that labelled sets have the columns for, and learn the gate's range.

    `wanted` is "auto" or the estimator to use, `known` are fits that were made before. Without `rivals` only the estimators
    that may be used are fitted, and none is judged beside them.

    Raises
    ------
    InputError
        Evidence that does not fit together, or a wanted estimator that the labelled sets lack the columns for.
    """
    fits, labelled = KnownFits() if known is None else known, evidence.labelled()
    usable = {estimator.name: settled for estimator in every() if (settled := resolved(estimator, labelled)) is not None}
    judged = list(usable.values()) if rivals else _only(usable, (DISTANCE,))
    judgements, _ = judge(
        judged,
        *(evidence.columns, evidence.performance, evidence.sets),
        tau=terms.tau,
        level=terms.level,
        groups=evidence.groups,
        home=evidence.home,
        corrupted=evidence.corrupted,
        known=fits,
        hidden={name: _hidden(evidence, name, terms.tiled) for name in evidence.sites},
    )
    order = in_order(usable, judgements) if wanted == AUTO else (_wanted(wanted, labelled).name, MEAN)
    gate = fit(evidence.readings)
    stopped = _stopped(evidence, gate, terms.tiled)
    return SiteJudge(
        metric=metric,
        threshold=threshold,
        terms=terms,
        sets={name: int(np.count_nonzero(evidence.sets == name)) for name in dict.fromkeys(evidence.sets.tolist())},
        order=tuple(dict.fromkeys(order)),
        judgements=judgements if rivals else (),
        fits={
            estimator.name: calibrated(estimator, _narrowed(labelled, estimator), terms.level, fits, stopped)
            for estimator in (usable.values() if rivals else _only(usable, order))
        },
        gate=gate,
        remarks=tuple(remarks),
    )


def _narrowed(labelled: Labelled, estimator: Estimator) -> Labelled:
    return replace(labelled, columns=narrow(labelled.columns, estimator.needs))


def _only(usable: Mapping[str, Estimator], names: Iterable[str]) -> list[Estimator]:
    return [usable[name] for name in dict.fromkeys(names) if name in usable]


def _wanted(name: str, labelled: Labelled) -> Estimator:
    settled = resolved(named(name), labelled)
    if settled is None:
        raise InputError.of("estimator", "must be one whose signals the labelled sets have", name, f"{AUTO} picks from those")
    return settled


def _stopped(evidence: Evidence, gate: GateRange, tiled: bool) -> frozenset[str]:
    """List the sites that the gate stops when they are left out."""
    readings = {name: gate.without(name).read(name, evidence.readings.get(name, {}), tiled=tiled) for name in evidence.sites}
    return frozenset(name for name, read in readings.items() if read.inside is False)


def _hidden(evidence: Evidence, site: str, tiled: bool) -> HiddenSite:
    """Read the gate where the labels of a site are hidden: which other sites it stops, and how far this one lies beyond."""
    rest = replace(evidence, sets=evidence.sets[evidence.sets != site])
    gate = fit({name: values for name, values in evidence.readings.items() if name != site})
    return HiddenSite(_stopped(rest, gate, tiled), gate.read(site, evidence.readings.get(site, {}), tiled=tiled).beyond)


def left_out(judge: SiteJudge, evidence: Evidence, dataset: str, wanted: str, known: KnownFits) -> SiteJudge | None:
    """Make the judge that does not know the labels of one site; None where nothing else is labelled.

    What it says of the site is, to the last bit, what would be said of it if it had no labels. The mean stands in for a wanted
    estimator that no other labelled set has the columns for.
    """
    rest = evidence.without(dataset)
    if not len(rest.performance):
        return None
    usable = wanted == AUTO or resolved(named(wanted), rest.labelled()) is not None
    asked = wanted if usable else MEAN
    return judge_of(rest, judge.terms, judge.metric, judge.threshold, wanted=asked, known=known, rivals=False)
