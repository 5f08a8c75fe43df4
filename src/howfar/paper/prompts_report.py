"""Report the scores of promptable networks (SAM, CLIPSeg, PerSAM-F) by kind of prompt, with figs. 11 and 12 of the paper."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.data import decode, read_bytes
from howfar.errors import ImageError
from howfar.figures import Caption, registered, registration, style
from howfar.figures import contact_sheets as sheets
from howfar.figures.contact_sheets import PictureBlock, PictureCell, StandInImage
from howfar.formatting_and_escaping import format_number
from howfar.report import section as doc
from howfar.report.page import made_section, write_page
from howfar.report.report_figures import draw_figures
from howfar.results.display_and_shared_records import Interval, matching
from howfar.results.segmenter_studies import RANDOM_WEIGHTS, Prompting
from howfar.significance.bootstrap import average, image_weights

FOREGROUND: Final = "#00a651"
BACKGROUND: Final = "#e4002b"
PHOTOGRAPH: Final = "photograph"
TRUTH: Final = "ground truth"
_FEWEST: Final = 5  # columns that there is room for: 144 pixels look coarse in larger pictures
_CHARACTERS: Final = 18
_NAMES: Final = {"persam": "PerSAM-F", "box_point": "box and point"}
SOURCE: Final = Markup(
    'A. Achara and R. K. Pandey, <a href="https://arxiv.org/abs/2308.03580" rel="noreferrer">arXiv:2308.03580</a>, 2023, figs. '
    "11 and 12. SAM: Kirillov et al., ICCV 2023. CLIPSeg: Lüddecke and Ecker, CVPR 2022. PerSAM-F: Zhang et al., ICLR 2024."
)
DRAWS: Final = 1000
_STREAM: Final = 8
SENTENCES: Final = (
    "The networks were trained on none of these images. A prompt may do where F is near what a trained segmenter reaches on "
    "the same images.",
)
LIMITS: Final = (
    "Points and boxes are made from the masks that the maps are scored by: they show what an annotator's clicks could give.",
    "An image whose mask is empty is left out, so nothing here says what a prompt draws where there is nothing to find.",
)


def _caption(prompting: Prompting) -> Caption:
    rows = prompting.scores.to_dict("records")
    values = [f"{row['prompt']} on {row['dataset']} mean F {row['mean_f']:.2f}" for row in rows]
    return Caption(
        "Prompts and what they give",
        "Of each dataset the image in the middle by F of the first prompt. For SAM: the photograph with each prompt, and below "
        "it the probabilities that the prompt gives; green circles are foreground points, red crosses background points, green "
        "rectangles boxes. For CLIPSeg: the probabilities for each text, which stands above them. White is certain.",
        f"Rows of small pictures. {'; '.join(values)}.",
    )


@registered(_caption, vector=False)
@style.drawing()
def prompting_rows(prompting: Prompting, *, folder: str | Path = ".", limit: int = 12) -> Figure:
    """Draw an image of each dataset: the photograph with each SAM prompt and its map, a CLIPSeg map per text (figs. 11, 12).

    The image is the one in the middle by its F at 0.5 with the first prompt; of an even number the lower. The maps lie below
    `folder`, the study's; at most `limit` datasets are shown.
    """
    datasets, left_out = style.first(prompting.datasets, limit)
    prompt = prompting.prompts[0]
    own = {name: matching(prompting.images, prompt=prompt, dataset=name) for name in datasets}
    shown = [StandInImage(name, sheets.middle(rows, "f"), f"median of F by {prompt}") for name, rows in own.items()]
    blocks = [PictureBlock(style.name_text(each.dataset, 40), each, _lines(prompting, each, Path(folder))) for each in shown]
    images = [(each.dataset, each.image) for each in shown]
    drawn = prompting.images[prompting.images[["dataset", "image"]].apply(tuple, axis=1).isin(images)]
    told = [json.loads(each) for each in drawn["told"]]
    marks = "Green circles: foreground points; red crosses: background points. " if any(each["points"] for each in told) else ""
    marks += "Green rectangles: boxes. " if any(each["box"] for each in told) else ""
    figure = sheets.draw_blocks(blocks, _FEWEST)
    return style.head(figure, "What prompted networks segment", f"{marks}White is certain; F at 0.5. {left_out}")


def _lines(prompting: Prompting, shown: StandInImage, folder: Path) -> list[list[PictureCell]]:
    """Build a dataset's lines of pictures: prompts on the photograph, their maps below, then the maps of the texts."""
    rows = matching(prompting.images, dataset=shown.dataset, image=shown.image).set_index("prompt")
    path, mask = (str(rows.iloc[0][name]) for name in ("path", "mask"))
    photograph, truly = sheets.thumbnail(path), sheets.truth(mask)
    told = {prompt: json.loads(str(rows.loc[prompt, "told"])) for prompt in prompting.prompts}
    marked = [prompt for prompt in prompting.prompts if not told[prompt]["text"]]
    texts = [prompt for prompt in prompting.prompts if told[prompt]["text"]]
    lines: list[list[PictureCell]] = []
    if marked:
        try:
            size = decode(read_bytes(path)).image.size
            marks = {each: partial(_prompt, told[each], size) for each in marked}
        except (ImageError, OSError):
            marks = {}
        over = [PictureCell(f"{p} on the photograph", photograph, _NAMES.get(p, p), "", marks.get(p)) for p in marked]
        lines.append([PictureCell(PHOTOGRAPH, photograph, PHOTOGRAPH), *over])
        maps = [_map(rows, prompt, folder, "") for prompt in marked]
        lines.append([PictureCell(TRUTH, truly, "", TRUTH), *maps])
    if texts:
        start = [PictureCell(PHOTOGRAPH, photograph, PHOTOGRAPH), PictureCell(TRUTH, truly, TRUTH)]
        # A long list of texts goes on below; its lines begin with maps.
        quoted = {text: fill(f"“{style.name_text(told[text]['text'], 3 * _CHARACTERS)}”", _CHARACTERS) for text in texts}
        cells = start + [_map(rows, text, folder, title) for text, title in quoted.items()]
        lines += [cells[at : at + _FEWEST] for at in range(0, len(cells), _FEWEST)]
    return lines


