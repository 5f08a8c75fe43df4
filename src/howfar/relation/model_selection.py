"""What it is worth to use the estimator that is judged best: chosen without the set that it is then judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.relation.estimate import Calibrated
from howfar.relation.leave_one_dataset_out import LeftOut, best
from howfar.results.relation import Choice, Judgement

EVERY = "all"
MEAN = "mean"


def choose(
    judgements: Sequence[Judgement],
    left_out: Mapping[str, LeftOut],
    performance: ArrayLike,
    sets: ArrayLike,
    among: str = EVERY,
) -> Choice | None:
    """Judge the choosing itself: for each labelled set the estimator that errs least on the *other* sets, and its error there.

    The least of many judged errors is smaller than what the winner does on a further set. Cross-validating the choice
    together with the fit does not have that fault. Source: Varma & Simon, "Bias in error estimation when using
    cross-validation for model selection", BMC Bioinformatics 7 (2006). What an estimator does on the other sets is known
    from its calibration, whose errors are of fits that had seen neither the set that is left out nor the one they are of
    (with two labelled sets: of fits to other folds of the one that remains).

    Parameters
    ----------
    judgements, left_out
        What `judge` gave. Estimators that were judged on fewer sets than others are not chosen from.
    performance, sets
        (n,) each, those that it was given.
    among
        "all", or a kind: of which estimators to choose. "mean" is always among them.

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
    most = max((one.sets for one in judgements), default=0)
    names = [one.estimator for one in judgements if one.sets == most and (among in (EVERY, one.kind) or one.estimator == MEAN)]
    truth, of = np.asarray(performance, dtype=np.float64), np.asarray(sets).astype(np.str_)
    if not names or (among != EVERY and names == [MEAN]):
        return None
    if any(left_out[name].estimate.shape != truth.shape for name in names) or truth.shape != of.shape:
        raise InputError.of("performance and sets", "must be those that were judged", (truth.shape, of.shape))
    picked, images, errors = {}, [], {}
    for one in left_out[names[0]].sets:
        known = {name: left_out[name].calibrated for name in names}
        name = min(names, key=lambda name: _error(known[name][one.dataset]))
        said, inside = left_out[name], of == one.dataset
        picked[one.dataset] = name
        images.append(float(np.nanmean(np.abs(said.estimate[inside] - truth[inside]))))
        found = next(estimate for estimate in said.sets if estimate.dataset == one.dataset)
        errors[one.dataset] = found.predicted - float(found.measured or 0.0)
    winner = best([one for one in judgements if one.estimator in names])
    return Choice(
        among=among,
        winner=winner or MEAN,
        sets=len(picked),
        mae_image=float(np.mean(images)),
        mae_set=float(np.mean(np.abs(list(errors.values())))),
        picked=picked,
        set_errors=errors,
    )


def worth_using(judgements: Sequence[Judgement], choices: Sequence[Choice]) -> str | None:
    """The estimator to use: the best judged where choosing it did better than predicting the mean, else "mean"; None of none.

    Examples
    --------
    >>> worth_using([], []) is None
    True
    """
    mean = next((one for one in judgements if one.estimator == MEAN), None)
    if mean is None:
        return None
    choice = next((one for one in choices if one.among == EVERY), None)
    return choice.winner if choice is not None and choice.mae_image < mean.mae_image else MEAN


def _error(calibrated: Calibrated) -> float:
    """Mean absolute error of an image over the sets that a calibration is of, each counted alike."""
    _, codes = np.unique(np.asarray(calibrated.sets, dtype=np.str_), return_inverse=True)
    errors = np.abs(calibrated.estimates - calibrated.performance)
    return float(np.mean(np.bincount(codes, errors) / np.bincount(codes))) if len(errors) else float("inf")
