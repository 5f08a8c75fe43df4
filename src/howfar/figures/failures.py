"""Draw the images that probably fail: photograph, prediction, estimate, and the measured performance where it is known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from howfar.errors import HowfarError
from howfar.figures.datasets import first, require_one
from howfar.figures.frame import nothing, picture_sheet
from howfar.figures.pictures import Thumbnail, highest, square, thumbnail, unit_values
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, MUTED, drawing, head, name_text
from howfar.results import Failures, Relation

TITLE = "Probable failures"
GAP = 0.16
PAIR = 2.04
STEP = PAIR + GAP
ROW_STEP = 1.72
# On grey surfaces and on coloured photographs alike it can be told from what it covers, by colour-blind readers too.
OVERLAY = (255, 64, 160)
DIM = 0.75


def _caption(relation: Relation) -> Caption:
    listed = [row.dataset for row in relation.failures if row.listed]
    values = [f"{dataset}: {lowest(relation.images, dataset, 1)['image'].iloc[0]}" for dataset in listed]
    return Caption(
        TITLE,
        "The listed images with the lowest estimates: the image, and beside it the prediction in colour over a pale copy. "
        "Under each the estimate with its interval, and the measured performance where it is known.",
        f"Rows of small photographs. The lowest estimates: {'; '.join(values)}.",
    )


def _lists_files(relation: Relation) -> bool:
    return bool((relation.images["listed"].astype(bool) & relation.images["path"].astype(bool)).any())


@registered(_caption, shows=_lists_files, vector=False)
def failures(relation: Relation, *, k: int = 4, limit: int = 12) -> Figure:
    """Draw the k listed images of each dataset with the lowest estimates: the image, and beside it what was predicted.

    The prediction is drawn over a pale grey copy of the image, the more opaque the higher the probability. Under each: the
    estimate with its interval, and the measured performance where it is known. Files are read again, one at a time, and kept
    at 144 pixels; one that is not there, or that cannot be read, is a labelled box. One row a dataset, the lowest estimate
    first. At most `limit` datasets are shown, the first of which images are listed.
    """
    require_one("k", k)
    shown, left_out = first([row for row in relation.failures if row.listed], limit)
    if not shown:
        return nothing(TITLE, "no image is listed as a probable failure")
    with drawing():
        figure, axes = picture_sheet(k * STEP - GAP, ROW_STEP * len(shown), left=-0.01)
        for line, row in enumerate(shown):
            _line(axes, row, lowest(relation.images, row.dataset, k), line * ROW_STEP)
        note = "Under each: estimate [interval] · measured performance, where it is known"
        head(figure, f"{TITLE}: images that probably score below {shown[0].tau:g}", f"{left_out} {note}".strip())
    return figure


def lowest(images: pd.DataFrame, dataset: str, k: int) -> pd.DataFrame:
    """Pick the listed images of a dataset with the k lowest estimates, ascending; ties in order of name."""
    listed = images[(images["dataset"] == dataset) & images["listed"].astype(bool)]
    return listed.sort_values(["estimate", "image"], kind="stable").head(k)


def overlay(photograph: NDArray[np.uint8], path: str) -> Thumbnail:
    """Draw a prediction over a pale grey copy of its photograph, or give the reason why there is none.

    The photograph is (h, w, 3), at most 144 pixels a side. The prediction is brought to its size, each pixel the highest that
    it covers, so that thin lines stay.
    """
    from howfar.data.predictions import read_prediction

    if not path:
        return Thumbnail(None, "no prediction")
    if not Path(path).is_file():
        return Thumbnail(None, "prediction\nnot found")
    try:
        values = read_prediction(path).values
    except (HowfarError, OSError):
        return Thumbnail(None, "prediction\nunreadable")
    opacity = highest(unit_values(values), photograph.shape[0], photograph.shape[1])[..., None]
    grey = photograph.mean(axis=2, keepdims=True)
    ground = 255 - DIM * (255 - grey)
    mixed = (1 - opacity) * ground + opacity * np.asarray(OVERLAY)
    return Thumbnail(np.round(mixed).astype(np.uint8))


def _line(axes: Axes, row: Failures, images: pd.DataFrame, top: float) -> None:
    title: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "va": "bottom", "parse_math": False}
    counts = f"{row.listed:,} of {row.n:,} listed"
    axes.text(0, top + 0.20, f"{name_text(row.dataset, 40)}  ({counts})", **title)
    for position, record in enumerate(images.to_dict("records")):
        _cell(axes, record, position * STEP, top + 0.26)


def _cell(axes: Axes, record: Mapping[Hashable, Any], left: float, top: float) -> None:
    """Draw image and prediction in two unit squares whose upper left corner is (left, top), the numbers below."""
    name = str(record["image"])
    picture = thumbnail(_path(record["path"]))
    square(axes, picture, name, left, top)
    beside = Thumbnail(None, "no image") if picture.pixels is None else overlay(picture.pixels, _path(record["prediction"]))
    square(axes, beside, f"prediction:{name}", left + 1.04, top)
    middle = left + PAIR / 2
    text: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    axes.text(middle, top + 1.04, _numbers(record), fontsize=8, color=INK, **text)
    axes.text(middle, top + 1.22, name_text(name.rsplit("/", 1)[-1], 30), fontsize=7, color=MUTED, **text)


def _path(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _numbers(record: Mapping[Hashable, Any]) -> str:
    estimate, low, high, measured = (
        float(record[name]) for name in ("estimate", "estimate_low", "estimate_high", "performance")
    )
    interval = "" if np.isnan(low) or np.isnan(high) else f" [{low:.2f}, {high:.2f}]"
    performance = "" if np.isnan(measured) else f" · {measured:.2f}"
    return f"{estimate:.2f}{interval}{performance}"
