"""Resampling weights, means and intervals; Hoeffding's decomposition: exact algebra, the law of the rest by all draws."""

import inspect
from itertools import product

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binom, bootstrap, multinomial

from howfar.distances import self_distance
from howfar.distances.pairwise_distances import quadratic_forms
from howfar.significance import bootstrap as module
from howfar.significance import interval, resample_counts, resample_weights, unbiased_mean
from howfar.significance.bootstrap import Decomposition, drawn_effects, own_effects


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


def test_a_draw_of_one_image_is_undefined_and_left_out_of_the_interval() -> None:
    weights = np.array([[1.0, 0.5, 0.0, 0.5], [0.0, 0.5, 1.0, 0.5]])
    found = unbiased_mean([0.0, 2.0, 0.0, 3.0], weights)
    np.testing.assert_array_equal(found, [np.nan, 4.0, np.nan, 6.0])
    assert interval(found, 0.5) == (4.5, 5.5)
    assert np.isnan(unbiased_mean([0.0, 0.0], np.ones((1, 2)))).all()


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


def test_the_mean_by_counts_is_that_by_weights() -> None:
    """Squares of counts beyond 15 do not fit their type."""
    counts = np.zeros((40, 2), np.uint8)
    counts[:2] = [[20, 37], [20, 3]]
    found = unbiased_mean([1.0, 1.0], counts)
    np.testing.assert_allclose(found, [1 / (1 - 800 / 1600), 1 / (1 - (37**2 + 9) / 1600)], rtol=1e-12)
    np.testing.assert_allclose(found, unbiased_mean([1.0, 1.0], counts / 40), rtol=1e-12)


M, N = 3, 4


