"""A table that is filled part by part is that which joins the parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from howfar.studies.distance import PreallocatedColumns


def part(name: str, count: int, components: int) -> dict[str, object]:
    rng = np.random.default_rng(count)
    columns = {f"pc{k}": rng.normal(size=count) for k in range(components)}
    return {"dataset": name, "image": tuple(f"{name}{k}" for k in range(count)), "knn": rng.normal(size=count), **columns}


@pytest.mark.parametrize("components", [(2, 2, 2), (1, 3, 2), (3, 0, 1)])
def test_as_joined(components: tuple[int, ...]) -> None:
    parts = [part(name, count, z) for name, count, z in zip("abc", (3, 1, 5), components, strict=True)]
    columns = PreallocatedColumns(9)
    for one in parts:
        columns.add(len(one["image"]), one)  # type: ignore[arg-type] - a tuple
    pd.testing.assert_frame_equal(columns.frame(), pd.concat([pd.DataFrame(one) for one in parts], ignore_index=True))


def test_a_table_of_no_rows() -> None:
    assert PreallocatedColumns(0).frame().empty
