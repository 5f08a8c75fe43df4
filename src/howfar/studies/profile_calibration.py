"""Fit and judge performance estimators on labelled datasets, for a primary dataset's profile to predict by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.keywords import CalibrationOptions
from howfar.pipeline.performance_predictor import Expected
from howfar.pipeline.reference_profile import Profile
from howfar.pipeline.site_estimates import RESIDUAL
from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.gate import GateRange, fit, values_by_set
from howfar.relation.label_free_columns import Columns, take
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.model_selection import choose
from howfar.relation.performance_estimators import every
from howfar.results import Evaluation, Features
from howfar.studies.performance.estimates import Home, joined
from howfar.studies.performance.gates import own_values, sizes_at
from howfar.studies.performance.image_performance import Scores, home_of, scores_of, signals_at
from howfar.studies.performance.performance_files import Matched, match
from howfar.studies.performance.photograph_groups import groups_of


def expected_of(
    profile: Profile,
    labelled: Sequence[Features],
    performances: Sequence[Evaluation],
    calibration: CalibrationOptions,
    contents: Sequence[str] = (),
) -> Expected:
    """Fit and judge every estimator that the labelled datasets have the columns for.

    `labelled` are features of the profile's own kind, and `performances` those of their images; an evaluation of the primary
    dataset itself gives the common threshold. `contents` are hashes of the primary's images: those of a labelled dataset would
    look nearer than they are. Raises `InputError` where no labelled image has a performance, or performances do not fit
    together or lie outside 0-1.
    """
    own = next((evaluation for evaluation in performances if evaluation.dataset == profile.primary), None)
    others = [evaluation for evaluation in performances if evaluation is not own]
    if not others:
        raise InputError.of("performance", "must tell of a labelled dataset", profile.primary, "evaluate one of them too")
    images = _images(labelled)
    matched = match(images, others)
    scores = scores_of(matched, others, own, calibration.get("threshold"))
    columns = _columns(profile, labelled, matched, scores)
    group, tau, level = calibration.get("group"), calibration["tau"], calibration["level"]
    scored = np.isfinite(scores.performance)
    if not scored.any():
        raise InputError.of("performance", "must be known of some labelled image", "none of them")
    sets, performance = images["dataset"].to_numpy(dtype=str)[scored], scores.performance[scored]
    inputs = take(columns, scored)
    estimators = [settled for estimator in every() if (settled := estimator.resolve(inputs, sets)) is not None]
    groups = np.asarray(groups_of(images, group))[scored] if group else None
    home = _alike(home_of(own, scores.threshold, group), scores)
    if home is not None:
        inputs = joined(inputs, len(performance), home.columns, len(home.performance))
        performance = np.concatenate([performance, home.performance])
        sets = np.concatenate([sets, np.full(len(home.performance), home.name)])
        groups = None if groups is None else np.concatenate([groups, home.groups])
    known: dict[str, Any] = {"level": level, "groups": groups, "home": None if home is None else home.name}
    judgements, left_out = judge(estimators, inputs, performance, sets, tau=tau, **known)
    return Expected(
        metric=scores.metric,
        threshold=scores.threshold,
        tau=tau,
        level=level,
        sets={str(name): int(count) for name, count in zip(*np.unique(sets, return_counts=True), strict=True)},
        judgements=judgements,
        choice=choose(judgements, left_out, performance, sets),
        fits={estimator.name: calibrate(estimator, inputs, performance, sets, **known) for estimator in estimators},
        gate=_gate(columns, matched, images["dataset"].to_numpy(dtype=str), set(sets.tolist()), home),
        remarks=tuple(_remarks(labelled, sets, matched, set(contents), profile.primary)),
    )


def _gate(
    columns: Mapping[str, NDArray[Any]], matched: Matched, datasets: NDArray[np.str_], scored: set[str], home: Home | None
) -> GateRange:
    """Keep what the gate reads of the labelled datasets, and of the primary one."""
    read = values_by_set({**columns, **sizes_at(matched.rows)}, datasets)
    return fit({"": own_values(home), **{name: values for name, values in read.items() if name in scored}})


def _images(labelled: Sequence[Features]) -> pd.DataFrame:
    frames = [pd.DataFrame({"dataset": rows.name, "image": rows.images, "content": rows.contents}) for rows in labelled]
    return pd.concat(frames, ignore_index=True)


def _columns(profile: Profile, labelled: Sequence[Features], matched: Matched, scores: Scores) -> Mapping[str, NDArray[Any]]:
    read_of = [profile.measure(features.rows) for features in labelled]
    measured = [profile.columns(read) for read in read_of]
    distances: dict[str, Float64Array] = {name: np.concatenate([columns[name] for columns in measured]) for name in measured[0]}
    distances[RESIDUAL] = np.concatenate([read[RESIDUAL] for read in read_of])
    return {**distances, **_computable(signals_at(matched.rows, scores.threshold), scores)}


def _alike(home: Home | None, scores: Scores) -> Home | None:
    return None if home is None else replace(home, columns=_computable(home.columns, scores))


def _computable(columns: Columns, scores: Scores) -> dict[str, Any]:
    """Leave out the predicted share where its threshold is not known: it could not be computed alike for a new image."""
    return {name: values for name, values in columns.items() if scores.threshold is not None or name != "predicted_foreground"}


def _remarks(labelled: Sequence[Features], sets: NDArray[Any], matched: Matched, own: set[str], primary: str) -> list[str]:
    remarks = [f"{features.name} has no image with a performance" for features in labelled if features.name not in set(sets)]
    for features in labelled:
        shared = sum(content in own for content in features.contents)
        if shared:
            remarks.append(f"{features.name} shares {shared} images with {primary}, which makes it look nearer than it is")
    lost = {name or "a table": count for name, count in matched.unmatched.items() if count}
    return remarks + [f"the performance of {name} tells of {count} images that are not in it" for name, count in lost.items()]
