"""Sentences on estimating performance without labels: what was judged best, what distance is worth, what intervals promise."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.report.words import listing, share
from howfar.results import Choice, Judgement, Relation, SetEstimate

MEAN, SIGNALS, EVERYTHING, DISTANCE = "mean", "signals", "all", "distance"
FEW = 6
SHORT = 0.05
ESTIMATORS = {
    "mean": "the mean performance of the other labelled datasets, whatever the image: what an estimator has to beat",
    "i_dist": "a line over I^dist in units of P's own distance",
    "knn": "a line over the distance to the nearest images of P",
    "mahalanobis": "a line over the distance to P's mean in units of P's covariance",
    "distances": "ridge regression on these distances together",
    "average_confidence": "a line over the mean of max(p, 1 − p) over the pixels",
    "foreground_confidence": "a line over Σp² / Σp, the confidence where something is predicted",
    "doc": "difference of confidences: mean performance, moved by as much as average confidence is higher or lower",
    "atc": "average thresholded confidence: the share of predicted foreground that is surer than a level learnt from labels",
    "nuclear_norm": "a line over the nuclear norm of the image's prediction matrix",
    "flip_agreement": "a line over the soft Dice of the map and the flipped image's map",
    "ensemble_agreement": "a line over the mean soft Dice of the members of an ensemble",
    "signals": "ridge regression on the signals of confidence and agreement that there are",
    "all": "ridge regression on those signals and the distances",
}


def mean_of(judgements: Sequence[Judgement]) -> Judgement | None:
    """The judgement of "predict the mean", which is the measure of all others."""
    return next((one for one in judgements if one.estimator == MEAN), None)


def comparable(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The estimators judged on as many datasets as any: only their errors may be compared."""
    most = max((one.sets for one in judgements), default=0)
    return [one for one in judgements if one.sets == most]


def best(judgements: Sequence[Judgement]) -> Judgement | None:
    """The one with the smallest error of an image among those judged on all datasets; of equals the first."""
    return min(comparable(judgements), key=lambda one: one.mae_image, default=None)


def lead(relation: Relation) -> str:
    """Which estimator did best on datasets left out, beside predicting the mean."""
    first, mean = best(relation.judgements), mean_of(relation.judgements)
    if first is None or mean is None:
        labelled = sum(one.scored > 0 for one in relation.datasets)
        here = "is one" if labelled == 1 else "is none" if not labelled else f"are {labelled}"
        return (
            "No estimator could be judged: that takes at least two datasets with performances, of which one is left out and "
            f"estimated from the others; here {here}."
        )
    judged = f"{len(relation.judgements)} estimators were judged on {first.sets} labelled datasets, each left out in turn."
    if first.estimator == MEAN:
        return (
            f"{judged} None beats predicting the mean, which misses an image's performance by {_error(mean.mae_image)} and a "
            f"dataset's mean by {_error(mean.mae_set)}."
        )
    best_of = (
        f"{judged} The best, “{first.estimator}”, misses an image's performance by {_error(first.mae_image)} and a dataset's "
        f"mean by {_error(first.mae_set)}; predicting the mean misses by {_error(mean.mae_image)} and {_error(mean.mae_set)}."
    )
    choice = _choice(relation, EVERYTHING)
    if choice is None:
        return best_of
    return (
        f"{best_of} Chosen for that, it is flattered: an estimator chosen without the dataset that it is then tried on misses "
        f"by {_error(choice.mae_image)} and {_error(choice.mae_set)}."
    )


def distance(relation: Relation) -> str:
    """What distance is worth as an estimator, in one sentence; empty where that was not judged."""
    mean, choice = mean_of(relation.judgements), _choice(relation, DISTANCE)
    if mean is None or choice is None:
        return ""
    on_images, on_sets = _beats(choice.mae_image, mean.mae_image), _beats(choice.mae_set, mean.mae_set)
    if not on_images and not on_sets:
        return "Alone, distance is no estimator of performance here: no distance beats predicting the mean."
    if not on_sets:
        return "Distance is a weak estimator of performance here: it beats predicting the mean for images, not for datasets."
    if not on_images:
        return "Distance is a weak estimator of performance here: it beats predicting the mean for datasets, not for images."
    near, both = _nearer(choice, mean)
    if 2 * near <= both:
        return (
            "As an estimator of performance distance beats predicting the mean here on average, but comes nearer to the truth "
            f"in only {near} of {both} datasets."
        )
    few = ", so few that it may be chance" if both < FEW else ""
    return (
        f"As an estimator of performance distance beats predicting the mean here, coming nearer to the truth in {near} of "
        f"{both} datasets{few}."
    )


def distance_numbers(relation: Relation) -> str:
    """The errors behind what is said of distance; empty where that was not judged."""
    mean, of_image, of_set = _distances(relation)
    if mean is None or of_image is None or of_set is None:
        return ""
    images, sets = f"{_error(of_image.mae_image)}", f"{_error(of_set.mae_set)}"
    against = f"predicting the mean {_error(mean.mae_image)} and {_error(mean.mae_set)}"
    if of_image.estimator == of_set.estimator:
        who = f"Of the distances “{of_image.estimator}” errs least: by {images} for an image and by {sets} for a dataset's mean"
    else:
        who = (
            f"Of the distances “{of_image.estimator}” errs least for an image, by {images}, and “{of_set.estimator}” for a "
            f"dataset's mean, by {sets}"
        )
    choice = _choice(relation, DISTANCE)
    blind = (
        ""
        if choice is None
        else f" Chosen without the dataset, a distance misses by {_error(choice.mae_image)} and {_error(choice.mae_set)}."
    )
    return f"{who}; {against}.{blind}"


