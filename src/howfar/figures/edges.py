"""Draw fig. 2 of the paper: photographs without cracks, and what each trained model draws on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import require_one
from howfar.figures.frame import picture_sheet
from howfar.figures.pictures import Thumbnail, extent, probabilities, square, thumbnail
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, MUTED, drawing, head, name_text
from howfar.numbers import signed
from howfar.results.edges import Edges

_STEP: Final = 1.05
_LABELS: Final = 0.72
"""Width of the column of names, in pictures."""
_FEWEST: Final = 4
"""Columns that there is room for: 144 pixels look coarse in larger pictures."""
_NUMBER: Final = 0.2


def _caption(result: Edges) -> Caption:
    values = [f"{each.model} mean probability {each.probability}, follows edges {each.edges}" for each in result.models]
    return Caption(
        f"What the trained models draw on {result.dataset}",
        f"One row a model: M of {result.of}, trained with seed {result.seed}. One column an image of {result.dataset}, drawn "
        "with the seed. White is certain foreground. Under each map the rank correlation of map and gradient, which is higher "
        "the more the map follows edges.",
        f"Rows of small pictures. {'; '.join(values)}.",
    )


@registered(_caption, vector=False)
def edges_rows(result: Edges, *, folder: str | Path = ".", limit: int = 12) -> Figure:
    """Draw the photographs in a row, and under them a row of probability maps for each model.

    After fig. 2 of Achara & Pandey. The images were drawn by the study; where a map is shrunk, a pixel has the highest
    probability that it covers, so that thin lines stay. The maps lie below `folder`, the study's. At most `limit` models are
    drawn, the first.
    """
    require_one("limit", limit)
    models = [each.model for each in result.models[:limit]]
    by_image = {image: own.set_index("model") for image, own in result.images.groupby("image", sort=False)}
    shown = [by_image[image] for image in result.shown]
    photographs = [thumbnail(str(own["path"].iloc[0])) for own in shown]
    high = max((extent(each.pixels)[1] for each in photographs if each.pixels is not None), default=1.0)
    with drawing():
        across = _LABELS + max(len(shown), _FEWEST) * _STEP
        figure, axes = picture_sheet(across, high + 0.06 + len(models) * (high + _NUMBER), top=-0.02)
        _label(axes, "photograph", "", high / 2)
        for position, (image, picture) in enumerate(zip(result.shown, photographs, strict=True)):
            square(axes, picture, f"photograph:{image}", _left(position), (high - 1) / 2)
        top = high + 0.06
        for model in models:
            _row(axes, result, model, shown, Path(folder), top, high)
            top += high + _NUMBER
        left_out = "" if len(result.models) <= limit else f" The first {limit} of {len(result.models)} models are shown."
        note = f"White is certain foreground; under each map how far it follows edges, from −1 to 1.{left_out}"
        head(figure, f"What the trained models draw on {name_text(result.dataset)}", note)
    return figure


def _left(position: int) -> float:
    return _LABELS + position * _STEP


def _row(axes: Axes, result: Edges, model: str, shown: list[pd.DataFrame], folder: Path, top: float, high: float) -> None:
    """Draw the maps of one model below `top`."""
    mean = next(each.edges.value for each in result.models if each.model == model)
    _label(axes, name_text(model, 14), "" if mean is None else f"mean {signed(mean)}", top + high / 2)
    small: dict[str, Any] = {"fontsize": 7.5, "color": INK, "ha": "center", "va": "top", "parse_math": False}
    for position, (image, own) in enumerate(zip(result.shown, shown, strict=True)):
        there = model in own.index
        picture = probabilities(folder / str(own.loc[model, "map"])) if there else Thumbnail(None, "not made")
        square(axes, picture, f"{model}:{image}", _left(position), top + (high - 1) / 2)
        value = float(own["edges"].loc[model]) if there else float("nan")
        number = "the same everywhere" if value != value else signed(value)
        below = high if picture.pixels is None else (high + extent(picture.pixels)[1]) / 2
        axes.text(_left(position) + 0.5, top + below + 0.02, number, **small)


def _label(axes: Axes, name: str, number: str, middle: float) -> None:
    style: dict[str, Any] = {"fontsize": 9, "color": INK, "ha": "right", "va": "center", "parse_math": False}
    axes.text(_LABELS - 0.08, middle - (0.05 if number else 0), name, fontweight="bold", **style)
    if number:
        axes.text(_LABELS - 0.08, middle + 0.09, number, **{**style, "fontsize": 7.5, "color": MUTED})
