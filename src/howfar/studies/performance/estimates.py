"""Estimate each dataset's performance without its labels, by estimators fitted and judged on the labelled datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator
from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.failure_list import failures
from howfar.relation.label_free_columns import HISTOGRAM, VALUES, Columns, available, take
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
    home: Home | None = None,
) -> Expectation:
    """Estimate every image's performance without its set's labels.

    The labelled images of the primary dataset's own kind, `home`, are in every fit.

    `columns` holds what estimators read, one row an image: distances in units of the primary dataset's own, and signals.
    `performance` (n,) is nan where unknown; `sets` and `groups` (n,) name each image's dataset and photograph; of the settings
    `tau`, `level` and `error_rate` are used. `estimator` is a name, or "auto": the best by leave-one-dataset-out error where
    choosing it did better than "mean", else "mean". Raises `UnknownNameError` for a name that is not registered, `InputError`
    where the named estimator cannot be used on these columns.
    """
    count = len(performance)
    if not np.isfinite(performance).any():
        return _nothing(count)
    if home is not None:
        columns = joined(columns, count, home.columns, len(home.performance))
        performance = np.concatenate([performance, home.performance])
        sets = np.concatenate([sets, np.full(len(home.performance), home.name)])
        groups = np.concatenate([groups, home.groups])
    labelled = np.isfinite(performance)
    study = _Study(columns, performance, sets, groups, labelled, settings, count, None if home is None else home.name)
    wanted = None if estimator == AUTO else study.wanted(estimator)
    truth = (performance[labelled], sets[labelled])
    judgements, left_out = judge(
        study.usable(every()),
        take(columns, labelled),
        *truth,
        tau=settings.tau,
        level=settings.level,
        groups=groups[labelled],
        home=study.home,
    )
    choices_made = [choose(judgements, left_out, *truth, among) for among in (EVERY, "distance")]
    choices = tuple(choice for choice in choices_made if choice is not None)
    ranked = study.usable(map(named, in_order(judgements, choices))) if wanted is None else [wanted, named(MEAN)]
    return study.fill(judgements, choices, left_out, ranked)


def joined(first: Columns, count: int, second: Columns, further: int) -> dict[str, NDArray[Any]]:
    """Stack the columns of `count` images and of `further` ones, NaN for images that lack one.

    Examples
    --------
    >>> joined({"knn": [1.0]}, 1, {"entropy": [0.5]}, 1)["entropy"].tolist()
    [nan, 0.5]
    """

    def values(columns: Columns, name: str, rows: int) -> NDArray[Any]:
        shape = (rows, VALUES) if name == HISTOGRAM else (rows,)
        return np.asarray(columns[name], dtype=np.float64) if name in columns else np.full(shape, np.nan)

    names = dict.fromkeys([*first, *second])
    return {name: np.concatenate([values(first, name, count), values(second, name, further)]) for name in names}


@dataclass(frozen=True, eq=False)
class Home:
    """Hold the labelled images of the primary dataset's own kind: their set's name, columns, performance, and photographs."""

    name: str
    columns: Columns
    performance: Float64Array
    groups: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class _Study:
    """Hold a study's images with what is known of them, and estimate sets one at a time.

    The first `count` images are of the run, the others of the primary dataset's own kind, whose name is `home`.
    """

    columns: Columns
    performance: Float64Array
    sets: NDArray[np.str_]
    groups: NDArray[np.str_]
    labelled: NDArray[np.bool_]
    settings: RelationSettings
    count: int
    home: str | None

    def usable(self, estimators: Iterable[Estimator]) -> list[Estimator]:
        """Select the estimators that the labelled sets have the columns for, fixed to those."""
        foreign = self.labelled & (np.arange(len(self.labelled)) < self.count)
        columns, sets = take(self.columns, foreign), self.sets[foreign]
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
        result = _nothing(self.count)
        estimates: list[SetEstimate] = []
        lists: list[Failures] = []
        calibrated: dict[str, Calibrated] = {}
        by_rank = [left_out[estimator.name] for estimator in ranked if estimator.name in left_out]
        for name in dict.fromkeys(self.sets[: self.count].tolist()):
            inside = self.sets == name
            judged = next((row for row in by_rank if name in row.calibrated), None)
            if judged is not None:
                fit = judged.calibrated[name]
                estimates.append(next(row for row in judged.sets if row.dataset == name))
            elif self.labelled[inside].any():
                continue  # without its own labels there is nothing to fit to, or not what it reads
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
        return calibrate(estimator, *truth, level=self.settings.level, groups=self.groups[labelled], home=self.home)

    def _fill_in(self, fit: Calibrated, name: str, result: Expectation) -> Failures:
        """Write a set's estimates into `result`, and list its probable failures."""
        inside = np.flatnonzero(self.sets == name)
        result.estimate[inside], result.low[inside], result.high[inside] = fit.predict(take(self.columns, inside))
        failure_list, result.p_value[inside], result.listed[inside] = failures(
            fit, result.estimate[inside], name, tau=self.settings.tau, error_rate=self.settings.error_rate,
            performance=self.performance[inside],
        )  # fmt: skip
        return failure_list


def _nothing(count: int) -> Expectation:
    """Make the result in which none of `count` images has an estimate."""
    estimate, low, high, p_value = np.full((4, count), np.nan)
    return Expectation((), (), None, (), (), estimate, low, high, p_value, np.zeros(count, dtype=bool))
