"""Draw the selected images on one contact sheet, in the order of choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import require_one
from howfar.figures.frame import picture_sheet
from howfar.figures.pictures import square, thumbnail
from howfar.figures.style import INK, MUTED, drawing, head, name_text
from howfar.results import Selection

ACROSS = 7
STEP = 1.12
ROW_STEP = 1.42


@dataclass(frozen=True)
class Cell:
    """Hold an image of a contact sheet: its name, its file, and the numbers below it."""

    image: str
    path: str
    numbers: str


def contact_sheet(selection: Selection, *, limit: int = 105) -> Figure:
    """Draw every chosen image, seven a row, in the order of choice; under each its place in that order, distance and name.

    Images are read again from their files, one at a time, and kept at 144 pixels; one that is no longer there, or that cannot
    be read, is a labelled box. As high as it has rows. At most `limit` images are shown, the first.
    """
    require_one("limit", limit)
    cells = [Cell(pick.image, pick.path, f"{pick.rank} · {pick.distance:.2f}") for pick in selection.picks]
    count = f"{len(selection)} of {selection.n:,} images of {name_text(selection.dataset)}"
    note = f"place in the order of choice · scaled distance from {name_text(selection.primary)} (0–1)"
    return sheet(cells, f"{count}, chosen by {selection.strategy}", note, limit)


def sheet(cells: Sequence[Cell], title: str, note: str, limit: int = 105) -> Figure:
    """Draw at most `limit` images, the first, seven a row, each with its numbers, which `note` explains, and its name below."""
    shown = cells[:limit]
    left_out = f"The first {limit:,} are shown. " if len(cells) > limit else ""
    with drawing():
        across = min(ACROSS, len(shown))
        figure, axes = picture_sheet(ACROSS * STEP, ROW_STEP * ceil(len(shown) / ACROSS))
        for position, cell in enumerate(shown):
            _draw(axes, cell, position % across * STEP, position // across * ROW_STEP)
        head(figure, title, f"{left_out}Under each: {note}")
    return figure


def _draw(axes: Axes, cell: Cell, left: float, top: float) -> None:
    """Draw one image in a unit square whose upper left corner is (left, top), its numbers and its name below."""
    square(axes, thumbnail(cell.path), cell.image, left, top)
    text: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    axes.text(left + 0.5, top + 1.03, cell.numbers, fontsize=8, color=INK, **text)
    axes.text(left + 0.5, top + 1.19, name_text(cell.image.rsplit("/", 1)[-1], 20), fontsize=7, color=MUTED, **text)
