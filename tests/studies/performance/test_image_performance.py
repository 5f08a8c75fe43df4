"""The performance of a run's images: at the common threshold from counts, as given without, and the signals beside it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.errors import InputError
from howfar.relation.image_columns import AGREEMENTS, AT_THRESHOLD, CONFIDENCES
from howfar.results import Evaluation
from howfar.studies.performance.image_performance import ImagePerformance, home_of, scores_of, signals_at
from howfar.studies.performance.performance_files import match, read_performances


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


def test_performance_of_some_images_is_that_of_their_summed_counts(world: Any) -> None:
    found = scored(world, "near", "far", threshold=0.4)
    near, far = places(world, "near"), places(world, "far")
    maps, masks = world.drawn("near")
    for chosen in ([0], [3, 1], [0, 1, 2, 10], list(range(16))):
        wanted = f_of([maps[i] for i in chosen], [masks[i] for i in chosen], 0.4)
        assert found.common(near[chosen]) == pytest.approx(wanted, rel=1e-14)
    both = f_of([*maps, *world.drawn("far")[0]], [*masks, *world.drawn("far")[1]], 0.4)
    assert found.common(np.concatenate([near, far])) == pytest.approx(both, rel=1e-14)
    values = [f_of(maps, masks, k / 100) for k in range(100)]
    assert found.retuned(near) == (pytest.approx(max(values), rel=1e-14), int(np.argmax(values)) / 100)
    assert found.by_threshold(near)["f"].tolist() == pytest.approx(values, rel=1e-14)


def test_images_that_are_blank_count_and_those_without_mask_or_map_do_not(world: Any) -> None:
    far = world.evaluations["far"]
    some = dataclasses.replace(far, images=far.images.iloc[5:])
    given = [world.evaluations["near"], some, world.evaluations["new"]]
    found = scores_of(match(world.run.images, given), given, None, None)
    assert found.counted[places(world, "near")].all()
    assert np.isnan(found.performance[places(world, "near")]).sum() == 2
    assert found.counted[places(world, "far")].tolist() == [False] * 5 + [True] * 12
    for name in ("new", "bare"):
        assert not found.counted[places(world, name)].any()
        assert np.isnan(found.performance[places(world, name)]).all()
    assert found.counts is not None
    assert found.counts.pixels[places(world, "new")].tolist() == [48 * 48] * 9
    for what in ("predicted", "hits_predicted", "hits_true", "true", "pixels"):
        assert not getattr(found.counts, what)[places(world, "bare")].any(), what


def test_of_nothing_true_nothing_is_defined(world: Any) -> None:
    found = scored(world, "near")
    blank = places(world, "near")[np.isnan(found.performance[places(world, "near")])]
    assert np.isnan(found.common(blank))
    assert np.isnan(found.retuned(blank)).all()
    empty = found.by_threshold(blank)
    assert (list(empty), len(empty)) == (["threshold", "precision", "recall", "f"], 0)


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


def test_one_metric_is_named_once() -> None:
    images = pd.DataFrame({"dataset": ["a", "b"], "image": ["1", "1"], "content": ""})
    rows = pd.DataFrame({"dataset": ["a", "b"], "image": ["1", "1"], "performance": [0.5, 1.0]})
    several = read_performances(rows)
    assert scores_of(match(images, several), several, None, None).metric == "performance"


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
        assert set(found) == {*CONFIDENCES, AGREEMENTS[0], "histogram", "soft_f", *AT_THRESHOLD}
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


def test_a_share_without_a_histogram_stays_as_it_was_given(world: Any) -> None:
    several = [world.evaluations["far"], given([0.1, 0.2, 0.3], predicted_foreground=[0.11, None, 0.33], entropy=0.4)]
    found = signals_at(match(world.run.images, several).rows, 0.3)
    new = places(world, "new")
    np.testing.assert_array_equal(found["predicted_foreground"][new][:4], [0.11, np.nan, 0.33, np.nan])
    assert found["entropy"][new][:3].tolist() == [0.4] * 3
    maps = world.drawn("far")[0]
    assert found["predicted_foreground"][places(world, "far")].tolist() == pytest.approx([(p > 0.3).mean() for p in maps])
    alone = signals_at(match(world.run.images, several[1:]).rows, 0.3)
    assert set(alone) == {"predicted_foreground", "entropy"}
    np.testing.assert_array_equal(
        alone["predicted_foreground"],
        found["predicted_foreground"] * np.where(world.run.images["dataset"] == "far", np.nan, 1.0),
    )


def test_a_histogram_in_a_table_gives_its_share(world: Any) -> None:
    counts = np.zeros(256, dtype=int)
    counts[[0, 100, 200]] = 70, 20, 10
    several = [given([0.1, 0.2, 0.3], histogram=[counts, None, None], predicted_foreground=[0.9, 0.8, None])]
    rows = match(world.run.images, several).rows
    for threshold, share in ((0.39, 0.3), (0.4, 0.1), (None, 0.1)):
        found = signals_at(rows, threshold)["predicted_foreground"][places(world, "new")]
        np.testing.assert_allclose(found[:3], [share, 0.8, np.nan])
