"""Which estimator to believe: each judged by leaving one labelled dataset out at a time, "predict the mean" among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator
from howfar.relation.estimate import Calibrated, calibrate
from howfar.relation.estimators import MEAN, named
from howfar.relation.image_columns import Columns, Mask, available, narrow
from howfar.relation.labelled_images import Labelled
from howfar.relation.ranking_metrics import aurc, auroc
from howfar.results.relation import Judgement, SetEstimate

# An interval's end is an estimate plus a residual, which may miss the very truth it was made from by a rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What an estimator said of each labelled set when that set was left out.

    Attributes
    ----------
    estimator
        Its name.
    estimate, low, high
        (n,) estimates of the labelled images and their intervals; NaN where the estimator could not be judged.
    sets
        The estimate of each judged set's mean performance, `measured` beside it.
    calibrated
        By a set's name, the estimator as learnt without that set: what its failure list is made with.
    """

    estimator: str
    estimate: Float64Array
    low: Float64Array
    high: Float64Array
    sets: tuple[SetEstimate, ...]
    calibrated: Mapping[str, Calibrated]


def judge(
    estimators: Iterable[str | Estimator],
    columns: Columns,
    performance: ArrayLike,
    sets: ArrayLike,
    *,
    tau: float,
    level: float = 0.9,
    groups: ArrayLike | None = None,
) -> tuple[tuple[Judgement, ...], dict[str, LeftOut]]:
    """Judge estimators by what they say of each labelled dataset, fitted and calibrated on the others alone.

    For each set in turn the estimator, its penalty and its intervals are learnt from the other sets' labels; of the set itself
    only the columns are read. Errors, coverage and width are means over sets of the means over their images, so that sets
    count alike; AUROC of "performance below τ" and AURC are over all images, each ranked by the estimate made without its set.
    With few sets the pooled AUROC is harsh: leaving out a set that does well lowers what is predicted for it, so that "mean"
    itself lies below 0.5. `auroc_within` is free of this.

    An estimator is judged on the images that have what it needs; `sets` and `images` of its judgement say how many those are.
    One that fewer than two sets have is left out.

    Parameters
    ----------
    estimators
        Registered names or estimators. "mean" is judged in any case, and first; the others follow in the order given.
    columns
        What is known of n labelled images.
    performance
        (n,) their performances, 0 to 1.
    sets
        (n,) names of the sets that they are of.
    tau
        Performance below which an image counts as failed.
    level
        That of the intervals, between 0 and 1.
    groups
        (n,) the photograph that each is of; see `calibrate`.

    Returns
    -------
    tuple
        The judgements, and by an estimator's name what it said of the sets left out. Both empty with fewer than two sets.

    Raises
    ------
    InputError
        Lengths that differ, a performance outside [0, 1], a level outside (0, 1), or a τ that is not finite.
    UnknownNameError
        No estimator of a name is registered.

    Examples
    --------
    >>> columns = {"flip_agreement": [0.2, 0.4, 0.5, 0.9, 0.1, 0.3]}
    >>> performance, sets = [0.2, 0.4, 0.5, 0.9, 0.1, 0.3], ["cracks", "cracks", "tiles", "tiles", "wood", "wood"]
    >>> judgements, left_out = judge(["flip_agreement"], columns, performance, sets, tau=0.35)
    >>> [one.estimator for one in judgements], judgements[1].mae_image < 1e-9, judgements[1].auroc
    (['mean', 'flip_agreement'], True, 1.0)
    """
    if not np.isfinite(tau):
        raise InputError.of("tau", "must be a finite number", tau)
    if not 0.0 < level < 1.0:
        raise InputError.of("level", "must lie between 0 and 1", level, "pass 0.9")
    recipes = {one.name: one for one in (MEAN, *map(named, estimators))}
    labelled = Labelled.of(columns, performance, np.asarray(sets).astype(np.str_), groups)
    judgements: list[Judgement] = []
    said: dict[str, LeftOut] = {}
    for recipe in recipes.values():
        left_out = _leave_out(recipe, labelled, level)
        if left_out is not None:
            said[recipe.name] = left_out
            judgements.append(_judgement(recipe, left_out, labelled, tau))
    return tuple(judgements), said


def best(judgements: Sequence[Judgement]) -> str | None:
    """Name of the estimator with the smallest `mae_image` of those judged on all sets, ties to the earlier; None of none.

    Being the best of many, its measured errors are a little flattering; those of an estimator chosen beforehand are not.

    Examples
    --------
    >>> best([]) is None
    True
    """
    most = max((one.sets for one in judgements), default=0)
    everywhere = [one for one in judgements if one.sets == most]
    return min(everywhere, key=lambda one: one.mae_image).estimator if everywhere else None


def _leave_out(recipe: Estimator, labelled: Labelled, level: float) -> LeftOut | None:
    settled = recipe.resolve(labelled.columns, labelled.sets)
    if settled is None:
        return None
    have = available(labelled.columns, settled.needs)
    judged = list(dict.fromkeys(labelled.sets[have].tolist()))
    if len(judged) < 2:
        return None
    needed = Labelled(narrow(labelled.columns, settled.needs), labelled.performance, labelled.sets, labelled.groups)
    values = np.full((3, len(have)), np.nan)
    estimates, calibrated = [], {}
    for name in judged:
        inside = have & (labelled.sets == name)
        rest, one = needed.take(have & ~inside), needed.take(inside)
        learnt = calibrate(settled, rest.columns, rest.performance, rest.sets, level=level, groups=rest.groups)
        values[:, inside] = learnt.predict(one.columns)
        estimates.append(learnt.predict_set(one.columns, name, float(np.mean(one.performance))))
        calibrated[name] = learnt
    return LeftOut(recipe.name, values[0], values[1], values[2], tuple(estimates), calibrated)


def _judgement(recipe: Estimator, said: LeftOut, labelled: Labelled, tau: float) -> Judgement:
    have = np.isfinite(said.estimate)
    estimate, low, high, truth = (x[have] for x in (said.estimate, said.low, said.high, labelled.performance))
    of_set = [labelled.sets[have] == one.dataset for one in said.sets]
    covered = (low - _ROUNDING <= truth) & (truth <= high + _ROUNDING)
    within = [auroc(-estimate[one], truth[one] < tau) for one in of_set]
    both = [one for one in within if one is not None]
    errors = {one.dataset: one.predicted - float(np.mean(truth[inside])) for one, inside in zip(said.sets, of_set, strict=True)}
    return Judgement(
        estimator=recipe.name,
        kind=recipe.kind,
        sets=len(said.sets),
        images=int(np.count_nonzero(have)),
        mae_image=_alike(np.abs(estimate - truth), of_set),
        mae_set=float(np.mean(np.abs(list(errors.values())))),
        coverage=_alike(covered, of_set),
        width=_alike(high - low, of_set),
        auroc=auroc(-estimate, truth < tau),
        auroc_within=float(np.mean(both)) if both else None,
        aurc=aurc(estimate, truth),
        set_errors=errors,
    )


def _alike(values: Float64Array | Mask, of_set: list[Mask]) -> float:
    return float(np.mean([np.mean(values[one]) for one in of_set]))
