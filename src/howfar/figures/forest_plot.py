"""Draw forest plots: a row for each estimate, with its dot, interval and number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text

from howfar.figures import style


@dataclass(frozen=True)
class ForestRow:
    """Hold a row of a forest plot: name, value with its interval's ends, look, the number at the right, and place if not next.

    An undefined value leaves the number alone, an undefined end the dot alone. A `hollow` dot has its colour at the edge.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    look: style.Look
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
            style.row_number(axes, place, row.text, text_size)
        if row.value is None or np.isnan(row.value):
            continue
        if row.low is not None and row.high is not None and not np.isnan(row.low):
            keywords: dict[str, Any] = {
                "color": colour,
                "lw": width,
                "solid_capstyle": "butt",
                "label": f"interval:{row.name}",
            } | line
            axes.plot([row.low, row.high], [place, place], **keywords)
        dot: dict[str, Any] = {"mfc": colour, "mec": style.PAPER, "mew": 1, "ls": "none", "zorder": 2.5, "clip_on": False}
        if row.hollow:
            dot |= {"mfc": style.PAPER, "mec": colour, "mew": 1.4}
        axes.plot([row.value], [place], marker=row.look.marker, ms=size, color=colour, label=row.name, **dot)


def frame_forest(axes: Axes, names: Sequence[str], groups: Iterable[int] = ()) -> list[Text]:
    """Label a forest's rows from the top, draw thin lines above the rows in `groups`, and return the labels."""
    labels = style.name_rows(axes, names)
    axes.set_ylim(len(names) - 0.5, -0.5 - style.on_phone(0.3, 0.0))
    for place in groups:
        axes.axhline(place - style.on_phone(0.72, 0.5), color=style.MUTED, lw=0.6, alpha=0.6, label="_rule")
    return labels
