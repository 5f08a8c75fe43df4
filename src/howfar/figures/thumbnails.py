"""Draw the closest and the farthest images of each secondary as thumbnails."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import Row, require_one, rows
from howfar.figures.frame import picture_sheet
from howfar.figures.pictures import Thumbnail, square, thumbnail
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, drawing, head, name_text
from howfar.numbers import format_number
from howfar.results import Comparison

GAP = 0.35
STEP = 1.12
ROW_STEP = 1.62


def _caption(comparison: Comparison) -> Caption:
    extremes = []
    for name, images in comparison.images.groupby("dataset", sort=False):
        ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")["image"]
        extremes.append(f"{name}: nearest {ordered.iloc[0]}, farthest {ordered.iloc[-1]}")
    return Caption(
        "Closest and farthest images",
        "For each dataset its images closest to P (left) and farthest from it (right); under each its mean distance and its "
        "percentile among P's own images. Look here first: the far end shows what the backbone finds unlike P.",
        f"Rows of small photographs. {'; '.join(extremes)}.",
    )


def has_files(result: Any) -> bool:
    """Tell whether any image of a result has a file that could be shown."""
    return bool(result.images["path"].astype(bool).any())


@registered(_caption, shows=has_files, vector=False)
def thumbnails(comparison: Comparison, *, k: int = 5, limit: int = 12) -> Figure:
    """Draw the k closest (left) and k farthest (right) images of each secondary, each with its distance and percentile.

    Images are read again from their files, one at a time, and kept at 144 pixels; one that is no longer there, or that no
    longer can be read, is a labelled box. Under each: I^dist in mean form, then its percentile among P's own images. One row a
    dataset, nearest first. At most `limit` datasets are shown, the farthest; where one has fewer than 2k images, none is shown
    twice.
    """
    require_one("k", k)
    with drawing():
        shown, left_out = rows(comparison, limit)
        figure, axes = picture_sheet(2 * k * STEP + GAP, ROW_STEP * len(shown))
        for line, row in enumerate(shown):
            _line(axes, row, k, line * ROW_STEP)
        title = f"The {k} closest images to {name_text(comparison.primary.name)} (left) and the {k} farthest (right)"
        head(figure, title, left_out or "Under each: mean distance · percentile among P's own images")
    return figure


def ends(images: pd.DataFrame, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pick the k closest images, ascending, and the k farthest of the rest, ascending; ties in order of name."""
    ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")
    return ordered.iloc[:k], ordered.iloc[k:].iloc[-k:]


def _line(axes: Axes, row: Row, k: int, top: float) -> None:
    near, far = ends(row.images, k)
    title: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "va": "bottom", "parse_math": False}
    axes.text(0, top + 0.20, f"{name_text(row.name, 40)}  (n = {row.summary.n:,})", **title)
    for position, record in enumerate(near.to_dict("records")):
        _cell(axes, record, position * STEP, top + 0.26)
    first = 2 * k - len(far)
    for position, record in enumerate(far.to_dict("records"), start=first):
        _cell(axes, record, position * STEP + GAP, top + 0.26)


def _cell(axes: Axes, record: Mapping[Hashable, Any], left: float, top: float) -> None:
    """Draw one image in a unit square whose upper left corner is (left, top), its numbers below."""
    picture, name = thumbnail(str(record["path"])), str(record["image"])
    if picture.pixels is None:
        picture = Thumbnail(None, f"{name_text(name.rsplit('/', 1)[-1], 13)}\n{picture.reason}")
    square(axes, picture, name, left, top)
    distance, percentile = float(record["i_dist_mean"]), float(record["percentile"])
    share = "" if np.isnan(percentile) else f" · {percentile:.0f} %"
    axes.text(left + 0.5, top + 1.03, f"{three_digits(distance)}{share}", fontsize=8, ha="center", va="top", color=INK)


def three_digits(value: float) -> str:
    """Write three digits, trailing zeros too, so that numbers side by side look alike."""
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 1e3 else format_number(value, 3)
