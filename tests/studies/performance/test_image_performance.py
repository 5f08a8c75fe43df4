"""The performance of a run's images: at the common threshold from counts, as given without, and the signals beside it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.errors import InputError
from howfar.relation.gate import fit, values_by_set
from howfar.relation.image_columns import AGREEMENTS, AT_THRESHOLD, CONFIDENCES
from howfar.results import Evaluation
from howfar.studies.performance.image_performance import (
    Home,
    ImagePerformance,
    evidence_of,
    groups_of,
    home_of,
    own_values,
    scores_of,
    signals_at,
    sizes_at,
    tiled_photographs,
)
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


# Evidence: what labelled images say, collected alike for relate, assess and profile


SETS = np.array(["near", "near", "far", "new"])
COLUMNS = {"i_dist": np.array([1.0, 1.2, 3.0, 2.5])}
NAN = float("nan")
HOME = Home(
    "roads",
    {"predicted_foreground": np.array([0.3, 0.5]), "i_dist": np.array([7.0, 7.0])},
    np.array([0.9, 0.8]),
    np.array(["a", "b"]),
)


def inside(columns: dict[str, Any], performance: list[float], home: Home | None, name: str) -> bool | None:
    known = fit(evidence_of(columns, np.array(performance), SETS, None, home, "roads").readings)
    return known.without(name).read(name, values_by_set(columns, SETS)[name]).inside


def test_a_labelled_set_is_not_in_the_range_that_judges_it() -> None:
    labelled = [0.5, 0.6, 0.7, NAN]
    # Without "far" nothing labelled lies beyond 1.1; "new" is judged by all, "far" among them.
    assert {name: inside(COLUMNS, labelled, None, name) for name in ("near", "far", "new")} == {
        "near": True, "far": False, "new": True,
    }  # fmt: skip
    assert inside(COLUMNS, [0.5, 0.6, NAN, NAN], None, "new") is False


def test_the_primarys_own_images_widen_the_range_and_its_distance_is_1() -> None:
    assert own_values(None) == {"distance": 1.0, "residual": 1.0}
    assert own_values(HOME) == {"distance": 1.0, "residual": 1.0, "share": 0.4}
    shares = {"predicted_foreground": np.array([0.1, 0.1, 0.1, 0.45])}
    labelled = [0.5, 0.6, 0.7, NAN]
    assert [inside(shares, labelled, home, "new") for home in (None, HOME)] == [False, True]


def test_images_come_by_the_names_of_their_sets_and_the_primarys_own_last() -> None:
    sets = np.array(["walls", "roads·blur 3", "walls", "a·b"])
    found = evidence_of({"i_dist": np.arange(4.0)}, np.array([0.1, 0.2, NAN, 0.4]), sets, sets, HOME, "roads")
    assert found.sets.tolist() == ["a·b", "roads·blur 3", "walls", "roads", "roads"]
    assert found.performance.tolist() == [0.4, 0.2, 0.1, 0.9, 0.8]
    np.testing.assert_array_equal(found.columns["predicted_foreground"], [NAN, NAN, NAN, 0.3, 0.5])
    assert found.groups is not None
    assert found.groups.tolist()[-2:] == ["a", "b"]
    assert (found.home, found.corrupted, found.sites) == ("roads", {"roads·blur 3": "blur"}, ["a·b", "walls"])


def test_sizes_are_read_from_the_column_or_counted() -> None:
    counts = np.zeros(256, dtype=np.int64)
    counts[3] = 12
    rows = pd.DataFrame({"histogram": [counts, None]})
    np.testing.assert_array_equal(sizes_at(rows)["pixels"], [12, np.nan])
    given = sizes_at(rows.assign(pixels=[20.0, 30.0], tile_agreement=[0.5, None]))
    assert given["pixels"].tolist() == [20.0, 30.0]
    np.testing.assert_array_equal(given["tile_agreement"], [0.5, np.nan])


# Photographs that images are tiles of


def images(**sets: list[str]) -> pd.DataFrame:
    return pd.DataFrame([(dataset, image) for dataset, names in sets.items() for image in names], columns=["dataset", "image"])


def tiles(stem: str, count: int) -> list[str]:
    return [f"{stem}-{k}.png" for k in range(count)]


def test_without_an_expression_each_image_is_its_own_photograph() -> None:
    assert groups_of(images(a=["x-1.png", "x-2.png"], b=["x-1.png"]), None) == ["a/x-1.png", "a/x-2.png", "b/x-1.png"]


def test_the_first_group_of_the_expression_names_the_photograph() -> None:
    names = images(a=["x-1.png", "x-2.png", "y_7-10.jpg"], b=["x-1.png"])
    assert groups_of(names, r"(.+)-\d+") == ["a/x", "a/x", "a/y_7", "b/x"]
    assert groups_of(names, r"([a-z])(_7)?") == ["a/x", "a/x", "a/y", "b/x"]


def test_the_expression_is_matched_from_the_start_and_without_the_ending() -> None:
    assert groups_of(images(a=["x-1.png", "y-2.tif"]), r"(.+)-\d+$") == ["a/x", "a/y"]
    assert groups_of(images(a=["x-1.png", "9x-1.png"]), r"([a-z])") == ["a/x", "a/9x-1"]


def test_an_image_of_which_the_expression_says_nothing_is_its_own_photograph() -> None:
    assert groups_of(images(a=["x-1.png", "x-2.png", "plain.png"]), r"(.+)-\d+") == ["a/x", "a/x", "a/plain"]
    # Matched, but the group is empty or took no part.
    assert groups_of(images(a=["-1.png", "x-1.png"]), r"(.*)-\d+") == ["a/-1", "a/x"]
    assert groups_of(images(a=["12.png", "x-1.png"]), r"\d+|(.+)-\d+") == ["a/12", "a/x"]


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("(", "group must be a regular expression (missing ), unterminated subpattern at position 0), got '('"),
        (".+", r"group must have a group in brackets that names the photograph, got '.+': write (.+)-\d+"),
        ("(?:.+)-1", "group must have a group in brackets"),
        (r"(.+)\.png", r"group must match the names of images, such as 'x-1', got '(.+)\\.png': leave out the ending"),
    ],
)
def test_an_expression_that_cannot_be_meant_is_one_line(group: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        groups_of(images(a=["x-1.png"]), group)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_tiles_are_guessed_from_names_that_end_in_a_number() -> None:
    assert tiled_photographs(images(a=tiles("p", 4) + tiles("q", 4))) == 2
    assert tiled_photographs(images(a=tiles("d/p", 4) + tiles("d-e/q-7", 4), b=tiles("p", 2) + tiles("r", 2))) == 4


def test_names_that_only_number_their_photographs_are_no_tiles() -> None:
    assert tiled_photographs(images(a=tiles("IMG", 20))) is None
    assert tiled_photographs(images(a=tiles("IMG", 20), b=tiles("DSC", 20))) is None
    assert tiled_photographs(images(a=[f"{k:04d}.png" for k in range(20)])) is None
    assert tiled_photographs(images(a=[f"{k}-0.png" for k in range(20)])) is None


def test_tiles_must_be_most_of_the_images() -> None:
    of_two = tiles("p", 5) + tiles("q", 5)
    assert tiled_photographs(images(a=of_two, b=[f"x{k}.png" for k in range(9)])) == 2
    assert tiled_photographs(images(a=of_two, b=[f"x{k}.png" for k in range(10)])) is None
    # A set that numbers its photographs counts among the others.
    assert tiled_photographs(images(a=of_two, b=tiles("IMG", 10))) is None
