"""Every dataset of a run is set against the labelled ones, and a labelled one against the others alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from howfar.studies.performance.estimates import Home
from howfar.studies.performance.gates import gates_of, own_values, sizes_at

SETS = np.array(["near", "near", "far", "new"])
COLUMNS = {"i_dist": np.array([1.0, 1.2, 3.0, 2.5])}


def test_a_labelled_set_is_not_in_the_range_that_judges_it() -> None:
    by_name = {gate.dataset: gate.inside for gate in gates_of(COLUMNS, SETS, ["near", "far"], None)}
    # Without "far" nothing labelled lies beyond 1.1; "new" is judged by all, "far" among them.
    assert by_name == {"near": True, "far": False, "new": True}
    assert {gate.dataset: gate.inside for gate in gates_of(COLUMNS, SETS, ["near"], None)}["new"] is False


def test_the_primarys_own_images_widen_the_range_and_its_distance_is_1() -> None:
    columns = {"predicted_foreground": np.array([0.3, 0.5]), "i_dist": np.array([7.0, 7.0])}
    home = Home("roads", columns, np.array([0.9, 0.8]), np.array(["a", "b"]))
    assert own_values(None) == {"distance": 1.0, "residual": 1.0}
    assert own_values(home) == {"distance": 1.0, "residual": 1.0, "share": 0.4}
    shares = {"predicted_foreground": np.array([0.1, 0.1, 0.1, 0.45])}
    alone, widened = (gates_of(shares, SETS, ["near", "far"], given)[-1].inside for given in (None, home))
    assert (alone, widened) == (False, True)


def test_sizes_are_read_from_the_column_or_counted() -> None:
    counts = np.zeros(256, dtype=np.int64)
    counts[3] = 12
    rows = pd.DataFrame({"histogram": [counts, None]})
    np.testing.assert_array_equal(sizes_at(rows)["pixels"], [12, np.nan])
    given = sizes_at(rows.assign(pixels=[20.0, 30.0], tile_agreement=[0.5, None]))
    assert given["pixels"].tolist() == [20.0, 30.0]
    np.testing.assert_array_equal(given["tile_agreement"], [0.5, np.nan])
