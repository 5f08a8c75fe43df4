"""Say how far a judge's predictions of performance are to be trusted, for whoever scores images by a profile."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from howfar.errors import InputError
from howfar.relation.label_free_columns import AGREEMENTS, BOX_AGREEMENTS, FLIP_OVERLAP
from howfar.relation.model_selection import MEAN
from howfar.relation.site_judge import AUTO, SiteJudge
from howfar.results import Judgement

MIRRORED: Final = {AGREEMENTS[0], FLIP_OVERLAP, *BOX_AGREEMENTS}
"""Columns that are read from predictions of the mirrored images."""


def notes(judge: SiteJudge, at_hand: Collection[str], wanted: str = AUTO) -> tuple[str, ...]:
    """Say how far predictions are to be trusted, where an image has the columns `at_hand`.

    Raises `InputError` where `wanted` is no estimator of the judge, or needs a column that is not at hand.
    """
    ranked = judge.ranked(wanted)
    missing = [name for name in judge.fits[ranked[0]].needs if name not in at_hand]
    if wanted != AUTO and missing:
        raise InputError(f"estimator {wanted} needs {', '.join(missing)}: pass the folders of maps that they are read from")
    used = next(name for name in ranked if set(judge.fits[name].needs) <= set(at_hand))
    better = ranked[: ranked.index(used)]
    more = [_missing(judge, better[0], at_hand)] if better else []
    return (_trust(judge, used), *more, *judge.remarks)


def lines(judge: SiteJudge) -> tuple[str, ...]:
    """Describe the judge in two lines for a person."""
    images = sum(judge.sets.values())
    sets = ", ".join(f"{name} {count}" for name, count in judge.sets.items())
    known = f"used: {_with_error(judge, judge.order[0])}" if judge.judgements else "not judged: that takes two labelled sets"
    return (f"performance {judge.metric}, known of {images} images ({sets})", f"estimators  {known}")


def judgement_of(judge: SiteJudge, name: str) -> Judgement | None:
    """Find how an estimator did with each labelled set left out; None where it could not be judged."""
    return next((judgement for judgement in judge.judgements if judgement.estimator == name), None)


def _with_error(judge: SiteJudge, name: str) -> str:
    judgement = judgement_of(judge, name)
    return name if judgement is None else f"{name} (error of a dataset's mean {judgement.mae_set:.3f})"


def _missing(judge: SiteJudge, name: str, at_hand: Collection[str]) -> str:
    """Say what to pass so that an estimator can be used."""
    missing = set(judge.fits[name].needs) - set(at_hand)
    what = "predictions of the mirrored images: pass them too" if missing <= MIRRORED else "predictions: pass them"
    return f"{_with_error(judge, name)} comes first, and reads {what}"


def _trust(judge: SiteJudge, used: str) -> str:
    judgement, mean = judgement_of(judge, used), judgement_of(judge, MEAN)
    if judgement is None or mean is None:
        return f"predictions are by {used}; how well it does on a dataset that it was not fitted on is not known"
    how = f"with each of {judgement.sets} labelled datasets left out in turn"
    held = ""
    if judgement.coverage is not None:
        held = f"; {100 * judgement.coverage:.0f} % of the images lay in its {100 * judge.terms.level:.0f} % intervals"
    if judgement.set_coverage is not None:
        count = round(judgement.set_coverage * judgement.sets)
        held += f", and {count} of {judgement.sets} means in those of a dataset"
    if used == MEAN:
        return f"every image is predicted the labelled datasets' mean, with an error of {mean.mae_set:.3f} {how}{held}"
    return (
        f"predictions are by {used}, which missed a dataset's mean by {judgement.mae_set:.3f} {how} "
        f"({mean.mae_set:.3f} for predicting their mean) and an image by {judgement.mae_image:.3f}{held}"
    )
