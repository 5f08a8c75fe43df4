"""Choose the best-judged performance estimator, and measure the choice on datasets that had no say in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.relation.leave_one_dataset_out import LeftOut, ranking
from howfar.results.relation import Choice, Judgement

EVERY = "all"
MEAN = "mean"
PREFERRED = "boosted"
"""The estimator that is used unless another did better by more than chance: trees do not predict beyond what they have seen."""
_ENOUGH = 3


def choose(
    judgements: Sequence[Judgement],
    left_out: Mapping[str, LeftOut],
    performance: ArrayLike,
    sets: ArrayLike,
    among: str = EVERY,
) -> Choice | None:
    """Choose for each foreign set the estimator that errs least on the *other* foreign sets, and measure its error on that set.

    What counts is the error of a set's mean. A few sets tell estimators apart poorly, so "boosted" is kept unless the best
    beats it by more than one standard error of their difference over the sets (the "one standard error rule" of Breiman,
    Friedman, Olshen & Stone, "Classification and regression trees", 1984, section 3.4.3).

    The least of many judged errors is smaller than what the winner does on a further set. Cross-validating the choice
    together with the fit does not have that fault. Source: Varma & Simon, "Bias in error estimation when using
    cross-validation for model selection", BMC Bioinformatics 7 (2006). What an estimator does on the other sets is known
    from its calibration, whose errors are of fits that had seen neither the set that is left out nor the one they are of
    (with two labelled sets: of fits to other folds of the one that remains).

    Parameters
    ----------
    judgements, left_out
        Results of `howfar.relation.judge`. Estimators that were judged on fewer sets than others are not chosen from.
    performance, sets
        (n,) performance and set of each image that `judge` was given.
    among
        "all", or the kind of estimators to choose from. "mean" is always among them.

    Returns
    -------
    Choice or None
        None where nothing was judged, or no estimator of the kind was.

    Raises
    ------
    InputError
        Performances or sets that are not those which were judged.

    Examples
    --------
    >>> from howfar.relation.leave_one_dataset_out import judge
    >>> columns = {"flip_agreement": [0.2, 0.4, 0.5, 0.9, 0.1, 0.3], "knn": [5, 1, 4, 2, 3, 6]}
    >>> performance, sets = [0.2, 0.4, 0.5, 0.9, 0.1, 0.3], ["cracks", "cracks", "tiles", "tiles", "wood", "wood"]
    >>> judged = judge(["flip_agreement", "knn"], columns, performance, sets, tau=0.35)
    >>> choice = choose(*judged, performance, sets)
    >>> choice.winner, choice.mae_image < 1e-9, choice.picked["wood"]
    ('flip_agreement', True, 'flip_agreement')
    """
    eligible = [row for row in judgements if among in (EVERY, row.kind) or row.estimator == MEAN]
    most = max((row.sets for row in judgements), default=0)
    names = [row.estimator for row in eligible if row.sets == most]
    truth, of = np.asarray(performance, dtype=np.float64), np.asarray(sets).astype(np.str_)
    if not names or (among != EVERY and names == [MEAN]):
        return None
    if any(left_out[name].estimate.shape != truth.shape for name in names) or truth.shape != of.shape:
        raise InputError.of("performance and sets", "must be those that were judged", (truth.shape, of.shape))
    picked, images, errors = {}, [], {}
    for dataset in [row.dataset for row in left_out[names[0]].sets]:
        picked[dataset] = least({name: left_out[name].calibrated[dataset].set_errors() for name in names})
        chosen, inside = left_out[picked[dataset]], of == dataset
        images.append(float(np.nanmean(np.abs(chosen.estimate[inside] - truth[inside]))))
        estimate = next(row for row in chosen.sets if row.dataset == dataset)
        errors[dataset] = estimate.predicted - float(estimate.measured or 0.0)
    winner = least({row.estimator: row.set_errors for row in judgements if row.estimator in names})
    return Choice(
        among=among,
        winner=winner,
        sets=len(picked),
        mae_image=float(np.mean(images)),
        mae_set=float(np.mean(np.abs(list(errors.values())))),
        picked=picked,
        set_errors=errors,
    )


def worth_using(judgements: Sequence[Judgement], choices: Sequence[Choice]) -> str | None:
    """Name the estimator to use: the best judged where choosing it did better than predicting the mean, else "mean".

    Fewer than three sets are too few to choose by: there "boosted", fixed beforehand, is used where it did better than the
    mean. None where nothing was judged.

    Examples
    --------
    >>> worth_using([], []) is None
    True
    """
    mean = next((row for row in judgements if row.estimator == MEAN), None)
    if mean is None:
        return None
    if fixed_beforehand(judgements):
        return PREFERRED
    choice = next((choice for choice in choices if choice.among == EVERY), None)
    return choice.winner if choice is not None and choice.mae_set < mean.mae_set else MEAN


def fixed_beforehand(judgements: Sequence[Judgement]) -> bool:
    """Tell whether "boosted" is used for want of datasets to choose by: two cannot tell estimators apart.

    Examples
    --------
    >>> fixed_beforehand([])
    False
    """
    mean = next((row for row in judgements if row.estimator == MEAN), None)
    fixed = next((row for row in judgements if row.estimator == PREFERRED), None)
    return mean is not None and fixed is not None and fixed.sets == mean.sets < _ENOUGH and fixed.mae_set < mean.mae_set


def in_order(judgements: Sequence[Judgement], choices: Sequence[Choice]) -> list[str]:
    """List the estimators to try for an image or a set, the first that it has the columns for being used: "mean" comes last.

    Before it stand those that were judged better than "mean", the best first, where choosing the best is worth it.
    """
    names, used = ranking(judgements), worth_using(judgements, choices)
    if used is None or used == MEAN or MEAN not in names:
        return [MEAN]
    better = names[: names.index(MEAN)]
    first = [used] if used in better else []
    return [*first, *(name for name in better if name not in first), MEAN]


def least(errors: Mapping[str, Mapping[str, float]]) -> str:
    """Name the estimator whose errors of sets' means are least; the preferred one where the least may be chance.

    `errors` holds by an estimator's name the error of each set; ties go to the earlier. The preferred estimator is named where
    its mean absolute error is within one standard error of the least: that of the mean of their differences, set by set. An
    estimator without errors is never the least while others have some.

    Examples
    --------
    >>> least({"mean": {"a": 0.2, "b": -0.3}, "atc": {"a": 0.01, "b": 0.02}, "boosted": {"a": 0.3, "b": 0.4}})
    'atc'
    >>> least({"atc": {"a": 0.01, "b": 0.05, "c": 0.03}, "boosted": {"a": 0.03, "b": 0.04, "c": 0.03}})
    'boosted'
    """
    sizes = {name: _mean_size(of_sets) for name, of_sets in errors.items()}
    best = min(sizes, key=sizes.__getitem__)
    if best == PREFERRED or PREFERRED not in errors or not errors[PREFERRED]:
        return best
    shared = [name for name in errors[best] if name in errors[PREFERRED]]
    behind = np.array([abs(errors[PREFERRED][name]) - abs(errors[best][name]) for name in shared])
    if len(behind) < 2:
        return best
    return PREFERRED if behind.mean() <= behind.std(ddof=1) / np.sqrt(len(behind)) else best


def _mean_size(errors: Mapping[str, float]) -> float:
    return float(np.mean(np.abs(list(errors.values())))) if errors else float("inf")
