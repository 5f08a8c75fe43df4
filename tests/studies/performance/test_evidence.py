"""What labelled images say, collected alike for relate, assess and profile: range of the gate, own kind, corrupted sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from howfar.relation.gate import fit, values_by_set
from howfar.studies.performance.image_performance import Home, evidence_of, own_values, sizes_at

SETS = np.array(["near", "near", "far", "new"])
COLUMNS = {"i_dist": np.array([1.0, 1.2, 3.0, 2.5])}
NAN = float("nan")
HOME = Home(
    "roads",
    {"predicted_foreground": np.array([0.3, 0.5]), "i_dist": np.array([7.0, 7.0])},
    np.array([0.9, 0.8]),
    np.array(["a", "b"]),
)


def inside(columns: dict[str, Any], performance: list[float], home: Home | None, name: str) -> bool | None:
    known = fit(evidence_of(columns, np.array(performance), SETS, None, home, "roads").readings)
    return known.without(name).read(name, values_by_set(columns, SETS)[name]).inside


def test_a_labelled_set_is_not_in_the_range_that_judges_it() -> None:
    labelled = [0.5, 0.6, 0.7, NAN]
    # Without "far" nothing labelled lies beyond 1.1; "new" is judged by all, "far" among them.
    assert {name: inside(COLUMNS, labelled, None, name) for name in ("near", "far", "new")} == {
        "near": True, "far": False, "new": True,
    }  # fmt: skip
    assert inside(COLUMNS, [0.5, 0.6, NAN, NAN], None, "new") is False


def test_the_primarys_own_images_widen_the_range_and_its_distance_is_1() -> None:
    assert own_values(None) == {"distance": 1.0, "residual": 1.0}
    assert own_values(HOME) == {"distance": 1.0, "residual": 1.0, "share": 0.4}
    shares = {"predicted_foreground": np.array([0.1, 0.1, 0.1, 0.45])}
    labelled = [0.5, 0.6, 0.7, NAN]
    assert [inside(shares, labelled, home, "new") for home in (None, HOME)] == [False, True]


def test_images_come_by_the_names_of_their_sets_and_the_primarys_own_last() -> None:
    sets = np.array(["walls", "roads·blur 3", "walls", "a·b"])
    found = evidence_of({"i_dist": np.arange(4.0)}, np.array([0.1, 0.2, NAN, 0.4]), sets, sets, HOME, "roads")
    assert found.sets.tolist() == ["a·b", "roads·blur 3", "walls", "roads", "roads"]
    assert found.performance.tolist() == [0.4, 0.2, 0.1, 0.9, 0.8]
    np.testing.assert_array_equal(found.columns["predicted_foreground"], [NAN, NAN, NAN, 0.3, 0.5])
    assert found.groups is not None
    assert found.groups.tolist()[-2:] == ["a", "b"]
    assert (found.home, found.corrupted, found.sites) == ("roads", {"roads·blur 3": "blur"}, ["a·b", "walls"])


def test_sizes_are_read_from_the_column_or_counted() -> None:
    counts = np.zeros(256, dtype=np.int64)
    counts[3] = 12
    rows = pd.DataFrame({"histogram": [counts, None]})
    np.testing.assert_array_equal(sizes_at(rows)["pixels"], [12, np.nan])
    given = sizes_at(rows.assign(pixels=[20.0, 30.0], tile_agreement=[0.5, None]))
    assert given["pixels"].tolist() == [20.0, 30.0]
    np.testing.assert_array_equal(given["tile_agreement"], [0.5, np.nan])
