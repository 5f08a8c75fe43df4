"""Images of one group (scene, patient, clip) are resampled, relabelled and left out together."""

from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import t

import howfar
from howfar.arrays import group_numbers
from howfar.data import parse
from howfar.distances import leave_one_out
from howfar.pipeline.distance_bootstrap import DistanceDraws, PairGroups, Resamples, RowSums
from howfar.pipeline.permutation_tests import permutation_p_value
from howfar.projection import Projection
from howfar.results import Comparison, Features
from howfar.significance import interval, resample_counts
from howfar.significance.bootstrap import average, few_groups, image_weights, widening

QUICK = {"progress": False, "bootstrap": 200, "permutations": 199}


def clips(seed: int, groups: int, each: int, shift: float = 0.0) -> np.ndarray:
    """Images of which those of a group are nearly the same."""
    rng = np.random.default_rng(seed)
    return shift + np.repeat(rng.normal(size=(groups, 4)), each, axis=0) + 0.1 * rng.normal(size=(groups * each, 4))


def features(seed: int, groups: int, each: int, name: str, shift: float = 0.0) -> Features:
    names = tuple(f"clip{group}-{frame}" for group in range(groups) for frame in range(each))
    return replace(parse(clips(seed, groups, each, shift), name), images=names)


def test_images_without_a_group_are_groups_of_their_own() -> None:
    assert group_numbers(["b", None, "a", "b", None]).tolist() == [0, 2, 1, 0, 3]
    assert group_numbers(["b", None, "a"]) is None
    assert group_numbers(()) is None


