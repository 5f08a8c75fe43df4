"""Figs. 8, 9 and 13 of the paper: photographs, ground truth and what each model predicts, chosen by rule and not by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from howfar.errors import HowfarError
from howfar.figures.adaptation_models import by_background, by_shots, strategy_of
from howfar.figures.failures import highest
from howfar.figures.sets import first, nothing
from howfar.figures.style import INK, MUTED, WIDTH, blank, drawing, head, name_text
from howfar.figures.thumbnails import SIDE, Thumbnail, square, thumbnail
from howfar.results.adaptation import BASELINE, Adaptation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

TITLE = "What the models predict"
STEP = 1.06
EXTRA = 0.6
FEWEST = 7  # columns that there is room for: 144 pixels look coarse in larger pictures
NONE = "none"


class Cell(NamedTuple):
    """A picture, and what stands under it."""

    column: str
    number: str
    found: Thumbnail


class Shown(NamedTuple):
    """The image that stands for a dataset, and why this one."""

    dataset: str
    image: str
    reason: str


def adaptation_rows(
    adaptation: Adaptation, *, folder: str | Path = ".", strategy: str | None = None, limit: int = 16
) -> Figure:
    """One image of each dataset: the photograph, its ground truth where there is one, and every model's probability map.

    After figs. 8, 9 and 13 of Achara & Pandey. Which image is shown is decided by M alone, in the first seed: the one in the
    middle by M's F; of a dataset without F the one in the middle by M's share of false positives; without either the one in
    the middle by name. Of an even number it is the lower. In the maps white is certain; where one is shrunk, a pixel has the
    highest probability that it covers, so that thin lines stay.

    Parameters
    ----------
    adaptation
        The result.
    folder
        The study's, below which the maps lie.
    strategy
        Whose models are shown beside M; by default the first that is not random.
    limit
        Datasets at most: secondaries, then blind sets, then background.

    Raises
    ------
    InputError
        `limit` is below 1, or no such strategy.
    """
    chosen, seed = strategy_of(adaptation, strategy), first_seed(adaptation)
    models = list(dict.fromkeys([BASELINE, *by_shots(adaptation, chosen), *by_background(adaptation, chosen)]))
    rows = adaptation.images[(adaptation.images["seed"] == seed) & adaptation.images["model"].isin(models)]
    datasets = [name for name in _datasets(adaptation) if name in set(rows["dataset"])]
    if not datasets:
        return nothing(TITLE, "no image was predicted in the first seed")
    shown, left_out = first([middle(rows, name) for name in datasets], limit)
    lines = []
    for one in shown:
        here = rows[(rows["dataset"] == one.dataset) & (rows["image"] == one.image)].set_index("model")
        lines.append((one, _cells(here, models, Path(folder))))
    with drawing():
        across = max(2 + len(models), FEWEST) * STEP
        height = sum(max(_height(cell.found) for cell in cells) + EXTRA for _, cells in lines)
        figure = blank(WIDTH, WIDTH * height / across + 0.5)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(0, across)
        axes.set_ylim(height, -0.05)
        axes.set_aspect("equal")
        top = 0.0
        for one, cells in lines:
            top += _line(axes, one, cells, top)
        note = f"The image in the middle, as said at the right of each row; seed {seed}; white is certain. {left_out}"
        head(figure, f"{TITLE}: {name_text(adaptation.segmenter)} on {name_text(adaptation.primary)}", note.strip())
    return figure


def first_seed(adaptation: Adaptation) -> int:
    """The first seed of the study's settings of which there are images."""
    known = set(adaptation.images["seed"].tolist())
    return next((int(seed) for seed in adaptation.settings["seeds"] if seed in known), int(min(known, default=0)))


