"""Evaluate performance estimators by leaving out one labelled dataset at a time, compared with predicting the mean."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, as_row, check_level
from howfar.errors import InputError
from howfar.protocols import Estimator
from howfar.relation.calibrated_estimator import KnownFits, calibrated, resolved
from howfar.relation.labelled_images import Columns, LabelledImages, Mask, available, narrow
from howfar.relation.performance_estimators import MEAN, named
from howfar.results.relation_result import Judgement, SetEstimate


def auroc(scores: ArrayLike, positive: ArrayLike) -> float | None:
    """Compute the AUROC: the chance that a positive image scores higher than a negative one, with ties counted half.

    None without both kinds. Source: Hanley & McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", Radiology 143 (1982).
    """
    values = as_row(scores, "scores")
    which = as_row(positive, "positive", length=len(values))
    ones = int(np.count_nonzero(which))
    if ones in (0, len(which)):
        return None
    # It takes a second to load.
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(which != 0, values))


def aurc(estimates: ArrayLike, performance: ArrayLike) -> float:
    """Compute the AURC: the mean over k = 1 … n of the mean risk of the k images with the highest estimates.

    Risk is 1 − performance; images with equal estimates count with their mean risk. Small is good; random order has the mean
    risk. Source: Geifman, Uziel & El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers" (ICLR 2019),
    https://arxiv.org/abs/1805.08206.
    """
    values = as_row(estimates, "estimates", least=1)
    truth = as_row(performance, "performance", length=len(values))
    _, ties = np.unique(-values, return_inverse=True)
    risk = np.bincount(ties, 1.0 - truth) / np.bincount(ties)
    counts = np.arange(1, len(values) + 1)
    return float(np.mean(np.cumsum(risk[np.sort(ties)]) / counts))


# An interval's end is an estimate plus a residual: rounding may make it miss the performance that gave the residual.
_ROUNDING = 1e-9


class HiddenSite(NamedTuple):
    """Hold which other sites the gate stops without a site's labels, and how far out the site is (0 inside, 1 at the limit)."""

    stopped: frozenset[str] = frozenset()
    beyond: float = 0.0


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Hold an estimator's estimates of each labelled set from fits without that set.

    `estimate`, `low` and `high` are (n,), NaN where the estimator could not be judged; `sets` hold the estimate of each set's
    mean performance, `measured` beside it; `home_error` is estimated less measured mean of the primary dataset's own kind, when
    it alone was left out, None where it has no labels.
    """

    estimator: str
    estimate: Float64Array
    low: Float64Array
    high: Float64Array
    sets: tuple[SetEstimate, ...]
    home_error: float | None = None


def judge(
    estimators: Iterable[str | Estimator],
    columns: Columns,
    performance: ArrayLike,
    sets: ArrayLike,
    *,
    tau: float,
    level: float = 0.9,
    groups: ArrayLike | None = None,
    home: str | None = None,
    corrupted: Mapping[str, str] | None = None,
    known: KnownFits | None = None,
    hidden: Mapping[str, HiddenSite] | None = None,
) -> tuple[tuple[Judgement, ...], dict[str, LeftOut]]:
    """Evaluate estimators on each labelled dataset after fitting and calibrating on the other datasets only.

    An estimator is judged as it is used: the primary dataset's own kind (`home`) always has labels, so it is in every fit, and
    the sites are left out one at a time. Where no site is labelled, kinds of corruption are, and there are no intervals. For
    each the estimator, its penalty and its intervals are learnt from the other sets' labels; of the set itself only the columns
    are read. Errors, coverage and width are means over sets of the means over their images, so that sets count alike; AUROC of
    "performance below τ" and AURC are over all images, each ranked by the estimate made without its set. With few sets the
    pooled AUROC is harsh: leaving out a set that does well lowers what is predicted for it, so that "mean" itself lies below
    0.5. `auroc_within` is free of this.

    "mean" is judged in any case, and first. An estimator is judged on the images that have what it needs; one that fewer than
    two sets have is left out. Returns the judgements, and by an estimator's name its estimates of the sets left out; both empty
    with fewer than two sets. The arguments are those of `calibrate`, but for `tau`, the performance below which an image counts
    as failed, `known`, fits that were made before, and `hidden`, what the gate says where the labels of a site are hidden,
    which widens intervals as the judge of sites does. Raises `InputError` also for a τ that is not finite.

    Examples
    --------
    >>> columns = {"flip_agreement": [0.2, 0.4, 0.5, 0.9, 0.1, 0.3]}
    >>> performance, sets = [0.2, 0.4, 0.5, 0.9, 0.1, 0.3], ["cracks", "cracks", "tiles", "tiles", "wood", "wood"]
    >>> judgements, left_out = judge(["flip_agreement"], columns, performance, sets, tau=0.35)
    >>> [judgement.estimator for judgement in judgements], judgements[1].mae_image < 1e-9, judgements[1].auroc
    (['mean', 'flip_agreement'], True, 1.0)
    """
    labelled = LabelledImages.of(columns, performance, np.asarray(sets).astype(np.str_), groups, home, corrupted)
    return judge_labelled(estimators, labelled, tau=tau, level=level, known=known or KnownFits(), hidden=hidden or {})


def judge_labelled(
    estimators: Iterable[str | Estimator],
    labelled: LabelledImages,
    *,
    tau: float,
    level: float,
    known: KnownFits,
    hidden: Mapping[str, HiddenSite],
) -> tuple[tuple[Judgement, ...], dict[str, LeftOut]]:
    """Evaluate estimators on labelled images that were validated; arguments are those of `judge`."""
    if not np.isfinite(tau):
        raise InputError.of("tau", "must be a finite number", tau)
    check_level(level)
    by_name = {estimator.name: estimator for estimator in (MEAN, *map(named, estimators))}
    judgements: list[Judgement] = []
    by_estimator: dict[str, LeftOut] = {}
    for estimator in by_name.values():
        left_out = _leave_out(estimator, labelled, level, known, hidden)
        if left_out is None:
            continue
        by_estimator[estimator.name] = left_out
        have = np.isfinite(left_out.estimate)
        estimate, low, high, truth = (x[have] for x in (left_out.estimate, left_out.low, left_out.high, labelled.performance))
        of_set = [labelled.sets[have] == row.dataset for row in left_out.sets]
        intervals = bool(np.isfinite(low).all())
        covered = (low - _ROUNDING <= truth) & (truth <= high + _ROUNDING)
        within = [auroc(-estimate[inside], truth[inside] < tau) for inside in of_set]
        defined = [value for value in within if value is not None]
        pairs = zip(left_out.sets, of_set, strict=True)
        errors = {row.dataset: row.predicted - float(np.mean(truth[inside])) for row, inside in pairs}
        judgement = Judgement(
            estimator=estimator.name,
            kind=estimator.kind,
            sets=len(left_out.sets),
            images=int(np.count_nonzero(have)),
            mae_image=_alike(np.abs(estimate - truth), of_set),
            mae_set=float(np.mean(np.abs(list(errors.values())))),
            coverage=_alike(covered, of_set) if intervals else None,
            width=_alike(high - low, of_set) if intervals else None,
            auroc=auroc(-estimate, truth < tau),
            auroc_within=float(np.mean(defined)) if defined else None,
            aurc=aurc(estimate, truth),
            set_errors=errors,
            set_coverage=float(np.mean([row.held for row in left_out.sets])),
            set_width=float(np.mean([row.high - row.low for row in left_out.sets])),
            home_error=left_out.home_error,
        )
        judgements.append(judgement)
    return tuple(judgements), by_estimator


def _leave_out(
    estimator: Estimator, labelled: LabelledImages, level: float, known: KnownFits, hidden: Mapping[str, HiddenSite]
) -> LeftOut | None:
    """Estimate each labelled site without its labels, else each kind of corruption; None if too few sets are labelled."""
    settled = resolved(estimator, labelled)
    if settled is None:
        return None
    have = available(labelled.columns, settled.needs)
    needed = replace(labelled, columns=narrow(labelled.columns, settled.needs))
    roles = labelled.roles[have]
    sites = list(dict.fromkeys(labelled.sets[have][roles == "site"].tolist()))
    values, estimates = np.full((3, len(have)), np.nan), []
    kinds = set() if needed.kinds is None else set(needed.kinds[have][roles == "corrupted"])
    if len(sites) < (1 if (roles == "home").any() else 2) and (sites or len(kinds) < 2):
        return None
    for name in sites:
        inside = have & (labelled.sets == name)
        dataset, gate = needed.take(inside), hidden.get(name, HiddenSite())
        rest = calibrated(settled, needed.take(have & ~inside), level, known, gate.stopped)
        values[:, inside] = said = rest.predict(dataset.columns)
        estimates.append(rest.of_estimates(said[0], name, float(np.mean(dataset.performance)), gate.beyond))
    learnt = calibrated(settled, needed, level, known)
    names = np.array(learnt.sets)
    # Without a site the kinds of corruption are left out one at a time, and there are no intervals of images.
    for name in () if sites else (name for name, role in learnt.roles.items() if role == "corrupted"):
        of_set, measured = learnt.estimates[names == name], learnt.performance[names == name]
        values[0, have & (needed.sets == name)] = of_set
        estimates.append(learnt.of_estimates(of_set, name, float(np.mean(measured))))
    home_error = next(iter(learnt.set_errors("home").values()), None)
    return LeftOut(estimator.name, values[0], values[1], values[2], tuple(estimates), home_error)


def _alike(values: Float64Array | Mask, of_set: list[Mask]) -> float:
    return float(np.mean([np.mean(values[inside]) for inside in of_set]))
