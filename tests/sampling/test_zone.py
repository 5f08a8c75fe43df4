"""The zone of a site that may be used: exact tests in a fixed order, whatever is predicted; labels that go on from earlier."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from howfar.errors import InputError
from howfar.sampling import draw, labels_for, mean, order, plan_zone, sequence, zone_share, zone_tests
from howfar.sampling.certify_zone_by_labels import fewest_labels


@pytest.mark.parametrize(("size", "allowed", "wrong"), [(40, 0, 0.1), (400, 1, 0.1), (1000, 2, 0.05), (7, 0, 0.3)])
def test_the_fewest_labels_that_show_it_are_those_of_the_hypergeometric_tail(size: int, allowed: int, wrong: float) -> None:
    too_many = int(wrong * size) + 1
    tail = [hypergeom.cdf(allowed, size, too_many, n) for n in range(size + 1)]
    assert fewest_labels(size, allowed, wrong, 0.9) == next(n for n, chance in enumerate(tail) if chance <= 0.1)


def test_an_image_at_the_limit_is_not_below_it() -> None:
    plan = plan_zone(np.linspace(0, 1, 100), 60, at_least=0.6, wrong=0.2)
    assert all(test.passed for test in zone_tests(plan.zone, np.full(len(plan.images), 0.6)))


def test_a_large_zone_needs_the_labels_of_the_binomial_test() -> None:
    # 0.9 ** 22 is the first power of 0.9 below 0.1.
    assert fewest_labels(100_000, 0, 0.1, 0.9) == 22


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(float("nan")), st.sampled_from([0.0, 0.5])), min_size=30, max_size=80),
    st.integers(20, 90),
    st.integers(0, 5),
)
def test_each_test_reads_the_first_images_of_its_zone_in_one_random_order(proxy: list[float], k: int, seed: int) -> None:
    plan = plan_zone(proxy, k, at_least=0.6, wrong=0.2, seed=seed)
    assert len(plan.images) <= k
    assert len(set(plan.images.tolist())) == len(plan.images)
    ranked = np.array(proxy)[list(plan.zone.ranking)]
    known = np.isfinite(ranked)
    assert not known[int(known.sum()) :].any()
    assert (np.diff(ranked[known]) <= 0).all()
    before: set[int] = set()
    for size, places in zip(plan.zone.sizes, plan.zone.reads, strict=True):
        images = plan.images[list(places)].tolist()
        assert set(images) <= set(plan.zone.ranking[:size])
        assert len(images) == fewest_labels(size, plan.zone.allowed, 0.2, 0.9)
        # What an earlier zone read and this one does not lies outside of its first n: it keeps the order of the draw.
        inside = [image for image in plan.images.tolist() if image in set(images)]
        assert len(inside) == len(images)
        before |= set(images)
    assert before == set(plan.images.tolist())


def test_reversed_predictions_break_the_promise_in_one_draw_of_ten_at_most() -> None:
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(200) < 0.12, 0.3, 0.8)  # a little worse than promised, everywhere
    proxy = rng.random(200)
    draws, broken = 400, 0
    for seed in range(draws):
        plan = plan_zone(proxy, 60, at_least=0.6, seed=seed)
        size = max((test.images for test in zone_tests(plan.zone, truth[plan.images]) if test.passed), default=0)
        broken += size > 0 and (truth[list(plan.zone.ranking[:size])] < 0.6).mean() > 0.1
    assert broken / draws < 0.1 + 3 * np.sqrt(0.09 / draws)


def test_more_labels_go_on_with_the_earlier_ones() -> None:
    proxy = np.linspace(0.3, 0.9, 300)
    first = plan_zone(proxy, 40, at_least=0.5, seed=3)
    more = plan_zone(proxy, 90, at_least=0.5, seed=3, begin=(first.zone.sizes[0], first.zone.allowed))
    assert len(more.images) > len(first.images)
    np.testing.assert_array_equal(more.images[: len(first.images)], first.images)
    assert more.zone.sizes[: len(first.zone.sizes)] == first.zone.sizes


def test_missing_labels_leave_a_test_open_and_a_failure_is_known_at_once() -> None:
    proxy = np.linspace(0.3, 0.9, 300)
    plan = plan_zone(proxy, 60, at_least=0.5, seed=3)
    (waiting,) = zone_tests(plan.zone, [])
    assert waiting.passed is None
    assert zone_tests(plan.zone, np.full(plan.zone.allowed, 0.1))[-1].passed is None
    assert zone_tests(plan.zone, np.full(plan.zone.allowed + 1, 0.1))[-1].passed is False
    assert all(test.passed for test in zone_tests(plan.zone, np.full(len(plan.images), np.nan)))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"k": 3}, "k must be at least"),
        ({"at_least": 1.0}, "at_least must lie between 0 and 1"),
        ({"wrong": 0.0}, "wrong must lie between 0 and 1"),
        ({"level": 1.0}, "level must lie between 0 and 1"),
        ({"proxy": [0.2, 1.4]}, "proxy must lie in"),
    ],
)
def test_bad_input_gets_one_line(change: dict[str, object], line: str) -> None:
    given = {"proxy": np.linspace(0, 1, 100), "k": 40, "at_least": 0.6, **change}
    with pytest.raises(InputError, match=line):
        plan_zone(**given)  # type: ignore[arg-type]


def site(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and performance that varies about them as is assumed."""
    rng = np.random.default_rng(4)
    predicted = rng.beta(4, 2, count)
    return predicted, np.clip(predicted + 0.3 * np.sqrt(predicted * (1 - predicted) + 0.02) * rng.normal(size=count), 0, 1)


