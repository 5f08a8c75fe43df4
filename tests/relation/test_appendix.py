"""The measures of the appendices: plateau of components, stability of the order, margin of identities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from howfar.distances.dataset import IdentityMargin, identity_margin
from howfar.errors import InputError
from howfar.projection.basis import plateau
from howfar.relation.rank_stability import order_stability

TABLE_6 = {
    5: (0.078, 0.097, 0.087, 0.073, 0.453, 0.214),
    10: (0.068, 0.084, 0.077, 0.065, 0.486, 0.220),
    15: (0.063, 0.077, 0.071, 0.061, 0.491, 0.237),
    20: (0.057, 0.071, 0.064, 0.055, 0.466, 0.287),
    25: (0.056, 0.069, 0.063, 0.054, 0.465, 0.293),
}


@pytest.mark.parametrize(("share", "wanted"), [(0.005, None), (0.03, 20), (0.3, 15), (0.34, 10), (0.4, 5)])
def test_the_papers_table_6_has_its_plateau_where_the_share_puts_it(share: float, wanted: int | None) -> None:
    assert plateau(list(TABLE_6), list(TABLE_6.values()), share) == wanted


def test_a_plateau_needs_the_order_to_hold_to_the_end() -> None:
    rows = [[1.00, 1.01], [1.00, 1.01], [1.01, 1.00]]
    assert plateau([1, 2, 3], rows, 0.5) is None
    assert plateau([1, 2, 3, 4], [*rows, rows[-1]], 0.5) == 3


@pytest.mark.parametrize(
    ("components", "rows", "share", "line"),
    [
        ([5], [[1.0]], 0.1, "components must be two or more ascending numbers"),
        ([5, 5], [[1.0], [1.0]], 0.1, "components must be two or more ascending numbers"),
        ([5, 9], [[1.0], [0.0]], 0.1, "distances must be 2 rows of positive numbers"),
        ([5, 9], [[1.0], [np.nan]], 0.1, "distances must be 2 rows of positive numbers"),
        ([5, 9], [[1.0], [1.0]], 0.0, "share must be above 0"),
    ],
)
def test_what_is_no_table_is_one_line(components: list[int], rows: list[list[float]], share: float, line: str) -> None:
    with pytest.raises(InputError, match=line):
        plateau(components, rows, share)


def test_an_unchanged_order_agrees_wholly_and_a_reversed_one_not_at_all() -> None:
    rng = np.random.default_rng(0)
    sets = {name: 10.0 * place + rng.random(30) for place, name in enumerate("abcdefg")}
    same = order_stability(sets, {name: values + 1 for name, values in sets.items()}, k=3)
    assert (same.kendall, same.kendall_interval, same.overlap, same.overlap_interval) == (1.0, (1.0, 1.0), 1.0, (1.0, 1.0))
    reverse = order_stability(sets, {name: 100 - values for name, values in sets.items()}, k=3)
    assert (reverse.kendall, reverse.overlap) == (-1.0, 0.0)


def test_the_interval_is_the_spread_of_resampled_orders() -> None:
    """Two datasets as near as their noise: τ jumps between −1 and 1, in the share that a binomial model says."""
    rng = np.random.default_rng(1)
    close = {"a": rng.normal(5.0, 1, 40), "b": rng.normal(5.1, 1, 40), "c": rng.normal(20, 1, 40)}
    after = {name: values + rng.normal(0, 1, 40) for name, values in close.items()}
    found = order_stability(close, after, k=1, draws=400)
    assert found.kendall_interval[0] < found.kendall_interval[1] == 1.0
    expected = stats.kendalltau(*([v.mean() for v in d.values()] for d in (close, after))).statistic
    assert found.kendall == pytest.approx(expected, abs=1e-12)


def test_the_same_images_are_drawn_before_and_after() -> None:
    """Where after is before, shifted, no draw may change the order, though the datasets overlap widely."""
    rng = np.random.default_rng(2)
    sets = {name: rng.normal(1, 0.5, 25) for name in "abcd"}
    assert order_stability(sets, {name: 2 * values for name, values in sets.items()}, k=2).kendall_interval == (1.0, 1.0)


def test_datasets_that_disagree_are_named() -> None:
    a, b = np.ones(3), np.ones(4)
    with pytest.raises(InputError, match="must hold the same two or more datasets"):
        order_stability({"a": a, "b": b}, {"a": a, "c": b})
    with pytest.raises(InputError, match=r"after\['b'\] must hold 4 images, as before, got 3"):
        order_stability({"a": a, "b": b}, {"a": a, "b": a})
    with pytest.raises(InputError, match="k must lie between 1 and the number of datasets, 2"):
        order_stability({"a": a, "b": b}, {"a": a, "b": b})


def test_the_margin_counts_pairs_as_a_loop_does() -> None:
    rng = np.random.default_rng(3)
    own, others = rng.random(7) + 0.5, rng.random(11) + 0.8
    found = identity_margin(own.tolist(), others.tolist())
    assert found.pairs == 77
    assert found.violated == pytest.approx(sum(b <= a for a, b in itertools.product(own, others)) / 77)
    assert (found.margin > 0) == (others.min() > own.max())
    assert identity_margin([1.0], [1.0]).violated == 1.0


def test_equal_images_are_at_distance_0_and_leave_a_margin_undefined_where_all_own_ones_are() -> None:
    assert identity_margin([0.0, 1.0], [0.0, 2.0]) == IdentityMargin(margin=-1.0, violated=0.5, pairs=4)
    alike = identity_margin([0.0, 0.0], [1.0])
    assert (np.isnan(alike.margin), alike.violated) == (True, 0.0)


@pytest.mark.parametrize("bad", [[], [np.nan], [np.inf], [-1.0]])
def test_distances_must_be_finite_and_not_negative(bad: list[float]) -> None:
    with pytest.raises(InputError, match="others must be one or more distances of at least 0"):
        identity_margin([1.0], bad)
    with pytest.raises(InputError, match="own must be one or more distances of at least 0"):
        identity_margin(bad, [1.0])
