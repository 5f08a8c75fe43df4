"""Labelling until a question is settled: false answers are rare at any time, exact at the end, and what is refused."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.sampling import Until, order, sequence

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
