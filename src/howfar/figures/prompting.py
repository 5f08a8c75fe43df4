"""Figs. 11 and 12 of the paper: photographs with their prompts, and what the prompted networks made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from howfar.errors import InputError
from howfar.figures.adaptation_rows import grey
from howfar.figures.style import INK, MUTED, WIDTH, blank, drawing, head, name_text
from howfar.figures.thumbnails import Thumbnail, thumbnail
from howfar.results.prompting import Prompting

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOREGROUND: Final = "#00a651"
BACKGROUND: Final = "#e4002b"
_STEP: Final = 1.06
_EXTRA: Final = 0.5
_FEWEST: Final = 6


class Shown(NamedTuple):
    """One image of a dataset, and where it stands in it."""

    dataset: str
    image: str
    reason: str


def prompting_rows(found: Prompting, *, folder: str | Path = ".", limit: int = 12) -> Figure:
    """One image of each dataset: photograph, ground truth, and each prompt's probabilities with the prompt drawn in.

    Which image is decided by the first prompt: the one in the middle by its F at 0.5; of an even number the lower. Green
    points are on the foreground, red ones beside it, boxes are green. White is certain.

    Parameters
    ----------
    found
        The result.
    folder
        The study's, below which the maps lie.
    limit
        Datasets at most.

    Raises
    ------
    InputError
        `limit` is below 1.
    """
    if limit < 1:
        raise InputError.of("limit", "must be at least 1", limit)
    shown = [middle(found, dataset) for dataset in found.datasets[:limit]]
    columns = ["photograph", "ground truth", *found.prompts]
    with drawing():
        across = max(len(columns), _FEWEST) * _STEP
        lines = [_pictures(found, one, Path(folder)) for one in shown]
        height = sum(_height(line) + _EXTRA for line in lines)
        figure = blank(WIDTH, WIDTH * height / across + 0.5)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(0, across)
        axes.set_ylim(height, -0.05)
        axes.set_aspect("equal")
        top = 0.0
        for one, line in zip(shown, lines, strict=True):
            top += _line(axes, found, one, line, columns, top)
        left_out = "" if len(found.datasets) <= limit else f" The first {limit} of {len(found.datasets)} datasets are shown."
        head(figure, "What prompted networks segment", f"Green: foreground points and box; red: background points.{left_out}")
    return figure


def middle(found: Prompting, dataset: str) -> Shown:
    """The image in the middle by F of the first prompt, ties by name."""
    first = found.images[(found.images["prompt"] == found.prompts[0]) & (found.images["dataset"] == dataset)]
    ordered = first.sort_values(["f", "image"], kind="stable")
    return Shown(dataset, str(ordered["image"].iloc[(len(ordered) - 1) // 2]), f"median of F by {found.prompts[0]}")


def _pictures(found: Prompting, one: Shown, folder: Path) -> list[tuple[Thumbnail, pd.Series | None]]:
    from howfar.data.masks import read_mask

    rows = found.images[(found.images["dataset"] == one.dataset) & (found.images["image"] == one.image)].set_index("prompt")
    record = rows.iloc[0]
    line: list[tuple[Thumbnail, Any]] = [
        (thumbnail(str(record["path"])), None),
        (grey(lambda: read_mask(str(record["mask"])).astype(np.float64)), None),
    ]
    for prompt in found.prompts:
        own = rows.loc[prompt]
        line.append((grey(partial(_values, folder / str(own["map"]))), own))
    return line


def _values(file: Path) -> Any:
    from howfar.data.predictions import read_prediction

    return read_prediction(file).values


def _line(
    axes: Axes,
    found: Prompting,
    one: Shown,
    line: Sequence[tuple[Thumbnail, pd.Series | None]],
    columns: Sequence[str],
    top: float,
) -> float:
    axes.text(0, top + 0.16, name_text(one.dataset, 40), fontsize=9.5, fontweight="bold", color=INK, parse_math=False)
    small: dict[str, Any] = {"fontsize": 7.5, "color": MUTED, "parse_math": False}
    edge = (len(columns) - 1) * _STEP + 1
    axes.text(edge, top + 0.16, f"{name_text(one.image.rsplit('/', 1)[-1], 40)} · {one.reason}", ha="right", **small)
    high, start = _height(line), top + 0.22
    for place, ((picture, row), column) in enumerate(zip(line, columns, strict=True)):
        left = place * _STEP
        if picture.pixels is None:
            axes.text(left + 0.5, start + high / 2, picture.reason, ha="center", va="center", **small)
        else:
            tall, wide = picture.pixels.shape[:2]
            width, height = wide / max(wide, tall), tall / max(wide, tall)
            box = (left + (1 - width) / 2, left + (1 + width) / 2, start + height, start)
            image = axes.imshow(picture.pixels, extent=box, interpolation="nearest", zorder=1.5, aspect="equal")
            image.set_label(f"{one.dataset}:{column}")
            if row is not None:
                _prompt(axes, json.loads(str(row["told"])), (box[0], start), _true_size(str(row["path"])), (width, height))
        number = "" if row is None or row["f"] != row["f"] else f"\nF {row['f']:.2f}"
        name = name_text(column.removeprefix("text: "), 18)
        axes.text(left + 0.5, start + high + 0.03, f"{name}{number}", ha="center", va="top", **{**small, "color": INK})
    return high + _EXTRA


def _prompt(
    axes: Axes, told: dict[str, Any], corner: tuple[float, float], true: tuple[int, int] | None, drawn: tuple[float, float]
) -> None:
    """Draw points and a box, given in pixels of the picture, over its thumbnail."""
    if true is None:
        return
    x, y = drawn[0] / true[0], drawn[1] / true[1]
    for (column, row), label in zip(told["points"], told["labels"], strict=True):
        colour = FOREGROUND if label else BACKGROUND
        axes.plot([corner[0] + column * x], [corner[1] + row * y], "o", ms=3.2, color=colour, mec="white", mew=0.5, zorder=3)
    if told["box"]:
        left, upper, right, lower = told["box"]
        across = [corner[0] + value * x for value in (left, right, right, left, left)]
        down = [corner[1] + value * y for value in (upper, upper, lower, lower, upper)]
        axes.plot(across, down, color=FOREGROUND, lw=1.2, zorder=2.9)


def _true_size(path: str) -> tuple[int, int] | None:
    """Width and height of the picture as it is decoded."""
    from howfar.data import decode, read_bytes
    from howfar.errors import ImageError

    try:
        width, height = decode(read_bytes(path)).image.size
    except (ImageError, OSError):
        return None
    return int(width), int(height)


def _height(line: Sequence[tuple[Thumbnail, Any]]) -> float:
    shapes = [picture.pixels.shape[:2] for picture, _ in line if picture.pixels is not None]
    return max((tall / max(tall, wide) for tall, wide in shapes), default=0.3)
