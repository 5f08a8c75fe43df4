"""Sets of persons' images, and violated pairs and margins over the primary ones, with draws of persons or of primary sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from howfar.data import Dataset, Item
from howfar.data.variations import FINEGPR
from howfar.errors import InputError
from howfar.paper.identity import FromReferences, PersonSet, VariationSets, claim, compared, described, rows

NAMES = [
    f"{person:04d}_c{view:02d}_w01_l{light:02d}_p01.jpg" for person in (1, 2, 10) for view in (1, 2, 10) for light in (3, 4)
]


def images(names: list[str]) -> Dataset:
    return Dataset("people", tuple(Item(name, Path(name)) for name in names))


def test_sets_stand_by_person_and_value_in_natural_order_with_the_rows_of_their_images() -> None:
    table = described(images(NAMES[::-1]), FINEGPR, (), ())
    assert list(compared(table, (), None, 0)) == ["view", "light"]
    with pytest.raises(InputError, match="variations must have two values for some person, got 'weather'"):
        compared(table, ("weather",), None, 0)
    views = compared(table, ("view",), None, 0)["view"]
    assert [(each.person, each.value) for each in views.sets][:4] == [("1", "1"), ("1", "2"), ("1", "10"), ("2", "1")]
    assert views.sets[-1].person == "10"
    assert [table["image"][row] for row in views.sets[1].rows] == [NAMES[3], NAMES[2]]
    assert sorted(row for each in views.sets for row in each.rows) == list(range(18))
    assert views.references.tolist() == list(range(9))
    assert views.own(1).tolist() == [True, False, True] + [False] * 6
    assert views.others(1).tolist() == [False] * 3 + [True] * 6
    assert set(described(images(NAMES), FINEGPR, (), (1, "10"))["person"]) == {"1", "10"}


def test_a_person_under_one_value_is_compared_with_and_not_measured_from() -> None:
    views = compared(described(images(NAMES[:13]), FINEGPR, (), ()), ("view",), None, 0)["view"]
    assert len(views.sets) == 7
    assert views.references.tolist() == list(range(6))


def people(persons: str, values: str = "xyz") -> VariationSets:
    sets = tuple(PersonSet(person, value, np.arange(2)) for person in persons for value in values)
    return VariationSets(sets, np.arange(len(sets)))


def measured(violated: list[float], margins: list[float]) -> FromReferences:
    square = np.ones((len(violated), len(violated)))
    return FromReferences(square, square, np.array(violated), np.array(margins), np.empty(0))


def test_shares_weigh_primary_sets_by_their_pairs() -> None:
    sets = people("ab")
    uneven = VariationSets(sets.sets[:5], np.arange(5))  # a: 2 own × 2 others; b: 1 own × 3 others
    row = claim(measured([0.5, 0.5, 0.5, 0.0, 0.0], [-1, 3, -2, 1, np.nan]), uneven, 0, np.random.default_rng(0)).row
    assert row["pairs"] == 3 * 4 + 2 * 3
    assert row["violated"] == pytest.approx(3 * 4 * 0.5 / 18)
    assert (row["margin"], row["least"], row["holding"]) == (0.0, -2.0, 2)
    assert np.isnan([row["low"], row["high"], row["margin_low"], row["margin_high"]]).all()


def test_draws_of_persons_keep_a_persons_primary_sets_together() -> None:
    """Of five persons one violates every pair: a draw's share is k/5, k binomial."""
    found = claim(measured([1.0] * 3 + [0.0] * 12, [0.0] * 15), people("abcde"), 4000, np.random.default_rng(0))
    shares, counts = np.unique(found.violated_draws.round(9), return_counts=True)
    assert set(shares) <= {0, 0.2, 0.4, 0.6, 0.8, 1.0}
    assert counts[0] / 4000 == pytest.approx(0.8**5, abs=0.03)
    assert found.row["violated"] == pytest.approx(0.2)


def test_draws_of_primary_sets_keep_the_persons_number_of_them() -> None:
    """Two persons, one of which violates all pairs and the other none: every draw holds as many of each."""
    found = claim(measured([1.0] * 3 + [0.0] * 3, [-1.0] * 3 + [1.0] * 3), people("ab"), 50, np.random.default_rng(0))
    assert found.violated_draws == pytest.approx(np.full(50, 0.5))
    assert (found.row["margin_low"], found.row["margin_high"]) == pytest.approx((0, 0))


def test_a_change_is_measured_draw_by_draw() -> None:
    shares = np.random.default_rng(1).random(9).round(2)
    found = {
        ("pixels", name, "view"): claim(
            measured((shares + step).tolist(), [0.0] * 9), people("abc"), 300, np.random.default_rng(7)
        )
        for name, step in (("none", 0), ("blur", 0.1))
    }
    row = rows(found, {"view": "primary sets"})[1]
    assert [row["change"], row["change_low"], row["change_high"]] == pytest.approx([0.1, 0.1, 0.1])
