"""Summarising violated pairs and margins over primary sets, with draws of persons or of primary sets."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.paper.identity_claims import FromReferences, PersonSet, VariationSets, claim, rows


def people(persons: str, values: str = "xyz") -> VariationSets:
    sets = tuple(PersonSet(person, value, np.arange(2)) for person in persons for value in values)
    return VariationSets(sets, np.arange(len(sets)))


def measured(violated: list[float], margins: list[float]) -> FromReferences:
    square = np.ones((len(violated), len(violated)))
    return FromReferences(square, square, np.array(violated), np.array(margins), np.empty(0))


def test_shares_weigh_primary_sets_by_their_pairs() -> None:
    sets = people("ab")
    uneven = VariationSets(sets.sets[:5], np.arange(5))  # a: 2 own × 2 others; b: 1 own × 3 others
    found = claim(measured([0.5, 0.5, 0.5, 0.0, 0.0], [-1, 3, -2, 1, np.nan]), uneven, 0, np.random.default_rng(0))
    assert found.pairs == 3 * 4 + 2 * 3
    assert found.violated == pytest.approx(3 * 4 * 0.5 / 18)
    assert (found.margin, found.least, found.holding) == (0.0, -2.0, 2)


def test_without_draws_there_is_no_interval() -> None:
    found = claim(measured([0.1] * 6, [0.2] * 6), people("ab"), 0, np.random.default_rng(0))
    (row,) = rows({("pixels", "none", "view"): found}, {"view": "primary sets"}, "none")
    assert row["interval_over"] == ""
    assert np.isnan([row["low"], row["high"], row["margin_low"], row["margin_high"]]).all()


def test_draws_of_persons_keep_a_persons_primary_sets_together() -> None:
    """Of five persons one violates every pair: a draw's share is k/5, k binomial."""
    found = claim(measured([1.0] * 3 + [0.0] * 12, [0.0] * 15), people("abcde"), 4000, np.random.default_rng(0))
    shares, counts = np.unique(found.violated_draws.round(9), return_counts=True)
    assert set(shares) <= {0, 0.2, 0.4, 0.6, 0.8, 1.0}
    assert counts[0] / 4000 == pytest.approx(0.8**5, abs=0.03)
    assert found.violated == pytest.approx(0.2)


def test_draws_of_primary_sets_keep_the_persons_number_of_them() -> None:
    """Two persons, one of which violates all pairs and the other none: every draw holds as many of each."""
    found = claim(measured([1.0] * 3 + [0.0] * 3, [-1.0] * 3 + [1.0] * 3), people("ab"), 50, np.random.default_rng(0))
    assert found.violated_draws == pytest.approx(np.full(50, 0.5))
    assert found.margin_draws == pytest.approx(np.zeros(50))


def test_a_change_is_measured_draw_by_draw() -> None:
    rng = np.random.default_rng(1)
    shares = rng.random(9).round(2)
    before, after = (
        claim(measured((shares + step).tolist(), [0.0] * 9), people("abc"), 300, np.random.default_rng(7)) for step in (0, 0.1)
    )
    assert list(after.change_from(before).values()) == pytest.approx([0.1, 0.1, 0.1])
