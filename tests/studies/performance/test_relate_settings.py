"""What photographs, orders, seeds, settings and files do to a relation, and the notes that stand in it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.errors import InputError, MissingPathError
from howfar.relation.site_judge import SiteJudge, Terms
from howfar.results import Evaluation, Relation, RelationSettings, SetEstimate
from howfar.studies.performance.performance_files import Matched, read_performances
from howfar.studies.performance.relate import Expectation, relate, relation_notes
from snapshots import check

pytestmark = pytest.mark.usefixtures("undrawn")
FRAMES = ("images", "curves", "thresholds")
PAIRS = r"(p\d)-[01]$"  # of each photograph's tiles the first two are of one, the others alone


def of(found: Relation, name: str) -> Any:
    return next(one for one in found.datasets if one.name == name)


def rows_of(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame[frame["dataset"] == name].reset_index(drop=True)


def timeless(found: Relation) -> dict[str, Any]:
    document = found.to_dict()
    del document["provenance"]
    del document["settings"]["performance"]
    return document


def assert_same(one: Relation, other: Relation) -> None:
    """To the bit, but for the moment, the names of the files, and the order of the notes, which is that of the files."""
    first, second = timeless(one), timeless(other)
    assert sorted(first.pop("notes")) == sorted(second.pop("notes"))
    assert first == second
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


def numbers(record: Any) -> dict[str, float]:
    return {name: value for name, value in dataclasses.asdict(record).items() if isinstance(value, (int, float))}


def coefficients(found: Relation) -> list[Any]:
    trends = [found.pooled, *(one.trend for one in found.datasets)]
    return [getattr(one, name) for one in trends for name in ("spearman", "kendall", "slope", "partial")]


def test_photographs_are_resampled_in_place_of_images(world: Any) -> None:
    given = world.given("road", "near", "far")
    alone, paired = (relate(world.run, given, bootstrap=100, group=group) for group in (None, PAIRS))
    rows = rows_of(paired.images, "far")
    assert rows["group"].tolist()[:6] == ["far/p0", "far/p0", "far/p0-2", "far/p0-3", "far/p1", "far/p1"]
    assert paired.settings.group == PAIRS
    for name, groups in (("far", 13), ("near", 14)):
        one, other = of(paired, name).trend, of(alone, name).trend
        assert (one.groups, other.groups) == (groups, other.n)
        assert one.slope.value == other.slope.value
        assert (one.slope.low == other.slope.low) == (name == "near")
    assert paired.pooled is not None
    assert paired.pooled.groups == 27
    assert "17 images of 13 groups" in of(paired, "far").verdict.text


def test_the_order_of_files_and_of_their_rows_changes_nothing(world: Any, found: Relation) -> None:
    shuffled = [
        dataclasses.replace(one, images=one.images.sample(frac=1, random_state=k))
        for k, one in enumerate(world.given("new", "far", "road", "near"))
    ]
    assert_same(relate(world.run, shuffled, bootstrap=60), found)


def test_the_order_of_the_runs_rows_changes_nothing_but_the_order(world: Any, found: Relation) -> None:
    images = world.run.images.groupby("dataset", sort=False, group_keys=False)[list(world.run.images)]
    rows = images.apply(lambda one: one.sample(frac=1, random_state=1)).reset_index(drop=True)
    assert rows["image"].tolist() != world.run.images["image"].tolist()
    other = relate(dataclasses.replace(world.run, images=rows), world.given("road", "near", "far", "new"), bootstrap=60)
    for one, again in zip(found.datasets, other.datasets, strict=True):
        assert dataclasses.replace(again, mean=one.mean, halves=(), thirds=()) == dataclasses.replace(one, halves=(), thirds=())
        assert again.mean == pytest.approx(one.mean, rel=1e-12)
        for part, same in zip((*one.halves, *one.thirds), (*again.halves, *again.thirds), strict=True):
            assert numbers(same) == pytest.approx(numbers(part), rel=1e-12)
    assert coefficients(other) == coefficients(found)
    for name in ("curves", "thresholds"):
        pd.testing.assert_frame_equal(getattr(other, name), getattr(found, name))
    keys = ["dataset", "image"]
    pd.testing.assert_frame_equal(
        other.images.sort_values(keys, ignore_index=True), found.images.sort_values(keys, ignore_index=True), rtol=1e-9
    )
    for one, again in zip(found.estimates, other.estimates, strict=True):
        assert numbers(again) == pytest.approx(numbers(one), rel=1e-9)


def test_a_seed_gives_the_same_again_and_another_seed_other_intervals(world: Any, found: Relation) -> None:
    given = world.given("road", "near", "far", "new")
    assert_same(relate(world.run, given, bootstrap=60), found)
    other = relate(world.run, given, bootstrap=60, seed=1)
    pairs = list(zip(coefficients(found), coefficients(other), strict=True))
    assert all(one.value == again.value for one, again in pairs)
    # A slope's interval may rest on the jackknife, which draws nothing.
    assert sum(one.low != again.low for one, again in pairs) >= 9
    pd.testing.assert_frame_equal(other.images, found.images)
    assert (found.settings.seed, other.settings.seed) == (0, 1)


def test_level_and_error_rate_reach_intervals_and_lists(world: Any, found: Relation) -> None:
    given = world.given("road", "near", "far", "new")
    other = relate(world.run, given, level=0.6, error_rate=0.05, bootstrap=0)
    narrow, wide = (one.images["estimate_high"] - one.images["estimate_low"] for one in (other, found))
    assert narrow.mean() < wide.mean()
    assert {one.level for one in other.estimates} == {0.6}
    assert {one.error_rate for one in other.failures} == {0.05}
    assert other.images["listed"].sum() < found.images["listed"].sum()
    assert (other.settings.level, other.settings.error_rate) == (0.6, 0.05)


def test_where_no_image_has_a_performance_nothing_is_related(world: Any) -> None:
    with pytest.raises(InputError) as caught:
        relate(world.run, world.given("road", "new"))
    assert str(caught.value) == (
        "performance must be known of an image of some secondary dataset, got 'new': "
        "evaluate one that has labels, or masks with foreground"
    )


def test_a_run_folder_is_as_good_as_the_run_and_files_as_good_as_evaluations(world, found, tmp_path):
    world.run.save(tmp_path / "run")
    files = [one.save(tmp_path / f"{one.dataset}.parquet") for one in world.given("road", "near", "far", "new")]
    assert_same(relate(tmp_path / "run", files, bootstrap=60), found)
    assert_same(howfar.relate(str(tmp_path / "run"), list(map(str, files)), bootstrap=60), found)
    with pytest.raises(MissingPathError, match=r"result\.json is not there: pass a run folder"):
        relate(tmp_path / "none", files)


# What a reader of a relation is told


IMAGES = pd.DataFrame({"dataset": ["a", "a", "b"], "image": ["1.png", "2.png", "1.png"], "performance": [0.5, 0.7, 0.6]})
TILES = pd.DataFrame({"dataset": "a", "image": [f"p{k // 4}-{k % 4}.png" for k in range(12)], "performance": 0.5})
SETTINGS = RelationSettings(0.3, "tuned on p", 0.5, 0.2, 0.9, 0.2, 1000, 0, None)
AS_GIVEN: dict[str, Any] = {"threshold": None, "threshold_source": ""}


def estimate(dataset: str, estimator: str = "signals", measured: float | None = 0.5) -> SetEstimate:
    return SetEstimate(dataset, estimator, 3, 0.5, 0.4, 0.6, 0.9, measured)


def evaluation(dataset: str, task: str = "segmentation", tolerance: float = 0.0) -> Evaluation:
    (one,) = read_performances(pd.DataFrame({"dataset": [dataset], "image": ["1.png"], "performance": [0.5]}))
    return dataclasses.replace(one, task=task, tolerance=tolerance)


NOTED: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "all at one threshold": ((("p",), ("a",), ("b",)), {}, {"unmatched": {"a": 0, "b": 0}}),
    "tuned on nothing": ((("a",),), {"threshold": 0.5, "threshold_source": "not tuned on any set"}, {}),
    "as given": ((("a",),), AS_GIVEN, {}),
    "the caller's threshold": ((("a",),), {"threshold_source": "given"}, {}),
    "a tolerance": ((("a", "segmentation", 2.0), ("b", "segmentation", 2.0)), {}, {}),
    "a tolerance of half pixels": ((("a", "segmentation", 1.5),), {}, {}),
    "without counts": ((("a",), ("b", "given"), ("", "given")), AS_GIVEN, {}),
    "classification": ((("b", "given"), ("a", "classification")), AS_GIVEN, {}),
    "one changed": ((), {}, {"changed": 1}),
    "some changed": ((), {}, {"changed": 3}),
    # What a labelled set lacks is told by its judgements.
    "lacking": ((), AS_GIVEN, {"estimates": [("a", "mean"), ("b", "knn", None), ("c", "mean", None), ("d", "atc", None)]}),
    "tiles": ((), {}, {"images": TILES}),
    "tiles, grouped": ((), {"group": "(.)"}, {"images": TILES}),
    "tiles, no resampling": ((), {"bootstrap": 0}, {"images": TILES}),
}


def test_a_note_stands_where_it_holds() -> None:
    lines = []
    for name, (given, settings, how) in NOTED.items():
        images, blank = how.get("images", IMAGES), np.full(3, np.nan)
        judge = SiteJudge("F", None, Terms(0.5, 0.9, 0.2), {}, ("signals", "mean"), (), {}, None)
        estimates = tuple(estimate(*each) for each in how.get("estimates", [("a",), ("b",)]))
        expected = Expectation(judge, estimates, (), (), blank, blank, blank, blank, np.zeros(3, dtype=bool))
        matched = Matched(images, how.get("unmatched", {}), how.get("changed", 0))
        chosen = dataclasses.replace(SETTINGS, **settings)
        notes = relation_notes(images, [evaluation(*each) for each in given], matched, chosen, expected)
        lines += [name, *(f"    {note}" for note in notes)]
    check("\n".join(lines), Path(__file__).parent / "snapshots" / "notes of a relation.md")


@pytest.mark.parametrize("named", [None, "mean"])
def test_a_relation_says_all_that_holds_of_it_in_order(world: Any, named: str | None) -> None:
    far = world.evaluations["far"]
    extra = far.images.iloc[:1].assign(image="none.jpg", content="none")
    given = [*world.given("near", "new"), dataclasses.replace(far, images=pd.concat([far.images, extra]))]
    found = relate(world.run, given, bootstrap=20, estimator=named or "auto").notes
    starts = [
        "the common threshold is 0.50, tuned on nothing",
        "1 image in the performance of far is not in the run",
        "2 of 16 images of near have no performance",
        "bare lacks what ",
        "F is undefined for an image without foreground: the estimates for new, bare are",
        "near: 2 images have an empty mask",
        "new: no image has a mask",
    ]
    if named:
        starts = [start for start in starts if "lacks" not in start]
    assert [note[: len(start)] for note, start in zip(found, starts, strict=True)] == starts
