"""Draw figs. 8, 9 and 13 of the paper: photographs, ground truth and each model's map, chosen by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import Caption, registered
from howfar.figures.adaptation_models import by_background, by_shots, strategy_of, study_note
from howfar.figures.contact_sheets import (
    NONE,
    StandInImage,
    Thumbnail,
    extent,
    has_files,
    middle,
    probabilities,
    square,
    thumbnail,
    truth,
)
from howfar.figures.style import INK, MUTED, drawing, first, head, name_text, nothing, picture_sheet
from howfar.results.adaptation_result import BASELINE, Adaptation, AdaptationResult

TITLE = "What the models predict"
STEP = 1.06
EXTRA = 0.6
FEWEST = 7  # columns that there is room for: 144 pixels look coarse in larger pictures


class CaptionedPicture(NamedTuple):
    """Hold a picture with its caption."""

    column: str
    number: str
    picture: Thumbnail


def rows_caption(result: AdaptationResult, datasets: Sequence[str] | None = None, background: bool | None = None) -> Caption:
    """Return the caption for picture rows of some datasets, by default of all."""
    study, several = result.first, len(result.by_segmenter()) > 1
    blind = " No model learnt from these datasets." if datasets and set(datasets) <= set(study.blind) else ""
    models, shown = ", ".join(_models(study, strategy_of(study), background)), datasets or ["each dataset"]
    return Caption(
        f"{TITLE} on {', '.join(shown)}",
        f"Photograph, ground truth where there is one, and the maps of {models}{'; one row a segmenter' if several else ''}."
        f"{blind} The image is chosen by rule{', the same for all segmenters' if several else ''}: at the median of M's F; "
        "where there is no F, at the median of M's false positives; else the middle one by name. Right of each name is the "
        "rule that held. Maps show the probability, white is certain, as trained with seed "
        f"{first_seed(study)}; under each the image's F at the model's own threshold, or its share of false positives. One "
        "image shows what changes look like, not how much they are worth.",
        "Rows of small pictures: photograph, ground truth where there is one, and each model's probability map.",
    )


def _models(study: Adaptation, strategy: str, background: bool | None) -> list[str]:
    """List M and the models by shots (False), or those without and with background (True), or both (None)."""
    plain, added = [BASELINE, *by_shots(study, strategy)], by_background(study, strategy)
    return list(dict.fromkeys([*([] if background else plain), *([] if background is False else added)]))


@registered(rows_caption, shows=has_files, vector=False)
def adaptation_rows(
    result: AdaptationResult,
    datasets: Sequence[str] | None = None,
    *,
    folder: str | Path = ".",
    background: bool | None = None,
    strategy: str | None = None,
    limit: int = 16,
) -> Figure:
    """Draw an image of each dataset: photograph, ground truth if any, and each model's map; a row per segmenter.

    After figs. 8, 9 and 13 of Achara & Pandey, in the first seed. M alone decides on the image, the same for all segmenters:
    see `stand_in`. White is certain; a shrunk map keeps the highest probability of each pixel, so that thin lines stay.
    `background` shows the models with (True), without (False), or both (None).
    """
    studies, study = result.by_segmenter(), result.first
    models = _models(study, strategy_of(study, strategy), background)
    rows = {name: each.images[each.images["seed"] == first_seed(each)] for name, each in studies.items()}
    every = [*study.secondaries, *study.blind, *([] if study.background is None else [study.background])]
    predicted = {name for own in rows.values() for name in own["dataset"].unique()}
    there = [name for name in dict.fromkeys(every if datasets is None else datasets) if name in predicted]
    if not there or not models:
        return nothing(TITLE, "no image of these datasets was predicted in the first seed")
    shown, left_out = first(there, limit)
    places = {name: Path(folder) if isinstance(result, Adaptation) else Path(folder) / name for name in studies}
    lines = [line for name in shown for line in _lines(rows, name, models, places)]
    if all(line.cells[_TRUTH].picture.reason == NONE for line in lines):
        lines = [line._replace(cells=[*line.cells[:_TRUTH], *line.cells[_TRUTH + 1 :]]) for line in lines]
    with drawing():
        across = max(2 + len(models), FEWEST) * STEP
        figure, axes = picture_sheet(across, sum(row_height(line.cells) for line in lines), top=-0.05)
        top = 0.0
        for line in lines:
            name = f" · {name_text(line.segmenter, 24)}" if len(studies) > 1 else ""
            top += draw_row(axes, line.shown, line.cells, top, f"{name_text(line.shown.dataset, 30 if name else 40)}{name}")
        seed = first_seed(study)
        note = f"The image in the middle, as said at the right of each row; seed {seed}; white is certain. {left_out}"
        head(figure, f"{TITLE}: {study_note(result, '')}", note.strip())
    return figure


def first_seed(adaptation: Adaptation) -> int:
    """Return the first seed in the study's settings that has images."""
    seeds = set(adaptation.images["seed"].tolist())
    return next((int(seed) for seed in adaptation.settings["seeds"] if seed in seeds), int(min(seeds, default=0)))


