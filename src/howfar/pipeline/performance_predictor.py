"""What a profile knows of performance: estimators fitted on labelled datasets, with their calibration and judgement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.calibrated_estimator import Calibrated
from howfar.relation.label_free_columns import Columns, rows, take
from howfar.relation.model_selection import MEAN, worth_using
from howfar.results import Choice, Judgement
from howfar.results.files import plain

AUTO = "auto"


@dataclass(frozen=True, eq=False)
class Expected:
    """Estimators of performance, calibrated on labelled datasets, and how each did when one of them was left out.

    Attributes
    ----------
    metric
        What performance is, in words.
    threshold
        The common threshold that it is taken at and at which `predicted_foreground` counts; None where it came without.
    tau, level
        Performance below which an image counts as failed; level of the intervals.
    sets
        The labelled datasets and how many images of each have a performance.
    judgements
        Every usable estimator, "mean" first, by leave-one-dataset-out; empty with a single labelled dataset.
    choice
        What choosing the best of them is worth; None where they could not be judged.
    fits
        The estimators by name, fitted on all labelled images.
    remarks
        What was noteworthy when they were fitted.
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

    @property
    def cut(self) -> float:
        """The threshold at which a map's foreground is counted: the common one, 0.5 where there is none."""
        return 0.5 if self.threshold is None else self.threshold

    def ranked(self, wanted: str = AUTO) -> tuple[str, ...]:
        """The estimators to be tried for an image, in this order; the first that it has the columns for is used.

        "auto": those that did better than "mean" with each labelled set left out in turn, the best first, then "mean"; "mean"
        alone where choosing the best did no better on sets that had no say in the choice.

        Raises
        ------
        InputError
            `wanted` is neither "auto" nor an estimator of the profile.
        """
        if wanted != AUTO:
            if wanted not in self.fits:
                raise InputError.of("estimator", f"must be auto or one of {', '.join(self.fits)}", wanted)
            return (wanted,)
        if worth_using(self.judgements, [] if self.choice is None else [self.choice]) in (None, MEAN):
            return (MEAN,)
        complete = max((one.sets for one in self.judgements), default=0)
        judged = sorted((one for one in self.judgements if one.sets == complete), key=lambda one: one.mae_image)
        names = [one.estimator for one in judged if one.estimator in self.fits]
        better = names[: names.index(MEAN)] if MEAN in names else []
        return (*better, MEAN)

    def predict(
        self, columns: Columns, wanted: str = AUTO
    ) -> tuple[Float64Array, Float64Array, Float64Array, tuple[str | None, ...]]:
        """Predicted performance of m images, the ends of its interval, and the estimator that made it: (m,) each.

        Parameters
        ----------
        columns
            What is known of the images: distances in units of P's self-distance, signals of their maps.
        wanted
            As `ranked`.

        Raises
        ------
        InputError
            As `ranked`.
        """
        found = np.full((3, rows(columns)), np.nan)
        names: list[str | None] = [None] * found.shape[1]
        for name in self.ranked(wanted):
            rest = np.flatnonzero(np.isnan(found[0]))
            if not len(rest):
                break
            found[:, rest] = self.fits[name].predict(take(columns, rest))
            for place in rest[np.isfinite(found[0, rest])]:
                names[place] = name
        return found[0], found[1], found[2], tuple(names)

    def notes(self, at_hand: Collection[str], wanted: str = AUTO) -> tuple[str, ...]:
        """How far predictions are to be trusted, where an image has the columns `at_hand`.

        Raises
        ------
        InputError
            As `ranked`; or the estimator named needs a column that is not at hand.
        """
        ranked = self.ranked(wanted)
        used = next((name for name in ranked if set(self.fits[name].needs) <= set(at_hand)), None)
        if used is None:
            missing = ", ".join(name for name in self.fits[wanted].needs if name not in at_hand)
            raise InputError(f"estimator {wanted} needs {missing}: pass the folders of maps that they are read from")
        better = ranked[: ranked.index(used)]
        more = [f"{self._said(better[0])} would do better, and reads maps: pass their folder"] if better else []
        return (self._trust(used), *more, *self.remarks)

    def lines(self) -> tuple[str, ...]:
        """What a person sees of it."""
        images = sum(self.sets.values())
        sets = ", ".join(f"{name} {count}" for name, count in self.sets.items())
        first = self.ranked()[0]
        judged = f"used: {self._said(first)}" if self.judgements else "not judged: that takes two labelled sets"
        judged += self._passed_over(first)
        return (f"performance {self.metric}, known of {images} images ({sets})", f"estimators  {judged}")

    def to_dict(self) -> dict[str, Any]:
        """All but the fits, as JSON values."""
        return {
            "metric": self.metric,
            "threshold": self.threshold,
            "tau": self.tau,
            "level": self.level,
            "sets": dict(self.sets),
            "judgements": [plain(asdict(one)) for one in self.judgements],
            "estimators": list(self.fits),
            "choice": None if self.choice is None else plain(asdict(self.choice)),
            "auto": list(self.ranked()),
            "remarks": list(self.remarks),
        }

    def fitted(self) -> dict[str, Any]:
        """The fits, as JSON values."""
        return {name: fit.to_dict() for name, fit in self.fits.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], fitted: Mapping[str, Any]) -> Expected:
        """Make it again from `to_dict` and `fitted`.

        Raises
        ------
        HowfarError
            An estimator of another package is not installed here; the fits are no such documents.
        """
        return cls(
            metric=str(document["metric"]),
            threshold=None if document["threshold"] is None else float(document["threshold"]),
            tau=float(document["tau"]),
            level=float(document["level"]),
            sets={str(name): int(count) for name, count in document["sets"].items()},
            judgements=tuple(Judgement(**row) for row in document["judgements"]),
            choice=None if document["choice"] is None else Choice(**document["choice"]),
            fits={str(name): Calibrated.from_dict(one) for name, one in fitted.items()},
            remarks=tuple(document["remarks"]),
        )

    def _judgement(self, name: str) -> Judgement | None:
        return next((one for one in self.judgements if one.estimator == name), None)

    def _said(self, name: str) -> str:
        found = self._judgement(name)
        return name if found is None else f"{name} (image error {found.mae_image:.3f})"

    def _passed_over(self, used: str) -> str:
        """Why the mean is used though another estimator is judged better; "" where that is not so."""
        mean = self._judgement(MEAN)
        if self.choice is None or mean is None or self.choice.winner == MEAN or used != MEAN:
            return ""
        if self.choice.mae_image < mean.mae_image:
            return ""  # asked for, or the only one that an image has the data for
        worth = f"choosing the best judged, {self.choice.winner}, missed an image by {self.choice.mae_image:.3f}"
        return f"; {worth} on sets that had no say in the choice"

    def _trust(self, used: str) -> str:
        found, mean = self._judgement(used), self._judgement(MEAN)
        if found is None or mean is None:
            return f"predictions are by {used}, of which it is not known how well it does on a set that it was not fitted on"
        how = f"when each of {found.sets} labelled sets was left out in turn"
        held = ""
        if found.coverage is not None:
            held = f"; {100 * found.coverage:.0f} % of the images lay in its {100 * self.level:.0f} % intervals"
        if used == MEAN:
            error = f"an image error of {mean.mae_image:.3f} {how}{held}"
            return f"every image is predicted the labelled sets' mean, with {error}{self._passed_over(used)}"
        chosen = self.choice if self.choice is not None and self.choice.winner == used else None
        worth = "" if chosen is None else f", {chosen.mae_image:.3f} where it was to be chosen without that set"
        return (
            f"predictions are by {used}, with an image error of {found.mae_image:.3f} {how} "
            f"({mean.mae_image:.3f} for predicting their mean{worth}){held}"
        )