def between_effects(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return d.mean(axis=1) - d.mean(), d.mean(axis=0) - d.mean()


def residuals(d: np.ndarray) -> np.ndarray:
    a, b = between_effects(d)
    return d - d.mean() - a[:, None] - b


def own_residuals(d: np.ndarray) -> np.ndarray:
    mean, own = own_effects(d.sum(axis=1))
    rest = d - mean - own[:, None] - own
    np.fill_diagonal(rest, 0.0)
    return rest


def mean_square(d: np.ndarray) -> float:
    return float(np.square(d).sum() / (len(d) * (len(d) - 1)))


def forms(u: np.ndarray, d: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.einsum("ik,ij,jk->k", u.astype(float), d, v.astype(float))


def all_draws(n: int) -> np.ndarray:
    """Counts of the nⁿ draws with replacement, which are equally likely."""
    return np.stack([np.bincount(taken, minlength=n) for taken in product(range(n), repeat=n)], axis=1)


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(40, 3)) + 1.0, rng.standard_t(2, size=(50, 3))


def parts_of(s: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Effects on the mean between the sets, then on their own means."""
    a, b = between_effects(cdist(s, p))
    return (np.stack([a, own_effects(cdist(s, s).sum(axis=1))[1]]), np.stack([b, own_effects(cdist(p, p).sum(axis=1))[1]]))


def test_own_effects_leave_rows_that_sum_to_0(pair: tuple[np.ndarray, np.ndarray]) -> None:
    d = cdist(pair[1], pair[1])
    mean, own = own_effects(d.sum(axis=1))
    assert mean == pytest.approx(d.sum() / (50 * 49), rel=1e-12)
    assert abs(own.sum()) < 1e-10
    np.testing.assert_allclose(own_residuals(d).sum(axis=1), 0.0, atol=1e-10)
    assert [part.tolist() if isinstance(part, np.ndarray) else part for part in own_effects(np.zeros(1))] == [0.0, [0.0]]


def test_with_the_true_rest_a_draw_is_the_weighted_mean(pair: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> None:
    s, p = pair
    d, own = cdist(s, p), cdist(p, p)
    of_s, of_p = parts_of(s, p)
    u, v = resample_counts(40, 30, rng), resample_counts(50, 30, rng)
    drawn_s, drawn_p = drawn_effects(of_s, u), drawn_effects(of_p, v)
    between = Decomposition.between(of_s, of_p, of_s @ d @ of_p.T, d.mean(), float(np.square(d).mean()))
    rest = residuals(d) - of_s.T @ between.interactions @ of_p
    means = between.draw_between(drawn_s, drawn_p, 40, 50, np.zeros(30)) + forms(u, rest, v) / 2000
    np.testing.assert_allclose(means, forms(u, d, v) / 2000, rtol=1e-12)
    # What is left is orthogonal to all products of effects, and its size is known without it.
    np.testing.assert_allclose(of_s @ rest @ of_p.T, 0.0, atol=1e-9)
    assert between.noise == pytest.approx(np.linalg.norm(rest) / 2000, rel=1e-9)
    mean, _ = own_effects(own.sum(axis=1))
    within = Decomposition.within(of_p, of_p @ own @ of_p.T, mean, mean_square(own))
    rest = own_residuals(own) - of_p.T @ within.interactions @ of_p
    form = within.draw_within(drawn_p, 50, np.zeros(30)) + within.expected + forms(v, rest, v) / 2500
    np.testing.assert_allclose(form, forms(v, own, v) / 2500, rtol=1e-12)
    assert within.noise == pytest.approx(np.sqrt(2 * 49 / 50) * np.linalg.norm(rest) / 2500, rel=1e-9)


def without_interactions(s: np.ndarray, p: np.ndarray) -> tuple[Decomposition, Decomposition]:
    """Where no product of effects is drawn, the whole rest is noise."""
    d, own = cdist(s, p), cdist(p, p)
    a, b = between_effects(d)
    mean, effects = own_effects(own.sum(axis=1))
    none = np.zeros((1, 1))
    within = -(effects**2).sum() * mean - 2 * (effects**3).sum()
    return (
        Decomposition.between(a[None], b[None], none, d.mean(), float(np.square(d).mean())),
        Decomposition.within(effects[None], none + within, mean, mean_square(own)),
    )


def test_the_rest_over_all_draws_there_are(rng: np.random.Generator) -> None:
    """Its mean, its variance and what it goes along with, exactly: all 27 draws of S with all 256 of P."""
    s, p = rng.normal(size=(M, 2)), rng.normal(size=(N, 2))
    counts_s, counts_p = all_draws(M), all_draws(N)
    u, v = np.repeat(counts_s, counts_p.shape[1], axis=1), np.tile(counts_p, (1, counts_s.shape[1]))
    between, within = without_interactions(s, p)
    np.testing.assert_allclose([between.interactions, within.interactions], 0.0, atol=1e-12)
    rest = forms(u, residuals(cdist(s, p)), v) / (M * N)
    rest_p = forms(v, own_residuals(cdist(p, p)), v) / N**2
    rest_s = forms(u, own_residuals(cdist(s, s)), u) / M**2
    for values in (rest, rest_p, rest_s):
        assert abs(values.mean()) < 1e-15
    assert between.noise == pytest.approx(rest.std(), rel=1e-9)
    assert within.noise == pytest.approx(rest_p.std(), rel=1e-9)
    linear = [own_effects(cdist(x, x).sum(axis=1))[1] @ counts for x, counts in ((s, u), (p, v))]
    for one, other in ((rest, rest_p), (rest, rest_s), (rest_p, rest_s), *((rest, effect) for effect in (*linear, v[0] ** 2))):
        assert abs(np.mean(one * (other - other.mean()))) < 1e-14
    for one, other in ((rest_p, linear[1]), (rest_s, linear[0])):
        assert abs(np.mean(one * other)) < 1e-14


def test_weighing_by_blocks(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    effects, counts = rng.normal(size=(2, 1300)), resample_counts(1300, 20, rng)
    found = drawn_effects(effects, counts)
    weights = counts.astype(float)
    np.testing.assert_allclose(found.first, effects @ weights, rtol=1e-10)
    np.testing.assert_allclose(found.second, effects @ weights**2, rtol=1e-10)
    np.testing.assert_array_equal(found.squares, (weights**2).sum(axis=0))
