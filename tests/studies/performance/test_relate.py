"""The numbers of a relation, found again from the drawn maps and masks."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

import howfar
from howfar.pipeline.primary_reference import GATE_COLUMNS
from howfar.results import Comparison, Relation
from howfar.studies.performance.relate import relate

COLUMNS = [
    "dataset", "image", "path", "i_dist_mean", "i_dist_scaled", "prediction", "group", "foreground", "performance",
    "estimate", "estimate_low", "estimate_high", "p_value", "listed",
]  # fmt: skip
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


def as_earlier(run: Comparison) -> Comparison:
    """The run as an earlier version made it, without what a profile measures."""
    return dataclasses.replace(run, images=run.images.drop(columns=list(GATE_COLUMNS)))


def line_at(x: NDArray[Any], table: pd.DataFrame) -> NDArray[Any]:
    """What a line over the labelled images' distances says of the others, sets counting alike."""
    line = np.polyfit(x[: len(table)], table["performance"], 1, w=np.sqrt(1 / table["dataset"].map(SIZES)))
    return np.clip(np.polyval(line, x[len(table) :]), 0, 1)


def in_order(found: Relation, name: str) -> list[int]:
    """A set's images, nearest first."""
    rows = rows_of(found.images, name)
    return sorted(range(len(rows)), key=lambda i: (rows["i_dist_scaled"][i], rows["image"][i]))


# Numbers


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


def test_trends_are_those_of_scipy(found: Relation) -> None:
    for name in LABELLED:
        rows = rows_of(found.images, name).dropna(subset="performance")
        x, y, z = (rows[column].to_numpy() for column in ("i_dist_scaled", "performance", "foreground"))
        trend = of(found, name).trend
        assert (trend.n, trend.groups) == (len(x), len(x))
        assert trend.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-12)
        assert trend.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic, rel=1e-12)
        assert trend.slope.value == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-10)
        ranks = [stats.rankdata(values) for values in (x, y, z)]
        left_over = [one - np.polyval(np.polyfit(ranks[2], one, 1), ranks[2]) for one in ranks[:2]]
        assert trend.partial.value == pytest.approx(np.corrcoef(left_over)[0, 1], rel=1e-9)


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
    assert "31 images in 2 sets" in found.pooled_verdict.text


def test_what_is_said_of_all_sets_is_of_those_that_the_trend_is_of(run: Comparison, table: pd.DataFrame) -> None:
    a = table[table["dataset"] == "a"]
    few = table[table["dataset"] == "b"].head(2).assign(performance=0.1)
    found = relate(run, pd.concat([a, few]), bootstrap=60)
    assert found.pooled is not None
    assert found.pooled.n == len(a)
    assert found.pooled_verdict is not None
    assert f"mean performance {a['performance'].mean():.2f}" in found.pooled_verdict.text
    assert "in 2 sets" not in found.pooled_verdict.text


@pytest.mark.parametrize("unknown", [None, 0.0])
def test_without_a_self_distance_the_gate_reads_no_distance(run, table, unknown):
    earlier = as_earlier(run)
    datasets = tuple(dataclasses.replace(dataset, self_distance=unknown) for dataset in earlier.datasets)
    found = relate(dataclasses.replace(earlier, datasets=datasets), table, bootstrap=0)
    read = [reading.value for gate in found.gates for reading in gate.readings if reading.check == "distance"]
    assert read
    assert read == [None] * len(read)


def test_precision_recall_and_f_of_every_threshold(world: Any, found: Relation) -> None:
    assert list(found.thresholds) == ["threshold", "precision", "recall", "f", "dataset"]
    assert found.thresholds["dataset"].tolist() == ["near"] * 100 + ["far"] * 100
    for name in LABELLED:
        maps, masks = world.drawn(name)
        rows = rows_of(found.thresholds, name)
        assert rows["threshold"].tolist() == THRESHOLDS
        np.testing.assert_allclose(rows["f"], [f_at(t, maps, masks) for t in THRESHOLDS], rtol=1e-14)
        hits = np.array([sum(((p > t) & truth).sum() for p, truth in zip(maps, masks, strict=True)) for t in THRESHOLDS])
        np.testing.assert_allclose(rows["recall"], hits / sum(truth.sum() for truth in masks), rtol=1e-14)
        predicted = np.array([sum((p > t).sum() for p in maps) for t in THRESHOLDS])
        np.testing.assert_allclose(
            rows["precision"][predicted > 0], (hits / np.maximum(predicted, 1))[predicted > 0], rtol=1e-14
        )


# Rows and estimates


def test_there_is_a_row_for_every_image_of_the_run_in_its_order(world: Any, found: Relation) -> None:
    rows, images = found.images, world.run.images
    assert list(rows) == COLUMNS
    for name in ("dataset", "image", "path", "i_dist_mean", "i_dist_scaled"):
        assert rows[name].tolist() == images[name].tolist()
    assert rows["group"].tolist() == (images["dataset"] + "/" + images["image"]).tolist()
    for name in ("near", "far", "new"):
        stems = [Path(path).stem for path in rows_of(rows, name)["image"]]
        assert [Path(path) for path in rows_of(rows, name)["prediction"]] == [
            world.folder / "maps" / name / f"{stem}.png" for stem in stems
        ]
    assert rows_of(rows, "bare")["prediction"].tolist() == [""] * 8
    for name in ("new", "bare"):
        assert rows_of(rows, name)[["performance", "foreground"]].isna().all(axis=None)


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
    found = relate(as_earlier(run), table, estimator=name, bootstrap=0)
    wanted = line_at((run.images[column] / unit).to_numpy(), table)
    np.testing.assert_allclose(rows_of(found.images, "c")["estimate"], wanted, rtol=1e-9)


# Performances that came without counts


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
