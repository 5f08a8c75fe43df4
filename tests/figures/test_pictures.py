from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from howfar.figures.pictures import grey, highest, middle, thumbnail, truth


@pytest.mark.parametrize(("f", "image"), [([0.9, 0.1, 0.5], "r"), ([0.9, 0.1, 0.5, 0.6], "r"), ([0.5, 0.5, 0.5], "q")])
def test_the_middle_is_the_lower_of_an_even_number_and_ties_go_by_name(f: list[float], image: str) -> None:
    assert middle(pd.DataFrame({"image": list("pqrs")[: len(f)], "f": f}), "f") == image


def test_a_missing_file_has_its_reason() -> None:
    assert (thumbnail("").reason, thumbnail("gone.png").reason) == ("no file", "not found")
    assert (truth("").reason, truth("gone.png").reason) == ("none", "not found")


def test_a_map_is_grey_and_white_where_it_is_certain() -> None:
    pixels = grey(lambda: np.eye(2)).pixels
    assert pixels is not None
    assert pixels[:, :, 0].tolist() == [[255, 0], [0, 255]]


def test_a_shrunk_map_has_the_highest_values_and_an_enlarged_one_the_nearest() -> None:
    assert highest(np.array([[0.0, 0.9, 0.1, 0.2]]), 1, 2).tolist() == [[0.9, 0.2]]
    assert highest(np.array([[0.5]]), 2, 2).tolist() == [[0.5, 0.5], [0.5, 0.5]]
