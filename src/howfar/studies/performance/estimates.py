"""Estimate each dataset's performance without its labels, by estimators fitted and judged on the labelled datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator
from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.failure_list import failures
from howfar.relation.label_free_columns import Columns, available, take
from howfar.relation.leave_one_dataset_out import LeftOut, judge
from howfar.relation.model_selection import EVERY, MEAN, choose, in_order
from howfar.relation.performance_estimators import every, named
from howfar.results import Choice, Failures, Judgement, RelationSettings, SetEstimate

AUTO = "auto"
MOST = 0.5


@dataclass(frozen=True, eq=False)
class Expectation:
    """Hold every set's estimates: labelled sets each left out of their own fit, the others from all labelled sets.

    Attributes
    ----------
    judgements
        Every usable estimator, "mean" first; empty with fewer than two labelled sets.
    choices
        Error of choosing the best of all estimators, and the best distance, on sets that had no say.
    estimator
        Name of the estimator that is used: the best judged where choosing it errs less than "mean", or the caller's; None where
        no set is labelled.
    estimates, failures
        One for each set that could be estimated, in the run's order.
    estimate, low, high, p_value, listed
        (n,) of each image; nan (False) where there is none.
    """

    judgements: tuple[Judgement, ...]
    choices: tuple[Choice, ...]
    estimator: str | None
    estimates: tuple[SetEstimate, ...]
    failures: tuple[Failures, ...]
    estimate: Float64Array
    low: Float64Array
    high: Float64Array
    p_value: Float64Array
    listed: NDArray[np.bool_]


def expect(
    columns: Columns,
    performance: Float64Array,
    sets: NDArray[np.str_],
    groups: NDArray[np.str_],
    settings: RelationSettings,
    estimator: str = AUTO,
) -> Expectation:
    """Estimate every image's performance without its set's labels.

    `columns` holds what estimators read, one row an image: distances in units of the primary dataset's own, and signals.
    `performance` (n,) is nan where unknown; `sets` and `groups` (n,) name each image's dataset and photograph; of the settings
    `tau`, `level` and `error_rate` are used. `estimator` is a name, or "auto": the best by leave-one-dataset-out error where
    choosing it did better than "mean", else "mean". Raises `UnknownNameError` for a name that is not registered, `InputError`
    where the named estimator cannot be used on these columns.
    """
    labelled = np.isfinite(performance)
    study = _Study(columns, performance, sets, groups, labelled, settings)
    if not labelled.any():
        return study.nothing()
    wanted = None if estimator == AUTO else study.wanted(estimator)
    truth = (performance[labelled], sets[labelled])
    usable = study.usable(every())
    judgements, left_out = judge(
        usable, take(columns, labelled), *truth, tau=settings.tau, level=settings.level, groups=groups[labelled]
    )
    choices_made = [choose(judgements, left_out, *truth, among) for among in (EVERY, "distance")]
    choices = tuple(choice for choice in choices_made if choice is not None)
    ranked = study.usable(map(named, in_order(judgements, choices))) if wanted is None else [wanted, named(MEAN)]
    return study.fill(judgements, choices, left_out, ranked)


@dataclass(frozen=True, eq=False)
class _Study:
    """Hold a study's images with what is known of them, and estimate sets one at a time."""

    columns: Columns
    performance: Float64Array
    sets: NDArray[np.str_]
    groups: NDArray[np.str_]
    labelled: NDArray[np.bool_]
    settings: RelationSettings

    def usable(self, estimators: Iterable[Estimator]) -> list[Estimator]:
        """Select the estimators that the labelled sets have the columns for, fixed to those."""
        columns, sets = take(self.columns, self.labelled), self.sets[self.labelled]
        return [resolved for estimator in estimators if (resolved := estimator.resolve(columns, sets)) is not None]

    def wanted(self, name: str) -> Estimator:
        """Find the estimator that the caller named, fixed to the columns that the labelled sets have."""
        resolved = self.usable([named(name)])
        if not resolved:
            rule = "must be one whose signals the labelled sets have"
            raise InputError.of("estimator", rule, name, f"{AUTO} picks from those")
        return resolved[0]

    def fill(
        self,
        judgements: tuple[Judgement, ...],
        choices: tuple[Choice, ...],
        left_out: Mapping[str, LeftOut],
        ranked: Sequence[Estimator],
    ) -> Expectation:
        """Estimate every set: a labelled one by the others, one without labels by all labelled sets."""
        result = self.nothing()
        estimates: list[SetEstimate] = []
        lists: list[Failures] = []
        calibrated: dict[str, Calibrated] = {}
        by_rank = [left_out[estimator.name] for estimator in ranked if estimator.name in left_out]
        for name in dict.fromkeys(self.sets.tolist()):
            inside = self.sets == name
            judged = next((row for row in by_rank if name in row.calibrated), None)
            if judged is not None:
                fit = judged.calibrated[name]
                estimates.append(next(row for row in judged.sets if row.dataset == name))
            elif self.labelled[inside].any():
                continue  # the only labelled set: without its own labels there is nothing to fit to
            else:
                estimator = next(row for row in ranked if self._covers(row, inside))
                if estimator.name not in calibrated:
                    calibrated[estimator.name] = self._calibrated(estimator)
                fit = calibrated[estimator.name]
                estimates.append(fit.predict_set(take(self.columns, inside), name))
            lists.append(self._fill_in(fit, name, result))
        result = replace(result, estimates=tuple(estimates), failures=tuple(lists))
        return replace(result, judgements=judgements, choices=choices, estimator=ranked[0].name)

    def _covers(self, estimator: Estimator, inside: NDArray[np.bool_]) -> bool:
        return bool(available(take(self.columns, inside), estimator.needs).mean() >= MOST)

    def _calibrated(self, estimator: Estimator) -> Calibrated:
        labelled = self.labelled
        truth = (take(self.columns, labelled), self.performance[labelled], self.sets[labelled])
        return calibrate(estimator, *truth, level=self.settings.level, groups=self.groups[labelled])

    def _fill_in(self, fit: Calibrated, name: str, result: Expectation) -> Failures:
        """Write a set's estimates into `result`, and list its probable failures."""
        inside = np.flatnonzero(self.sets == name)
        result.estimate[inside], result.low[inside], result.high[inside] = fit.predict(take(self.columns, inside))
        failure_list, result.p_value[inside], result.listed[inside] = failures(
            fit, result.estimate[inside], name, tau=self.settings.tau, error_rate=self.settings.error_rate,
            performance=self.performance[inside],
        )  # fmt: skip
        return failure_list

    def nothing(self) -> Expectation:
        """Make the result in which no image has an estimate."""
        size = len(self.sets)
        estimate, low, high, p_value = np.full((4, size), np.nan)
        return Expectation((), (), None, (), (), estimate, low, high, p_value, np.zeros(size, dtype=bool))
