"""Rows that are laid out in one pass hold the numbers of the passes that they replace."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.distances.compiled_euclidean import packed_pair
from howfar.distances.products import in_units

FOUR, SIXTEEN = 4, 16


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "n", "z"), [(1, 1, 1), (7, 33, 5), (64, 100, 25)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_numbers_are_those_of_several_passes(m: int, n: int, z: int, kind: type, order: str) -> None:
    rng = np.random.default_rng(m)
    s, p = (np.asarray(rng.normal(3.0, 2.0, size=(count, z)), kind, order=order) for count in (m, n))  # type: ignore[call-overload]
    a, b, unit, reach = packed_pair(s, p, FOUR, SIXTEEN)
    of_s, of_p, expected = in_units(s, p)
    assert unit == expected
    for packed, rows in ((a, of_s), (b, of_p)):
        flat = packed.transpose(0, 2, 1).reshape(-1, z)
        np.testing.assert_array_equal(flat[: len(rows)], rows)
        assert not flat[len(rows) :].any()
    lengths = [np.linalg.norm(rows.astype(np.float64), axis=1).max() for rows in (of_s, of_p)]
    assert reach == pytest.approx(sum(lengths), rel=1e-12)


def test_rows_that_may_not_be_written_are_read() -> None:
    s, p = np.ones((3, 2)), np.zeros((5, 2))
    s.flags.writeable = False
    assert packed_pair(s, p, FOUR, SIXTEEN)[0][0, :, :3].tolist() == [[0.5] * 3, [0.5] * 3]
