"""Draws by decomposition give the intervals of draws from all pairs; where they would not, all pairs are taken."""

from collections.abc import Callable

import numpy as np
import pytest

from howfar.distances import pairwise_distances
from howfar.pipeline import distance_bootstrap
from howfar.pipeline.distance_bootstrap import DistanceDraws, Resamples, RowSums
from howfar.significance import resample_counts

ALL = 1 << 62


def sets(n: int, m: int, z: int, tail: int | None, shift: float, wide: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Normal images, or heavy-tailed ones by Student's t with so many degrees of freedom."""
    rng = np.random.default_rng(0)

    def rows(k: int) -> np.ndarray:
        scale = 1.0 if tail is None else np.sqrt(rng.chisquare(tail, size=(k, 1)) / tail)
        return np.asarray(rng.normal(size=(k, z)) / scale)

    return rows(n), wide * rows(m) + shift / np.sqrt(z)


@pytest.fixture
def drawn(monkeypatch) -> Callable[..., DistanceDraws]:
    def draw(p: np.ndarray, s: np.ndarray, draws: int, below: int, seed: int = 1) -> DistanceDraws:
        monkeypatch.setattr(distance_bootstrap, "EXACT_BELOW", below)
        resamples = Resamples.drawn(len(p), len(s), draws, np.random.default_rng(seed))
        return DistanceDraws.of(p, s, RowSums.of(p, s), resamples)

    return draw


def statistics(draws: DistanceDraws) -> dict[str, np.ndarray]:
    energy = 2 * draws.between - (1 - 1 / draws.n) * draws.within_p - (1 - 1 / draws.m) * draws.within_s
    return {
        "o_dist": draws.between,
        "relative": draws.between / draws.within_p,
        "relative to s": draws.between / draws.within_s,
        "energy": energy,
    }


SMALL = [(50, 60, 10_000, 0.06), (300, 200, 10_000, 0.045)]
KINDS = [(1, None, 3), (2, 3, 3), (5, 2, 3), (25, None, 5), (100, 3, 9)]


# Of 1,000 draws an end of an interval is known to 0.085 standard deviations, as one draw in forty is beyond it.
@pytest.mark.parametrize(
    ("n", "m", "draws", "most", "z", "tail", "shift"),
    [(*size, *kind) for size in SMALL for kind in KINDS] + [(1500, 2000, 2_000, 0.05, *kind) for kind in KINDS[2:4]],
)
def test_intervals_are_those_of_exact_draws(n, m, draws, most, z, tail, shift, drawn):
    p, s = sets(n, m, z, tail, shift)
    exact, fast = (statistics(drawn(p, s, draws, below)) for below in (ALL, 0))
    for name, values in exact.items():
        assert (fast[name] != values).all()
        moved = np.quantile(fast[name], [0.025, 0.975]) - np.quantile(values, [0.025, 0.975])
        assert np.abs(moved).max() < most * values.std(), name
        assert fast[name].std() == pytest.approx(values.std(), rel=0.03)


@pytest.mark.parametrize(("z", "wide", "shift"), [(25, 1.2, 0.4), (2, 1.0, 0.3)])
def test_sets_that_are_nearly_alike(z, wide, shift, drawn):
    """The rest is a quarter of an energy's deviation here, and the skew of the draws is that of the products of effects."""
    p, s = sets(1000, 900, z, None, shift, wide)
    exact, fast = (statistics(drawn(p, s, 6_000, below)) for below in (ALL, 0))
    for name, values in exact.items():
        assert (fast[name] != values).all()
        moved = np.quantile(fast[name], [0.025, 0.975]) - np.quantile(values, [0.025, 0.975])
        assert np.abs(moved).max() < 0.06 * values.std(), name


@pytest.mark.parametrize("far", [None, 1e5, 1e12, 1e60])
@pytest.mark.parametrize("of_p", [False, True])
def test_sets_that_are_alike_or_have_one_image_far_beyond_all_others_are_drawn_from_all_pairs(far, of_p, drawn):
    """The energy of sets that are alike is all rest."""
    p, s = sets(60, 50, 5, None, 3.0) if far else sets(200, 150, 5, None, 0.0, 1.0)
    (p if of_p else s)[3] *= far or 1.0
    for name, values in statistics(drawn(p, s, 50, 0)).items():
        np.testing.assert_array_equal(values, statistics(drawn(p, s, 50, ALL))[name])


def counts_of(sizes: dict[int, np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda n, *_: sizes[n]


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_in_another_order(compiled, drawn, monkeypatch):
    """An image's count goes with it. Distances in float32 are taken about a point amid some of the images: 1e-6 of a mean."""
    monkeypatch.setattr(pairwise_distances, "SINGLE_FROM", 0 if compiled else ALL)
    p, s = sets(300, 200, 5, 3, 3.0)
    rng = np.random.default_rng(2)
    of_p, of_s, order_p, order_s = (
        resample_counts(300, 60, rng),
        resample_counts(200, 60, rng),
        *map(rng.permutation, (300, 200)),
    )
    monkeypatch.setattr(distance_bootstrap, "resample_counts", counts_of({300: of_p, 200: of_s}))
    wanted = statistics(drawn(p, s, 60, 0))
    monkeypatch.setattr(distance_bootstrap, "resample_counts", counts_of({300: of_p[order_p], 200: of_s[order_s]}))
    for name, values in statistics(drawn(p[order_p], s[order_s], 60, 0)).items():
        np.testing.assert_allclose(values, wanted[name], rtol=1e-6 if compiled else 1e-10)


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_threads_and_kernel(threads, drawn, monkeypatch):
    p, s = sets(600, 500, 5, None, 3.0)
    wanted = statistics(drawn(p, s, 60, 0))
    monkeypatch.setattr(pairwise_distances, "SINGLE_FROM", 0)
    one = statistics(drawn(p, s, 60, 0))
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    for name, values in statistics(drawn(p, s, 60, 0)).items():
        np.testing.assert_array_equal(values, one[name])
        np.testing.assert_allclose(values, wanted[name], rtol=1e-6)