def test_the_predicted_number_of_labels_gives_about_the_width_that_was_asked() -> None:
    predicted, truth = site()
    count = labels_for(predicted, "±0.05")
    assert count is not None
    samples = [draw(predicted, count, seed=seed) for seed in range(100, 130)]
    assert 0.04 < np.mean([mean(truth[one.indices], predicted, one).half_width for one in samples]) < 0.06
    assert count < (labels_for(predicted, "±0.03") or 0)


def test_a_level_is_settled_after_about_as_many_labels() -> None:
    predicted, truth = site()
    asked = f"F >= {truth.mean() - 0.15:.2f}"
    stops = []
    for seed in range(15):
        images = order(len(truth), seed=seed)
        stops.append(sequence(truth[images], predicted, images, until=asked).stop)
    count = labels_for(predicted, asked)
    assert count is not None
    assert 0.5 < count / np.median(stops) < 2


def test_a_question_that_2000_labels_leave_open_has_no_number() -> None:
    assert labels_for(np.full(2200, 0.5), "F >= 0.5") is None


def test_more_labels_are_predicted_to_certify_more() -> None:
    predicted, _ = site()
    shares = [zone_share(predicted, plan_zone(predicted, k, at_least=0.5)) for k in (30, 60, 120)]
    assert 0 < shares[0] < shares[1] < shares[2] <= 1
    # Of so few labels none may be below the limit.
    plan = plan_zone(np.ones(400), 25, at_least=0.4)
    assert zone_share(np.ones(400), plan) == 1.0
    # Each image right with a chance of 0.8, so that one in five is wrong, where one in ten may be.
    assert zone_share(np.full(400, 0.8), plan, decisions=1) < 0.1 < 0.9 < zone_share(np.full(400, 0.8), plan)


def test_answers_that_are_right_or_wrong_need_more_labels() -> None:
    predicted, _ = site(600)
    count = labels_for(predicted, "±0.05", decisions=1)
    assert count is not None
    assert count > 2 * (labels_for(predicted, "±0.05") or 600)
    right = (np.random.default_rng(9).random(600) < predicted).astype(float)
    samples = [draw(predicted, count, seed=seed) for seed in range(30)]
    assert 0.04 < np.mean([mean(right[one.indices], predicted, one).half_width for one in samples]) < 0.06


def test_few_images_and_other_words_get_one_line() -> None:
    with pytest.raises(InputError, match="at least 8 images"):
        labels_for([0.5] * 7, "±0.05")
    with pytest.raises(InputError, match="until must read like"):
        labels_for([0.5] * 20, "soon")
