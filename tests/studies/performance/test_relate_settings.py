"""What photographs, orders, seeds, settings and files do to a relation, and that it comes back from its folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.errors import HowfarError, InputError, MissingPathError, StoreError
from howfar.keywords import RelateSettings
from howfar.results import Comparison, Relation, RelationSettings
from howfar.settings import checked, declared
from howfar.studies.performance.relate import relate
from run_ids import written

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


# Groups


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
    assert "17 images of 13 photographs" in of(paired, "far").verdict.text


def test_photographs_have_the_same_intervals_whatever_they_are_called(world: Any) -> None:
    # The same pairs, the photograph named by the part of the name before the dash or by its digit alone.
    given = world.given("road", "far")
    found = [relate(world.run, given, bootstrap=100, group=group) for group in (PAIRS, r"p(\d)-[01]$")]
    assert coefficients(found[0]) == coefficients(found[1])
    assert set(found[0].images["group"]) != set(found[1].images["group"])


# Order, seeds, draws


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


def test_without_draws_there_are_no_intervals_and_no_verdict(world: Any, found: Relation) -> None:
    bare = relate(world.run, world.given("road", "near", "far", "new"), bootstrap=0)
    for one, other in zip(coefficients(bare), coefficients(found), strict=True):
        assert one == dataclasses.replace(other, low=None, high=None)
        assert None not in (other.low, other.high)
    assert bare.pooled_verdict is not None
    for verdict in (bare.pooled_verdict, *(one.verdict for one in bare.datasets)):
        assert verdict.kind == "none"
        assert "there is no interval" in verdict.text
    pd.testing.assert_frame_equal(bare.images, found.images)


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


def test_a_sets_intervals_do_not_depend_on_its_companions(world: Any, found: Relation) -> None:
    alone = relate(world.run, world.given("road", "far"), bootstrap=60)
    assert of(alone, "far").trend == of(found, "far").trend
    assert [one.name for one in alone.datasets] == ["far"]


def test_sets_that_are_alike_are_drawn_from_each_for_itself() -> None:
    rng = np.random.default_rng(2)
    p, s = rng.normal(size=(12, 4)), rng.normal(size=(15, 4))
    options: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
    run = howfar.compare(p, {"one": s, "other": s}, **options)
    rows = run.images[["dataset", "image"]].assign(performance=np.tile(rng.random(15), 2))
    one, other = (found.trend.spearman for found in relate(run, rows, bootstrap=50).datasets)
    assert (one.value, one.low != other.low) == (other.value, True)


# Settings


def test_tau_and_flat_decide_what_is_consistent_and_what_failed(run: Comparison) -> None:
    rng = np.random.default_rng(5)
    rows = run.images[["dataset", "image"]].assign(performance=0.6 + 0.02 * rng.normal(size=len(run.images)))

    def related(**options: Any) -> Relation:
        return relate(run, rows, bootstrap=200, **options)

    kinds = {
        name: [one.verdict.kind for one in related(**options).datasets[:2]]
        for name, options in {"default": {}, "high": {"tau": 0.8}, "narrow": {"flat": 0.005}}.items()
    }
    assert kinds == {"default": ["consistent"] * 2, "high": ["none"] * 2, "narrow": ["none"] * 2}
    high = related(tau=0.8, flat=0.3)
    assert (high.settings.tau, high.settings.flat) == (0.8, 0.3)
    assert "mean performance is below 0.8" in high.datasets[0].verdict.text
    assert [one.failing for one in high.failures] == [47, 40, 12]
    assert {one.tau for one in high.failures} == {0.8}
    assert high.pooled_verdict is not None
    assert "is no more than ±0.3" in high.pooled_verdict.text


def test_level_and_error_rate_reach_intervals_and_lists(world: Any, found: Relation) -> None:
    given = world.given("road", "near", "far", "new")
    other = relate(world.run, given, level=0.6, error_rate=0.05, bootstrap=0)
    narrow, wide = (one.images["estimate_high"] - one.images["estimate_low"] for one in (other, found))
    assert narrow.mean() < wide.mean()
    assert {one.level for one in other.estimates} == {0.6}
    assert {one.error_rate for one in other.failures} == {0.05}
    assert other.images["listed"].sum() < found.images["listed"].sum()
    assert (other.settings.level, other.settings.error_rate) == (0.6, 0.05)


def test_a_named_estimator_is_used_where_it_can_be(world: Any) -> None:
    found = relate(world.run, world.given("road", "near", "far", "new"), estimator="nuclear_norm", bootstrap=0)
    assert found.estimator == "nuclear_norm"
    assert [one.estimator for one in found.estimates] == ["nuclear_norm"] * 3 + ["mean"]
    assert {one.estimator for one in found.judgements} >= {"mean", "flip_agreement", "nuclear_norm"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 1.0}, "threshold must be below 1, got 1.0"),
        ({"threshold": -0.1}, "threshold must be at least 0, got -0.1"),
        ({"threshold": 0.435}, "threshold must be one of 0.00, 0.01 … 0.99, got 0.435: round it to hundredths"),
        ({"threshold": float("nan")}, "threshold must"),
        ({"tau": 1.1}, "tau must be at most 1, got 1.1"),
        ({"tau": -0.1}, "tau must"),
        ({"flat": 0.0}, "flat must be above 0, got 0.0"),
        ({"flat": float("inf")}, "flat must be a finite number, got inf"),
        ({"level": 0.0}, "level must"),
        ({"level": 1.0}, "level must be below 1, got 1.0"),
        ({"error_rate": 0.0}, "error_rate must"),
        ({"error_rate": 1.0}, "error_rate must"),
        ({"bootstrap": -1}, "bootstrap must be at least 0, got -1"),
        ({"bootstrap": 1}, "bootstrap must be 0 (no intervals) or at least 2, got 1: pass 1000"),
        ({"bootstrap": 10.5}, "bootstrap must"),
        ({"seed": -1}, "seed must"),
        ({"group": "(.+"}, "group must be a regular expression (missing ), unterminated subpattern at position 0), got '(.+'"),
        ({"group": ".+"}, "group must have a group in brackets that names the photograph, got '.+': write "),
        ({"group": "(row)"}, "group must match the names of images, such as '0001', got '(row)': leave out the ending"),
        ({"estimator": "oracle"}, "no estimators named 'oracle'; known: all, "),
        ({"estimator": "ensemble_agreement"}, "estimator must be one whose signals the labelled sets have, got"),
    ],
)
def test_a_setting_that_breaks_a_rule_is_one_line(world: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(HowfarError) as caught:
        relate(world.run, world.given("road", "near", "far"), **options)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_an_unknown_setting_is_named_and_settings_stay_as_they_are(run: Comparison, table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"^option must be a known one, got 'colour': the options are "):
        relate(run, table, colour="red")
    with pytest.raises(InputError, match=r"^option must be a known one, got 'lvel': did you mean level\?$"):
        relate(run, table, lvel=0.5)
    with pytest.raises(InputError, match=r"^option must be a known one, got 'colour': the options are "):
        checked(RelateSettings, {"colour": "red"})
    with pytest.raises(AttributeError, match="tau"):
        relate(run, table, tau=0.4, bootstrap=0).settings.tau = 0.5  # type: ignore[misc]  # on purpose


def test_an_expression_is_looked_at_before_the_run_is() -> None:
    with pytest.raises(InputError, match="group must be a regular expression"):
        relate("no/such/run", "no/such/file.csv", group="(")


def test_what_is_not_chosen_has_the_stated_defaults(run: Comparison, table: pd.DataFrame) -> None:
    assert relate(run, table).settings == RelationSettings(None, "", 0.5, 0.2, 0.9, 0.2, 1000, 0, None, estimator="auto")
    assert {name: option.default for name, (_, option) in declared(RelateSettings).items()} == {
        "threshold": None, "tau": 0.5, "flat": 0.2, "level": 0.9, "error_rate": 0.2, "bootstrap": 1000, "seed": 0,
        "group": None,
    }  # fmt: skip


def test_settings_at_the_ends_of_their_ranges_are_taken(run: Comparison, table: pd.DataFrame) -> None:
    assert relate(run, table, tau=0.0, bootstrap=2, flat=1e-9).failures[0].listed == 0
    assert relate(run, table, tau=1.0, level=0.01, error_rate=0.99, bootstrap=0).failures[0].listed == 47


def test_where_no_image_has_a_performance_nothing_is_related(world: Any) -> None:
    with pytest.raises(InputError) as caught:
        relate(world.run, world.given("road", "new"))
    assert str(caught.value) == (
        "performance must be known of an image of some secondary dataset, got 'new': "
        "evaluate one that has labels, or masks with foreground"
    )


# The run folder


def test_a_run_folder_is_as_good_as_the_run_and_files_as_good_as_evaluations(
    world: Any, found: Relation, tmp_path: Path
) -> None:
    world.run.save(tmp_path / "run")
    files = [one.save(tmp_path / f"{one.dataset}.parquet") for one in world.given("road", "near", "far", "new")]
    assert_same(relate(tmp_path / "run", files, bootstrap=60), found)
    assert_same(howfar.relate(str(tmp_path / "run"), list(map(str, files)), bootstrap=60), found)
    with pytest.raises(MissingPathError, match=r"result\.json is not there: pass a run folder"):
        relate(tmp_path / "none", files)


def test_a_relation_survives_its_folder_bit_for_bit(world: Any, found: Relation, table: Any, run: Any, tmp_path: Path) -> None:
    rows = world.run.images[["dataset", "image"]].head(3).assign(performance=0.5)  # too few for thirds, intervals or a trend
    for place, one in enumerate((found, relate(run, table, bootstrap=60), relate(world.run, rows.head(2), bootstrap=0))):
        folder = tmp_path / str(place) / "new"
        assert one.save(folder) == folder
        again = Relation.load(folder)
        assert again.to_dict() == one.to_dict() == written(folder / "relation.json")
        for entry in dataclasses.fields(Relation):
            mine, its = getattr(one, entry.name), getattr(again, entry.name)
            if entry.name in FRAMES:
                pd.testing.assert_frame_equal(its, mine, check_exact=True)
            else:
                assert its == mine, entry.name
        json.dumps(one.to_dict(), allow_nan=False)
        assert sorted(path.name for path in folder.iterdir()) == [
            "curves.parquet", "relation.json", "relation.parquet", "thresholds.parquet",
        ]  # fmt: skip
        assert repr(again) == repr(one)


def test_a_relation_that_is_absent_cut_or_of_another_format_is_one_line(found: Relation, tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="run howfar relate on this folder first"):
        Relation.load(tmp_path)
    found.save(tmp_path)
    whole = (tmp_path / "relation.json").read_text()
    changed = json.loads(whole)
    changed["datasets"][0]["colour"] = "red"
    for text, words in (
        (whole[:-40], "relation is damaged"),
        (whole.replace('"format": 1', '"format": 2'), "another format than this howfar reads"),
        (json.dumps(changed), "relation is damaged (TypeError"),
    ):
        (tmp_path / "relation.json").write_text(text)
        with pytest.raises(StoreError) as caught:
            Relation.load(tmp_path)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "relation.json").write_text(whole)
    (tmp_path / "curves.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="relation is damaged"):
        Relation.load(tmp_path)
    (tmp_path / "thresholds.parquet").unlink()
    with pytest.raises(MissingPathError, match=r"thresholds\.parquet is not there"):
        Relation.load(tmp_path)
