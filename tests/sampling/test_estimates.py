"""Estimates of means and ratios: unbiased over all designs, exact with all labels, like ppi-python's, intervals that hold."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.sampling import Sample, cross_fitted_mean, draw, folds, further_groups, mean, ods, ratio
from howfar.sampling.estimates import betting_interval, lower_bound, prediction_powered


def every_design(sizes: tuple[int, int], counts: tuple[int, int]) -> list[Sample]:
    """All equally likely samples of two strata, the first images being the first stratum's."""
    first, second = range(sizes[0]), range(sizes[0], sum(sizes))
    strata = np.repeat([0, 1], counts)
    shares = np.array([counts[0] / sizes[0], counts[1] / sizes[1]])[strata]
    pairs = product(combinations(first, counts[0]), combinations(second, counts[1]))
    return [Sample(np.array([*a, *b]), shares, strata) for a, b in pairs]


def test_with_a_constant_prediction_the_estimate_is_unbiased_over_all_samples() -> None:
    truth = np.random.default_rng(1).uniform(size=9)
    estimates = [mean(truth[s.indices], np.full(9, 0.4), s).value for s in every_design((4, 5), (2, 3))]
    assert np.mean(estimates) == pytest.approx(truth.mean(), abs=1e-12)


def test_the_difference_estimator_and_its_variance_are_unbiased_over_all_samples() -> None:
    rng = np.random.default_rng(2)
    truth, proxy = rng.uniform(size=9), rng.uniform(size=9)
    designs = every_design((4, 5), (2, 3))
    found = [prediction_powered(truth[s.indices], proxy[s.indices], proxy.mean(), s, 0.7) for s in designs]
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(truth.mean(), abs=1e-12)
    assert np.mean([one.variance for one in found]) == pytest.approx(values.var(), rel=1e-10)


# What ppi-python 0.2.3 gives for the sample below: ppi_mean_pointestimate(values, predicted, proxy) with its own λ and with
# lam=0.5, and ppi_mean_ci(values, predicted, proxy, alpha=0.1). It is not installed for the tests, as it puts a package named
# "tests" beside the installed ones.
PPI_PYTHON = {
    "value": 0.40354473784099004,
    "at a half": 0.4035404922452943,
    "low": 0.39931263690557234,
    "high": 0.40777683877640775,
}


def test_a_large_simple_random_sample_gives_what_ppi_python_gives() -> None:
    rng = np.random.default_rng(3)
    proxy = rng.beta(2, 2, 200_000)
    truth = np.clip(0.6 * proxy + rng.normal(0.1, 0.1, len(proxy)), 0, 1)
    drawn = np.random.default_rng(4).choice(200_000, 1500, replace=False)
    sample = Sample(drawn, np.full(1500, 1500 / 200_000), np.zeros(1500, int))
    values, predicted = truth[sample.indices], proxy[sample.indices]
    ours = mean(values, proxy, sample)
    # Both take the λ of least variance; ppi-python takes the images without label as a sample, here a very large one.
    assert ours.value == pytest.approx(PPI_PYTHON["value"], abs=3e-5)
    assert ours.high - ours.low == pytest.approx(PPI_PYTHON["high"] - PPI_PYTHON["low"], rel=0.02)
    half = prediction_powered(values, predicted, float(proxy.mean()), sample, 0.5)
    assert half.value == pytest.approx(PPI_PYTHON["at a half"], abs=1e-12)


