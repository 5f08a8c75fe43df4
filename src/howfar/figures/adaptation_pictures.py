"""Draw rows of photographs, ground truth and each adapted model's probability map (figs. 8, 9 and 13 of the paper)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from howfar.figures import Caption, contact_sheets, registered, style
from howfar.figures.adaptation_style import by_background, by_shots, strategy_of, study_note
from howfar.figures.picture_rows import PictureBlock, PictureCell, draw_blocks
from howfar.results.adaptation_result import BASELINE, Adaptation
from howfar.results.records import matching

TITLE = "What the models predict"
FEWEST = 7  # columns that there is room for: 144 pixels look coarse in larger pictures
_TRUTH = 1


def rows_caption(result: Adaptation, datasets: Sequence[str] | None = None, background: bool | None = None) -> Caption:
    """Return the caption for picture rows of some datasets, by default of all."""
    several = len(result.segmenters) > 1
    blind = " No model learnt from these datasets." if datasets and set(datasets) <= set(result.blind) else ""
    models, shown = ", ".join(_models(result, strategy_of(result), background)), datasets or ["each dataset"]
    return Caption(
        f"{TITLE} on {', '.join(shown)}",
        f"Photograph, ground truth where there is one, and the maps of {models}{'; one row a segmenter' if several else ''}."
        f"{blind} The image is chosen by rule{', the same for all segmenters' if several else ''}: at the median of M's F; "
        "where there is no F, at the median of M's false positives; else the middle one by name. Right of each name is the "
        "rule that held. Maps show the probability, white is certain, as trained with seed "
        f"{first_seed(result)}; under each the image's F at the model's own threshold, or its share of false positives. One "
        "image shows what changes look like, not how much they are worth.",
        "Rows of small pictures: photograph, ground truth where there is one, and each model's probability map.",
    )


def _models(study: Adaptation, strategy: str, background: bool | None) -> list[str]:
    """List M and the models by shots (False), or those without and with background (True), or both (None)."""
    plain, added = [BASELINE, *by_shots(study, strategy)], by_background(study, strategy)
    return list(dict.fromkeys([*([] if background else plain), *([] if background is False else added)]))


@registered(rows_caption, shows=contact_sheets.has_files, vector=False)
def adaptation_rows(
    result: Adaptation,
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
    models, seed = _models(result, strategy_of(result, strategy), background), first_seed(result)
    images = matching(result.images, seed=seed)
    every = [*result.secondaries, *result.blind, *([] if result.background is None else [result.background])]
    predicted = set(images["dataset"])
    there = [name for name in dict.fromkeys(every if datasets is None else datasets) if name in predicted]
    if not there or not models:
        return style.nothing(TITLE, "no image of these datasets was predicted in the first seed")
    shown, left_out = style.first(there, limit)
    places = {name: Path(folder) / name if name in result.runs() else Path(folder) for name in result.segmenters}
    blocks = [block for name in shown for block in _blocks(matching(images, dataset=name), models, places)]
    if all(block.lines[0][_TRUTH].picture.reason == contact_sheets.NONE for block in blocks):
        blocks = [block._replace(lines=[[*line[:_TRUTH], *line[_TRUTH + 1 :]]]) for block in blocks for line in block.lines]
    with style.drawing():
        figure = draw_blocks(blocks, FEWEST)
        note = f"The image in the middle, as said at the right of each row; seed {seed}; white is certain. {left_out}"
        style.head(figure, f"{TITLE}: {study_note(result, '')}", note.strip())
    return figure


def first_seed(adaptation: Adaptation) -> int:
    """Return the first seed in the study's settings that has images."""
    seeds = set(adaptation.images["seed"].tolist())
    return next((int(seed) for seed in adaptation.settings["seeds"] if seed in seeds), int(min(seeds, default=0)))


def _cells(own: pd.DataFrame, models: Sequence[str], folder: Path) -> list[PictureCell]:
    """Read the pictures of an image, whose rows by model are `own`: photograph, ground truth, and each model's map."""
    photograph, mask = str(own.iloc[0]["path"]), str(own.iloc[0]["mask"])
    truths = {"photograph": contact_sheets.thumbnail(photograph), "ground truth": contact_sheets.truth(mask)}
    return [
        *(PictureCell(name, each, below=name) for name, each in truths.items()),
        *(_map(own, each, folder) for each in models),
    ]


def _map(own: pd.DataFrame, model: str, folder: Path) -> PictureCell:
    name = style.name_text(model, 16)
    if model not in own.index:
        return PictureCell(model, contact_sheets.Thumbnail(None, "not made\nin this seed"), below=name)
    f, share = (float(own[column].loc[model]) for column in ("f", "false_positive_share"))
    number = f"\nF {f:.2f}" if not np.isnan(f) else "" if np.isnan(share) else f"\nfalse {100 * share:.1f} %"
    return PictureCell(model, contact_sheets.probabilities(folder / str(own.loc[model, "map"])), below=name + number)


def _blocks(images: pd.DataFrame, models: Sequence[str], places: Mapping[str, Path]) -> list[PictureBlock]:
    """Build a dataset's rows; segmenters without results for the chosen image have none."""
    dataset = str(images["dataset"].iloc[0])
    shown = stand_in(images, dataset)
    blocks = []
    for segmenter, place in places.items():
        own = matching(images, segmenter=segmenter, image=shown.image).set_index("model")
        several = len(places) > 1
        heading = style.name_text(dataset, 30 if several else 40) + (f" · {style.name_text(segmenter, 24)}" if several else "")
        blocks += [PictureBlock(heading, shown, [_cells(own, models, place)])] if len(own) else []
    return blocks


def stand_in(images: pd.DataFrame, dataset: str) -> contact_sheets.StandInImage:
    """Choose a dataset's median image by the unadapted models' mean F, else by false positives, else by name.

    Images that fewer segmenters have than others are left out.
    """
    own = images[(images["model"] == BASELINE) & (images["dataset"] == dataset)].groupby("image")
    counted = own.size()
    means = own[["f", "false_positive_share"]].mean().loc[counted.index[counted == counted.max()]].reset_index()
    for column, reason in (("f", "median of F by M"), ("false_positive_share", "median of false positives by M")):
        measured = means[means[column].notna()]
        if len(measured):
            return contact_sheets.StandInImage(dataset, contact_sheets.middle(measured, column), reason)
    return contact_sheets.StandInImage(dataset, contact_sheets.middle(means, "image"), "middle by name")
