"""Draw figs. 11 and 12 of the paper: photographs with their prompts, and what promptable segmenters predict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import require_one
from howfar.figures.frame import picture_sheet
from howfar.figures.pictures import Shown, Thumbnail, extent, middle, probabilities, thumbnail, truth
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, MUTED, drawing, head, name_text
from howfar.results.prompting import Prompting

FOREGROUND: Final = "#00a651"
BACKGROUND: Final = "#e4002b"
_STEP: Final = 1.06
_EXTRA: Final = 0.5
_FEWEST: Final = 6


def _caption(prompting: Prompting) -> Caption:
    rows = prompting.scores.to_dict("records")
    values = [f"{row['prompt']} on {row['dataset']} mean F {row['mean_f']:.2f}" for row in rows]
    return Caption(
        "Prompts and what they give",
        "Of each dataset the image in the middle by F of the first prompt: photograph, ground truth, and the probabilities by "
        "each prompt, white being certain. Green points and boxes say foreground, red points background.",
        f"Rows of small pictures. {'; '.join(values)}.",
    )


@registered(_caption, vector=False)
def prompting_rows(prompting: Prompting, *, folder: str | Path = ".", limit: int = 12) -> Figure:
    """Draw one image of each dataset: photograph, ground truth, and each prompt's probabilities with the prompt drawn in.

    Which image is decided by the first prompt: the one in the middle by its F at 0.5; of an even number the lower. Green
    points are on the foreground, red ones beside it, boxes are green. White is certain. The maps lie below `folder`, the
    study's; at most `limit` datasets are shown.
    """
    require_one("limit", limit)
    shown = [_stand_in(prompting, dataset) for dataset in prompting.datasets[:limit]]
    columns = ["photograph", "ground truth", *prompting.prompts]
    with drawing():
        across = max(len(columns), _FEWEST) * _STEP
        lines = [_pictures(prompting, image, Path(folder)) for image in shown]
        height = sum(_height(line) + _EXTRA for line in lines)
        figure, axes = picture_sheet(across, height, top=-0.05)
        top = 0.0
        for image, line in zip(shown, lines, strict=True):
            top += _line(axes, image, line, columns, top)
        count = len(prompting.datasets)
        left_out = "" if count <= limit else f" The first {limit} of {count} datasets are shown."
        head(figure, "What prompted networks segment", f"Green: foreground points and box; red: background points.{left_out}")
    return figure


def _stand_in(prompting: Prompting, dataset: str) -> Shown:
    images, prompt = prompting.images, prompting.prompts[0]
    own = images[(images["prompt"] == prompt) & (images["dataset"] == dataset)]
    return Shown(dataset, middle(own, "f"), f"median of F by {prompt}")


def _pictures(prompting: Prompting, shown: Shown, folder: Path) -> list[tuple[Thumbnail, pd.Series | None]]:
    images = prompting.images
    rows = images[(images["dataset"] == shown.dataset) & (images["image"] == shown.image)].set_index("prompt")
    record = rows.iloc[0]
    line: list[tuple[Thumbnail, Any]] = [(thumbnail(str(record["path"])), None), (truth(str(record["mask"])), None)]
    for prompt in prompting.prompts:
        line.append((probabilities(folder / str(rows.loc[prompt, "map"])), rows.loc[prompt]))
    return line


def _line(
    axes: Axes, shown: Shown, line: Sequence[tuple[Thumbnail, pd.Series | None]], columns: Sequence[str], top: float
) -> float:
    axes.text(0, top + 0.16, name_text(shown.dataset, 40), fontsize=9.5, fontweight="bold", color=INK, parse_math=False)
    small: dict[str, Any] = {"fontsize": 7.5, "color": MUTED, "parse_math": False}
    edge = (len(columns) - 1) * _STEP + 1
    axes.text(edge, top + 0.16, f"{name_text(shown.image.rsplit('/', 1)[-1], 40)} · {shown.reason}", ha="right", **small)
    high, start = _height(line), top + 0.22
    for position, ((picture, row), column) in enumerate(zip(line, columns, strict=True)):
        left = position * _STEP
        if picture.pixels is None:
            axes.text(left + 0.5, start + high / 2, picture.reason, ha="center", va="center", **small)
        else:
            width, height = extent(picture.pixels)
            box = (left + (1 - width) / 2, left + (1 + width) / 2, start + height, start)
            image = axes.imshow(picture.pixels, extent=box, interpolation="nearest", zorder=1.5, aspect="equal")
            image.set_label(f"{shown.dataset}:{column}")
            if row is not None:
                _prompt(axes, json.loads(str(row["told"])), (box[0], start), _true_size(str(row["path"])), (width, height))
        number = "" if row is None or row["f"] != row["f"] else f"\nF {row['f']:.2f}"
        name = name_text(column.removeprefix("text: "), 18)
        axes.text(left + 0.5, start + high + 0.03, f"{name}{number}", ha="center", va="top", **{**small, "color": INK})
    return high + _EXTRA


def _prompt(
    axes: Axes, prompt: dict[str, Any], corner: tuple[float, float], true: tuple[int, int] | None, drawn: tuple[float, float]
) -> None:
    """Draw points and a box, given in pixels of the picture, over its thumbnail."""
    if true is None:
        return
    x, y = drawn[0] / true[0], drawn[1] / true[1]
    for (column, row), label in zip(prompt["points"], prompt["labels"], strict=True):
        colour = FOREGROUND if label else BACKGROUND
        axes.plot([corner[0] + column * x], [corner[1] + row * y], "o", ms=3.2, color=colour, mec="white", mew=0.5, zorder=3)
    if prompt["box"]:
        left, upper, right, lower = prompt["box"]
        across = [corner[0] + value * x for value in (left, right, right, left, left)]
        down = [corner[1] + value * y for value in (upper, upper, lower, lower, upper)]
        axes.plot(across, down, color=FOREGROUND, lw=1.2, zorder=2.9)


def _true_size(path: str) -> tuple[int, int] | None:
    """Read width and height of the picture as it is decoded."""
    from howfar.data import decode, read_bytes
    from howfar.errors import ImageError

    try:
        width, height = decode(read_bytes(path)).image.size
    except (ImageError, OSError):
        return None
    return int(width), int(height)


def _height(line: Sequence[tuple[Thumbnail, Any]]) -> float:
    return max((extent(picture.pixels)[1] for picture, _ in line if picture.pixels is not None), default=0.3)