SITES = {
    "normal": lambda rng: (y := np.clip(rng.normal(0.5, 0.2, 300), 0, 1), np.clip(y + rng.normal(0, 0.1, 300), 0, 1)),
    "skewed": lambda rng: (y := rng.beta(1, 4, 300), np.clip(0.5 * y + rng.normal(0.2, 0.1, 300), 0, 1)),
    "many zeros": lambda rng: ((rng.random(300) < 0.1) * rng.uniform(0.1, 0.7, 300), np.clip(rng.normal(0.3, 0.1, 300), 0, 1)),
    "many zeros, said 0": lambda rng: ((rng.random(300) < 0.15) * rng.uniform(0.1, 0.7, 300), np.zeros(300)),
    "against": lambda rng: (y := rng.uniform(0.2, 0.9, 300), 1 - y),
    "useless": lambda rng: (rng.uniform(0, 1, 300), rng.uniform(0, 1, 300)),
}


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("k", [4, 8, 16])
def test_intervals_hold(site: str, k: int) -> None:
    truth, proxy = SITES[site](np.random.default_rng(6))
    draws = 400
    found = []
    for seed in range(draws):
        sample = draw(proxy, k, seed=seed)
        found.append(mean(truth[sample.indices], proxy, sample))
    held = np.mean([one.low <= truth.mean() <= one.high for one in found])
    assert held >= 0.9 - 2.5 * np.sqrt(0.09 / draws)
    width = np.mean([one.half_width for one in found])
    assert width < {4: 0.45, 8: 0.25, 16: 0.15}[k]


def test_a_good_prediction_narrows_the_interval_and_a_bad_one_costs_little() -> None:
    rng = np.random.default_rng(7)
    truth = rng.uniform(size=400)
    good, bad = np.clip(truth + rng.normal(0, 0.05, 400), 0, 1), rng.uniform(size=400)

    def width(proxy: np.ndarray) -> float:
        samples = [draw(proxy, 24, seed=seed) for seed in range(60)]
        return float(np.mean([mean(truth[s.indices], proxy, s).half_width for s in samples]))

    assert width(good) < 0.4 * width(np.full(400, 0.5))
    assert width(bad) < 1.1 * width(np.full(400, 0.5))


shares = st.floats(0, 1, allow_subnormal=False)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(shares, shares), min_size=2, max_size=40), st.integers(1, 40), st.integers(0, 5), st.floats(0.5, 0.99)
)
def test_properties_of_every_estimate(rows: list[tuple[float, float]], k: int, seed: int, level: float) -> None:
    truth, proxy = np.array(rows).T
    sample = draw(proxy, k, seed=seed)
    values = truth[sample.indices]
    estimate = mean(values, proxy, sample, level=level)
    assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
    if k >= len(truth):
        assert estimate.value == pytest.approx(truth.mean())
        assert estimate.low == estimate.high == estimate.value
    shuffled = np.random.default_rng(seed).permutation(len(sample))
    same = Sample(sample.indices[shuffled], sample.probabilities[shuffled], sample.strata[shuffled])
    other = mean(values[shuffled], proxy, same, level=level)
    np.testing.assert_allclose([estimate.value, estimate.low, estimate.high], [other.value, other.low, other.high], atol=1e-9)
    wider = mean(values, proxy, sample, level=0.995)
    assert wider.low <= estimate.low + 1e-9
    assert wider.high >= estimate.high - 1e-9


def test_a_stratum_with_one_label_is_joined_with_its_neighbour() -> None:
    strata = np.array([0, 1, 1, 1, 2, 2, 2, 2, 3])
    values, single = np.linspace(0.2, 0.8, 9), Sample(np.arange(9), np.array([0.1, 0.2, 0.5, 0.1])[strata], strata)
    apart = mean(values, np.full(single.population, 0.5), single)
    assert 0.0 < apart.low < apart.value < apart.high < 1.0
    assert apart.value == pytest.approx(float(single.weights @ values))
    # A stratum that is drawn whole adds no variance, and needs no neighbour.
    certain = Sample(np.arange(9), np.array([1.0, 0.2, 0.5])[np.minimum(strata, 2)], np.minimum(strata, 2))
    assert mean(values, np.full(certain.population, 0.5), certain).half_width < apart.half_width


