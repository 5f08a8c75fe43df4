"""Trends of performance with distance: coefficients, intervals, and the verdict in words."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.performance_by_distance import PerformancePoints, effective_groups
from howfar.relation.trend import (
    centred,
    concordance_sums,
    correlation,
    correlation_interval,
    jackknife_error,
    moments,
    partial_spearman,
    pooled_trend,
    rank_sums,
    signed,
    slope_interval,
    slope_of,
    spearman,
    summary,
    trend,
    verdict,
)
from howfar.results import Interval, Trend, TrendVerdict
from snapshots import check


def test_spearman_is_undefined_for_one_or_equal_values() -> None:
    assert spearman([], []) is None
    assert spearman([1.0], [2.0]) is None
    assert spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None


def sample(rng: np.random.Generator, m: int, ties: bool) -> tuple[Float64Array, Float64Array, Float64Array]:
    x, z = rng.gamma(2.0, size=m), rng.random(m)
    y = 1.0 - 0.3 * x + 0.5 * z + 0.5 * rng.normal(size=m)
    if ties:
        x, y, z = np.round(x), np.round(2 * y) / 2, np.round(z, 1)
    return x / x.max(), y, z


def resampled(rng: np.random.Generator, m: int, draws: int) -> tuple[Float64Array, list[Any]]:
    """Times drawn, and the same draws as lists of images."""
    taken = [rng.integers(0, m, m) for _ in range(draws)]
    return np.array([np.bincount(one, minlength=m) for one in taken], dtype=np.float64), taken


def bounds(one: Interval) -> tuple[float, float, float]:
    return one.low, one.value, one.high


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("m", [6, 31, 700])
def test_resampled_coefficients_are_scipy_s_on_the_resampled_images(rng: np.random.Generator, m: int, ties: bool) -> None:
    x, y, z = sample(rng, m, ties)
    points = PerformancePoints.of(x, y, z)
    x, y, z = points.distances, points.performance, points.foreground
    weights, taken = resampled(rng, m, 12)
    rho, tau = correlation(rank_sums((x, y), weights)), correlation(concordance_sums(x, y, weights))
    slope, partial = slope_of(centred(weights @ moments(points))), partial_spearman(rank_sums((x, y, z), weights))
    for k, one in enumerate(taken):
        if np.ptp(x[one]) == 0 or np.ptp(y[one]) == 0:
            assert np.isnan(rho[k])
            continue
        assert rho[k] == pytest.approx(stats.spearmanr(x[one], y[one]).statistic, abs=1e-12)
        assert tau[k] == pytest.approx(stats.kendalltau(x[one], y[one]).statistic, abs=1e-12)
        assert slope[k] == pytest.approx(stats.linregress(x[one], y[one]).slope, abs=1e-9)
        if np.isnan(partial[k]):
            assert max(abs(stats.spearmanr(z[one], v[one]).statistic) for v in (x, y)) > 1 - 1e-9
            continue
        left = [stats.linregress(stats.rankdata(z[one]), stats.rankdata(v[one])) for v in (x, y)]
        rest = [
            stats.rankdata(v[one]) - fit.intercept - fit.slope * stats.rankdata(z[one])
            for v, fit in zip((x, y), left, strict=True)
        ]
        assert partial[k] == pytest.approx(np.corrcoef(*rest)[0, 1], abs=1e-9)


def test_intervals_are_near_those_of_theory(rng: np.random.Generator) -> None:
    """Even noise: the slope's interval is that of least squares, ρ's and τ's those that Fisher's z has for normal values."""
    x, e = rng.random(400), rng.normal(size=400)
    y = 0.5 - 0.3 * x + 0.2 * e
    found = trend(PerformancePoints.of(x, y), rng, draws=2000)
    fit = stats.linregress(x, y)
    low, value, high = bounds(found.slope)
    assert (high - low) / 2 == pytest.approx(1.966 * fit.stderr, rel=0.1)
    assert value - low == pytest.approx(high - value)
    low, value, high = bounds(found.spearman)
    theory = 1.966 * np.sqrt((1 + value**2 / 2) / 397)  # Bonett & Wright (2000)
    assert (np.arctanh(high) - np.arctanh(low)) / 2 == pytest.approx(theory, rel=0.1)
    low, value, high = bounds(found.kendall)
    assert (np.arctanh(high) - np.arctanh(low)) / 2 == pytest.approx(1.966 * np.sqrt(0.437 / 396), rel=0.1)


def test_blocks_of_draws_change_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [PerformancePoints.of(*sample(rng, m, True)) for m in (30, 50)]
    whole = pooled_trend(sets, np.random.default_rng(0), 101)
    monkeypatch.setattr(import_module("howfar.relation.trend"), "_AT_ONCE", 350)
    blocks = pooled_trend(sets, np.random.default_rng(0), 101)
    for name in ("spearman", "kendall", "slope", "partial"):
        np.testing.assert_allclose(bounds(getattr(whole, name)), bounds(getattr(blocks, name)), rtol=1e-12)


def test_images_without_performance_or_foreground(rng: np.random.Generator) -> None:
    x, y, z = sample(rng, 50, False)
    y[:10], z[10:20] = np.nan, np.nan
    found = trend(PerformancePoints.of(x, y, z), rng, 100)
    assert found.n == 40
    assert found.spearman.value == pytest.approx(stats.spearmanr(x[10:], y[10:]).statistic, abs=1e-12)
    whole = trend(PerformancePoints.of(x[20:], y[20:], z[20:]), rng, 0)
    assert found.partial.value == pytest.approx(whole.partial.value, abs=1e-12)
    assert found.partial.low is not None
    assert trend(PerformancePoints.of(x, y, np.full(50, np.nan)), rng, 0).partial is None


def test_a_trend_that_foreground_explains(rng: np.random.Generator) -> None:
    z = rng.random(300)
    x, y = 1.0 - z + 0.2 * rng.normal(size=300), z + 0.2 * rng.normal(size=300)
    found = trend(PerformancePoints.of(x, y, z), rng, 200)
    assert bounds(found.spearman)[2] < -0.4
    low, _, high = bounds(found.partial)
    assert low < 0.0 < high


def test_groups_widen_intervals_by_the_root_of_their_copies(rng: np.random.Generator) -> None:
    x, y, _ = sample(rng, 60, False)
    once = trend(PerformancePoints.of(x, y), np.random.default_rng(1), 400)
    copies, photographs = [np.repeat(v, 4) for v in (x, y)], np.repeat(np.arange(60), 4)
    grouped = trend(PerformancePoints.of(*copies, groups=photographs), np.random.default_rng(1), 400)
    apart = trend(PerformancePoints.of(*copies), np.random.default_rng(1), 400)
    assert (grouped.n, grouped.groups, apart.groups) == (240, 60, 240)
    for name in ("spearman", "kendall", "slope"):
        widths = [high - low for low, _, high in (bounds(getattr(one, name)) for one in (once, grouped, apart))]
        assert widths[1] == pytest.approx(widths[0], rel=0.05), name
        assert widths[2] == pytest.approx(widths[0] / 2, rel=0.25), name


def test_pooled_ranks_and_values_are_taken_within_sets(rng: np.random.Generator) -> None:
    parts = [sample(rng, m, True) for m in (20, 35, 50)]
    lifted = [(x + 3 * i, y - 5 * i, z + i) for i, (x, y, z) in enumerate(parts)]
    found = pooled_trend([PerformancePoints.of(*one) for one in parts], rng, 0)
    same = pooled_trend([PerformancePoints.of(*one) for one in lifted], rng, 0)
    for name in ("spearman", "kendall", "slope", "partial"):
        assert getattr(same, name).value == pytest.approx(getattr(found, name).value, abs=1e-9), name
    assert (found.n, found.groups) == (105, 105)
    ranks = [np.concatenate([stats.rankdata(one[k]) / len(one[k]) for one in parts]) for k in range(2)]
    middles = np.repeat([(1 + 1 / m) / 2 for m in (20, 35, 50)], [20, 35, 50])
    rho = np.sum((ranks[0] - middles) * (ranks[1] - middles)) / np.prod([np.linalg.norm(r - middles) for r in ranks])
    assert found.spearman.value == pytest.approx(rho, abs=1e-12)
    x, y = ([one[k] - one[k].mean() for one in parts] for k in range(2))
    assert found.slope.value == pytest.approx(np.concatenate(x) @ np.concatenate(y) / np.sum(np.concatenate(x) ** 2))
    agreeing = [stats.kendalltau(a, b) for a, b, _ in parts]
    pairs = [
        [len(v) * (len(v) - 1) / 2 - sum(c * (c - 1) / 2 for c in np.unique(v, return_counts=True)[1]) for v in one[:2]]
        for one in parts
    ]
    above = sum(t.statistic * np.sqrt(p[0] * p[1]) / len(one[0]) for t, p, one in zip(agreeing, pairs, parts, strict=True))
    below = np.sqrt(np.prod([sum(p[k] / len(one[0]) for p, one in zip(pairs, parts, strict=True)) for k in range(2)]))
    assert found.kendall.value == pytest.approx(above / below, abs=1e-12)


def test_sets_that_hold_nothing_to_resample_are_left_out(rng: np.random.Generator) -> None:
    good = PerformancePoints.of(*sample(rng, 30, False))
    single = PerformancePoints.of([0.0, 0.5, 1.0, 0.7], [0.9, 0.5, 0.1, 0.2], groups=["a"] * 4)
    two = PerformancePoints.of([0.0, 1.0], [0.9, 0.1])
    assert pooled_trend([good, single, two], np.random.default_rng(0), 50) == pooled_trend([good], np.random.default_rng(0), 50)
    assert pooled_trend([single, two], rng, 50) is None
    assert pooled_trend([], rng, 50) is None


def test_what_is_undefined(rng: np.random.Generator) -> None:
    none, line = Interval(None), np.linspace(0.0, 1.0, 20)
    assert trend(PerformancePoints.of([0.0, 1.0], [0.9, 0.1]), rng, 100) is None
    assert trend(PerformancePoints.of(line, np.full(20, np.nan)), rng, 100) is None
    same_distance = trend(PerformancePoints.of(np.zeros(20), line), rng, 100)
    assert (same_distance.spearman, same_distance.kendall, same_distance.slope) == (none, none, none)
    same_performance = trend(PerformancePoints.of(line, np.full(20, 0.7)), rng, 100)
    assert (same_performance.spearman, same_performance.kendall) == (none, none)
    assert bounds(same_performance.slope) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    own_ranks = trend(PerformancePoints.of(line, rng.random(20), line**2), rng, 100)
    assert own_ranks.partial == none
    perfect = trend(PerformancePoints.of(line, 0.9 - 0.5 * line), rng, 100)
    assert bounds(perfect.spearman) == (-1.0, -1.0, -1.0)
    assert bounds(perfect.slope) == pytest.approx((-0.5, -0.5, -0.5))


def test_few_groups_have_no_interval(rng: np.random.Generator) -> None:
    x, y, _ = sample(rng, 40, False)
    for count, has in ((5, False), (6, True)):
        found = trend(PerformancePoints.of(x, y, groups=np.arange(40) % count), rng, 100)
        assert found.groups == count
        assert [x is not None for x in (found.slope.value, found.slope.low, found.spearman.high)] == [True, has, has]
    halves = [PerformancePoints.of(x, y, groups=np.arange(40) % 2) for _ in range(5)]
    for count, has in ((4, False), (5, True)):
        pooled = pooled_trend(halves[:count], rng, 50)
        assert (pooled.groups, pooled.slope.low is not None) == (2 * count, has)
    no_draws = trend(PerformancePoints.of(x, y), rng, 0)
    assert (no_draws.slope.low, no_draws.kendall.high) == (None, None)


def test_degrees_of_freedom(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def spy(value: float, draws: Float64Array, jackknife: float, freedom: float) -> Interval:
        seen.append(freedom)
        return slope_interval(value, draws, jackknife, freedom)

    monkeypatch.setattr(import_module("howfar.relation.trend"), "slope_interval", spy)
    alike = [PerformancePoints.of(np.tile([0.0, 1.0], 6), rng.random(12), groups=np.repeat(np.arange(6), 2)) for _ in range(3)]
    pooled_trend(alike, rng, 50)
    one_far = PerformancePoints.of([0.0] * 11 + [1.0], rng.random(12))
    trend(one_far, rng, 50)
    # 18 groups that carry alike, less 3 means and a slope; one image that carries h = 11/12 and eleven h = 1/132.
    assert seen == pytest.approx([14.0, 1.0 / ((11 / 12) ** 2 + 11 / 132**2)])


def test_carrying_and_jackknife(rng: np.random.Generator) -> None:
    points = PerformancePoints.of(np.arange(1000) / 999, rng.random(1000))
    assert effective_groups([points], [moments(points)[:, 1]]) == pytest.approx(1000 / 1.8, rel=0.01)
    x, y, _ = sample(rng, 25, False)
    points = PerformancePoints.of(x, y)
    left_out = [stats.linregress(np.delete(x, i), np.delete(y, i)).slope for i in range(25)]
    assert jackknife_error([points]) == pytest.approx(np.sqrt(24 / 25 * np.sum((left_out - np.mean(left_out)) ** 2)))


def test_the_jackknife_leaves_out_groups_within_sets(rng: np.random.Generator) -> None:
    sets = [PerformancePoints.of(*sample(rng, m, False)[:2], groups=rng.integers(0, 5, m)) for m in (20, 30)]

    def slope(kept: list[Any]) -> float:
        x = np.concatenate([one.distances[k] - one.distances[k].mean() for one, k in zip(sets, kept, strict=True)])
        y = np.concatenate([one.performance[k] for one, k in zip(sets, kept, strict=True)])
        return float(x @ y / (x @ x))

    everything = [np.ones(len(one), dtype=bool) for one in sets]
    variance = 0.0
    for place, one in enumerate(sets):
        left = [slope([*everything[:place], one.groups != g, *everything[place + 1 :]]) for g in range(one.n_groups)]
        variance += (one.n_groups - 1) / one.n_groups * float(np.sum((np.array(left) - np.mean(left)) ** 2))
    assert jackknife_error(sets) == pytest.approx(np.sqrt(variance))


def test_draws_that_are_undefined() -> None:
    draws = np.array([np.nan, np.nan, np.nan, 0.1, 0.3])
    assert slope_interval(0.2, draws, 0.1, 5.0) == correlation_interval(0.2, draws, 5.0) == Interval(0.2)
    # sd √0.02 and t 12.706 at one degree of freedom; a jackknife's error of 1 is more.
    for jackknife, error in ((0.0, 0.02**0.5), (1.0, 1.0)):
        found = slope_interval(0.2, np.array([np.nan, 0.1, 0.3]), jackknife, 1.0)
        assert (found.low, found.high) == pytest.approx((0.2 - 12.706 * error, 0.2 + 12.706 * error), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PerformancePoints.of([0.0, np.nan], [0.5, 0.5]), "distances must be finite"),
        (lambda: PerformancePoints.of([0.0, 1.0], [0.5]), "performance must have 2 values, one an image, got 1"),
        (lambda: PerformancePoints.of([0.0, 1.0], [0.5, np.inf]), "performance must be finite"),
        (lambda: PerformancePoints.of([0.0], [0.5], [0.1, 0.2]), "foreground must have 1 values"),
        (lambda: PerformancePoints.of([0.0, 1.0], [0.5, 0.5], groups=["a"]), "groups must have 2 values"),
        (lambda: trend(PerformancePoints.of([0.0], [0.5]), np.random.default_rng(0), -1), "draws must be 0"),
        (lambda: pooled_trend([], np.random.default_rng(0), 1), "draws must be 0"),
    ],
)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


NONE = Interval(None)
FALLS, RISES, FLAT, VAGUE = (-0.31, -0.40, -0.22), (0.2, 0.1, 0.3), (-0.02, -0.1, 0.06), (-0.1, -0.6, 0.4)


def made(
    slope: tuple[float | None, ...], rho: tuple[float, ...] | None = None, partial: Any = None, n: int = 120, groups: int = 120
) -> Trend:
    ranks = NONE if rho is None else Interval(*rho)
    return Trend(n, groups, ranks, NONE, Interval(*slope), None if partial is None else Interval(*partial))


@pytest.mark.parametrize(
    ("slope", "mean", "kind"),
    [
        (FALLS, 0.9, "falls"),
        (FALLS, 0.1, "falls"),
        (FALLS, None, "falls"),
        ((-0.01, -0.02, -0.001), 0.9, "falls"),
        (RISES, 0.9, "rises"),
        (FLAT, 0.9, "consistent"),
        (FLAT, 0.5, "consistent"),
        (FLAT, 0.49, "none"),
        (FLAT, None, "none"),
        (FLAT, float("nan"), "none"),
        (VAGUE, 0.9, "none"),
        ((0.0, -0.21, 0.1), 0.9, "none"),
        ((0.0, -0.1, 0.21), 0.9, "none"),
        ((0.0, -0.2, 0.2), 0.9, "consistent"),
        ((0.0, 0.0, 0.0), 0.9, "consistent"),
        ((-0.1, -0.2, 0.0), 0.9, "consistent"),
        ((-0.3, None, None), 0.9, "none"),
        ((None, None, None), 0.9, "none"),
    ],
)
def test_the_rule(slope: tuple[float | None, ...], mean: float | None, kind: str) -> None:
    assert verdict(made(slope), mean, tau=0.5).kind == kind


def test_flat_and_level_are_the_caller_s() -> None:
    assert verdict(made(FLAT), 0.9, tau=0.5, flat=0.05).kind == "none"
    assert verdict(made(VAGUE), 0.9, tau=0.5, flat=0.6).kind == "consistent"
    assert verdict(made(FLAT), 0.9, tau=0.95).kind == "none"
    assert "±0.15" in verdict(made(FLAT), 0.9, tau=0.5, flat=0.15).text
    assert "at least 0.75" in verdict(made(FLAT), 0.9, tau=0.75).text
    for setting, value in (("flat", 0.0), ("flat", -0.1), ("flat", float("nan")), ("sets", 0)):
        with pytest.raises(InputError, match=f"{setting} must be"):
            verdict(made(FLAT), 0.9, tau=0.5, **{setting: value})


DOWN, UNSURE, UP = (-0.5, -0.6, -0.4), (-0.1, -0.3, 0.1), (0.3, 0.1, 0.5)
HIDDEN, TURNED = (-0.05, -0.2, 0.1), (0.3, 0.2, 0.4)


def test_verdicts_in_words() -> None:
    ranks = [(FALLS, DOWN), (FALLS, UNSURE), (FALLS, UP), (RISES, DOWN), (FLAT, UNSURE), (FLAT, DOWN), (VAGUE, UP)]
    partials = [(DOWN, HIDDEN), (DOWN, TURNED), (DOWN, UNSURE), (DOWN, (-0.05,)), (DOWN, (None,)), (UNSURE, HIDDEN)]
    found: list[tuple[Trend | None, float | None, dict[str, Any]]] = [
        (made(RISES, (0.3, 0.1, 0.5), n=1200, groups=30), 0.8, {"metric_name": "accuracy"}),
        *((made(FLAT), mean, {}) for mean in (0.81, 0.3, None)),
        *((made(VAGUE), mean, {}) for mean in (0.9, 0.3)),
        (None, 0.9, {}),
        (made((None,)), 0.9, {}),
        *((made((-0.3,), n=n, groups=groups), 0.9, {}) for n, groups in ((40, 5), (4, 4), (120, 120))),
        (made((-0.05, -0.1, -0.002)), 0.9, {}),
        *((made(slope), 0.9, {"sets": 3}) for slope in (FALLS, RISES, FLAT, VAGUE)),
        *((made(slope, rho), 0.9, {}) for slope, rho in [*ranks, (FALLS, (-0.5,))]),
        *((made(FALLS, rho, partial), 0.9, {}) for rho, partial in partials),
    ]
    lines = [verdict(trend, mean, tau=0.5, **how).text for trend, mean, how in found]
    for kinds in ("falls rises falls none falls", "consistent none", "rises", "none none"):
        lines.append(f"{kinds}: {summary((TrendVerdict(kind, '') for kind in kinds.split()), 'accuracy')}")
    check("\n".join(lines), Path(__file__).parent / "snapshots" / "verdicts.md")
    with pytest.raises(InputError, match="verdicts must hold at least one"):
        summary([])


def test_bounds_that_are_not_0_are_not_written_as_0() -> None:
    assert [signed(value) for value in (0.005, -0.00499, 0.00004, -0.994)] == ["+0.01", "−0.005", "+0.0000", "−0.99"]