def cells_of(own: pd.DataFrame, models: Sequence[str], folder: Path) -> list[CaptionedPicture]:
    """Read the pictures of an image, whose rows by model are `own`: photograph, ground truth, and each model's map."""
    photograph, mask = str(own.iloc[0]["path"]), str(own.iloc[0]["mask"])
    first = [CaptionedPicture("photograph", "", thumbnail(photograph)), CaptionedPicture("ground truth", "", truth(mask))]
    return [*first, *(_map(own, model, folder) for model in models)]


def row_height(cells: Sequence[CaptionedPicture]) -> float:
    """Compute a row's height from its pictures, which have width 1, and the text above and below."""
    pixels = [(cell.picture.pixels, cell.picture.reason) for cell in cells]
    return EXTRA + max((0.3 if reason == NONE else 1.0) if own is None else extent(own)[1] for own, reason in pixels)


def draw_row(axes: Axes, shown: StandInImage, cells: Sequence[CaptionedPicture], top: float, heading: str) -> float:
    """Draw a row below `top` under a heading, and return its height."""
    title: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "parse_math": False}
    axes.text(0, top + 0.18, heading, va="bottom", **title)
    small: dict[str, Any] = {"fontsize": 7.5, "color": MUTED, "parse_math": False}
    name = name_text(shown.image.rsplit("/", 1)[-1], 40)
    edge = (max(len(cells), FEWEST) - 1) * STEP + 1
    axes.text(edge, top + 0.18, f"{name} · {shown.reason}", va="bottom", ha="right", **small)
    high = row_height(cells) - EXTRA
    start = top + 0.24
    for position, cell in enumerate(cells):
        middle_of = position * STEP + 0.5
        if cell.picture.reason == NONE:
            axes.text(middle_of, start + high / 2, NONE, ha="center", va="center", **small)
        else:
            square(axes, cell.picture, f"{shown.dataset}:{cell.column}", position * STEP, start - (1 - high) / 2)
        label = name_text(cell.column, 16) + (f"\n{cell.number}" if cell.number else "")
        axes.text(middle_of, start + high + 0.03, label, ha="center", va="top", linespacing=1.3, **{**small, "color": INK})
    return row_height(cells)


def _map(own: pd.DataFrame, model: str, folder: Path) -> CaptionedPicture:
    if model not in own.index:
        return CaptionedPicture(model, "", Thumbnail(None, "not made\nin this seed"))
    f, share = (float(own[name].loc[model]) for name in ("f", "false_positive_share"))
    number = f"F {f:.2f}" if not np.isnan(f) else "" if np.isnan(share) else f"false {100 * share:.1f} %"
    return CaptionedPicture(model, number, probabilities(folder / str(own.loc[model, "map"])))


_TRUTH = 1


class PictureRow(NamedTuple):
    """Hold a row of pictures: image, segmenter, and cells."""

    shown: StandInImage
    segmenter: str
    cells: list[CaptionedPicture]


def _lines(rows: dict[str, pd.DataFrame], dataset: str, models: Sequence[str], places: Mapping[str, Path]) -> list[PictureRow]:
    """Build a dataset's rows; segmenters without results for the chosen image have none."""
    own = {name: images[images["dataset"] == dataset] for name, images in rows.items()}
    shown = stand_in(pd.concat(list(own.values())), dataset)
    lines = []
    for name, images in own.items():
        by_model = images[images["image"] == shown.image].set_index("model")
        if len(by_model):
            lines.append(PictureRow(shown, name, cells_of(by_model, models, places[name])))
    return lines


def stand_in(images: pd.DataFrame, dataset: str) -> StandInImage:
    """Choose a dataset's median image by the unadapted models' mean F, else by false positives, else by name.

    Images that fewer segmenters have than others are left out.
    """
    own = images[(images["model"] == BASELINE) & (images["dataset"] == dataset)].groupby("image")
    counted = own.size()
    means = own[["f", "false_positive_share"]].mean().loc[counted.index[counted == counted.max()]].reset_index()
    for column, reason in (("f", "median of F by M"), ("false_positive_share", "median of false positives by M")):
        measured = means[means[column].notna()]
        if len(measured):
            return StandInImage(dataset, middle(measured, column), reason)
    return StandInImage(dataset, middle(means, "image"), "middle by name")
