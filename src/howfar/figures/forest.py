"""Draw forest plots: a row for each estimate, with its dot, interval and number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text

from howfar.figures.style import MUTED, PAPER, Look, name_rows, on_phone, row_number


@dataclass(frozen=True)
class ForestRow:
    """Hold a row of a forest plot: name, value with its interval's ends, look, the number at the right, and place if not next.

    An undefined value leaves the number alone, an undefined end the dot alone. A `hollow` dot has its colour at the edge.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    look: Look
    text: str = ""
    place: float | None = None
    hollow: bool = False


def forest(
    axes: Axes, rows: Iterable[ForestRow], *, width: float = 3, size: float = 7, text_size: float = 8.5, **line: Any
) -> None:
    """Draw rows from top to bottom: an interval line `width` points wide, a dot of `size`, and the number at the right."""
    for position, row in enumerate(rows):
        place, colour = position if row.place is None else row.place, row.look.colour
        if row.text:
            row_number(axes, place, row.text, text_size)
        if row.value is None or np.isnan(row.value):
            continue
        if row.low is not None and row.high is not None and not np.isnan(row.low):
            style: dict[str, Any] = {
                "color": colour,
                "lw": width,
                "solid_capstyle": "butt",
                "label": f"interval:{row.name}",
            } | line
            axes.plot([row.low, row.high], [place, place], **style)
        dot: dict[str, Any] = {"mfc": colour, "mec": PAPER, "mew": 1, "ls": "none", "zorder": 2.5}
        if row.hollow:
            dot |= {"mfc": PAPER, "mec": colour, "mew": 1.4}
        axes.plot([row.value], [place], marker=row.look.marker, ms=size, color=colour, label=row.name, **dot)


def frame_forest(axes: Axes, names: Sequence[str], groups: Iterable[int] = ()) -> list[Text]:
    """Label a forest's rows from the top, draw thin lines above the rows in `groups`, and return the labels."""
    labels = name_rows(axes, names)
    axes.set_ylim(len(names) - 0.5, -0.5 - on_phone(0.3, 0.0))
    for place in groups:
        axes.axhline(place - on_phone(0.72, 0.5), color=MUTED, lw=0.6, alpha=0.6, label="_rule")
    return labels
