"""What a profile expects of an image's performance: which estimator is used, and how far it is said to be trusted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from howfar.errors import HowfarError, InputError
from howfar.pipeline.performance_predictor import Expected
from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.leave_one_dataset_out import judge
from howfar.results import Choice, Judgement

NAMES = ("mean", "i_dist", "average_confidence", "flip_agreement")
SETS = np.repeat(["a", "b", "c"], 12)


def known() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    performance = rng.random(36)
    noise = {"i_dist": 0.2, "average_confidence": 0.1, "flip_agreement": 0.01}
    return {name: 0.2 + 0.5 * performance + width * rng.normal(size=36) for name, width in noise.items()}, performance


@pytest.fixture(scope="module")
def fits() -> dict[str, Calibrated]:
    return {name: calibrate(name, *known(), SETS, level=0.8) for name in NAMES}


def judgement(name: str, mae: float, sets: int = 3, coverage: float | None = 0.75) -> Judgement:
    return Judgement(name, "kind", sets, 36, 0.1, mae, coverage, 0.3, None, None, None)


def of(fits: dict[str, Calibrated], *judgements: Judgement, **changes: Any) -> Expected:
    made = Expected(
        metric="F at threshold 0.30", threshold=0.3, tau=0.5, level=0.8, sets={"a": 12, "b": 12, "c": 12},
        judgements=judgements, choice=choice(0.01), fits=fits,
    )  # fmt: skip
    return replace(made, **changes)


def choice(mae: float, winner: str = "flip_agreement") -> Choice:
    return Choice("all", winner, 3, 0.1, mae, dict.fromkeys("abc", winner), dict.fromkeys("abc", 0.1))


def judged(fits: dict[str, Calibrated], **changes: Any) -> Expected:
    """Flip agreement, then confidence, then the distance; all better than the mean."""
    errors = zip(NAMES, (0.2, 0.15, 0.1, 0.05), strict=True)
    return of(fits, *(judgement(name, error) for name, error in errors), **{"choice": choice(0.06)} | changes)


def new(**columns: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in columns.items()}


# Which estimator


def test_the_best_judged_comes_first_and_none_that_is_no_better_than_the_mean(fits: dict[str, Calibrated]) -> None:
    assert judged(fits).ranked() == ("flip_agreement", "average_confidence", "i_dist", "mean")
    some = of(fits, judgement("mean", 0.1), judgement("i_dist", 0.1), judgement("flip_agreement", 0.09), judgement("knn", 0.01))
    assert some.ranked() == ("flip_agreement", "mean")  # knn has no fit; the distance is only as good as the mean
    assert of(fits, judgement("mean", 0.1), judgement("i_dist", 0.2)).ranked() == ("mean",)


def test_one_that_was_judged_on_fewer_sets_is_not_tried(fits: dict[str, Calibrated]) -> None:
    made = of(fits, judgement("mean", 0.2), judgement("flip_agreement", 0.01, sets=2), judgement("i_dist", 0.1))
    assert made.ranked() == ("i_dist", "mean")


def test_where_choosing_the_best_is_worth_no_more_than_the_mean_the_mean_is_used(fits: dict[str, Calibrated]) -> None:
    assert judged(fits, choice=choice(0.2)).ranked() == ("mean",)
    assert judged(fits, choice=choice(0.19)).ranked() == ("flip_agreement", "average_confidence", "i_dist", "mean")
    assert judged(fits, choice=choice(0.19, "mean")).ranked() == ("mean",)
    assert judged(fits, choice=None).ranked() == ("mean",)
    assert judged(fits, choice=choice(0.2)).ranked("i_dist") == ("i_dist",)


def test_where_nothing_was_judged_the_mean_is_used(fits: dict[str, Calibrated]) -> None:
    assert of(fits).ranked() == ("mean",)
    assert of(fits, judgement("i_dist", 0.1)).ranked() == ("mean",)


def test_a_named_estimator_is_the_only_one_tried(fits: dict[str, Calibrated]) -> None:
    assert judged(fits).ranked("i_dist") == ("i_dist",)
    with pytest.raises(InputError) as caught:
        judged(fits).ranked("doc")
    assert str(caught.value) == ("estimator must be auto or one of mean, i_dist, average_confidence, flip_agreement, got 'doc'")


def test_each_image_gets_the_best_estimate_that_it_has_the_columns_for(fits: dict[str, Calibrated]) -> None:
    nan = float("nan")
    columns = new(i_dist=[0.4, 0.4, 0.5, nan], average_confidence=[0.6, 0.3, nan, nan], flip_agreement=[0.5, nan, nan, nan])
    estimate, low, high, names = judged(fits).predict(columns)
    wanted = ("flip_agreement", "average_confidence", "i_dist", "mean")
    assert names == wanted
    for place, name in enumerate(wanted):
        alone = fits[name].predict({key: values[place : place + 1] for key, values in columns.items()})
        assert (estimate[place], low[place], high[place]) == tuple(float(value[0]) for value in alone)
    estimate, low, high, names = judged(fits).predict(columns, "flip_agreement")
    assert names == ("flip_agreement", None, None, None)
    for values in (estimate, low, high):
        assert np.isnan(values).tolist() == [False, True, True, True]


def test_the_cut_is_the_common_threshold_or_a_half(fits: dict[str, Calibrated]) -> None:
    assert judged(fits).cut == 0.3
    assert judged(fits, threshold=None).cut == 0.5
    assert judged(fits, threshold=0.0).cut == 0.0


# What is said


def test_it_is_said_how_the_estimator_did_on_the_sets_left_out(fits: dict[str, Calibrated]) -> None:
    assert judged(fits).notes(NAMES) == (
        "predictions are by flip_agreement, which missed a dataset's mean by 0.050 when each of 3 labelled sets was left out "
        "in turn (0.200 for predicting their mean, 0.060 where it was to be chosen without that set) and an image by 0.100; "
        "75 % of the images lay in its 80 % intervals",
    )
    assert (
        judged(fits, choice=None)
        .notes(NAMES, "flip_agreement")[0]
        .split("; ")[0]
        .endswith("(0.200 for predicting their mean) and an image by 0.100")
    )
    assert (
        judged(fits).notes(NAMES, "i_dist")[0].startswith("predictions are by i_dist, which missed a dataset's mean by 0.150 ")
    )
    assert judged(fits).notes((), "mean") == (
        "every image is predicted the labelled sets' mean, with an error of a dataset's mean of 0.200 when each of 3 "
        "labelled sets was left out in turn; 75 % of the images lay in its 80 % intervals",
    )
    made = of(fits, judgement("mean", 0.2, coverage=None), judgement("i_dist", 0.1, coverage=None))
    assert made.notes(["i_dist"])[0].endswith("(0.200 for predicting their mean) and an image by 0.100")
    counted = replace(judgement("mean", 0.2), set_coverage=2 / 3)
    assert of(fits, counted).notes(NAMES, "mean")[0].endswith("80 % intervals, and 2 of 3 means in those of a dataset")
    assert "chosen without" not in judged(fits).notes(NAMES, "i_dist")[0]


def test_a_better_estimator_that_wants_maps_is_named(fits: dict[str, Calibrated]) -> None:
    trust, more = judged(fits).notes(["i_dist", "knn"])
    assert trust.startswith("predictions are by i_dist")
    assert more == "flip_agreement (error of a dataset's mean 0.050) comes first, and reads maps: pass their folder"
    assert len(judged(fits).notes(["i_dist", "average_confidence", "flip_agreement"])) == 1
    trust, more = judged(fits).notes(())
    assert trust.startswith("every image is predicted the labelled sets' mean")
    assert "flip_agreement" in more


def test_what_was_never_judged_is_said_to_be_unknown(fits: dict[str, Calibrated]) -> None:
    unknown = "of which it is not known how well it does on a set that it was not fitted on"
    assert of(fits).notes(NAMES) == (f"predictions are by mean, {unknown}",)
    assert of(fits, judgement("mean", 0.2)).notes(NAMES, "i_dist") == (f"predictions are by i_dist, {unknown}",)
    assert of(fits, judgement("i_dist", 0.2)).notes(NAMES, "i_dist") == (f"predictions are by i_dist, {unknown}",)


def test_remarks_come_last(fits: dict[str, Calibrated]) -> None:
    assert judged(fits, remarks=("one", "two")).notes(["i_dist"])[1:] == (
        "flip_agreement (error of a dataset's mean 0.050) comes first, and reads maps: pass their folder", "one", "two",
    )  # fmt: skip


def test_a_named_estimator_whose_columns_are_not_at_hand_is_refused(fits: dict[str, Calibrated]) -> None:
    with pytest.raises(InputError) as caught:
        judged(fits).notes(["i_dist"], "flip_agreement")
    assert str(caught.value) == (
        "estimator flip_agreement needs flip_agreement: pass the folders of maps that they are read from"
    )
    both = calibrate("signals", *known(), SETS)
    made = judged({**fits, "signals": both})
    with pytest.raises(InputError, match="estimator signals needs flip_agreement: pass"):
        made.notes(["average_confidence"], "signals")


def test_lines_for_a_person(fits: dict[str, Calibrated]) -> None:
    assert judged(fits).lines() == (
        "performance F at threshold 0.30, known of 36 images (a 12, b 12, c 12)",
        "estimators  used: flip_agreement (error of a dataset's mean 0.050)",
    )
    why = "choosing the best judged, flip_agreement, missed a dataset's mean by 0.200 on sets that had no say in the choice"
    assert judged(fits, choice=choice(0.2)).lines()[1] == f"estimators  used: mean (error of a dataset's mean 0.200); {why}"
    assert of(fits, judgement("i_dist", 0.1)).lines()[1] == "estimators  used: mean"
    assert of(fits, sets={"a": 12}).lines()[1] == "estimators  not judged: that takes two labelled sets"


# JSON


def test_it_survives_json_bit_for_bit(fits: dict[str, Calibrated]) -> None:
    judgements, _ = judge(NAMES, *known(), SETS, tau=0.5)
    for made in (of(fits, *judgements, remarks=("odd",)), of(fits, threshold=None, choice=None)):
        document, fitted = json.loads(json.dumps([made.to_dict(), made.fitted()], allow_nan=False))
        back = Expected.from_dict(document, fitted)
        assert replace(back, fits={}).__dict__ == replace(made, fits={}).__dict__
        assert list(back.fits) == list(made.fits)
        assert back.to_dict() == made.to_dict()
        columns = known()[0]
        for ours, theirs in zip(made.predict(columns)[:3], back.predict(columns)[:3], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert document["estimators"] == list(NAMES)
    assert document["auto"] == ["mean"]


def test_a_fit_that_is_no_such_document_is_refused(fits: dict[str, Calibrated]) -> None:
    made = judged(fits)
    broken = {**made.fitted(), "mean": {"level": 0.8}}
    with pytest.raises(HowfarError, match="document must be that of a calibrated estimator"):
        Expected.from_dict(made.to_dict(), broken)


def test_where_the_best_judged_is_passed_over_for_boosted_it_says_why(fits: dict[str, Calibrated]) -> None:
    fits = {**fits, "boosted": fits["i_dist"]}
    two = [judgement(name, error, sets=2) for name, error in (("mean", 0.2), ("i_dist", 0.05), ("boosted", 0.1))]
    line = of(fits, *two).lines()[1]
    assert line.startswith("estimators  used: boosted (error of a dataset's mean 0.100); fixed beforehand, as fewer than three")
    three = [judgement(row.estimator, row.mae_set) for row in two]
    chosen = of(fits, *three, choice=choice(0.1, "boosted")).lines()[1]
    assert chosen.endswith("; i_dist (error of a dataset's mean 0.050) is better by no more than chance may account for")
    best = of(fits, *three[:1], judgement("boosted", 0.01), choice=choice(0.1, "boosted")).lines()[1]
    assert best == "estimators  used: boosted (error of a dataset's mean 0.010)"


def test_where_the_best_judged_is_passed_over_for_the_mean_it_says_why(fits: dict[str, Calibrated]) -> None:
    why = "; choosing the best judged, flip_agreement, missed a dataset's mean by 0.210 on sets that had no say in the choice"
    passed_over = judged(fits, choice=choice(0.21))
    assert passed_over.lines()[1] == f"estimators  used: mean (error of a dataset's mean 0.200){why}"
    assert passed_over.notes(NAMES)[0].endswith(why)
    # The mean stands in, is asked for, or is the best itself: then choosing is not to blame.
    assert "choosing" not in judged(fits).notes(NAMES, "mean")[0]
    assert "choosing" not in judged(fits).lines()[1]
    assert "choosing" not in judged(fits, choice=choice(0.21, "mean")).lines()[1]
    assert "choosing" not in judged(fits, choice=None).notes(NAMES)[0]
