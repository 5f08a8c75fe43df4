"""What `howfar.relate` measures, what settings and files do to it, and the notes that stand in it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import howfar
from howfar.errors import InputError, MissingPathError
from howfar.pipeline.primary_reference import GATE_COLUMNS
from howfar.results import Comparison, Evaluation, Relation, RelationSettings, SetEstimate
from howfar.studies.performance.image_performance import Matched, read_performances
from howfar.studies.performance.relate_and_estimate import relate, relation_notes
from snapshots import check

pytestmark = pytest.mark.usefixtures("undrawn")

THRESHOLDS = [k / 100 for k in range(100)]
LABELLED = ("near", "far")
SIZES = {"a": 47, "b": 40}
Maps = list[NDArray[Any]]


def f_at(threshold: float, maps: Maps, masks: Maps) -> float:
    """F of the pixels of several images together; nan where none is true."""
    pixels = [(p > threshold, truth) for p, truth in zip(maps, masks, strict=True)]
    tp, fp, fn = (
        sum(int(one.sum()) for one in many) for many in zip(*((m & t, m & ~t, ~m & t) for m, t in pixels), strict=True)
    )
    return 2 * tp / (2 * tp + fp + fn) if tp + fn else float("nan")


def best(maps: Maps, masks: Maps) -> tuple[float, float]:
    """The best F of several images at one threshold, and the lowest threshold that gives it."""
    values = [f_at(t, maps, masks) for t in THRESHOLDS]
    return max(values), THRESHOLDS[values.index(max(values))]


def chosen(maps: Maps, masks: Maps, which: Any) -> tuple[Maps, Maps]:
    return [maps[i] for i in which], [masks[i] for i in which]


def of(found: Relation, name: str) -> Any:
    return next(one for one in found.datasets if one.name == name)


def rows_of(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame[frame["dataset"] == name].reset_index(drop=True)


def line_at(x: NDArray[Any], table: pd.DataFrame) -> NDArray[Any]:
    """What a line over the labelled images' distances says of the others, sets counting alike."""
    line = np.polyfit(x[: len(table)], table["performance"], 1, w=np.sqrt(1 / table["dataset"].map(SIZES)))
    return np.clip(np.polyval(line, x[len(table) :]), 0, 1)


def in_order(found: Relation, name: str) -> list[int]:
    """A set's images, nearest first."""
    rows = rows_of(found.images, name)
    return sorted(range(len(rows)), key=lambda i: (rows["i_dist_scaled"][i], rows["image"][i]))


def test_each_image_and_set_is_scored_at_the_threshold_that_is_best_for_the_primary(world: Any, found: Relation) -> None:
    _, threshold = best(*world.drawn("road"))
    assert found.settings.threshold == threshold == 0.3
    assert found.settings.threshold_source == "tuned on road"
    assert found.metric == "F at threshold 0.30"
    for name in LABELLED:
        maps, masks = world.drawn(name)
        own = [f_at(threshold, *chosen(maps, masks, [i])) for i in range(len(maps))]
        one, rows = of(found, name), rows_of(found.images, name)
        np.testing.assert_allclose(rows["performance"], own, rtol=1e-14)
        np.testing.assert_allclose(rows["foreground"], [truth.mean() for truth in masks], rtol=1e-14)
        assert one.mean == pytest.approx(np.nanmean(own), rel=1e-14)
        assert one.pooled == pytest.approx(f_at(threshold, maps, masks), rel=1e-14)
        assert (one.ods, one.ods_threshold) == (pytest.approx(best(maps, masks)[0], rel=1e-14), best(maps, masks)[1])
        assert one.ods_threshold != threshold
        assert (one.n, one.scored, one.unmatched) == (len(maps), len(maps) - np.isnan(own).sum(), 0)


