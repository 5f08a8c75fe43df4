"""The performance of a run's images: at the common threshold from counts, as given without, and the signals beside it."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.errors import InputError
from howfar.relation.calibrated_estimator import KnownFits, calibrate
from howfar.relation.failure_list import list_failures, trusted_below
from howfar.relation.labelled_images import AGREEMENTS, AT_THRESHOLD, CONFIDENCES, take
from howfar.relation.site_judge import AUTO, SiteJudgement, Terms, judge_of
from howfar.results import Evaluation
from howfar.studies.performance.image_performance import (
    ImagePerformance,
    Matched,
    MeasuredImages,
    home_of,
    match,
    read_performances,
    scores_of,
    signals_at,
)
from howfar.studies.performance.relate_and_estimate import expect


def scored(world: Any, *names: str, own: Evaluation | None = None, threshold: float | None = None) -> ImagePerformance:
    given = world.given(*names)
    return scores_of(match(world.run.images, given), given, own, threshold)


def places(world: Any, name: str) -> np.ndarray:
    return np.flatnonzero(world.run.images["dataset"] == name)


def f_of(maps: Any, masks: Any, threshold: float) -> float:
    tp = sum(((p > threshold) & t).sum() for p, t in zip(maps, masks, strict=True))
    wrong = sum(((p > threshold) != t).sum() for p, t in zip(maps, masks, strict=True))
    return float(2 * tp / (2 * tp + wrong))


def given(performance: Any, **columns: Any) -> Evaluation:
    (one,) = read_performances(
        pd.DataFrame({"image": [f"000{k}.jpg" for k in (1, 2, 3)], "performance": performance} | columns)
    )
    return dataclasses.replace(one, dataset="new")


def as_measured(
    columns: dict[str, Any], performance: np.ndarray, sets: np.ndarray, own: Evaluation | None = None
) -> MeasuredImages:
    """Images with these columns and performances, two of each photograph."""
    rows = pd.DataFrame({"dataset": sets, "image": [f"{k // 2}-{k % 2}.png" for k in range(len(sets))]})
    scores = ImagePerformance(performance, np.isfinite(performance), None, "performance", None, "")
    return MeasuredImages(rows, Matched(rows, {}), scores, columns, own, False)


def test_the_common_threshold_is_the_callers_then_the_primarys_then_a_half(world: Any) -> None:
    road = world.evaluations["road"]
    blank = dataclasses.replace(road, scores={"ods_threshold": None})
    cases = [
        (road, 0.07, (0.07, "given")),
        (road, None, (0.3, "tuned on road")),
        (blank, None, (0.5, "not tuned on any set")),
        (None, None, (0.5, "not tuned on any set")),
        (None, 0.99, (0.99, "given")),
    ]
    for own, threshold, wanted in cases:
        found = scored(world, "far", own=own, threshold=threshold)
        assert (found.threshold, found.source) == wanted
        assert found.metric == f"F at threshold {wanted[0]:.2f}"
        maps, masks = world.drawn("far")
        one = places(world, "far")[2]
        assert found.performance[one] == pytest.approx(f_of(maps[2:3], masks[2:3], wanted[0]), rel=1e-14)
    with pytest.raises(InputError, match=r"threshold must be one of 0\.00, 0\.01 … 0\.99, got 0\.435"):
        scored(world, "far", threshold=0.435)


def test_where_one_came_without_counts_all_are_taken_as_they_were_given(world: Any) -> None:
    several = [world.evaluations["far"], given([0.2, None, 0.6])]
    matched = match(world.run.images, several)
    found = scores_of(matched, several, world.evaluations["road"], None)
    assert (found.counts, found.threshold, found.source) == (None, None, "")
    assert found.metric == "F at threshold 0.31 (best for this set) or performance"
    far, new = places(world, "far"), places(world, "new")
    assert found.performance[far].tolist() == world.evaluations["far"].images["performance"].tolist()
    np.testing.assert_array_equal(found.performance[new][:3], [0.2, np.nan, 0.6])
    assert found.counted[new].tolist() == [True, False, True] + [False] * 6
    assert found.common(new) == pytest.approx(0.4)
    assert found.retuned(new) == (pytest.approx(0.4), pytest.approx(np.nan, nan_ok=True))
    assert np.isnan(found.common(new[3:]))
    assert len(found.by_threshold(far)) == 0
    with pytest.raises(InputError) as caught:
        scores_of(matched, several, None, 0.5)
    assert str(caught.value) == ("threshold is of use only where all performances hold pixel counts, got 0.5: leave it out")


def test_the_primarys_own_performance_may_come_without_counts(world: Any) -> None:
    own = dataclasses.replace(given([0.5, 0.6, 0.7]), dataset="road")
    found = scored(world, "far", own=own)
    assert found.counts is not None
    assert (found.threshold, found.source) == (0.5, "not tuned on any set")
    # At another threshold than the others, nothing is learnt from it.
    assert home_of(own, found.threshold, None) is None
    alone = home_of(own, None, None)
    assert alone is not None
    assert alone.performance.tolist() == [0.5, 0.6, 0.7]


def test_what_does_not_fit_together_is_refused(world: Any) -> None:
    near, far = world.given("near", "far")
    images = world.run.images
    for own, several, words in (
        (None, [near, dataclasses.replace(far, task="detection")], "must be of one task, got 'detection, segmentation'"),
        (dataclasses.replace(near, task="classification"), [far], "must be of one task, got 'classification, segmentation'"),
        (None, [near, dataclasses.replace(far, tolerance=2.0)], "must be counted with one tolerance, got [0.0, 2.0]: evaluate"),
        (dataclasses.replace(near, tolerance=1.5), [far], "must be counted with one tolerance, got [0.0, 1.5]"),
    ):
        with pytest.raises(InputError) as caught:
            scores_of(match(images, several), several, own, None)
        assert words in str(caught.value)
    both = [dataclasses.replace(one, tolerance=2.0) for one in (near, far)]
    scores_of(match(images, both), [*both, given([0.1, 0.2, 0.3])], None, None)


def test_signals_are_the_evaluations_and_the_predicted_share_is_at_the_common_threshold(world: Any) -> None:
    several = world.given("near", "far")
    matched = match(world.run.images, several)
    maps = world.drawn("far")[0]
    far, bare = places(world, "far"), places(world, "bare")
    for threshold, at in ((0.07, 0.07), (0.3, 0.3), (None, 0.5)):
        found = signals_at(matched.rows, threshold)
        assert set(found) == {*CONFIDENCES, AGREEMENTS[0], "histogram", "soft_f", "pixels", *AT_THRESHOLD}
        own = world.evaluations["far"]
        for name in AT_THRESHOLD:
            kept = own.images[name] if own.threshold == at else np.full(len(maps), np.nan)
            np.testing.assert_array_equal(found[name][far], kept)
        np.testing.assert_allclose(found["predicted_foreground"][far], [(p > at).mean() for p in maps], rtol=1e-14)
        for name in (*CONFIDENCES[:3], "flip_agreement"):
            np.testing.assert_array_equal(found[name][far], world.evaluations["far"].images[name])
        assert found["histogram"].shape == (len(matched.rows), 256)
        np.testing.assert_array_equal(found["histogram"][far].sum(axis=1), [48 * 48] * 17)
        for values in found.values():
            assert np.isnan(values[bare]).all()


def images(**sets: list[str]) -> pd.DataFrame:
    return pd.DataFrame([(dataset, image) for dataset, names in sets.items() for image in names], columns=["dataset", "image"])


def tiles(stem: str, count: int) -> list[str]:
    return [f"{stem}-{k}.png" for k in range(count)]


# What is said of each set: never by its own labels, by the estimator that is fixed beforehand or the one that is asked for

SIZES = {"cracks": 20, "tiles": 26, "wood": 16, "new": 18, "bare": 10}
OF = np.repeat(list(SIZES), list(SIZES.values()))
GROUPS = np.array([f"{name}/{k // 2}" for k, name in enumerate(OF)])
N = len(OF)
LABELLED = ("cracks", "tiles", "wood")
TERMS = Terms(tau=0.5, level=0.8, error_rate=0.3)


def planted(seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    """Three labelled sets; flip agreement tells most of performance, confidence less, a distance little; "bare" has no maps."""
    rng = np.random.default_rng(seed)
    level = dict(zip(SIZES, (0.3, 0.5, 0.75, 0.4, 0.6), strict=True))
    truth = np.clip([level[name] for name in OF] + 0.15 * rng.normal(size=N), 0, 1)
    columns = {
        "i_dist": 2.0 - truth + 0.3 * rng.normal(size=N),
        "knn": rng.random(N),
        "flip_agreement": 0.3 + 0.5 * truth + 0.01 * rng.normal(size=N),
        "average_confidence": 0.9 + 0.1 * truth + 0.01 * rng.normal(size=N),
    }
    for name in ("flip_agreement", "average_confidence"):
        columns[name][OF == "bare"] = np.nan
    return columns, np.where(np.isin(OF, LABELLED), truth, np.nan)


def expected(columns: Any, performance: Any, estimator: str = AUTO, terms: Terms = TERMS) -> dict[str, SiteJudgement]:
    measured = as_measured(columns, performance, OF)
    evidence, known = measured.evidence(r"(.+)-\d", "p"), KnownFits()
    judge = judge_of(evidence, terms, "F", None, wanted=estimator, known=known)
    return expect(judge, evidence, measured, known, estimator)


def test_every_labelled_set_is_estimated_by_the_others_and_every_other_set_by_all() -> None:
    columns, performance = planted()
    columns = {name: columns[name] for name in ("flip_agreement", "average_confidence")}  # so that the gate stops none
    found = expected(columns, performance, "flip_agreement")
    assert list(found) == list(SIZES)
    for name in ("cracks", "tiles", "wood", "new"):
        here, said = name == OF, found[name]
        on = np.isfinite(performance) & ~here
        fit = calibrate("flip_agreement", take(columns, on), performance[on], OF[on], level=TERMS.level, groups=GROUPS[on])
        estimate, low, high = fit.predict(take(columns, here))
        np.testing.assert_array_equal(said.predicted, estimate)
        np.testing.assert_array_equal(said.low, low)
        np.testing.assert_array_equal(said.high, high)
        tried, truth, names = fit.tried()
        p_values, listed = list_failures(tried, truth, estimate, TERMS.tau, TERMS.error_rate)
        np.testing.assert_array_equal(said.p_value, p_values)
        listed &= estimate <= trusted_below(tried, truth, names, TERMS.tau, TERMS.error_rate) + 1e-9
        np.testing.assert_array_equal(said.listed, listed)
        assert said.estimate.predicted == pytest.approx(estimate.mean(), rel=1e-12)
        assert said.failures.listed == listed.sum()
    assert 0 < sum(said.listed.sum() for said in found.values()) < N
