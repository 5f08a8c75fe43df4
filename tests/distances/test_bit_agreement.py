"""The best match of each hash is that of a plain search, in blocks of any size, and bad input is one line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.distances.bit_agreement import agreement, best_match
from howfar.errors import InputError


def signs(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 1], (count, 64))


@pytest.mark.parametrize("pairs_per_tile", [1, 50, 1 << 22])
def test_it_is_the_least_hamming_distance(pairs_per_tile: int) -> None:
    a, b = signs(30, 0), signs(5000, 1)
    distances = cdist(a > 0, b > 0, "hamming")
    found = best_match(a, b, pairs_per_tile=pairs_per_tile)
    np.testing.assert_array_equal(found.rows, distances.argmin(axis=1))
    np.testing.assert_allclose(found.agreement, 1 - distances.min(axis=1), atol=1e-12)


@pytest.mark.parametrize("pairs_per_tile", [1, 50, 1 << 22])
def test_only_earlier_rows_count_within_a_set(pairs_per_tile: int) -> None:
    a = signs(40, 2)
    a[7] = a[3]
    found = best_match(a, a, earlier=True, pairs_per_tile=pairs_per_tile)
    assert (found.rows < np.arange(40)).all()
    assert (found.rows[0], found.agreement[0]) == (-1, 0.0)
    assert (found.rows[7], found.agreement[7]) == (3, 1.0)
    assert found.agreement[3] < 1


def test_agreement_is_row_by_row() -> None:
    a, b = signs(9, 3), signs(9, 4)
    np.testing.assert_allclose(agreement(a, b), 1 - np.diag(cdist(a > 0, b > 0, "hamming")))


def test_what_is_no_hash_is_refused() -> None:
    with pytest.raises(InputError, match="a must be rows of signs"):
        best_match([[0.5, 1.0]], [[1.0, 1.0]])
    with pytest.raises(InputError, match="b must have as many bits as a, 2, got 3"):
        best_match([[1, 1]], [[1, 1, 1]])
    with pytest.raises(InputError, match=r"b must have the shape of a, \(1, 2\)"):
        agreement([[1, 1]], [[1, 1], [1, 1]])