@pytest.mark.parametrize(("field", "count"), [("halves", 2), ("thirds", 3)])
def test_parts_are_scored_at_their_own_best_threshold_and_at_the_common_one(world, found, field, count):
    retuned = set()
    for name in LABELLED:
        maps, masks = world.drawn(name)
        scaled = rows_of(found.images, name)["i_dist_scaled"].to_numpy()
        assert (scaled.min(), scaled.max()) == (0.0, 1.0)
        order = in_order(found, name)
        half = len(order) // 2
        wanted = [order[:half], order[half:]] if count == 2 else [part.tolist() for part in np.array_split(order, 3)]
        for part, places in zip(getattr(of(found, name), field), wanted, strict=True):
            there = chosen(maps, masks, places)
            own = [f_at(0.3, *chosen(maps, masks, [i])) for i in places]
            value, threshold = best(*there)
            assert (part.n, part.threshold) == (len(places), threshold)
            assert part.performance == pytest.approx(value, rel=1e-14)
            assert part.performance_common == pytest.approx(f_at(0.3, *there), rel=1e-14)
            assert part.mean == pytest.approx(np.nanmean(own), rel=1e-14)
            assert part.distance_mean == pytest.approx(scaled[places].mean(), rel=1e-14)
            assert part.distance_std == pytest.approx(
                np.sqrt(np.mean((scaled[places] - scaled[places].mean()) ** 2)), rel=1e-12
            )
            retuned.add(part.threshold)
    assert len(retuned) > 2


def test_blank_masks_are_left_out_of_means_and_their_false_alarms_count(world: Any, found: Relation) -> None:
    maps, masks = world.drawn("near")
    some = [i for i, truth in enumerate(masks) if truth.any()]
    assert len(masks) - len(some) == 2
    near = of(found, "near")
    assert near.mean == pytest.approx(np.mean([f_at(0.3, *chosen(maps, masks, [i])) for i in some]), rel=1e-14)
    assert near.pooled < f_at(0.3, *chosen(maps, masks, some))
    assert near.ods < best(*chosen(maps, masks, some))[0]
    assert (near.scored, near.trend.n) == (14, 14)
    assert [part.n for part in near.halves] == [8, 8]
    assert len(rows_of(found.curves, "near")) == 14
    at = rows_of(found.thresholds, "near").set_index("threshold")
    positive = sum((p > 0.3).sum() for p in maps)
    assert at["precision"][0.3] == pytest.approx(
        sum(((p > 0.3) & t).sum() for p, t in zip(maps, masks, strict=True)) / positive
    )


def test_the_pooled_trend_compares_images_within_their_sets_alone(found: Relation) -> None:
    sets = [rows_of(found.images, name).dropna(subset="performance") for name in LABELLED]
    centred = [rows[["i_dist_scaled", "performance"]] - rows[["i_dist_scaled", "performance"]].mean() for rows in sets]
    x, y = pd.concat(centred).to_numpy().T
    pooled = found.pooled
    assert pooled is not None
    assert (pooled.n, pooled.groups) == (31, 31)
    assert pooled.slope.value == pytest.approx(x @ y / (x @ x), rel=1e-12)
    ranks = [(rows[["i_dist_scaled", "performance"]].rank() / len(rows)).pipe(lambda r: r - r.mean()) for rows in sets]
    a, b = pd.concat(ranks).to_numpy().T
    assert pooled.spearman.value == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), rel=1e-12)
    means = [rows["performance"].mean() for rows in sets]
    assert found.pooled_verdict is not None
    assert f"mean F {np.mean(means):.2f}" in found.pooled_verdict.text
    assert "31 images in 2 datasets" in found.pooled_verdict.text


def test_every_set_is_estimated_and_its_failures_listed(found: Relation) -> None:
    assert [one.dataset for one in found.estimates] == ["near", "far", "new", "bare"]
    assert [one.dataset for one in found.failures] == ["near", "far", "new", "bare"]
    for estimate, failures in zip(found.estimates, found.failures, strict=True):
        rows = rows_of(found.images, estimate.dataset)
        assert rows[["estimate", "estimate_low", "estimate_high", "p_value"]].notna().all(axis=None)
        assert ((rows["estimate_low"] <= rows["estimate"]) & (rows["estimate"] <= rows["estimate_high"])).all()
        assert failures.listed == rows["listed"].sum()
        # Images without a performance are of the site too: two of "near" hold no foreground.
        assert estimate.predicted == pytest.approx(rows["estimate"].mean(), rel=1e-12)
        assert estimate.n == len(rows)
    measured = [one.measured for one in found.estimates]
    assert measured == [pytest.approx(of(found, "near").mean), pytest.approx(of(found, "far").mean), None, None]
    assert sum(found.images["listed"]) > 2


