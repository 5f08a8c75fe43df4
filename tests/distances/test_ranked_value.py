from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howfar.distances.mmd import ranked_value


class Passes:
    """Tiles of values, and how often they were gone through."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.count = values.astype(np.float32), 0

    def __call__(self) -> Iterator[np.ndarray]:
        self.count += 1
        return iter(np.array_split(self.values, 7))


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).gamma(4.0, size=100_000).astype(np.float32)


@pytest.mark.parametrize(("most", "passes"), [(100_000, 1), (5000, 2), (1, 2)])
def test_it_is_that_of_all_in_order(values: np.ndarray, most: int, passes: int) -> None:
    tiles, ordered = Passes(values), np.sort(values)
    assert ranked_value(tiles, 50_000, float(ordered[40_000]), float(ordered[60_000]), most) == ordered[50_000]
    assert tiles.count == passes


@pytest.mark.parametrize("most", [100_000, 10])
@pytest.mark.parametrize("rank", [39_999, 60_001])
def test_none_outside_what_was_expected(values: np.ndarray, most: int, rank: int) -> None:
    ordered = np.sort(values)
    assert ranked_value(Passes(values), rank, float(ordered[40_000]), float(ordered[60_000]), most) is None


def test_equal_values_are_never_held(values: np.ndarray) -> None:
    values[:60_000] = 3.0
    tiles = Passes(values)
    assert ranked_value(tiles, 50_000, 0.0, 9.0, 10) == np.sort(values)[50_000] == 3.0
    assert tiles.count <= 3


@given(st.lists(st.floats(0, 2.0**127, width=32), min_size=1, max_size=40), st.data())
def test_any_rank_of_any_values(values: list[float], data: st.DataObject) -> None:
    rank, most = data.draw(st.integers(0, len(values) - 1)), data.draw(st.integers(1, 50))
    assert ranked_value(Passes(np.array(values)), rank, 0.0, np.inf, most) == sorted(values)[rank]
