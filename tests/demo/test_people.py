"""Rendered people: the seed and the numbers decide everything, and identity outweighs what varies."""

import re
from pathlib import Path

import numpy as np
import pytest

from howfar.errors import InputError
from people import draw_person, render, write_people


def test_the_same_numbers_render_the_same_pixels() -> None:
    first = render(draw_person(3, 1), 5, 6, 2, 3, seed=3)
    np.testing.assert_array_equal(first, render(draw_person(3, 1), 5, 6, 2, 3, seed=3))
    for changed in ((6, 6, 2, 3), (5, 1, 2, 3), (5, 6, 4, 3), (5, 6, 2, 1)):
        assert (render(draw_person(3, 1), *changed, seed=3) != first).mean() > 0.3


def test_names_are_finegprs_and_numbers_are_complete(tmp_path: Path) -> None:
    root = write_people(tmp_path, (1, 3), views=(1, 36), weathers=(1, 7), lights=(2,), scenes=(9, 4))
    names = sorted(file.name for file in root.rglob("*.jpg"))
    assert len(names) == 8
    assert all(re.fullmatch(r"000[13]_c(01|36)_w0[17]_l02_p0[49]\.jpg", name) for name in names)
    assert {file.parent.name for file in root.rglob("*.jpg")} == {"0001", "0003"}


@pytest.mark.parametrize(("place", "name"), list(enumerate(("view", "weather", "light", "scene"))))
def test_a_number_out_of_range_is_named(place: int, name: str) -> None:
    numbers = [1, 1, 1, 1]
    numbers[place] = 99
    with pytest.raises(InputError, match=rf"^{name} must lie between 1 and \d+, got 99"):
        render(draw_person(0, 1), *numbers)
