"""What the studies of categories have in common: the order by O^dist, the rows of images, and the number of ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import howfar
from howfar.errors import InputError
from howfar.paper.scenes import by_dataset, category_rows, check_ends


def comparison() -> howfar.Comparison:
    rng = np.random.default_rng(0)
    sets = {name: rng.normal(shift, 1, (8, 4)) for name, shift in (("far", 3), ("near", 0), ("between", 1))}
    return howfar.compare(rng.normal(size=(9, 4)), sets, bootstrap=20, permutations=0, rivals=False, progress=False)


def test_the_order_is_by_o_dist_whatever_the_relative_distances_are() -> None:
    made = comparison()
    turned = {"far": 0.5, "between": 1.0, "near": 2.0}
    made = replace(made, datasets=tuple(replace(each, relative=turned[each.name]) for each in made.datasets))
    rows = category_rows(made)
    assert rows["dataset"].tolist() == ["near", "between", "far"]
    assert rows["rank"].tolist() == [1, 2, 3]
    assert rows["relative"].tolist() == [2.0, 1.0, 0.5]
    assert rows["o_dist_mean"].is_monotonic_increasing


def test_what_is_undefined_is_nan() -> None:
    made = comparison()
    alone = replace(made, datasets=tuple(replace(each, relative=None, relative_ci=None) for each in made.datasets))
    assert category_rows(alone)[["relative", "relative_low", "relative_high"]].isna().all(axis=None)


def test_images_stand_by_category_in_the_callers_order() -> None:
    made = comparison()
    found = by_dataset(made)
    assert list(found) == ["far", "near", "between"]
    assert {name: values.mean() for name, values in found.items()} == pytest.approx(
        {each.name: each.o_dist_mean for each in made.datasets}
    )


def test_no_category_may_be_both_closest_and_farthest() -> None:
    check_ends(2, "roads", ["a", "b", "c", "d"])
    with pytest.raises(InputError, match="k must be at most half of the 3 categories beside roads"):
        check_ends(2, "roads", ["a", "b", "c"])
