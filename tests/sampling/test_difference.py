"""Which of two models is better: bounds from predictions, labels where these differ, intervals that hold at every look."""

from itertools import product

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.sampling import difference, foreground_bound, order_by_bound


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


def test_a_half_width_may_be_asked_and_equal_predictions_cost_no_label() -> None:
    assert order_by_bound(np.zeros(9)).size == 0
    none = difference([], np.zeros(9), [])
    assert none.settled == ()
    bounds = np.full(60, 0.5)
    images = order_by_bound(bounds)
    known = difference(np.zeros(60), bounds, images, half_width=0.1)
    assert known.stop is not None
    assert (known.high - known.low)[known.stop - 1] <= 0.2
    assert (known.high - known.low)[known.stop - 2] > 0.2


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
