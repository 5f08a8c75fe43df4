from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binom, bootstrap, multinomial

from howfar.distances import self_distance
from howfar.distances.pairwise import quadratic_forms
from howfar.significance import bootstrap as module
from howfar.significance import interval, resample_counts, resample_weights, unbiased_mean


def test_weights_are_multinomial(rng: np.random.Generator) -> None:
    counts = np.round(3 * resample_weights(3, 30_000, rng)).astype(int)
    for pattern in ((3, 0, 0), (1, 2, 0), (1, 1, 1)):
        share = np.mean((counts == np.array(pattern)[:, None]).all(axis=0))
        assert share == pytest.approx(multinomial.pmf(pattern, 3, [1 / 3] * 3), abs=0.01)


@pytest.mark.parametrize("n", [3, 8, 60])
def test_draws_lie_around_the_leave_one_out_mean(rng: np.random.Generator, n: int) -> None:
    p = rng.normal(size=(n, 5))
    weights = resample_weights(n, 20_000, rng)
    form = quadratic_forms(p, p, weights, weights)
    found = unbiased_mean(form, weights)
    found = found[np.isfinite(found)]
    # A ratio's mean is off by its own second order, so a tolerance beside the Monte-Carlo error.
    assert found.mean() == pytest.approx(self_distance(p), rel=0.02)
    assert form.mean() < (1 - 0.9 / n) * self_distance(p)


def test_a_draw_is_the_mean_over_its_different_images(rng: np.random.Generator) -> None:
    p = rng.normal(size=(6, 3))
    weights = resample_weights(6, 40, rng)
    found = unbiased_mean(quadratic_forms(p, p, weights, weights), weights)
    for k in range(40):
        taken = np.repeat(np.arange(6), np.round(6 * weights[:, k]).astype(int))
        distances, different = cdist(p[taken], p[taken]), taken[:, None] != taken
        assert found[k] == pytest.approx(distances[different].mean(), rel=1e-9)


def test_equal_weights_give_the_leave_one_out_mean(rng: np.random.Generator) -> None:
    p = rng.normal(size=(12, 3))
    w = np.full((12, 1), 1 / 12)
    assert unbiased_mean(quadratic_forms(p, p, w, w), w)[0] == pytest.approx(self_distance(p), rel=1e-12)


def test_a_draw_of_one_image_is_undefined_and_left_out_of_the_interval() -> None:
    weights = np.array([[1.0, 0.5, 0.0, 0.5], [0.0, 0.5, 1.0, 0.5]])
    found = unbiased_mean([0.0, 2.0, 0.0, 3.0], weights)
    np.testing.assert_array_equal(found, [np.nan, 4.0, np.nan, 6.0])
    assert interval(found, 0.5) == (4.5, 5.5)
    assert np.isnan(unbiased_mean([0.0, 0.0], np.ones((1, 2)))).all()


@pytest.mark.parametrize("n", [2, 3, 50, 10_000])
def test_only_draws_of_one_image_are_undefined(n: int) -> None:
    weights = np.zeros((n, 2))
    weights[0] = 1.0
    weights[0, 1], weights[1, 1] = (n - 1) / n, 1 / n
    undefined = np.isnan(unbiased_mean([0.0, 0.5 / n], weights))
    assert undefined.tolist() == [True, False]


def test_interval_holds_the_level(rng: np.random.Generator) -> None:
    draws = rng.normal(size=4001)
    for level in (0.5, 0.8, 0.95):
        low, high = interval(draws, level)
        assert np.mean((draws >= low) & (draws <= high)) == pytest.approx(level, abs=0.002)
        assert np.sum(draws < low) == pytest.approx(np.sum(draws > high), abs=1)
    assert interval([2.0]) == (2.0, 2.0)


def test_mean_as_scipy_s_percentile_bootstrap(rng: np.random.Generator) -> None:
    x = rng.exponential(size=50)
    found = interval(x @ resample_weights(50, 20_000, rng))
    # SciPy before 1.15 calls the generator random_state.
    name = "rng" if "rng" in inspect.signature(bootstrap).parameters else "random_state"
    wanted = bootstrap((x,), np.mean, n_resamples=20_000, method="percentile", **{name: rng}).confidence_interval
    np.testing.assert_allclose(found, wanted, atol=0.03 * (wanted.high - wanted.low))