def test_images_without_a_value_are_left_out_of_the_mean() -> None:
    rng = np.random.default_rng(8)
    truth = np.where(rng.random(120) < 0.3, np.nan, rng.uniform(0.2, 0.8, 120))
    proxy = np.clip(np.nan_to_num(truth, nan=0.5) + rng.normal(0, 0.1, 120), 0, 1)
    whole = draw(proxy, 120)
    assert mean(truth[whole.indices], proxy, whole).value == pytest.approx(np.nanmean(truth))
    for k, held in ((5, 0.85), (20, 0.85)):
        samples = [draw(proxy, k, seed=seed) for seed in range(300)]
        found = [mean(truth[s.indices], proxy, s) for s in samples if np.isfinite(truth[s.indices]).any()]
        assert np.mean([one.low <= np.nanmean(truth) <= one.high for one in found]) >= held
        assert np.mean([one.value for one in found]) == pytest.approx(np.nanmean(truth), abs=0.02)


def test_the_bound_by_betting_holds_for_every_sample_of_a_tiny_site() -> None:
    for truth in ([0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.2, 0.2, 0.9, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0, 0.3]):
        values = np.array(truth)
        for k in (1, 2, 3, 4):
            bounds = [lower_bound(values[list(taken)], 0.2) for taken in combinations(range(6), k)]
            assert np.mean(np.array(bounds) > values.mean() + 1e-9) <= 0.2


def test_what_was_seen_bounds_the_mean_of_a_site_of_known_size() -> None:
    values = np.array([1.0, 0.0, 0.5])
    low, high = betting_interval(values, 4, 0.9)
    assert (low, high) == (pytest.approx(1.5 / 4), pytest.approx(2.5 / 4))
    assert betting_interval(values, None, 0.9) != (low, high)
    assert betting_interval(np.ones(4), 10_000, 0.9)[0] > 0.3


M = 240


@pytest.fixture(scope="module")
def counts() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Numerators, denominators, the model's expected ones, and predicted F."""
    rng = np.random.default_rng(1)
    sizes = rng.gamma(2.0, 400.0, M)
    f = rng.beta(4, 4, M)
    guessed = np.clip(f + rng.normal(0, 0.08, M), 0, 1)
    expected = np.stack([guessed * sizes, sizes * rng.uniform(0.9, 1.1, M)])
    return f * sizes, sizes, expected, guessed


def test_all_labels_give_the_exact_ratio(counts: tuple[np.ndarray, ...]) -> None:
    above, below, expected, _ = counts
    sample = draw(np.full(M, 0.5), M)
    estimate = ratio(above[sample.indices], below[sample.indices], expected, sample)
    assert estimate.value == pytest.approx(above.sum() / below.sum())
    assert estimate.low == estimate.high == estimate.value


def test_intervals_hold_and_expected_counts_narrow_them(counts: tuple[np.ndarray, ...]) -> None:
    above, below, expected, guessed = counts
    truth, widths = above.sum() / below.sum(), {}
    for name, proxy in (("expected", expected), ("predicted", guessed), ("constant", np.full(M, 0.5))):
        found = []
        for seed in range(120):
            sample = draw(guessed, 16, seed=seed)
            found.append(ratio(above[sample.indices], below[sample.indices], proxy, sample))
        assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.84
        assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.01)
        widths[name] = np.mean([one.half_width for one in found])
    assert widths["expected"] < 0.8 * widths["constant"]


def test_the_best_threshold_is_found_with_the_true_maximum(counts: tuple[np.ndarray, ...]) -> None:
    above, below, expected, guessed = counts
    factors = np.array([0.3, 0.8, 0.6])
    at = above[:, None] * factors, np.repeat(below[:, None], 3, axis=1)
    sample = draw(guessed, 24)
    parts = tuple(part[sample.indices] for part in at)
    estimate, best = ods(*parts, np.stack([expected[0][:, None] * factors, np.repeat(expected[1][:, None], 3, axis=1)]), sample)
    assert best == 1
    assert estimate == ratio(parts[0][:, 1], parts[1][:, 1], expected * np.array([[0.8], [1.0]]), sample)
    whole = draw(guessed, M)
    exact, best = ods(*(part[whole.indices] for part in at), guessed, whole)
    assert (exact.value, best) == (pytest.approx(0.8 * above.sum() / below.sum()), 1)


