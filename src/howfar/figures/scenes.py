"""Draw how distances of the closest and farthest categories of scenes are spread, and their closest and farthest images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.frame import head_panel, picture_sheet
from howfar.figures.pictures import Thumbnail, square, thumbnail
from howfar.figures.style import COLOURS, I_DIST, INK, MUTED, WIDTH, blank, drawing, head, name_rows, name_text
from howfar.figures.thumbnails import three_digits
from howfar.figures.violin import half_violin
from howfar.results.scenes import End, Scenes

COLUMNS: Final = 2
CLOSEST, FARTHEST = COLOURS[:2]
STEP: Final = 1.12
NAMES: Final = 0.165
"""Share of a sheet's width that the backbones' names take, beside the rows of images."""
LINE: Final = 0.16
"""Height of a line of text under an image, in inches."""
FEWEST, MOST = 5, 7
"""Rows of fewer images are drawn as if there were so many, so that images do not grow; names of more are smaller."""


def scene_violins(result: Scenes, primary: str) -> Figure:
    """Draw how I^dist is spread in the closest and the farthest categories, or in those named: fig. 18, one panel a backbone.

    Closest on top. A grey stroke marks the primary category's distance from itself in the space that it shares with the one
    in that row.
    """
    columns = min(COLUMNS, len(result.backbones))
    lines = -(-len(result.backbones) // columns)
    rows = max(len(result.shown(primary, backbone)) for backbone in result.names())
    with drawing():
        figure = blank(WIDTH if columns > 1 else 5.6, 1.0 + lines * (0.75 + 0.3 * rows))
        panels = figure.subplots(lines, columns, squeeze=False).ravel().tolist()
        for axes, backbone in zip(panels, result.names(), strict=False):
            _panel(axes, result, primary, backbone)
        for spare in panels[len(result.backbones) :]:
            spare.remove()
        figure.supxlabel(f"mean distance to the images of P ({I_DIST} / n)", fontsize=9.5)
        shown = "The categories named, the closer half in blue" if result.sets else _ends(result.k)
        note = f"{shown}; the closest on top; grey: {name_text(primary)} from itself"
        head(figure, f"Distances of images from {name_text(primary)}", note)
    return figure


def _ends(k: int) -> str:
    return f"The {k} closest categories (blue) and the {k} farthest (orange)"


def _panel(axes: Axes, result: Scenes, primary: str, backbone: str) -> None:
    shown = result.shown(primary, backbone)
    rows: Any = result.measured(primary, backbone).set_index("dataset")
    for line, name in enumerate(shown):
        near = float(rows.loc[name, "rank"]) <= (len(rows) + 1) / 2
        values = np.sort(result.distances_of(primary, backbone, name).to_numpy(dtype=np.float64))
        half_violin(axes, values, line + 0.2, -1, CLOSEST if near else FARTHEST, name)
        own = float(rows.loc[name, "self_distance"])
        axes.vlines(own, line - 0.25, line + 0.3, color=MUTED, lw=1.2, label=f"own:{name}")
    name_rows(axes, [name_text(name, 20) for name in shown])
    axes.set_ylim(len(shown) - 0.5, -0.7)
    head_panel(axes, backbone)


def scene_images(result: Scenes, primary: str, end: End) -> Figure:
    """Draw the closest images to a primary category, or the farthest, one row a backbone, one image of each category at most.

    Under each: its category, I^dist in mean form, and the category's place by O^dist. Images are read again from their files;
    one that is no longer there is a grey box. After figs 19 to 29.
    """
    layout = _Layout.of(result.k)
    with drawing():
        figure, axes = picture_sheet(layout.across, layout.row * len(result.backbones))
        for line, backbone in enumerate(result.names()):
            top = line * layout.row
            text: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "va": "center", "parse_math": False}
            axes.text(0, top + 0.5, name_text(backbone, 16), **text)
            for position, record in enumerate(result.at_the_end(primary, backbone, end).to_dict("records")):
                _tile(axes, record, layout, layout.side + position * STEP, top)
        places = f"1 to {len(result.order(primary, result.names()[0]))}"
        note = f"One image of a category; under each: its category · mean distance · place of the category ({places})"
        towards = "to" if end == "closest" else "from"
        head(figure, f"The {result.k} {end} images {towards} {name_text(primary)}", note)
    return figure


@dataclass(frozen=True)
class _Layout:
    """Hold the measures of a sheet in sides of an image: width of the backbones' names and of all, height of a row and a line.

    `size` is that of a category's name in points, `longest` how many of its letters are written.
    """

    side: float
    across: float
    row: float
    line: float
    size: float
    longest: int

    @classmethod
    def of(cls, k: int) -> _Layout:
        """Lay out rows of k images; rows of few are as narrow as those of more, so that images do not grow."""
        images = max(FEWEST, k) * STEP
        across = images / (1 - NAMES)
        line = LINE * across / WIDTH
        size = 8.0 if k <= MOST else 7.0
        return cls(across - images, across, 1.1 + 2.2 * line, line, size, max(8, round(760 / size / max(FEWEST, k)) + 1))


def _tile(axes: Axes, record: Mapping[Hashable, Any], layout: _Layout, left: float, top: float) -> None:
    """Draw one image in a unit square whose upper left corner is (left, top), its category and numbers below."""
    picture, name = thumbnail(str(record["path"])), str(record["image"])
    if picture.pixels is None:
        picture = Thumbnail(None, f"{name_text(name.rsplit('/', 1)[-1], 12)}\n{picture.reason}")
    square(axes, picture, name, left, top)
    text: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    axes.text(
        left + 0.5, top + 1.03, name_text(str(record["dataset"]), layout.longest), fontsize=layout.size, color=INK, **text
    )
    numbers = f"{three_digits(float(record['i_dist_mean']))} · {record['rank']}"
    axes.text(left + 0.5, top + 1.03 + layout.line, numbers, fontsize=7.5, color=MUTED, **text)
