from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from howfar.report import comparison as words
from howfar.report import section as shared
from howfar.results import Comparison, DatasetSummary, PrimarySummary

P = PrimarySummary("bridges", 200, 3.0)
ROADS = DatasetSummary(
    name="roads",
    n=50,
    o_dist=660.0,
    o_dist_mean=3.3,
    o_dist_mean_ci=(3.2, 3.4),
    o_dist_scaled=0.5,
    self_distance=3.0,
    relative=1.1,
    relative_ci=(1.07, 1.13),
    energy=0.4,
    energy_ci=(0.3, 0.5),
    p_value=0.001,
    p_value_raw=0.001,
    beyond=0.14,
    components=25,
    explained_variance=0.6,
)


def say(primary: PrimarySummary = P, **changes: object) -> str:
    return words.sentence(primary, replace(ROADS, **changes)).text  # type: ignore[arg-type]  # any field by name


def among(six: Comparison, *datasets: DatasetSummary) -> str:
    return words.lead(replace(six, primary=P, datasets=datasets))


def test_one_dataset_in_a_sentence() -> None:
    assert say() == (
        "lies 1.10× as far from P as P's own images from each other (95 % CI 1.07–1.13); "
        "14 % of its images are farther than 95 % of P's own; the two sets differ (p = 0.001)."
    )
    assert words.sentence(P, ROADS).name == "roads"


@pytest.mark.parametrize(
    ("ci", "expected"),
    [
        ((1.0, 1.2), "which holds 1"),
        ((0.9, 1.0), "which holds 1"),
        ((0.9, 0.9999), "nearer than these"),
        ((1.0001, 1.2), "(95 % CI 1.00–1.20)"),
        (None, "(no interval)"),
    ],
)
def test_the_interval_decides_what_is_said_of_nearer_and_farther(ci: tuple[float, float] | None, expected: str) -> None:
    text = say(relative_ci=ci)
    assert expected in text
    assert ("which holds 1" in text) == ("holds 1" in expected)
    assert ("nearer than these" in text) == ("nearer" in expected)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.05, "the two sets differ (p = 0.050)"),
        (0.0501, "no evidence that the two sets differ (p = 0.050)"),
        (1.0, "no evidence that the two sets differ (p = 1.000)"),
        (0.0001, "the two sets differ (p < 0.001)"),
        (None, "whether the two sets differ was not tested"),
    ],
)
def test_the_p_value_decides_what_is_said_of_the_difference(p: float | None, expected: str) -> None:
    assert say(p_value=p).endswith(f"; {expected}.")


def test_sets_that_differ_without_being_farther_do_so_even_so() -> None:
    assert "; even so the two sets differ (p = 0.001)." in say(relative_ci=(0.95, 1.05))


@pytest.mark.parametrize(
    ("beyond", "n", "expected"),
    [
        (0.0, 50, "none of its images is farther"),
        (1.0, 50, "all of its images are farther"),
        (0.0004, 5000, "under 1 % of its images"),
        (0.9996, 5000, "over 99 % of its images"),
        (1.0, 1, "this one image is farther than"),
        (0.0, 1, "this one image is not farther than"),
    ],
)
def test_the_share_of_unusual_images(beyond: float, n: int, expected: str) -> None:
    assert expected in say(beyond=beyond, n=n)


def test_a_small_p_cannot_tell_single_images() -> None:
    assert "too few images (18) to say" in say(PrimarySummary("bridges", 18, 3.0))
    assert "14 % of its images" in say(PrimarySummary("bridges", 19, 3.0))
    assert "images are" not in say(beyond=None)


def test_without_a_yardstick() -> None:
    text = say(relative=None, relative_ci=None, beyond=None, p_value=None)
    assert text == "lies at a mean distance of 3.3 from P; whether the two sets differ was not tested."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "fabric lies 2.00× as far as images of roads lie apart; 62 % of its images are unusual there."),
        ({"relative": 0.9, "relative_ci": (0.8, 0.95), "p_value": 0.01}, "lie apart, as a set of little variety can; "),
        ({"relative": 1.0, "relative_ci": (0.9, 1.1), "p_value": 0.4}, "so that it is not shown to be farther; "),
        ({"relative": 1.0, "relative_ci": (0.9, 1.1), "p_value": 0.4}, "; no evidence that the two sets differ (p = 0.400)."),
        ({"relative": 1.0, "relative_ci": (0.9, 1.1), "p_value": 0.001}, "; even so the two sets differ (p = 0.001)."),
        ({"relative_ci": None, "p_value": None}, "fabric lies 2.00× as far as images of roads lie apart; 62 % of"),
        ({"beyond": 0.0}, "; none of its images is unusual there."),
        ({"beyond": 1.0}, "; all of its images are unusual there."),
        ({"beyond": 1.0, "n": 1}, "; this one image is farther than 95 % of roads's own."),
        ({"beyond": None}, "fabric lies 2.00× as far as images of roads lie apart."),
        ({"relative": None, "relative_ci": None}, " from roads, with no yardstick to read that by; 62 % of"),
    ],
)
def test_a_newcomer_s_sentence(changes: dict[str, object], expected: str) -> None:
    given: dict[str, object] = {"name": "fabric", "relative": 2.0, "relative_ci": (1.9, 2.1), "beyond": 0.62, "p_value": 0.005}
    sentence = words.plain(replace(P, name="roads"), replace(ROADS, **(given | changes)))  # type: ignore[arg-type]  # by name
    assert expected in sentence
    assert sentence.endswith(".")