def addition(relation: Relation) -> str:
    """What the distances add to the signals of confidence and agreement; empty where one of the two was not judged."""
    judged = {one.estimator: one for one in comparable(relation.judgements)}
    if SIGNALS not in judged or EVERYTHING not in judged:
        return ""
    without, added = judged[SIGNALS].mae_image, judged[EVERYTHING].mae_image
    effect = "helps" if _beats(added, without) else "makes them worse" if _beats(without, added) else "changes nothing"
    return (
        f"Adding the distances to the signals of confidence and agreement {effect}: an image is missed by {_error(added)} with "
        f"them and by {_error(without)} without."
    )


def in_use(relation: Relation) -> str:
    """Which estimator made the estimates that are shown, and why; empty where there are none."""
    estimator, first = relation.estimator, best(relation.judgements)
    if estimator is None or not relation.estimates:
        return ""
    others = sorted({one.estimator for one in relation.estimates} - {estimator})
    instead = f" Where a dataset lacks what it reads, {listing(quoted(others))} stands in." if others else ""
    if first is None:
        return f"The estimates below are by “{estimator}”, which nothing here could test.{instead}"
    mean, choice = mean_of(relation.judgements), _choice(relation, EVERYTHING)
    if estimator == MEAN != first.estimator and mean is not None and choice is not None and choice.mae_image >= mean.mae_image:
        return f"The estimates below are the mean: choosing the best did no better on datasets that had no say in it.{instead}"
    if estimator != first.estimator:
        return f"The estimates below are by “{estimator}”, not by the best, “{first.estimator}”.{instead}"
    return f"The estimates below are by “{estimator}”.{instead}"


def fewer(relation: Relation) -> str:
    """A remark on estimators that were judged on fewer datasets; empty where there are none."""
    judged = {one.estimator for one in comparable(relation.judgements)}
    names = [one.estimator for one in relation.judgements if one.estimator not in judged]
    if not names:
        return ""
    reads = "it reads" if len(names) == 1 else "they read"
    return (
        f"{listing(quoted(names))} could be judged on fewer datasets only, as the others lack what {reads}: errors compare "
        "between estimators judged on the same datasets."
    )


def set_intervals(relation: Relation) -> str:
    """What the intervals of datasets' means promise, and how many held."""
    promise = (
        "A dataset's interval takes the labelled datasets as a sample of datasets like the new one, which cannot be checked. "
        "K of them allow a level of at most K / (K + 1); the table gives the level of each interval."
    )
    known = [one for one in relation.estimates if one.measured is not None]
    if not known:
        return promise
    inside = sum(holds(one) for one in known)
    have = "has its" if inside == 1 else "have their"
    return f"{promise} Of {len(known)} labelled datasets, each left out in turn, {inside} {have} mean within the interval."


def image_intervals(relation: Relation) -> str:
    """What the intervals of images promise, and how often they held."""
    level = relation.settings.level
    promise = (
        f"An image's interval is made to hold its performance with a chance of {share(level)} where the image is exchangeable "
        "with the labelled ones, drawn from the same mixture of datasets. For images of another dataset nothing promises it."
    )
    used = next((one for one in relation.judgements if one.estimator == relation.estimator), None)
    if used is None or used.coverage is None:
        return promise
    width = "" if used.width is None else f", at a mean length of {used.width:.2f}"
    held = f"With each labelled dataset left out in turn, {share(used.coverage)} of its images' intervals held{width}"
    short = ": they are too short for datasets left out" if used.coverage < level - SHORT else ""
    return f"{promise} {held}{short}."


def unlabelled(relation: Relation) -> str:
    """What is expected of the datasets without performances; empty where there are none."""
    new = [one for one in relation.estimates if one.measured is None]
    if not new:
        return ""
    said = [f"{one.dataset} {one.predicted:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in new[:4]]
    more = f"; {len(new) - 4} more in the table" if len(new) > 4 else ""
    return f"Estimated mean performance where none was measured: {'; '.join(said)}{more}."


def quoted(names: Sequence[str]) -> list[str]:
    """Names of estimators as prose holds them, where "all" and "mean" are words too.

    Examples
    --------
    >>> quoted(["all"])
    ['“all”']
    """
    return [f"“{name}”" for name in names]


def holds(one: SetEstimate) -> bool:
    """Whether the measured mean lies within the estimate's interval, a rounding aside."""
    return one.measured is not None and one.low - 1e-9 <= one.measured <= one.high + 1e-9


def _distances(relation: Relation) -> tuple[Judgement | None, Judgement | None, Judgement | None]:
    """Predicting the mean, the distance that errs least for an image, and the one that errs least for a dataset's mean."""
    judged = [one for one in comparable(relation.judgements) if one.kind == "distance"]
    of_image = min(judged, key=lambda one: one.mae_image, default=None)
    return mean_of(relation.judgements), of_image, min(judged, key=lambda one: one.mae_set, default=None)


def _choice(relation: Relation, among: str) -> Choice | None:
    return next((one for one in relation.choices if one.among == among), None)


def _error(value: float) -> str:
    return f"{value:.3f}"


def _beats(a: float, b: float) -> bool:
    """Whether an error is smaller than another as both are printed."""
    return round(a, 3) < round(b, 3)


def _nearer(one: Choice, mean: Judgement) -> tuple[int, int]:
    """In how many datasets an estimator's error of the mean is smaller than that of predicting the mean, and of how many."""
    both = set(one.set_errors) & set(mean.set_errors)
    return sum(abs(one.set_errors[name]) < abs(mean.set_errors[name]) for name in both), len(both)
