"""What to expect of images without labels: estimators fitted on the labelled sets, judged, and applied to every set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator
from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.failure_list import failures
from howfar.relation.label_free_columns import Columns, available, take
from howfar.relation.leave_one_dataset_out import LeftOut, judge
from howfar.relation.model_selection import EVERY, MEAN, choose, worth_using
from howfar.relation.performance_estimators import every, named
from howfar.results import Choice, Failures, Judgement, RelationSettings, SetEstimate

AUTO = "auto"
MOST = 0.5


@dataclass(frozen=True, eq=False)
class Expectation:
    """Every set's estimates: judged on labelled sets (each left out of its own fit), applied to the others.

    Attributes
    ----------
    judgements
        Every usable estimator, "mean" first; empty with fewer than two labelled sets.
    choices
        What choosing the best of all of them is worth, and the best distance.
    estimator
        The one that is used: the best judged where choosing it is worth more than "mean", or the caller's; None where no set
        is labelled.
    estimates, failures
        One for each set that could be estimated, in the run's order.
    estimate, low, high, p_value, listed
        (n,) per image of the run; nan (False) where there is none.
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

    Parameters
    ----------
    columns
        What estimators may use, one row an image: distances in units of P's own, and signals.
    performance
        (n,) nan where unknown.
    sets, groups
        (n,) each image's dataset and photograph.
    settings
        `tau`, `level` and `error_rate` are used.
    estimator
        "auto": the best by leave-one-dataset-out error where choosing it did better than "mean", else "mean"; or a name.

    Raises
    ------
    UnknownNameError
        No such estimator.
    InputError
        The named estimator cannot be used on these columns.
    """
    labelled = np.isfinite(performance)
    work = _Work(columns, performance, sets, groups, labelled, settings)
    if not labelled.any():
        return work.nothing()
    wanted = None if estimator == AUTO else work.wanted(estimator)
    judgements, left_out = judge(
        work.recipes(), take(columns, labelled), performance[labelled], sets[labelled], tau=settings.tau, level=settings.level,
        groups=groups[labelled],
    )  # fmt: skip
    known = (performance[labelled], sets[labelled])
    found = [choose(judgements, left_out, *known, among) for among in (EVERY, "distance")]
    choices = tuple(one for one in found if one is not None)
    ranked = work.ranked(judgements, choices) if wanted is None else [wanted, named("mean")]
    return work.fill(judgements, choices, left_out, ranked)


@dataclass(frozen=True, eq=False)
class _Work:
    columns: Columns
    performance: Float64Array
    sets: NDArray[np.str_]
    groups: NDArray[np.str_]
    labelled: NDArray[np.bool_]
    settings: RelationSettings

    def recipes(self) -> list[Estimator]:
        """Every estimator that the labelled sets have the columns for, fixed to those."""
        here, sets = take(self.columns, self.labelled), self.sets[self.labelled]
        return [resolved for one in every() if (resolved := one.resolve(here, sets)) is not None]

    def wanted(self, name: str) -> Estimator:
        """The estimator that the caller named, fixed to the columns that the labelled sets have."""
        resolved = named(name).resolve(take(self.columns, self.labelled), self.sets[self.labelled])
        if resolved is None:
            raise InputError.of(
                "estimator", "must be one whose signals the labelled sets have", name, f"{AUTO} picks from those"
            )
        return resolved

    def ranked(self, judgements: Sequence[Judgement], choices: Sequence[Choice]) -> list[Estimator]:
        """The estimators to be used, the first that a set has the columns for: the best first, "mean" always last."""
        here, sets = take(self.columns, self.labelled), self.sets[self.labelled]
        first = worth_using(judgements, choices)
        if first is None or first == MEAN:
            return [named(MEAN)]
        complete = max((one.sets for one in judgements), default=0)
        judged = sorted((one for one in judgements if one.sets == complete), key=lambda one: one.mae_image)
        names = [first] + [one.estimator for one in judged if one.estimator != first]
        usable = [resolved for name in names if (resolved := named(name).resolve(here, sets)) is not None]
        place = next((i for i, one in enumerate(usable) if one.name == "mean"), len(usable))
        return [*usable[:place], named("mean")]

    def fill(
        self,
        judgements: tuple[Judgement, ...],
        choices: tuple[Choice, ...],
        left_out: Mapping[str, LeftOut],
        ranked: Sequence[Estimator],
    ) -> Expectation:
        result = self.nothing()
        estimates: list[SetEstimate] = []
        lists: list[Failures] = []
        calibrated: dict[str, Calibrated] = {}
        for name in dict.fromkeys(self.sets.tolist()):
            here = self.sets == name
            judged = next((left_out[one.name] for one in ranked if self._judged(left_out, one.name, name)), None)
            if judged is not None:
                self._from_left_out(judged, name, result, estimates, lists)
                continue
            if self.labelled[here].any():
                continue  # the only labelled set: nothing can be said of it without its own labels
            recipe = next(one for one in ranked if self._covers(one, here))
            if recipe.name not in calibrated:
                calibrated[recipe.name] = self._calibrated(recipe)
            self._from_calibrated(calibrated[recipe.name], name, result, estimates, lists)
        return Expectation(
            judgements, choices, ranked[0].name, tuple(estimates), tuple(lists),
            result.estimate, result.low, result.high, result.p_value, result.listed,
        )  # fmt: skip

    def _judged(self, left_out: Mapping[str, LeftOut], estimator: str, name: str) -> bool:
        return estimator in left_out and name in left_out[estimator].calibrated

    def _covers(self, recipe: Estimator, here: NDArray[np.bool_]) -> bool:
        return bool(available(take(self.columns, here), recipe.needs).mean() >= MOST)

    def _calibrated(self, recipe: Estimator) -> Calibrated:
        on = self.labelled
        known = (take(self.columns, on), self.performance[on], self.sets[on])
        return calibrate(recipe, *known, level=self.settings.level, groups=self.groups[on])

    def _from_left_out(
        self, judged: LeftOut, name: str, result: Expectation, estimates: list[SetEstimate], lists: list[Failures]
    ) -> None:
        """A labelled set: the estimates made by the others. Its images without labels get the same fit's estimates."""
        estimates.append(next(one for one in judged.sets if one.dataset == name))
        self._list(judged.calibrated[name], name, result, lists)

    def _from_calibrated(
        self, fit: Calibrated, name: str, result: Expectation, estimates: list[SetEstimate], lists: list[Failures]
    ) -> None:
        estimates.append(fit.predict_set(take(self.columns, self.sets == name), name))
        self._list(fit, name, result, lists)

    def _list(self, fit: Calibrated, name: str, result: Expectation, lists: list[Failures]) -> None:
        here = np.flatnonzero(self.sets == name)
        result.estimate[here], result.low[here], result.high[here] = fit.predict(take(self.columns, here))
        found, p_values, listed = failures(
            fit, result.estimate[here], name, tau=self.settings.tau, error_rate=self.settings.error_rate,
            performance=self.performance[here],
        )  # fmt: skip
        lists.append(found)
        result.p_value[here], result.listed[here] = p_values, listed

    def nothing(self) -> Expectation:
        def undefined() -> Float64Array:
            return np.full(len(self.sets), np.nan)

        listed = np.zeros(len(self.sets), dtype=bool)
        return Expectation((), (), None, (), (), undefined(), undefined(), undefined(), undefined(), listed)
