"""Hoeffding's decomposition: exact algebra, the law of the rest by enumeration of all draws."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.significance import resample_counts, unbiased_mean
from howfar.significance.bootstrap import Decomposition, drawn_effects, own_effects

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
    return (
        np.stack([a, own_effects(cdist(s, s).sum(axis=1))[1]]),
        np.stack([b, own_effects(cdist(p, p).sum(axis=1))[1]]),
    )


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


def test_noise_is_added_by_its_deviation() -> None:
    parts, drawn = Decomposition(2.0, np.zeros((1, 1)), 0.0, 0.25), drawn_effects(np.zeros((1, 4)), np.ones((4, 3)))
    noise = np.array([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(parts.draw_between(drawn, drawn, 4, 4, noise), [1.75, 2.0, 2.5], rtol=1e-15)
    np.testing.assert_allclose(parts.draw_within(drawn, 4, noise), [1.25, 1.5, 2.0], rtol=1e-15)


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


def test_draws_within_lie_around_the_mean_of_different_images(rng: np.random.Generator) -> None:
    p = rng.normal(size=(200, 4))
    own = cdist(p, p)
    mean, effects = own_effects(own.sum(axis=1))
    within = Decomposition.within(effects[None], effects[None] @ own @ effects[:, None], mean, mean_square(own))
    counts = resample_counts(200, 20_000, rng)
    form = within.draw_within(drawn_effects(effects[None], counts), 200, rng.normal(size=20_000))
    found = unbiased_mean(form, counts)
    wanted = unbiased_mean(forms(counts, own, counts) / 200**2, counts)
    assert found.mean() == pytest.approx(wanted.mean(), abs=0.02 * wanted.std())
    assert found.std() == pytest.approx(wanted.std(), rel=0.02)
    assert np.corrcoef(found, wanted)[0, 1] > 0.97


def test_weighing_by_blocks(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    effects, counts = rng.normal(size=(2, 1300)), resample_counts(1300, 20, rng)
    found = drawn_effects(effects, counts)
    weights = counts.astype(float)
    np.testing.assert_allclose(found.first, effects @ weights, rtol=1e-10)
    np.testing.assert_allclose(found.second, effects @ weights**2, rtol=1e-10)
    np.testing.assert_array_equal(found.squares, (weights**2).sum(axis=0))


def test_equal_images_have_no_rest() -> None:
    d = np.full((5, 6), 3.0)
    zero = np.zeros((1, 5)), np.zeros((1, 6))
    found = Decomposition.between(*zero, np.zeros((1, 1)), 3.0, 9.0)
    drawn = [drawn_effects(effects, np.ones((effects.shape[1], 4))) for effects in zero]
    assert found.noise == 0.0
    np.testing.assert_array_equal(found.draw_between(*drawn, *d.shape, np.ones(4)), 3.0)
