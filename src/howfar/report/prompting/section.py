"""Report the study of prompts of a study file: figs. 11 and 12, and how well each prompt does."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from howfar.figures.prompting import prompting_rows
from howfar.figures.registration import registration
from howfar.report.parts import Context, FigurePart, Section, TablePart
from howfar.report.prompting import score_table
from howfar.report.tables import Cell, Column, Table, with_interval
from howfar.report.text import listing, sentence_case
from howfar.results.prompting import RANDOM_WEIGHTS, Prompting
from howfar.results.records import Average
from howfar.significance.image_means import average, image_weights

DRAWS: Final = 1000
_STREAM: Final = 8


def section(result: Prompting, context: Context) -> Section:
    """Make the section of a study of prompts."""
    caption = registration("prompting_rows", prompting_rows).caption(result)
    draw = partial(prompting_rows, result, folder=context.folder)
    mean = (
        "Mean of the images' own F at 0.5, where the network itself would cut, with 95 % bootstrap intervals over the images."
    )
    ods = "F of the counts summed over a dataset at the threshold that is best for it, which looks at the masks."
    return Section(
        lead=lead(result),
        parts=[
            FigurePart("rows", draw, caption, "Figures 11 and 12"),
            TablePart("mean-f", "Mean F at 0.5 by prompt and dataset", mean_f(result), mean),
            TablePart("ods", "ODS by prompt and dataset", score_table(result, "ods", "ods_threshold"), ods),
        ],
        sentences=SENTENCES,
        limits=LIMITS,
    )


SENTENCES: Final = (
    "The networks were trained on none of these images. A prompt may do where F is near what a trained segmenter reaches on "
    "the same images.",
)
LIMITS: Final = (
    "Points and boxes are made from the masks that the maps are scored by: they show what an annotator's clicks could give.",
    "An image whose mask is empty is left out, so nothing here says what a prompt draws where there is nothing to find.",
)


def lead(result: Prompting) -> str:
    """Say which prompt is best on each dataset, how good that is, and which others are no worse beyond chance."""
    parts = list(filter(None, (_best(result, dataset) for dataset in result.datasets)))
    said = sentence_case("; ".join(parts)) or "Nothing could be scored."
    return f"{sentence_case(RANDOM_WEIGHTS)} {said}" if RANDOM_WEIGHTS in result.notes else said


def _best(result: Prompting, dataset: str) -> str:
    means = {prompt: average_f(result, prompt, dataset) for prompt in result.prompts}
    scored = {prompt: mean.value for prompt, mean in means.items() if mean.value is not None}
    if not scored:
        return ""
    best = max(scored, key=scored.__getitem__)
    others = (prompt for prompt in scored if prompt != best)
    alike = [prompt for prompt in others if not average_f(result, best, dataset, prompt).clear]
    chance = f" (beyond chance not above {listing(alike, 3)})" if alike else ""
    return f"on {dataset} {best} has the highest mean F at 0.5, {means[best]}{chance}"


def mean_f(result: Prompting) -> Table:
    """List mean F of each prompt and dataset with its interval over the images."""
    rows = []
    for prompt in result.prompts:
        cells = [average_f(result, prompt, dataset) for dataset in result.datasets]
        written = (with_interval(each.value, each.low, each.high, "{:.3f}".format) for each in cells)
        rows.append((Cell(prompt), *written))
    return Table((Column("prompt"), *map(Column, result.datasets)), tuple(rows))


def average_f(result: Prompting, prompt: str, dataset: str, over: str = "") -> Average:
    """Compute the mean of the images' own F by one prompt, or of its difference from the F by another.

    The images are drawn alike for every prompt, so that differences are of the same images.
    """
    own = result.images[result.images["dataset"] == dataset].pivot(index="image", columns="prompt", values="f")
    values = own[prompt] - own[over] if over else own[prompt]
    weights = image_weights(len(own), DRAWS, [int(result.settings["seed"]), _STREAM])
    return average(values.to_numpy(dtype=np.float64), weights)