def middle(images: pd.DataFrame, dataset: str) -> Shown:
    """The image that stands for a dataset: in the middle by M's F, else by M's false positives, else by name; ties by name.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"model": "M", "dataset": "a", "image": list("pqr"), "f": [0.9, 0.1, 0.5]})
    >>> middle(rows.assign(false_positive_share=None), "a")
    Shown(dataset='a', image='r', reason='median of F by M')
    >>> middle(rows.assign(false_positive_share=None, f=None), "a").image
    'q'
    """
    own = images[(images["model"] == BASELINE) & (images["dataset"] == dataset)].sort_values("image", kind="stable")
    for column, reason in (("f", "median of F by M"), ("false_positive_share", "median of false positives by M")):
        known = own[own[column].notna()].sort_values(column, kind="stable")
        if len(known):
            return Shown(dataset, str(known["image"].iloc[(len(known) - 1) // 2]), reason)
    return Shown(dataset, str(own["image"].iloc[(len(own) - 1) // 2]), "middle by name")


def grey(read: Callable[[], NDArray[Any]]) -> Thumbnail:
    """A map or mask as a grey picture of at most 144 pixels a side, or the reason why there is none.

    Examples
    --------
    >>> grey(lambda: np.eye(2)).pixels[:, :, 0].tolist()
    [[255, 0], [0, 255]]
    """
    try:
        values = read()
    except (HowfarError, OSError):
        return Thumbnail(None, "unreadable")
    p = values / 255 if values.dtype == np.uint8 else np.asarray(values, dtype=np.float64)
    scale = min(1.0, SIDE / max(p.shape))
    height, width = (max(1, round(scale * side)) for side in p.shape)
    shade = np.round(255 * highest(p, height, width)).astype(np.uint8)
    return Thumbnail(np.repeat(shade[..., None], 3, axis=2))


def _datasets(adaptation: Adaptation) -> list[str]:
    background = [] if adaptation.background is None else [adaptation.background]
    return list(dict.fromkeys([*adaptation.secondaries, *adaptation.blind, *background]))


def _cells(here: pd.DataFrame, models: Sequence[str], folder: Path) -> list[Cell]:
    record = here.iloc[0]
    return [
        Cell("photograph", "", thumbnail(str(record["path"]))),
        Cell("ground truth", "", _truth(str(record["mask"]))),
        *(Cell(model, _numbers(here, model), _map(here, model, folder)) for model in models),
    ]


def _line(axes: Axes, one: Shown, cells: Sequence[Cell], top: float) -> float:
    """Draw one row below `top`, and return how high it is: as high as its pictures are, that are one wide."""
    title: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "parse_math": False}
    axes.text(0, top + 0.18, name_text(one.dataset, 40), va="bottom", **title)
    small: dict[str, Any] = {"fontsize": 7.5, "color": MUTED, "parse_math": False}
    name = name_text(one.image.rsplit("/", 1)[-1], 40)
    edge = (max(len(cells), FEWEST) - 1) * STEP + 1
    axes.text(edge, top + 0.18, f"{name} · {one.reason}", va="bottom", ha="right", **small)
    high = max(_height(cell.found) for cell in cells)
    start = top + 0.24
    for place, cell in enumerate(cells):
        middle_of = place * STEP + 0.5
        if cell.found.reason == NONE:
            axes.text(middle_of, start + high / 2, NONE, ha="center", va="center", **small)
        else:
            square(axes, cell.found, f"{one.dataset}:{cell.column}", place * STEP, start - (1 - high) / 2)
        label = name_text(cell.column, 16) + (f"\n{cell.number}" if cell.number else "")
        axes.text(middle_of, start + high + 0.03, label, ha="center", va="top", linespacing=1.3, **{**small, "color": INK})
    return high + EXTRA


def _height(found: Thumbnail) -> float:
    if found.pixels is None:
        return 0.3 if found.reason == NONE else 1.0
    height, width = found.pixels.shape[:2]
    return float(height / max(height, width))


def _truth(path: str) -> Thumbnail:
    from howfar.data.masks import read_mask
    from howfar.data.read import exists

    if not path:
        return Thumbnail(None, NONE)
    if not exists(path):
        return Thumbnail(None, "not found")
    return grey(lambda: read_mask(path).astype(np.float64))


def _map(here: pd.DataFrame, model: str, folder: Path) -> Thumbnail:
    from howfar.data.predictions import read_prediction

    if model not in here.index:
        return Thumbnail(None, "not made\nin this seed")
    file = folder / str(here.loc[model, "map"])
    if not file.is_file():
        return Thumbnail(None, "not found")
    return grey(lambda: read_prediction(file).values)


def _numbers(here: pd.DataFrame, model: str) -> str:
    if model not in here.index:
        return ""
    f, share = (float(here[name].loc[model]) for name in ("f", "false_positive_share"))
    if not np.isnan(f):
        return f"F {f:.2f}"
    return "" if np.isnan(share) else f"false {100 * share:.1f} %"
