from __future__ import annotations

from howfar.arrays import as_rows
from howfar.projection.projector import Stacked


def test_sets_are_read_one_after_another() -> None:
    both = Stacked([as_rows([[1.0], [2.0]], "a"), as_rows([[3.0]], "b")])
    assert both.shape == (3, 1)
    assert both.rows(1, 3).tolist() == [[2.0], [3.0]]
    assert both.columns(0, 1).tolist() == [[1.0], [2.0], [3.0]]
