"""How far a judge's predictions are said to be trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.relation import site_judge
from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.site_judge import SiteJudge, Terms
from howfar.results import Judgement

NAMES = ("mean", "i_dist", "flip_agreement")


def judgement(name: str, mae: float, **changes: Any) -> Judgement:
    return replace(Judgement(name, "kind", 3, 36, 0.1, mae, 0.75, 0.3, None, None, None), **changes)


JUDGED = (judgement("mean", 0.2), judgement("i_dist", 0.15), judgement("flip_agreement", 0.05, set_coverage=2 / 3))


def judge(*judgements: Judgement, **changes: Any) -> SiteJudge:
    """A judge that uses flip agreement, for want of it the distance, and else the mean."""
    performance = np.random.default_rng(0).random(36)
    columns, sets = dict.fromkeys(NAMES[1:], performance), np.repeat(["a", "b", "c"], 12)
    fits = {name: calibrate(name, columns, performance, sets) for name in NAMES}
    counts = dict.fromkeys("abc", 12)
    made = SiteJudge("F at threshold 0.30", 0.3, Terms(0.5, 0.8, 0.2), counts, NAMES[::-1], judgements, fits, None)
    return replace(made, **changes)


def test_it_is_said_how_the_estimator_did_on_the_datasets_left_out() -> None:
    assert site_judge.notes(judge(*JUDGED), NAMES) == (
        "predictions are by flip_agreement, which missed a dataset's mean by 0.050 with each of 3 labelled datasets left out "
        "in turn (0.200 for predicting their mean) and an image by 0.100; 75 % of the images lay in its 80 % intervals, and 2 "
        "of 3 means in those of a dataset",
    )
    bare = [replace(row, coverage=None, set_coverage=None) for row in JUDGED]
    assert site_judge.notes(judge(*bare), NAMES, "i_dist")[0].endswith("and an image by 0.100")
    assert site_judge.notes(judge(*bare), (), "mean") == (
        "every image is predicted the labelled datasets' mean, with an error of 0.200 with each of 3 labelled datasets left "
        "out in turn",
    )
    unknown = "predictions are by flip_agreement; how well it does on a dataset that it was not fitted on is not known"
    for judgements in ((), JUDGED[:2], JUDGED[1:]):
        assert site_judge.notes(judge(*judgements), NAMES) == (unknown,)


def test_an_estimator_that_comes_first_and_wants_maps_is_named_and_remarks_come_last() -> None:
    assert site_judge.notes(judge(*JUDGED, remarks=("one", "two")), ["i_dist"])[1:] == (
        "flip_agreement (error of a dataset's mean 0.050) comes first, and reads predictions of the mirrored images: pass them "
        "too",
        "one",
        "two",
    )
    ranked = judge(*JUDGED, order=("i_dist", "mean"))
    assert site_judge.notes(ranked, ())[1] == (
        f"i_dist (error of a dataset's mean {JUDGED[1].mae_set:.3f}) comes first, and reads predictions: pass them"
    )
    with pytest.raises(InputError) as caught:
        site_judge.notes(judge(*JUDGED), ["i_dist"], "flip_agreement")
    assert str(caught.value) == (
        "estimator flip_agreement needs flip_agreement: pass the folders of maps that they are read from"
    )


def test_lines_for_a_person() -> None:
    assert site_judge.lines(judge(*JUDGED)) == (
        "performance F at threshold 0.30, known of 36 images (a 12, b 12, c 12)",
        "estimators  used: flip_agreement (error of a dataset's mean 0.050)",
    )
    assert site_judge.lines(judge())[1] == "estimators  not judged: that takes two labelled sets"