def _map(rows: pd.DataFrame, prompt: str, folder: Path, title: str) -> PictureCell:
    value: Any = rows.loc[prompt, "f"]
    number = "" if value != value else f"F {value:.2f}"
    return PictureCell(prompt, sheets.probabilities(folder / str(rows.loc[prompt, "map"])), title, number)


def _prompt(
    prompt: dict[str, Any], true: tuple[int, int], axes: Axes, corner: tuple[float, float], drawn: tuple[float, float]
) -> None:
    """Draw points and a box, in pixels of the full picture, over its thumbnail."""
    x, y = drawn[0] / true[0], drawn[1] / true[1]
    for (column, row), label in zip(prompt["points"], prompt["labels"], strict=True):
        marker, colour = ("o", FOREGROUND) if label else ("X", BACKGROUND)
        at = corner[0] + column * x, corner[1] + row * y
        axes.plot([at[0]], [at[1]], marker, ms=5.5, color=colour, mec="white", mew=0.7, zorder=3)
    if prompt["box"]:
        left, upper, right, lower = prompt["box"]
        across = [corner[0] + value * x for value in (left, right, right, left, left)]
        down = [corner[1] + value * y for value in (upper, upper, lower, lower, upper)]
        axes.plot(across, down, color="white", lw=2.6, zorder=2.8)
        axes.plot(across, down, color=FOREGROUND, lw=1.5, zorder=2.9)


def write_prompting_report(prompting: Prompting, folder: str | Path) -> Path:
    """Write ``figures/prompting_rows.png`` and ``report.html``, and return the page's path.

    `folder` is the study's, below which the maps lie; what is in it by these names is replaced.
    """
    figures = draw_figures({"prompting_figures": prompting}, folder)
    heads = "Prompting report", "Would a prompt do?", "What prompted networks segment"
    facts = [f"{len(prompting.datasets)} dataset{doc.plural(len(prompting.datasets))}", ", ".join(prompting.prompts)]
    return write_page(folder, figures, _sections(prompting), heads, facts, prompting.provenance)