def coverage(n: int, m: int, z: int, draws: int, trials: int) -> tuple[float, float]:
    """Share of 95 % intervals that hold the true mean distance, and the true relative distance."""
    rng = np.random.default_rng(11)
    far = rng.normal(size=(2, 2, 200_000, z))
    own = np.linalg.norm(far[0, 0] - far[0, 1], axis=1).mean()
    between = np.linalg.norm(1.3 * far[1, 0] + 0.5 - far[1, 1], axis=1).mean()
    held = np.zeros((trials, 2), dtype=bool)
    for trial in range(trials):
        p, s = rng.normal(size=(n, z)), 1.3 * rng.normal(size=(m, z)) + 0.5
        of_p, of_s = resample_weights(n, draws, rng), resample_weights(m, draws, rng)
        apart = quadratic_forms(s, p, of_s, of_p)
        ratios = apart / unbiased_mean(quadratic_forms(p, p, of_p, of_p), of_p)
        for k, (values, truth) in enumerate(((apart, between), (ratios, between / own))):
            low, high = interval(values)
            held[trial, k] = low <= truth <= high
    mean, relative = held.mean(axis=0)
    return float(mean), float(relative)


def test_coverage_of_95_percent_intervals() -> None:
    # 300 trials: two standard errors are 2.5 points; the percentile interval itself runs a few points short at these sizes.
    mean, relative = coverage(n=40, m=30, z=4, draws=300, trials=300)
    assert 0.90 <= mean <= 0.99
    assert 0.90 <= relative <= 0.99


def test_many_weights_are_counted_and_of_the_same_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    n, draws = 40, 6000
    plain = resample_weights(n, draws, np.random.default_rng(0))
    monkeypatch.setattr(module, "COUNTED_FROM", n * draws)
    monkeypatch.setattr(module, "_BLOCK", 7 * n)
    found = resample_weights(n, draws, np.random.default_rng(0))
    assert (found.shape, found.dtype, found.flags.c_contiguous) == ((n, draws), np.float64, True)
    np.testing.assert_array_equal(found, resample_weights(n, draws, np.random.default_rng(0)))
    assert not np.array_equal(found, plain)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-12)
    counts = found * n
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    # Binomial(n, 1 / n) each, and two images' counts are correlated at −1 / (n − 1).
    shares = [[(np.rint(x * n) == k).mean() for k in range(5)] for x in (found, plain)]
    np.testing.assert_allclose(shares[0], binom.pmf(range(5), n, 1 / n), atol=0.006)
    np.testing.assert_allclose(shares[0], shares[1], atol=0.006)
    off = np.corrcoef(counts)[~np.eye(n, dtype=bool)]
    assert off.mean() == pytest.approx(-1 / (n - 1), abs=0.003)


@pytest.mark.parametrize(("n", "draws"), [(5, 30), (4000, 1100)])
def test_weights_are_counts_over_the_number_of_images(n: int, draws: int) -> None:
    counts, weights = (draw(n, draws, np.random.default_rng(0)) for draw in (resample_counts, resample_weights))
    assert counts.dtype == np.uint8
    np.testing.assert_array_equal(counts.sum(axis=0), n)
    np.testing.assert_array_equal(counts / n, weights)


def test_the_mean_by_counts_is_that_by_weights() -> None:
    """Squares of counts beyond 15 do not fit their type."""
    counts = np.zeros((40, 2), np.uint8)
    counts[:2] = [[20, 37], [20, 3]]
    found = unbiased_mean([1.0, 1.0], counts)
    np.testing.assert_allclose(found, [1 / (1 - 800 / 1600), 1 / (1 - (37**2 + 9) / 1600)], rtol=1e-12)
    np.testing.assert_allclose(found, unbiased_mean([1.0, 1.0], counts / 40), rtol=1e-12)
