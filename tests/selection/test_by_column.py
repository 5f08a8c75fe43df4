"""Near, uncertainty and flip disagreement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from howfar.protocols import Strategy
from howfar.selection.by_column import FLIP_DISAGREEMENT, NEAR, UNCERTAINTY


def picks(strategy: Strategy, values: Any, k: int, labelled: tuple[int, ...] = (), seed: int = 0) -> list[int]:
    name = strategy.needs[0] if strategy.needs else "name"
    mask = np.isin(np.arange(len(values)), labelled)
    return strategy.pick({name: values}, k, np.random.default_rng(seed), mask).tolist()


@pytest.mark.parametrize(
    ("strategy", "wanted"), [(NEAR, [3, 0, 4, 2, 1]), (FLIP_DISAGREEMENT, [3, 0, 4, 2, 1]), (UNCERTAINTY, [1, 2, 0, 4, 3])]
)
def test_the_lowest_or_the_highest_first_and_ties_by_position(strategy: Strategy, wanted: list[int]) -> None:
    values = [0.2, 0.9, 0.4, 0.1, 0.2]
    assert picks(strategy, values, 5) == wanted
    assert picks(strategy, values, 2) == wanted[:2]
    assert picks(strategy, values, 2, labelled=(wanted[0],)) == wanted[1:3]


def test_ties_go_by_name_where_there_are_names() -> None:
    columns = {"distance": [0.5, 0.5, 0.5], "name": ["c", "a", "b"]}
    assert NEAR.pick(columns, 3, np.random.default_rng(0)).tolist() == [1, 2, 0]


def test_reasons_hold_the_number() -> None:
    assert UNCERTAINTY.reason({"uncertainty": 0.12345}) == "mean entropy 0.1235, among the highest"
    assert FLIP_DISAGREEMENT.reason({"flip_agreement": 0.9}) == "flip agreement 0.9000, among the lowest"
