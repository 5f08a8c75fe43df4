"""Labelled datasets teach a profile what to expect: measured by it, joined with their performance, estimators judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.keywords import CalibrationOptions
from howfar.pipeline.performance_predictor import Expected
from howfar.pipeline.profile import Profile
from howfar.relation.estimate import calibrate
from howfar.relation.estimators import every
from howfar.relation.image_columns import take
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.model_selection import choose
from howfar.results import Evaluation, Features
from howfar.studies.performance.groups import groups_of
from howfar.studies.performance.image_performance import Scores, scores_of, signals_at
from howfar.studies.performance.performance_files import Matched, match


def expected_of(
    profile: Profile,
    labelled: Sequence[Features],
    performances: Sequence[Evaluation],
    wishes: CalibrationOptions,
    contents: Sequence[str] = (),
) -> Expected:
    """Fit and judge every estimator that the labelled datasets have the columns for.

    Parameters
    ----------
    profile
        What their images are measured by.
    labelled
        Features of the profile's own kind.
    performances
        What is known of their images; an evaluation of the primary itself gives the common threshold.
    wishes
        τ, level, threshold and group.
    contents
        Hashes of the primary's images: those of a labelled dataset would look nearer than they are.

    Raises
    ------
    InputError
        No labelled image has a performance; performances that do not fit together, or lie outside 0-1.
    """
    own = next((one for one in performances if one.dataset == profile.primary), None)
    others = [one for one in performances if one is not own]
    if not others:
        raise InputError.of("performance", "must tell of a labelled dataset", profile.primary, "evaluate one of them too")
    images = _images(labelled)
    matched = match(images, others)
    scores = scores_of(matched, others, own, wishes.get("threshold"))
    columns = _columns(profile, labelled, matched, scores)
    known = np.isfinite(scores.performance)
    if not known.any():
        raise InputError.of("performance", "must be known of some labelled image", "none of them")
    sets, performance = images["dataset"].to_numpy(dtype=str)[known], scores.performance[known]
    here = take(columns, known)
    recipes = [settled for one in every() if (settled := one.resolve(here, sets)) is not None]
    groups = np.asarray(groups_of(images, wishes["group"]))[known] if wishes.get("group") else None
    judgements, left_out = judge(recipes, here, performance, sets, tau=wishes["tau"], level=wishes["level"], groups=groups)
    return Expected(
        metric=scores.metric,
        threshold=scores.threshold,
        tau=wishes["tau"],
        level=wishes["level"],
        sets={str(name): int(count) for name, count in zip(*np.unique(sets, return_counts=True), strict=True)},
        judgements=judgements,
        choice=choose(judgements, left_out, performance, sets),
        fits={one.name: calibrate(one, here, performance, sets, level=wishes["level"], groups=groups) for one in recipes},
        remarks=tuple(_remarks(labelled, sets, matched, set(contents), profile.primary)),
    )


def _images(labelled: Sequence[Features]) -> pd.DataFrame:
    frames = [pd.DataFrame({"dataset": one.name, "image": one.images, "content": one.contents}) for one in labelled]
    return pd.concat(frames, ignore_index=True)


def _columns(profile: Profile, labelled: Sequence[Features], matched: Matched, scores: Scores) -> Mapping[str, NDArray[Any]]:
    measured = [profile.columns(profile.measure(one.rows)) for one in labelled]
    distances: dict[str, Float64Array] = {name: np.concatenate([one[name] for one in measured]) for name in measured[0]}
    signals = signals_at(matched.rows, scores.threshold)
    if scores.threshold is None:
        # At which threshold it was taken is not known, so that it could not be taken alike of a new image.
        signals.pop("predicted_foreground", None)
    return {**distances, **signals}


def _remarks(labelled: Sequence[Features], sets: NDArray[Any], matched: Matched, own: set[str], primary: str) -> list[str]:
    found = [f"{one.name} has no image with a performance" for one in labelled if one.name not in set(sets)]
    for one in labelled:
        shared = sum(content in own for content in one.contents)
        if shared:
            found.append(f"{one.name} shares {shared} images with {primary}, which makes it look nearer than it is")
    lost = {name or "a table": count for name, count in matched.unmatched.items() if count}
    return found + [f"the performance of {name} tells of {count} images that are not in it" for name, count in lost.items()]