@pytest.mark.parametrize("name", ["i_dist", "knn", "mahalanobis"])
def test_distances_are_those_that_a_profile_measures(run, table, embedded, name):
    p, sets = embedded
    profile = howfar.profile(p, components=3, neighbours=3)
    columns = [profile.columns(profile.measure(rows))[name] for rows in sets.values()]
    found = relate(run, table, estimator=name, bootstrap=0)
    np.testing.assert_allclose(rows_of(found.images, "c")["estimate"], line_at(np.concatenate(columns), table), rtol=1e-9)


def test_a_profile_judges_the_same_estimators_alike(run, table, embedded):
    p, sets = embedded
    labelled = [howfar.data.parse(sets[name], name) for name in ("a", "b")]
    profile = howfar.profile(p, components=3, neighbours=3, labelled=labelled, performance=table)
    assert profile.judge is not None
    related = relate(run, table, bootstrap=0)
    assert len(related.judgements) == 5
    for ours, theirs in zip(profile.judge.judgements, related.judgements, strict=True):
        assert (ours.estimator, ours.mae_set) == (theirs.estimator, pytest.approx(theirs.mae_set, rel=1e-6))
    fitted = profile.judge.gate
    assert fitted is not None
    wanted = fitted.read("c", {"distance": 1.0}).readings[0].high
    gate = next(gate for gate in related.gates if gate.dataset == "c")
    assert gate.readings[0].high == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("column", "name"), [("i_dist_mean", "i_dist"), ("knn", "knn"), ("mahalanobis", "mahalanobis")])
def test_distances_of_an_earlier_run_are_taken_in_units_of_the_primarys_own_in_each_pair(run, table, column, name):
    own = {one.name: one.self_distance for one in run.datasets}
    assert max(own.values()) > 1.05 * min(own.values())
    # Mahalanobis distance has no unit: its own covariance is its yardstick.
    unit = 1.0 if name == "mahalanobis" else run.images["dataset"].map(own)
    earlier = dataclasses.replace(run, images=run.images.drop(columns=list(GATE_COLUMNS)))
    found = relate(earlier, table, estimator=name, bootstrap=0)
    wanted = line_at((run.images[column] / unit).to_numpy(), table)
    np.testing.assert_allclose(rows_of(found.images, "c")["estimate"], wanted, rtol=1e-9)


def test_performances_without_counts_are_taken_as_they_were_given(run: Comparison, table: pd.DataFrame) -> None:
    found = relate(run, table, bootstrap=0)
    assert (found.metric, found.settings.threshold, found.settings.threshold_source) == ("performance", None, "")
    for name in ("a", "b"):
        given = table.loc[table["dataset"] == name, "performance"].to_numpy()
        one = of(found, name)
        assert rows_of(found.images, name)["performance"].tolist() == given.tolist()
        assert (one.mean, one.pooled, one.ods) == (pytest.approx(given.mean()),) * 3
        assert one.ods_threshold is None
        order = in_order(found, name)
        for part, places in zip(one.halves, (order[: len(order) // 2], order[len(order) // 2 :]), strict=True):
            assert (part.mean, part.performance, part.performance_common) == (pytest.approx(given[places].mean()),) * 3
            assert part.threshold is None
        assert one.trend.partial is None
    assert list(found.thresholds) == ["threshold", "precision", "recall", "f", "dataset"]
    assert len(found.thresholds) == 0
    assert found.pooled_verdict is not None
    assert found.pooled_verdict.text.startswith("No evidence either way: performance changes by −0.28 ")


FRAMES = ("images", "curves", "thresholds")
PAIRS = r"(p\d)-[01]$"  # of each photograph's tiles the first two are of one, the others alone


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
        images = how.get("images", IMAGES)
        estimates = tuple(estimate(*each) for each in how.get("estimates", [("a",), ("b",)]))
        matched = Matched(images, how.get("unmatched", {}), how.get("changed", 0))
        chosen = dataclasses.replace(SETTINGS, **settings)
        notes = relation_notes(images, [evaluation(*each) for each in given], matched, chosen, estimates, "signals")
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
