"""Draw the same datasets' distances by several backbones, and the rank correlations between backbones."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from howfar.figures import Caption, registered, style
from howfar.figures.distance_figures import SHAPES, relative_axis
from howfar.figures.style import ForestRow, forest, frame_forest
from howfar.results.backbones_result import BackboneComparison
from howfar.text_formatting import format_number, signed

SCALED_AXIS: Final = r"O$^{\mathrm{dist}}$, scaled to a sum of 1 over the datasets"


def _relative_caption(comparison: BackboneComparison) -> Caption:
    measure = comparison.measure()
    values = [
        f"{backbone}: {', '.join(f'{row.dataset} {format_number(getattr(row, measure), 3)}' for row in own.itertuples())}"
        for backbone, own in comparison.to_frame().groupby("backbone", sort=False)
    ]
    hollow = " Hollow marks: the trivial backbones." if comparison.trivial else ""
    text = (
        "Each dataset's mean distance from P over the mean distance of P's own images from each other, by each backbone in "
        "its own features, with 95 % bootstrap intervals. The dashed line is P itself."
        if measure == "relative"
        else "Each dataset's share of the summed distances, by each backbone; one has no yardstick of P's own images."
    )
    return Caption("The same datasets by several backbones", f"{text}{hollow}", f"Dots on one axis. {'; '.join(values)}.")


@registered(_relative_caption, phone=True)
def backbones_relative(comparison: BackboneComparison, *, limit: int = 30) -> Figure:
    """Draw `relative` of each secondary by each backbone with its 95 % interval; trivial backbones are hollow.

    Where a backbone has no yardstick, the row-scaled O^dist stands in its place. Nearest first, by mean rank over the
    backbones.
    """
    frame, measure = comparison.to_frame(), comparison.measure()
    order = nearest_first(frame)[-limit:]
    seen = looks(comparison)
    with style.drawing():
        gap = 0.19 * len(seen) + 0.22
        figure = style.blank(style.WIDTH, 1.5 + gap * len(order))
        axes = figure.add_subplot()
        if measure == "relative":
            axes.axvline(1.0, color=style.MUTED, lw=1.3, ls=(0, (4, 2)), label="_one")
        for position, (backbone, own) in enumerate(seen.items()):
            rows = frame[frame["backbone"] == backbone].set_index("dataset").loc[order].to_dict("records")
            hollow, shift = bool(rows[0]["trivial"]), (position - (len(seen) - 1) / 2) * 0.19 / gap
            low, high = ("relative_low", "relative_high") if measure == "relative" else ("", "")
            dots = (
                ForestRow("_dataset", row[measure], row.get(low), row.get(high), own, "", place + shift, hollow)
                for place, row in enumerate(rows)
            )
            forest(axes, dots, width=2, size=5 if hollow else 6.5, label="_ci")
            mark: dict[str, Any] = {"mfc": "none" if hollow else own.colour, "mec": own.colour, "ls": "none"}
            axes.plot([], [], marker=own.marker, label=str(backbone), **mark)
        values = frame.loc[frame["dataset"].isin(order), measure].dropna()
        if len(values) and values.min() > 0 and values.max() > 8 * values.min():
            style.log_ticks(axes)
        frame_forest(axes, [style.name_text(name) for name in order], range(1, len(order)))
        axes.set_xlabel(relative_axis() if measure == "relative" else SCALED_AXIS)
        left_out = "" if len(order) == frame["dataset"].nunique() else f"The farthest {limit} datasets are shown."
        primary = style.name_text(comparison.comparisons[0].primary.name)
        title = f"Distance from {primary} over its self-distance" if measure == "relative" else f"Distance from {primary}"
        style.head(figure, f"{title}, by backbone", left_out)
        style.name_legend(figure, axes, 4)
    return figure


def _agreement_caption(comparison: BackboneComparison) -> Caption:
    return Caption(
        "Where they agree",
        "Spearman's rank correlation between each two backbones: left of the order in which they put the datasets, right of "
        "the order in which they put the images of a dataset, mean over the datasets.",
        "; ".join(comparison.agreement_lines()),
    )


@registered(_agreement_caption)
def backbones_agreement(comparison: BackboneComparison) -> Figure:
    """Draw Spearman's correlation between backbones on the order of datasets and of a dataset's images (mean over datasets)."""
    names = list(looks(comparison))
    with style.drawing():
        figure = style.blank(style.WIDTH, 1.6 + 0.34 * len(names))
        panels = figure.subplots(1, 2, sharey=True).ravel().tolist()
        for number, axes in enumerate(panels):
            # The triangle below the diagonal.
            cells = np.full((len(names), len(names)), np.nan)
            for column, row in combinations(range(len(names)), 2):
                value = comparison.agreed(names[row], names[column])[number]
                cells[row, column] = np.nan if value is None else value
                # A cell without a value is as the page behind it.
                colour = style.INK if value is None else style.ON_DARK if abs(value) > 0.65 else style.ON_LIGHT
                axes.text(column, row, signed(cells[row, column]), ha="center", va="center", fontsize=8.5, color=colour)
            axes.imshow(cells, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
            style.name_rows(axes, [style.name_text(name, 24) for name in names])
            axes.set(ylim=(len(names) - 0.5, 0.5), xlim=(-0.5, len(names) - 1.5))
            across = [style.name_text(name, 16) for name in names[:-1]]
            axes.set_xticks(range(len(across)), labels=across, rotation=35, ha="right")
            for label in axes.get_xticklabels():
                style.plain(label)
            style.without_edges(axes)
        panels[0].set_title("order of the datasets")
        panels[1].set_title("order of a dataset's images")
        style.head(figure, "How far backbones agree", "Spearman's rank correlation: 1 is the same order, 0 none in common")
    return figure


def nearest_first(frame: pd.DataFrame) -> list[str]:
    """Order the datasets by mean rank over the non-trivial backbones."""
    ranks = frame[~frame["trivial"]].groupby("dataset", sort=False)["rank"].mean()
    return [str(name) for name in ranks.sort_values(kind="stable").index]


def looks(comparison: BackboneComparison) -> Mapping[str, style.Look]:
    """Return each backbone's look, the trivial ones last and grey."""
    own = {name: style.look(position) for position, name in enumerate(comparison.backbones)}
    return own | {
        name: style.Look(style.MUTED, "-", SHAPES[position % len(SHAPES)]) for position, name in enumerate(comparison.trivial)
    }
