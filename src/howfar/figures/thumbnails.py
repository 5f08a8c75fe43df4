"""The closest and the farthest images of each secondary, to look at."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.errors import HowfarError, InputError
from howfar.figures.comparison_rows import Row, rows
from howfar.figures.style import GRID, INK, MUTED, WIDTH, blank, drawing, head, name_text
from howfar.numbers import format_number
from howfar.results import Comparison

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SIDE = 144
GAP = 0.35
STEP = 1.12
ROW_STEP = 1.62


def thumbnails(comparison: Comparison, *, k: int = 5, limit: int = 12) -> Figure:
    """The k closest (left) and k farthest (right) images of each secondary, each with its distance and percentile.

    Images are read again from their files, one at a time, and kept at 144 pixels; one that is no longer there, or that
    no longer can be read, is a labelled box. Under each: I^dist in mean form, then its percentile among P's own images.

    Parameters
    ----------
    comparison
        The result.
    k
        Images at each end; where a dataset has fewer than 2k, none is shown twice.
    limit
        Datasets shown at most: the farthest.

    Returns
    -------
    Figure
        One row a dataset, nearest first.

    Raises
    ------
    InputError
        `k` or `limit` is below 1.
    """
    if k < 1:
        raise InputError.of("k", "must be at least 1", k)
    with drawing():
        shown, left_out = rows(comparison, limit)
        across = 2 * k * STEP + GAP
        height = ROW_STEP * len(shown)
        figure = blank(WIDTH, WIDTH * height / across + 0.5)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(0, across)
        axes.set_ylim(height, 0)
        axes.set_aspect("equal")
        for line, row in enumerate(shown):
            _line(axes, row, k, line * ROW_STEP)
        title = f"The {k} closest images to {name_text(comparison.primary.name)} (left) and the {k} farthest (right)"
        head(figure, title, left_out or "Under each: mean distance · percentile among P's own images")
    return figure


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A picture of at most 144 pixels a side, or the reason why there is none."""

    pixels: NDArray[np.uint8] | None
    reason: str = ""


def thumbnail(path: str) -> Thumbnail:
    """Read one image at small size: a file, a member of a container, or what lies behind a URL.

    Examples
    --------
    >>> thumbnail("").reason, thumbnail("gone.png").reason
    ('no file', 'not found')
    """
    from howfar.data import decode, read_bytes
    from howfar.data.read import exists

    if not path:
        return Thumbnail(None, "no file")
    if not exists(path):
        return Thumbnail(None, "not found")
    try:
        image = decode(read_bytes(path)).image
    except (HowfarError, OSError):
        return Thumbnail(None, "unreadable")
    image.thumbnail((SIDE, SIDE))
    return Thumbnail(np.asarray(image.convert("RGB"), dtype=np.uint8))


def square(axes: Axes, found: Thumbnail, label: str, left: float, top: float) -> None:
    """A picture within a unit square, or a box with the reason why there is none."""
    if found.pixels is None:
        _box(axes, found.reason, label, left, top)
        return
    height, width = found.pixels.shape[:2]
    high, wide = height / max(height, width), width / max(height, width)
    x, y = left + (1 - wide) / 2, top + (1 - high) / 2
    axes.imshow(found.pixels, extent=(x, x + wide, y + high, y), interpolation="antialiased", label=label)


def _box(axes: Axes, reason: str, label: str, left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, top), 1, 1, facecolor=GRID, alpha=0.5, edgecolor=MUTED, linewidth=0.6, label=label))
    style: dict[str, Any] = {"fontsize": 6.5, "ha": "center", "va": "center", "color": MUTED, "parse_math": False}
    axes.text(left + 0.5, top + 0.5, reason, **style)


def ends(images: pd.DataFrame, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The k closest images, ascending, and the k farthest of the rest, ascending; ties in order of name.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"image": ["a", "b", "c"], "i_dist_mean": [3.0, 1.0, 2.0]})
    >>> [end["image"].tolist() for end in ends(frame, 2)]
    [['b', 'c'], ['a']]
    """
    ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")
    return ordered.iloc[:k], ordered.iloc[k:].iloc[-k:]


def _line(axes: Axes, row: Row, k: int, top: float) -> None:
    near, far = ends(row.images, k)
    title: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "va": "bottom", "parse_math": False}
    axes.text(0, top + 0.20, f"{name_text(row.name, 40)}  (n = {row.summary.n:,})", **title)
    for place, record in enumerate(near.to_dict("records")):
        _cell(axes, record, place * STEP, top + 0.26)
    first = 2 * k - len(far)
    for place, record in enumerate(far.to_dict("records"), start=first):
        _cell(axes, record, place * STEP + GAP, top + 0.26)


def _cell(axes: Axes, record: Mapping[Hashable, Any], left: float, top: float) -> None:
    """One image in a unit square whose upper left corner is (left, top), its numbers below."""
    found, name = thumbnail(str(record["path"])), str(record["image"])
    if found.pixels is None:
        found = Thumbnail(None, f"{name_text(name.rsplit('/', 1)[-1], 13)}\n{found.reason}")
    square(axes, found, name, left, top)
    distance, percentile = float(record["i_dist_mean"]), float(record["percentile"])
    share = "" if np.isnan(percentile) else f" · {percentile:.0f} %"
    axes.text(left + 0.5, top + 1.03, f"{_three_digits(distance)}{share}", fontsize=8, ha="center", va="top", color=INK)


def _three_digits(value: float) -> str:
    """Three digits, trailing zeros too, so that numbers side by side look alike."""
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 1e3 else format_number(value, 3)