def test_a_threshold_without_anything_predicted_or_true_has_no_ratio() -> None:
    sample = draw(np.full(9, 0.5), 4)
    above, below = np.zeros((4, 3)), np.array([[9.0, 4.0, 0.0], [5.0, 0.0, 0.0], [3.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    above[0, 1] = 2.0
    estimate, best = ods(above, below, np.zeros((2, 9, 3)), sample)
    assert best == 1
    assert estimate == ratio(above[:, 1], below[:, 1], np.zeros((2, 9)), sample)


def test_one_label_says_nothing_and_few_say_something() -> None:
    assert ratio([3.0], [4.0], np.full(9, 0.5), draw(np.full(9, 0.5), 1)).low == 0.0
    sample = draw(np.full(40, 0.5), 3)
    estimate = ratio([3.0, 2.0, 4.0], [8.0, 6.0, 9.0], np.full(40, 0.5), sample)
    assert 0.0 <= estimate.low < estimate.value < estimate.high <= 1.0


PROXY = np.linspace(0.1, 0.9, 90)


@pytest.mark.parametrize("parts", [2, 3])
def test_every_image_is_held_once_and_learnt_from_by_the_other_models(parts: int) -> None:
    sample = draw(PROXY, 18)
    divided = folds(sample, parts=parts, seed=1)
    assert sorted(np.concatenate([fold.held for fold in divided]).tolist()) == list(range(18))
    for fold in divided:
        assert not set(fold.learn) & set(fold.held)
        assert len(fold.learn) + len(fold.held) == 18
        np.testing.assert_allclose(fold.probabilities, sample.probabilities[fold.held] / parts)
    counts = [np.bincount(sample.strata[fold.held], minlength=4) for fold in divided]
    assert np.ptp(counts, axis=0).max() <= 1


def test_photographs_stay_together() -> None:
    groups = np.repeat(np.arange(30), 3)
    sample = draw(PROXY, 45)
    for fold in folds(sample, groups=groups):
        assert not set(groups[sample.indices[fold.held]]) & set(groups[sample.indices[fold.learn]])


def test_the_mean_of_two_models_is_unbiased_and_held() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.beta(3, 3, 90), rng.beta(5, 2, 90)
    proxies = [np.clip(truth + rng.normal(0, 0.1, 90), 0, 1) for truth in (first, second)]
    truth, found = (first.mean() + second.mean()) / 2, []
    for seed in range(300):
        sample = draw(PROXY, 16, seed=seed)
        divided = folds(sample, seed=seed)
        values = np.empty(16)
        for model, fold in zip((first, second), divided, strict=True):
            values[fold.held] = model[sample.indices[fold.held]]
        found.append(cross_fitted_mean(values, proxies, sample, divided))
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.012)
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.87


def test_of_further_groups_the_labels_show_as_much_as_there_are_groups() -> None:
    rng, held, narrow = np.random.default_rng(0), 0, 0
    groups = np.repeat(np.arange(20), 10)
    for seed in range(300):
        site = np.clip(np.repeat(0.5 + 0.15 * rng.normal(size=20), 10), 0, 1)
        sample = draw(np.full(200, 0.5), 24, groups=groups, seed=seed)
        estimate = further_groups(site[sample.indices], sample, groups)
        held += estimate.low <= 0.5 <= estimate.high
        own = mean(site[sample.indices], np.full(200, 0.5), sample)
        narrow += own.low <= site.mean() <= own.high
    assert held >= 0.87 * 300
    assert narrow >= 0.87 * 300
    one = further_groups([0.2] * 24, sample, np.zeros(200))
    assert (one.value, one.low, one.high) == (pytest.approx(0.2), 0.0, 1.0)