def test_no_sentence_speaks_of_performance(six: Comparison) -> None:
    every = [words.lead(six), *(words.sentence(six.primary, dataset).text for dataset in six.datasets)]
    for text in every:
        assert not {"fail", "performance", "accuracy", "generalise"} & set(text.split())


def test_lead_names_nearest_and_farthest(six: Comparison) -> None:
    far = replace(ROADS, name="faces", relative=2.0, relative_ci=(1.9, 2.1))
    assert among(six, far, ROADS) == (
        "Of 2 datasets roads lies nearest to bridges and faces farthest: 1.10× and 2.00× as far as its own images lie from "
        "each other."
    )


def test_lead_of_one_dataset_and_of_ties(six: Comparison) -> None:
    assert among(six, ROADS) == "roads lies 1.10× as far from bridges as the images of bridges lie from each other."
    assert "All 2 datasets lie equally far from bridges: 1.10×" in among(six, ROADS, replace(ROADS, name="other"))


def test_lead_says_where_the_order_is_not_settled(six: Comparison) -> None:
    rival = replace(ROADS, name="lanes", relative=1.12, relative_ci=(1.12, 1.15))
    far = replace(ROADS, name="faces", relative=2.0, relative_ci=(1.9, 2.1))
    text = among(six, ROADS, rival, far)
    assert text.endswith("Which is nearest is not settled: the interval of roads overlaps with that of lanes.")
    assert "All their intervals overlap" in among(six, ROADS, rival)
    assert "settled" not in among(six, replace(ROADS, relative_ci=None), replace(far, relative_ci=None))


def test_lead_without_a_yardstick_says_why(six: Comparison) -> None:
    bare = replace(ROADS, relative=None)
    assert "is a single image" in words.lead(replace(six, primary=PrimarySummary("x", 1, None), datasets=(bare,)))
    assert "do not differ" in words.lead(replace(six, primary=PrimarySummary("x", 9, 0.0), datasets=(bare,)))


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, 20).tolist()
    assert words.ranks(values) == stats.rankdata(values).tolist()


@pytest.mark.parametrize(
    ("rho", "count", "expected"),
    [
        (1.0, 6, "exactly the same order"),
        (0.7, 6, "much the same order"),
        (0.69, 6, "a partly similar order"),
        (0.3, 6, "a partly similar order"),
        (0.29, 6, "an unrelated order"),
        (-0.29, 6, "an unrelated order (Spearman −0.29)"),
        (-0.3, 6, "rather the opposite order"),
        (1.0, 2, "the same order, which of two"),
        (-1.0, 2, "the opposite order, which of two"),
        (None, 6, "no order that could be compared"),
        (None, 1, "no order that could be compared"),
    ],
)
def test_agreement_in_words(rho: float | None, count: int, expected: str) -> None:
    assert shared.agreement(rho, count).startswith(expected)


@pytest.mark.parametrize(
    ("agreements", "count", "also", "expected"),
    [
        ({"pixels": 0.9, "moments": 0.1}, 6, [], "pixels alone puts the datasets in much the same order"),
        ({"pixels": 0.9, "moments": 0.7}, 6, [], "pixels and moments alone put the datasets"),
        ({"pixels": 0.69}, 6, [], "nor does one find faces farthest."),
        ({"pixels": 0.69}, 6, ["pixels"], "but pixels puts faces farthest too, so that it is farthest proves little."),
        ({"pixels": None}, 6, [], "No trivial backbone puts"),
        ({"pixels": 1.0}, 2, ["pixels"], "With fewer than three"),
        ({}, 6, [], ""),
    ],
)
def test_verdict_on_the_trivial_backbones(
    agreements: dict[str, float | None], count: int, also: list[str], expected: str
) -> None:
    text = words.trivial_verdict(agreements, count, "faces", also)
    assert expected in text
    assert bool(text) == bool(expected)


def test_rank_changes_between_raw_and_relative(six: Comparison, believable: ModuleType) -> None:
    a, b, c = (
        replace(ROADS, name=name, o_dist_mean=raw, relative=rel) for name, raw, rel in [("a", 1, 2), ("b", 2, 1), ("c", 3, 3)]
    )
    assert words.rank_changes(replace(six, datasets=(a, b, c))) == ["a", "b"]
    assert words.rank_changes(replace(six, datasets=(a, c))) == []
    assert words.rank_changes(believable.without_yardstick(six)) == []


def test_smallest_p() -> None:
    assert words.smallest_p(99, 6) == 0.06
    assert words.smallest_p(0, 6) is None
    assert words.smallest_p(9, 20) == 1.0


@pytest.mark.parametrize(
    ("permutations", "told"), [(99, "99 relabellings"), (499, "499 relabellings"), (9999, "499 relabellings")]
)
def test_the_smallest_p_of_rivals_is_of_the_relabellings_that_they_take(six: Comparison, permutations: int, told: str) -> None:
    run = replace(six, settings=replace(six.settings, permutations=permutations), datasets=six.datasets[:3])
    least = 3 / (min(permutations, 499) + 1)
    assert words.of_rivals(run).endswith(
        f"{told}, as many as these distances take, and Holm's correction over 3 datasets cannot give a p below {least:.3g}."
    )
    assert "relabellings" not in words.of_rivals(replace(run, settings=replace(run.settings, permutations=0)))


def test_trivial_backbones_that_find_the_same_dataset_farthest() -> None:
    views = {"pixels": {"a": 0.5, "b": 0.9}, "moments": {"a": 3.0, "b": 1.0}}
    assert words.same_farthest({"a": 1.0, "b": 2.0}, views) == ("b", ["pixels"])