def _sections(prompting: Prompting) -> Iterator[tuple[str, str, doc.Section]]:
    way = Markup("{} (<code>howfar evaluate</code>); where it is not, labels and training are the way.")
    trained = way.format(SENTENCES[0].removesuffix("."))
    answer: list[doc.Part] = [*doc.notes("Notes of the study", prompting.notes), doc.RegisteredFigure("prompting_rows")]
    yield "answer", "In short", doc.Section(lead(prompting), answer, [trained])
    yield "scores", "Scores", doc.Section("", _tables(prompting))
    chosen = {name: "; ".join(map(str, v)) if isinstance(v, list | tuple) else v for name, v in prompting.settings.items()}
    yield made_section(doc.Made([("Settings", doc.facts(chosen))], prompting.provenance, source=SOURCE, heading="Sources"))


def _tables(prompting: Prompting) -> list[doc.TablePart]:
    mean = (
        "Mean of the images' own F at 0.5, where the network itself would cut, with 95 % bootstrap intervals over the images."
    )
    ods = "F of the counts summed over a dataset at the threshold that is best for it, which looks at the masks."

    def mean_cell(prompt: str, dataset: str) -> doc.Cell:
        return doc.interval_cell(average_f(prompting, prompt, dataset), "{:.3f}".format)

    def ods_cell(prompt: str, dataset: str) -> doc.Cell:
        row = matching(prompting.scores, prompt=prompt, dataset=dataset).iloc[0]
        at = "" if row["ods_threshold"] != row["ods_threshold"] else f" at {row['ods_threshold']:.2f}"
        value = None if row["ods"] != row["ods"] else float(row["ods"])
        return doc.Cell(f"{format_number(value, 3)}{at}", value)

    by_prompt = partial(doc.crossed, "prompt", prompting.prompts, prompting.datasets, doc.Cell)
    return [
        doc.TablePart("mean-f", "Mean F at 0.5 by prompt and dataset", by_prompt(mean_cell), mean),
        doc.TablePart("ods", "ODS by prompt and dataset", by_prompt(ods_cell), ods),
    ]


def section(result: Prompting, context: doc.Context) -> doc.Section:
    """Build the section of a study of prompts."""
    caption = registration("prompting_rows", prompting_rows).caption(result)
    draw = partial(prompting_rows, result, folder=context.folder)
    return doc.Section(
        lead=lead(result),
        parts=[doc.FigurePart("rows", draw, caption, "Figures 11 and 12"), *_tables(result)],
        sentences=SENTENCES,
        limits=LIMITS,
    )


def lead(result: Prompting) -> str:
    """State the best prompt on each dataset, its score, and the prompts not worse beyond chance."""
    parts = []
    for dataset in result.datasets:
        means = {prompt: average_f(result, prompt, dataset) for prompt in result.prompts}
        scored = {prompt: mean.value for prompt, mean in means.items() if mean.value is not None}
        if scored:
            best = max(scored, key=scored.__getitem__)
            others = [prompt for prompt in scored if prompt != best]
            alike = [prompt for prompt in others if not average_f(result, best, dataset, prompt).clear]
            chance = f" (beyond chance not above {doc.listing(alike, 3)})" if alike else ""
            parts.append(f"on {dataset} {best} has the highest mean F at 0.5, {means[best]}{chance}")
    said = doc.sentence_case("; ".join(parts)) or "Nothing could be scored."
    return f"{doc.sentence_case(RANDOM_WEIGHTS)} {said}" if RANDOM_WEIGHTS in result.notes else said


def average_f(result: Prompting, prompt: str, dataset: str, over: str = "") -> Interval:
    """Compute a prompt's mean of the images' own F, or of its difference from another's, drawn alike for every prompt."""
    own = matching(result.images, dataset=dataset).pivot(index="image", columns="prompt", values="f")
    values = own[prompt] - own[over] if over else own[prompt]
    weights = image_weights(len(own), DRAWS, [int(result.settings["seed"]), _STREAM])
    return average(values.to_numpy(dtype=np.float64), weights)