@pytest.mark.parametrize("sizes", [(4, 4, 4, 4, 4), (1, 2, 3, 9, 5)])
def test_intervals_are_those_of_groups_drawn_by_index(sizes: tuple[int, ...]) -> None:
    """The cluster bootstrap the long way: groups drawn by number, copies of one taken as different groups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    p, s, draws = clips(0, 8, 3), clips(1, len(sizes), max(sizes), 1.0)[: len(groups)], 60
    in_p, rng = np.repeat(np.arange(8), 3), np.random.default_rng(2)
    resamples = Resamples.drawn(len(p), len(s), draws, rng, groups=PairGroups(in_p, groups))
    found = DistanceDraws.of(p, s, RowSums.of(p, s), resamples)
    assert found.by_group is not None
    for draw in range(draws):
        picked = [
            [np.flatnonzero(of == group) for group in np.unique(of) for _ in range(counts[of == group][0])]
            for of, counts in ((in_p, resamples.of_p[:, draw]), (groups, resamples.of_s[:, draw]))
        ]
        of_p, of_s = (np.concatenate(each) for each in picked)
        assert found.between[draw] == pytest.approx(cdist(s[of_s], p[of_p]).mean())
        # Pairs of different groups of the draw, of which copies of one group are none.
        pairs = [(a, b) for a in range(8) for b in range(8) if in_p[picked[0][a][0]] != in_p[picked[0][b][0]]]
        distances = np.concatenate([cdist(p[picked[0][a]], p[picked[0][b]]).ravel() for a, b in pairs])
        assert found.within_p[draw] == pytest.approx(distances.mean())
    once = np.ones((len(s), 1), np.uint8)
    whole = DistanceDraws.of(p, s, RowSums.of(p, s), resamples._replace(of_p=np.ones((len(p), 1), np.uint8), of_s=once))
    energy = 2 * cdist(s, p).mean() - cdist(p, p).mean() - cdist(s, s).mean()
    assert 2 * whole.between[0] - whole.by_group.all_p[0] - whole.by_group.all_s[0] == pytest.approx(energy)
    low, high = interval(found.between)
    wide = found.between_ci()
    assert wide is not None
    assert wide[1] - wide[0] > 1.2 * (high - low)


def test_few_groups_widen_by_student_and_by_what_resampling_leaves_out() -> None:
    assert widening([3.0], [6]) == pytest.approx(t.ppf(0.975, 5) / 1.959964 * np.sqrt(6 / 5), rel=1e-5)
    assert widening([1.0, 0.0], [6, 1000]) == pytest.approx(widening([1.0], [6]))
    assert widening([0.0, 0.0], [6, 6]) == 1.0
    assert few_groups("site", 60, np.repeat(np.arange(10), 6)) is None
    assert "of 5 groups" in str(few_groups("site", 30, np.repeat(np.arange(5), 6)))
    assert "it has no interval" in str(few_groups("site", 6, np.zeros(6, int)))


def test_groups_are_drawn_whole() -> None:
    groups = np.array([0, 1, 1, 2, 0])
    counts = resample_counts(5, 100, np.random.default_rng(0), groups)
    assert (counts[0] == counts[4]).all()
    assert (counts[1] == counts[2]).all()
    assert (counts[[0, 1, 3]].sum(axis=0) == 3).all()


def test_a_mean_has_an_interval_over_groups() -> None:
    values, groups = np.repeat(np.random.default_rng(0).normal(size=6), 5), np.repeat(np.arange(6), 5)
    plain = average(values, image_weights(30, 2000, [0]))
    grouped = average(values, image_weights(30, 2000, [0], groups), groups)
    wide, narrow = (each.high - each.low for each in (grouped, plain))
    assert wide / narrow == pytest.approx(np.sqrt(5) * widening([1.0], [6]), rel=0.1)
    assert average(values, image_weights(30, 9, [0], 0 * groups), 0 * groups).low is None


def test_labels_of_groups_are_exchanged_and_frames_of_new_clips_are_no_other_distribution() -> None:
    rejected = dict.fromkeys(("groups", "images"), 0)
    numbers = np.repeat(np.arange(8), 6)
    for seed in range(60):
        pair = Projection(clips(2 * seed, 8, 6), clips(2 * seed + 1, 8, 6), np.full(4, 0.25))
        for how, groups in (("groups", PairGroups(numbers, numbers)), ("images", None)):
            rejected[how] += permutation_p_value(pair, 99, (seed,), groups) <= 0.05
    assert rejected["groups"] <= 8
    assert rejected["images"] >= 55
    far = Projection(clips(0, 8, 6), clips(1, 8, 6, 3.0), np.full(4, 0.25))
    assert permutation_p_value(far, 199, (0,), PairGroups(numbers, numbers)) <= 0.01
    alone = permutation_p_value(far, 199, (0,), PairGroups(numbers, np.zeros(48, int)))
    assert alone >= 1 / comb(9, 1) / 1.5


def test_an_image_of_p_is_measured_against_other_groups() -> None:
    rows, numbers = clips(0, 5, 3), np.repeat(np.arange(5), 3)
    distances = cdist(rows, rows)
    wanted = [distances[i, numbers != numbers[i]].mean() for i in range(15)]
    np.testing.assert_allclose(leave_one_out(rows, groups=numbers), wanted)
    np.testing.assert_allclose(leave_one_out(rows, groups=np.zeros(15)), leave_one_out(rows))


@pytest.fixture(scope="module")
def found() -> Comparison:
    sets = [features(1, 6, 5, "few"), features(2, 14, 5, "many"), features(3, 1, 5, "one")]
    return howfar.compare(features(0, 20, 5, "p"), sets, group=r"(.+)-\d+", **QUICK)


def test_a_run_says_how_few_groups_widen_it(found: Comparison) -> None:
    notes = "\n".join(found.notes)
    assert "the 30 images of few are of 6 groups: intervals are over groups, and so few make them up to 1.4 times" in notes
    assert "all 5 images of one are of one group" in notes
    assert "of many are of" not in notes
    assert "one has 1 of 21 groups: no p-value can be below 0.048" in notes
    by_name = {each.name: each for each in found.datasets}
    assert by_name["one"].relative_ci is None
    assert by_name["one"].p_value_raw > 0.04
    assert by_name["few"].rivals_p == {}
    assert set(by_name["few"].rivals_ci) == {"knn_mean", "mahalanobis_mean"}
    assert found.images["group"].tolist()[:6] == ["clip0"] * 5 + ["clip1"]
    plain = howfar.compare(features(0, 20, 5, "p"), features(1, 6, 5, "few"), **QUICK)
    (narrow,) = plain.datasets
    wide = by_name["few"].relative_ci
    assert wide[1] - wide[0] > 1.5 * (narrow.relative_ci[1] - narrow.relative_ci[0])
    assert narrow.p_value_raw < 0.05 < by_name["few"].p_value_raw
    assert "group" not in plain.images


def test_images_are_chosen_from_different_groups_first(found: Comparison) -> None:
    for strategy in ("far", "random", "kcenter"):
        names = [pick.image.partition("-")[0] for pick in howfar.select(found, "few", 8, strategy).picks]
        assert len(set(names[:6])) == 6
        assert len(set(names[6:])) == 2


def test_a_profile_keeps_the_groups_of_its_images(tmp_path: Path) -> None:
    made = howfar.profile(features(0, 25, 4, "p"), group=r"(.+)-\d+")
    loaded = howfar.Profile.load(made.save(tmp_path / "p.howfar"))
    assert loaded.groups.tolist() == np.repeat(np.arange(25), 4).tolist()
    new = clips(9, 2, 3, 5.0)
    scores = [score.p_value for score in loaded.score(new).images]
    assert scores == [score.p_value for score in made.score(new).images] == [pytest.approx(1 / 26)] * 6
    single = howfar.profile(features(0, 1, 4, "p"), group=r"(.+)-\d+")
    assert howfar.Profile.load(single.save(tmp_path / "one.howfar")).self_distance > 0
    assert single.notes()[0] == (
        "all 4 images of p are of one group: relative 1 is the distance within it, and other groups may seem far"
    )
