"""Statements that hold at every look: of one model's mean, and of two models' difference."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.sampling import Until, difference, foreground_bound, order, order_by_bound, sequence

SITES = {
    "good": lambda rng: (y := rng.beta(4, 3, 120), np.clip(y + rng.normal(0, 0.08, 120), 0, 1)),
    "many zeros": lambda rng: ((rng.random(120) < 0.15) * rng.uniform(0.2, 0.9, 120), np.full(120, 0.4)),
    "against": lambda rng: (y := rng.uniform(0, 1, 120), 1 - y),
}


@pytest.mark.parametrize("site", SITES)
def test_a_false_statement_is_rarely_called_true_whenever_one_stops(site: str) -> None:
    truth, proxy = SITES[site](np.random.default_rng(1))
    mean, draws = truth.mean(), 100
    above = below = 0
    for seed in range(draws):
        images = order(120, seed=seed)
        known = sequence(truth[images[:40]], proxy, images)
        above += bool((known.low > mean + 1e-9).any())
        below += bool((known.high < mean - 1e-9).any())
    # Each side is promised 5 % at most; three standard errors more would be chance.
    assert max(above, below) <= draws * (0.05 + 3 * np.sqrt(0.05 * 0.95 / draws))


def test_over_all_orders_of_a_tiny_site_errors_keep_their_rate() -> None:
    truth, proxy = np.array([0.0, 0.1, 0.1, 0.2, 1.0, 1.0]), np.array([0.2, 0.0, 0.3, 0.1, 0.6, 0.9])
    level, wrong = 0.6, []
    for images in list(permutations(range(6)))[::7]:
        known = sequence(truth[list(images)], proxy, images, level=level)
        wrong.append([(known.low > truth.mean() + 1e-9).any(), (known.high < truth.mean() - 1e-9).any()])
    assert np.mean(wrong, axis=0).max() <= (1 - level) / 2 + 0.03


def test_a_good_prediction_settles_sooner() -> None:
    rng = np.random.default_rng(2)
    truth = rng.uniform(0.3, 1, 300)
    good = np.clip(truth + rng.normal(0, 0.03, 300), 0, 1)
    stops = {}
    for name, proxy in (("good", good), ("none", np.full(300, np.nan))):
        found = []
        for seed in range(8):
            images = order(300, seed=seed)
            found.append(sequence(truth[images[:150]], proxy, images, until="±0.06").stop or 150)
        stops[name] = np.median(found)
    assert stops["good"] < 0.9 * stops["none"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=25), st.integers(0, 5))
def test_intervals_shrink_and_end_at_the_exact_mean(rows: list[tuple[float, float]], seed: int) -> None:
    truth, proxy = np.array(rows).T
    images = order(len(truth), seed=seed)
    known = sequence(truth[images], proxy, images)
    assert known.low[-1] == known.high[-1] == known.value[-1] == pytest.approx(truth.mean())
    before = slice(0, -1)
    assert (np.diff(known.low[before]) >= 0).all() or (known.low[before] == known.high[before]).any()
    assert ((known.low >= 0) & (known.low <= known.value) & (known.value <= known.high) & (known.high <= 1)).all()


def test_what_is_known_after_t_labels_does_not_depend_on_later_ones() -> None:
    rng = np.random.default_rng(3)
    truth, proxy = rng.uniform(size=80), rng.uniform(size=80)
    images = order(80)
    long, short = sequence(truth[images[:40]], proxy, images), sequence(truth[images[:15]], proxy, images)
    np.testing.assert_array_equal(long.low[:15], short.low)
    np.testing.assert_array_equal(long.high[:15], short.high)


def test_images_without_a_value_leave_the_question_to_the_others() -> None:
    rng = np.random.default_rng(4)
    truth = np.where(rng.random(150) < 0.3, np.nan, rng.uniform(0.6, 1.0, 150))
    missed = 0
    for seed in range(20):
        images = order(150, seed=seed)
        known = sequence(truth[images[:60]], np.full(150, 0.5), images)
        missed += bool(((known.low > np.nanmean(truth)) | (known.high < np.nanmean(truth))).any())
        assert known.low[-1] > 0.5
    assert missed <= 5
    assert sequence([np.nan], [0.5, 0.5], [1, 0]).low.tolist() == [0.0]


def test_rules_are_read_and_answered() -> None:
    assert Until.parse(" ±0.05 ") == Until.parse("+-.05") == Until.parse("+/-0.05") == Until("half width", 0.05)
    assert Until.parse("F>=0.6") == Until.parse("≥ 0.6") == Until("at least", 0.6)
    assert Until.parse("mean <= 0.3") == Until.parse("F ≤ 0.3") == Until("at most", 0.3)
    assert [Until("at most", 0.3).settled(*ends) for ends in ((0.1, 0.3), (0.31, 0.9), (0.1, 0.9))] == [
        "yes",
        "no",
        "undecided",
    ]
    assert [Until("half width", 0.05).settled(*ends) for ends in ((0.1, 0.19), (0.1, 0.9))] == ["yes", "undecided"]
    truth = np.linspace(0.6, 1.0, 200)
    images = order(200)
    known = sequence(truth[images[:60]], truth, images, until="F <= 0.5")
    assert known.settled[0] == "undecided"
    assert known.settled[-1] == "no"
    assert known.settled[known.stop - 1] == "no"
    assert sequence(truth[images[:3]], truth, images, until=Until("half width", 0.01)).stop is None


@pytest.mark.parametrize(
    ("a", "b", "c"), [(3, 2, 1), (4, 4, 4), (2, 6, 2), (5, 0, 0), (0, 0, 0), (6, 3, 3), (7, 9, 5), (29, 40, 27)]
)
def test_no_truth_makes_two_maps_differ_more_than_their_bound(a: int, b: int, c: int) -> None:
    largest = 0.0
    for both, first, second, none in product(range(c + 1), range(a - c + 1), range(b - c + 1), range(4)):
        truth = both + first + second + none
        if truth:
            largest = max(largest, abs(2 * (both + first) / (a + truth) - 2 * (both + second) / (b + truth)))
    (bound,) = foreground_bound([a], [b], [c])
    assert largest <= bound + 1e-12
    assert bound <= largest + 0.05  # the truth that is worst may be no whole number of pixels


def test_each_next_image_is_drawn_in_proportion_to_its_bound() -> None:
    bounds, draws = np.array([0.6, 0.0, 0.3, 0.1]), 4000
    orders = [order_by_bound(bounds, seed=seed).tolist() for seed in range(draws)]
    assert all(sorted(one) == [0, 2, 3] for one in orders)
    share = [np.mean([one[0] == place for one in orders]) for place in (0, 2, 3)]
    np.testing.assert_allclose(share, [0.6, 0.3, 0.1], atol=4 * np.sqrt(0.25 / draws))
    after = [one[1] for one in orders if one[0] == 0]
    assert abs(np.mean(np.array(after) == 2) - 0.75) < 0.05


@pytest.mark.parametrize("kind", ["equal", "one better", "rare and large", "at their bounds"])
def test_intervals_hold_at_every_look(kind: str) -> None:
    rng = np.random.default_rng(3)
    bounds = rng.random(80) * (rng.random(80) < 0.8)
    values = {
        "equal": bounds * rng.uniform(-1, 1, 80),
        "one better": bounds * rng.uniform(-0.3, 0.8, 80),
        "rare and large": np.where(rng.random(80) < 0.1, bounds, -0.05 * bounds),
        "at their bounds": bounds * rng.choice([-1.0, 1.0], 80),
    }[kind]
    truth, wrong, draws, early = values.mean(), 0, 300, []
    for seed in range(draws):
        images = order_by_bound(bounds, seed=seed)
        known = difference(values[images], bounds, images)
        wrong += bool(((known.low > truth + 1e-9) | (known.high < truth - 1e-9)).any())
        np.testing.assert_allclose([known.value[-1], known.low[-1], known.high[-1]], truth, atol=1e-9)
        seen, left = np.cumsum(values[images]), bounds.sum() - np.cumsum(bounds[images])
        wide = known.low < known.high
        assert (known.low >= (seen - left) / len(bounds) - 1e-9)[wide].all()
        assert (known.high <= (seen + left) / len(bounds) + 1e-9)[wide].all()
        early.append(known.value[9])
    assert wrong / draws <= 0.1
    assert abs(np.mean(early) - truth) < 4 * np.std(early) / np.sqrt(draws) + 0.005


def test_the_better_model_is_named_and_few_labels_are_needed_where_they_differ_little() -> None:
    rng = np.random.default_rng(5)
    bounds = np.where(rng.random(500) < 0.2, 0.8, 0.0)
    values = bounds * rng.normal(0.4, 0.3, 500).clip(-1, 1)
    stops = []
    for seed in range(40):
        images = order_by_bound(bounds, seed=seed)
        known = difference(values[images], bounds, images)
        assert next(said for said in known.settled if said != "undecided") == "yes"
        stops.append(known.stop)
        reverse = difference(-values[images], bounds, images)
        assert (reverse.stop, reverse.settled[-1]) == (known.stop, "no")
    assert np.median(stops) < 25


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"bounds": [0.5, 1.2]}, "bounds must lie in"),
        ({"bounds": [0.5, np.nan]}, "bounds must not hold NaN"),
        ({"values": [0.6]}, "values must not exceed their bounds"),
        ({"values": [0.1, 0.1, 0.1]}, "values must be at most"),
        ({"images": [0, 0]}, "images must name each image once"),
        ({"level": 0.0}, "level must lie between"),
    ],
)
def test_bad_input_gets_one_line(change: dict[str, object], line: str) -> None:
    given = {"values": [0.1], "bounds": [0.5, 0.5], "images": [0, 1], **change}
    with pytest.raises(InputError, match=line):
        difference(**given)  # type: ignore[arg-type]
