"""Predict the performance of new images by the estimators in a primary dataset's saved profile."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.calibrated_estimator import Calibrated
from howfar.relation.gate import GateRange
from howfar.relation.label_free_columns import Columns, rows, take
from howfar.relation.leave_one_dataset_out import ranking
from howfar.relation.model_selection import MEAN, PREFERRED, fixed_beforehand, in_order
from howfar.results import Choice, Judgement
from howfar.results.json_values import plain

AUTO = "auto"


@dataclass(frozen=True, eq=False)
class Expected:
    """Hold estimators of performance, calibrated on labelled datasets, and how each did when one of them was left out.

    Attributes
    ----------
    metric
        Name of the measure of performance, in words.
    threshold
        The common threshold at which performance is taken and `predicted_foreground` counts; None where it is not known.
    tau, level
        Performance below which an image counts as failed; confidence level of the intervals.
    sets
        The labelled datasets and how many images of each have a performance.
    judgements
        Every usable estimator, "mean" first, by leave-one-dataset-out; empty with a single labelled dataset, and no performance
        of the primary.
    choice
        Error of the estimators that are chosen as best, on sets that had no say; None where they could not be judged.
    fits
        The estimators by name, fitted on all labelled images.
    remarks
        Notes from when they were fitted.
    gate
        What the labelled datasets read, by which a new one is known to be like them or not; None in profiles of howfar 0.1.
    """

    metric: str
    threshold: float | None
    tau: float
    level: float
    sets: Mapping[str, int]
    judgements: tuple[Judgement, ...]
    choice: Choice | None
    fits: Mapping[str, Calibrated]
    remarks: tuple[str, ...] = ()
    gate: GateRange | None = None

    @property
    def cut(self) -> float:
        """Return the threshold at which a map's foreground is counted: the common one, 0.5 where there is none."""
        return 0.5 if self.threshold is None else self.threshold

    def ranked(self, wanted: str = AUTO) -> tuple[str, ...]:
        """List the estimators to try for an image, in order; the first that the image has the columns for is used.

        "auto": those that did better than "mean" with each labelled set left out in turn, the best first (or "boosted",
        where it is not clearly worse), then "mean"; "mean" alone where choosing did no better on sets that had no say in it.

        Raises `InputError` where `wanted` is neither "auto" nor an estimator of the profile.
        """
        if wanted != AUTO:
            if wanted not in self.fits:
                raise InputError.of("estimator", f"must be auto or one of {', '.join(self.fits)}", wanted)
            return (wanted,)
        names = in_order(self.judgements, [] if self.choice is None else [self.choice])
        return tuple(name for name in names if name in self.fits or name == MEAN)

    def predict(
        self, columns: Columns, wanted: str = AUTO
    ) -> tuple[Float64Array, Float64Array, Float64Array, tuple[str | None, ...]]:
        """Predict the performance of m images: value, the ends of its interval, and the estimator that made it, (m,) each.

        `columns` are distances in units of the primary dataset's self-distance, and signals of the images' maps; `wanted` is
        "auto", or the name of one estimator of the profile. Raises `InputError` for another name.
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

    def notes(self, at_hand: Collection[str], wanted: str = AUTO) -> tuple[str, ...]:
        """Say how far predictions are to be trusted, where an image has the columns `at_hand`.

        Raises `InputError` where `wanted` is no estimator of the profile, or needs a column that is not at hand.
        """
        ranked = self.ranked(wanted)
        used = next((name for name in ranked if set(self.fits[name].needs) <= set(at_hand)), None)
        if used is None:
            missing = ", ".join(name for name in self.fits[wanted].needs if name not in at_hand)
            raise InputError(f"estimator {wanted} needs {missing}: pass the folders of maps that they are read from")
        better = ranked[: ranked.index(used)]
        more = [f"{self._with_error(better[0])} comes first, and reads maps: pass their folder"] if better else []
        return (self._trust(used), *more, *self.remarks)

    def lines(self) -> tuple[str, ...]:
        """Describe the predictor in two lines for a person."""
        images = sum(self.sets.values())
        sets = ", ".join(f"{name} {count}" for name, count in self.sets.items())
        first = self.ranked()[0]
        judged = f"used: {self._with_error(first)}" if self.judgements else "not judged: that takes two labelled sets"
        judged += self._passed_over(first)
        return (f"performance {self.metric}, known of {images} images ({sets})", f"estimators  {judged}")

    def to_dict(self) -> dict[str, Any]:
        """Return all but the fits as JSON values."""
        return {
            "metric": self.metric,
            "threshold": self.threshold,
            "tau": self.tau,
            "level": self.level,
            "sets": dict(self.sets),
            "judgements": [plain(asdict(judgement)) for judgement in self.judgements],
            "estimators": list(self.fits),
            "choice": None if self.choice is None else plain(asdict(self.choice)),
            "auto": list(self.ranked()),
            "remarks": list(self.remarks),
            "gate": None if self.gate is None else self.gate.to_dict(),
        }

    def fitted(self) -> dict[str, Any]:
        """Return the fits as JSON values."""
        return {name: fit.to_dict() for name, fit in self.fits.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], fitted: Mapping[str, Any]) -> Expected:
        """Rebuild the predictor from the values of `to_dict` and `fitted`.

        Raises `HowfarError` where an estimator of another package is not installed, or the fits are no such documents.
        """
        return cls(
            metric=str(document["metric"]),
            threshold=None if document["threshold"] is None else float(document["threshold"]),
            tau=float(document["tau"]),
            level=float(document["level"]),
            sets={str(name): int(count) for name, count in document["sets"].items()},
            judgements=tuple(Judgement(**row) for row in document["judgements"]),
            choice=None if document["choice"] is None else Choice(**document["choice"]),
            fits={str(name): Calibrated.from_dict(fit) for name, fit in fitted.items()},
            remarks=tuple(document["remarks"]),
            gate=None if document.get("gate") is None else GateRange.from_dict(document["gate"]),
        )

    def _judgement(self, name: str) -> Judgement | None:
        return next((judgement for judgement in self.judgements if judgement.estimator == name), None)

    def _with_error(self, name: str) -> str:
        judgement = self._judgement(name)
        return name if judgement is None else f"{name} (error of a dataset's mean {judgement.mae_set:.3f})"

    def _passed_over(self, used: str) -> str:
        """Say why the mean, or "boosted", is used though another estimator is judged better; "" where that is not so."""
        mean, preferred = self._judgement(MEAN), self._judgement(PREFERRED)
        if used == PREFERRED and preferred is not None:
            best = self._judgement(ranking(self.judgements)[0])
            if best is None or best.mae_set >= preferred.mae_set:
                return ""
            if fixed_beforehand(self.judgements):
                return "; fixed beforehand, as fewer than three labelled datasets cannot tell estimators apart"
            return f"; {self._with_error(best.estimator)} is better by no more than chance may account for"
        if self.choice is None or mean is None or self.choice.winner == MEAN or used != MEAN:
            return ""
        if self.choice.mae_set < mean.mae_set:
            return ""  # asked for, or the only one that an image has the data for
        worth = f"choosing the best judged, {self.choice.winner}, missed a dataset's mean by {self.choice.mae_set:.3f}"
        return f"; {worth} on sets that had no say in the choice"

    def _trust(self, used: str) -> str:
        judgement, mean = self._judgement(used), self._judgement(MEAN)
        if judgement is None or mean is None:
            return f"predictions are by {used}, of which it is not known how well it does on a set that it was not fitted on"
        how = f"when each of {judgement.sets} labelled sets was left out in turn"
        held = ""
        if judgement.coverage is not None:
            held = f"; {100 * judgement.coverage:.0f} % of the images lay in its {100 * self.level:.0f} % intervals"
        if judgement.set_coverage is not None:
            count = round(judgement.set_coverage * judgement.sets)
            held += f", and {count} of {judgement.sets} means in those of a dataset"
        if used == MEAN:
            error = f"an error of a dataset's mean of {mean.mae_set:.3f} {how}{held}"
            return f"every image is predicted the labelled sets' mean, with {error}{self._passed_over(used)}"
        chosen = self.choice if self.choice is not None and self.choice.winner == used else None
        worth = "" if chosen is None else f", {chosen.mae_set:.3f} where it was to be chosen without that set"
        return (
            f"predictions are by {used}, which missed a dataset's mean by {judgement.mae_set:.3f} {how} "
            f"({mean.mae_set:.3f} for predicting their mean{worth}) and an image by {judgement.mae_image:.3f}{held}"
        )
