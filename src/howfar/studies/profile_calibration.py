"""Make the judge of sites that a primary dataset's profile carries, from labelled datasets and their performance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.errors import InputError
from howfar.keywords import CalibrationOptions
from howfar.pipeline.reference import Reference
from howfar.relation.site_judge import SiteJudge, Terms, judge_of
from howfar.results import Evaluation, Features
from howfar.studies.performance.evidence import evidence_of, sizes_at
from howfar.studies.performance.image_performance import Scores, home_of, scores_of, signals_at
from howfar.studies.performance.performance_files import Matched, match
from howfar.studies.performance.photograph_groups import groups_of


def judge_by(
    profile: Reference,
    labelled: Sequence[Features],
    performances: Sequence[Evaluation],
    calibration: CalibrationOptions,
    contents: Sequence[str] = (),
) -> SiteJudge:
    """Fit and judge every estimator that the labelled datasets have the columns for, and learn the gate's range.

    `labelled` are features of the profile's own kind, and `performances` those of their images; an evaluation of the primary
    dataset itself gives the common threshold. `contents` are hashes of the primary's images: those of a labelled dataset would
    look nearer than they are. Raises `InputError` where no labelled image has a performance, or performances do not fit
    together or lie outside 0-1.
    """
    own = next((evaluation for evaluation in performances if evaluation.dataset == profile.primary), None)
    others = [evaluation for evaluation in performances if evaluation is not own]
    if not others:
        raise InputError.of("performance", "must tell of a labelled dataset", profile.primary, "evaluate one of them too")
    measured = measured_images(profile, labelled, others, own, calibration.get("threshold"))
    scores, sets, group = measured.scores, measured.sets, calibration.get("group")
    if not np.isfinite(scores.performance).any():
        raise InputError.of("performance", "must be known of some labelled image", "none of them")
    evidence = evidence_of(
        measured.columns,
        scores.performance,
        sets,
        np.array(groups_of(measured.images, group), dtype=np.str_),
        home_of(own, scores.threshold, group),
        profile.primary,
    )
    terms = Terms(calibration["tau"], calibration["level"], calibration["error_rate"], all(each.tiled for each in performances))
    scored = sets[np.isfinite(scores.performance)]
    remarks = _remarks(labelled, scored, measured.matched, set(contents), profile.primary)
    return judge_of(evidence, terms, scores.metric, scores.threshold, remarks=remarks)


@dataclass(frozen=True, eq=False)
class MeasuredImages:
    """Hold the images of several datasets with their performance and all that the judge may read of them."""

    images: pd.DataFrame
    matched: Matched
    scores: Scores
    columns: dict[str, NDArray[Any]]

    @property
    def sets(self) -> NDArray[np.str_]:
        """Return the dataset that each image is of."""
        return self.images["dataset"].to_numpy(dtype=str)


def measured_images(
    profile: Reference,
    labelled: Sequence[Features],
    evaluations: Sequence[Evaluation],
    own: Evaluation | None,
    threshold: float | None,
) -> MeasuredImages:
    """Measure datasets by a profile, and join what their evaluations say of their images, at the common threshold.

    `own` is the primary dataset's evaluation, `threshold` the common one where it is given.
    """
    images = _images(labelled)
    matched = match(images, evaluations)
    scores = scores_of(matched, evaluations, own, threshold)
    measured = [profile.columns(profile.measure(features.rows)) for features in labelled]
    distances = {name: np.concatenate([columns[name] for columns in measured]) for name in measured[0]}
    columns = {**distances, **signals_at(matched.rows, scores.threshold), **sizes_at(matched.rows)}
    return MeasuredImages(images, matched, scores, columns)


def _images(labelled: Sequence[Features]) -> pd.DataFrame:
    frames = [pd.DataFrame({"dataset": rows.name, "image": rows.images, "content": rows.contents}) for rows in labelled]
    return pd.concat(frames, ignore_index=True)


def _remarks(labelled: Sequence[Features], sets: NDArray[Any], matched: Matched, own: set[str], primary: str) -> list[str]:
    remarks = [f"{features.name} has no image with a performance" for features in labelled if features.name not in set(sets)]
    for features in labelled:
        shared = sum(content in own for content in features.contents)
        if shared:
            remarks.append(f"{features.name} shares {shared} images with {primary}, which makes it look nearer than it is")
    lost = {name or "a table": count for name, count in matched.unmatched.items() if count}
    return remarks + [f"the performance of {name} tells of {count} images that are not in it" for name, count in lost.items()]
