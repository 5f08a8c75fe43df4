"""Build the columns, numbers and panel labels that reports of the paper's studies share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import floor, log10
from textwrap import fill
from typing import Any, Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import style
from howfar.wording import signed

Row: TypeAlias = dict[Any, Any]
three = partial(signed, decimals=3)
OWN_SPACES: Final = (
    "Every pair of categories has its own components, as in the paper: distances of images of two categories are not measured "
    "in one space, and their order is to be read with that in mind."
)
COLUMNS: Final = 2
"""Panels beside each other in a figure of categories."""


def fixed_digits(values: Iterable[float | None], digits: int = 3) -> Callable[[float], str]:
    """Return a format with one number of decimals, by which the largest of the values has `digits` significant digits."""
    largest = max((abs(value) for value in values if value is not None and np.isfinite(value)), default=0.0)
    decimals = digits - 1 - floor(log10(largest)) if largest else 0
    return lambda value: f"{value:,.{max(0, decimals)}f}"


def head(figure: Figure, title: str, note: str = "") -> None:
    """Write the title, and a smaller note, if any, broken where a narrow figure ends, at about 12 letters an inch."""
    across = int(12 * figure.get_figwidth())
    style.head(figure, fill(title, across), fill(note, across))


def label_lowest(panels: Sequence[Axes], columns: int, text: str) -> None:
    """Label the x axis of the lowest panels of a grid."""
    for axes in panels[max(0, len(panels) - columns) :]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(text)


def unsigned(value: float, decimals: int = 2) -> str:
    """Write a number with a true minus sign, and no plus."""
    return signed(value, decimals).removeprefix("+")
