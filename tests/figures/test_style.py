from __future__ import annotations

import matplotlib
import pytest

from howfar.figures.style import COLOURS, DASHES, MARKERS, PAPER, drawing, look, name_text

DARK_PAPER = "#14181d"


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("paper", [PAPER, DARK_PAPER])
def test_dataset_colours_stand_out_on_light_and_dark_pages(colour: str, paper: str) -> None:
    low, high = sorted([luminance(colour), luminance(paper)])
    assert (high + 0.05) / (low + 0.05) > 2.2


def test_24_datasets_look_different_and_the_25th_like_the_first() -> None:
    assert len(DASHES) == len(MARKERS)
    assert len({look(index) for index in range(24)}) == 24
    assert look(24) == look(0)


@pytest.mark.parametrize(("name", "longest"), [("a" * 200, 28), ("x\ny\t z", 28), ("", 28), ("abcdef", 5)])
def test_names_fit_and_are_one_line(name: str, longest: int) -> None:
    text = name_text(name, longest)
    assert 0 < len(text) <= longest
    assert "\n" not in text


def test_long_names_lose_their_middle() -> None:
    assert name_text("a-very-long-name-of-a-dataset-2024", 16) == "a-very-l…et-2024"


def test_settings_hold_while_drawing_only() -> None:
    with drawing():
        assert matplotlib.rcParams["axes.spines.top"] is False
    assert matplotlib.rcParams["axes.spines.top"] is True
