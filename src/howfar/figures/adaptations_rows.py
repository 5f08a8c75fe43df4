"""Draw figs. 8, 9 and 13 of the paper: one photograph, and what each model of each segmenter predicts on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from howfar.figures.adaptation_models import by_background, by_shots, strategy_of
from howfar.figures.adaptation_rows import FEWEST, STEP, Cell, cells_of, draw_row, first_seed, row_height
from howfar.figures.datasets import first
from howfar.figures.frame import nothing, picture_sheet
from howfar.figures.pictures import NONE, Shown, middle
from howfar.figures.style import drawing, head, name_text
from howfar.results.adaptation import BASELINE
from howfar.results.adaptations import Adaptations

TITLE = "What the models predict"
_TRUTH = 1


class Row(NamedTuple):
    """Hold a row of pictures: the image, the segmenter, and its cells."""

    shown: Shown
    segmenter: str
    cells: list[Cell]


def adaptations_rows(
    result: Adaptations,
    datasets: Sequence[str],
    *,
    folder: str | Path = ".",
    background: bool = False,
    strategy: str | None = None,
    limit: int = 4,
) -> Figure:
    """Draw one image of each of some datasets with the maps of every model, one row a segmenter.

    After figs. 8 and 9 of Achara & Pandey, with M and the models of `strategy`; with `background` after fig. 13, with the model
    of the most shots and those that background images were added to. All segmenters are shown on one image, among those that no
    model of any of them learnt from, in the first seed: in the middle by F of the unadapted models, else by their false
    positives, else by name. The maps lie below `folder`, in the segmenters' folders. At most `limit` datasets are shown, the
    first.
    """
    study = result.first
    chosen = strategy_of(study, strategy)
    models = by_background(study, chosen) if background else [BASELINE, *by_shots(study, chosen)]
    rows = {name: each.images[each.images["seed"] == first_seed(each)] for name, each in result.runs().items()}
    there = [name for name in datasets if any(name in set(own["dataset"]) for own in rows.values())]
    if not there or not models:
        return nothing(TITLE, "no image of these datasets was predicted in the first seed")
    shown, left_out = first(there, limit)
    lines = _with_truth([line for name in shown for line in _lines(rows, name, models, Path(folder))])
    with drawing():
        across = max(2 + len(models), FEWEST) * STEP
        figure, axes = picture_sheet(across, sum(row_height(line.cells) for line in lines), top=-0.05)
        top = 0.0
        for line in lines:
            heading = f"{name_text(line.shown.dataset, 30)} · {name_text(line.segmenter, 24)}"
            top += draw_row(axes, line.shown, line.cells, top, heading)
        note = (
            f"The image in the middle, as said at the right of each row; seed {first_seed(study)}; white is certain. {left_out}"
        )
        head(figure, TITLE, note.strip())
    return figure


def _lines(rows: dict[str, pd.DataFrame], dataset: str, models: Sequence[str], folder: Path) -> list[Row]:
    """Make the rows of one dataset; a segmenter that no image is left of, or one that learnt from the image, has none."""
    own = {name: images[images["dataset"] == dataset] for name, images in rows.items()}
    shown = common_stand_in(pd.concat(list(own.values())), dataset)
    lines = []
    for name, images in own.items():
        by_model = images[images["image"] == shown.image].set_index("model")
        if len(by_model):
            lines.append(Row(shown, name, cells_of(by_model, models, folder / name)))
    return lines


def _with_truth(lines: list[Row]) -> list[Row]:
    """Leave out the column of ground truth where no row has one."""
    if any(line.cells[_TRUTH].picture.reason != NONE for line in lines):
        return lines
    return [line._replace(cells=[*line.cells[:_TRUTH], *line.cells[_TRUTH + 1 :]]) for line in lines]


def common_stand_in(images: pd.DataFrame, dataset: str) -> Shown:
    """Choose the image in the middle by the mean of the unadapted models' F, else of false positives, else by name.

    `images` are a dataset's rows of all segmenters; images that fewer segmenters have than others are left out.
    """
    own = images[images["model"] == BASELINE].groupby("image")
    counted = own.size()
    common = counted.index[counted == counted.max()]
    means = own[["f", "false_positive_share"]].mean().loc[common].reset_index()
    for column, reason in (("f", "median of F by M"), ("false_positive_share", "median of false positives by M")):
        measured = means[means[column].notna()]
        if len(measured):
            return Shown(dataset, middle(measured, column), reason)
    return Shown(dataset, middle(means, "image"), "middle by name")
