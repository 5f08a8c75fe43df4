"""Draw figs. 4-6 and 14-16 of the paper: F of images by their distance, before and after adaptation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from howfar.figures.adaptation_bars import has_background, is_scored
from howfar.figures.adaptation_models import (
    AS_IN_PAPER,
    CAUTION,
    Measure,
    by_background,
    by_shots,
    image_measure,
    looks,
    seeds_of,
    seeds_text,
    strategy_of,
    study_note,
)
from howfar.figures.datasets import first
from howfar.figures.frame import head_panel, name_legend, nothing, unit_panels
from howfar.figures.registration import Caption, registered
from howfar.figures.style import I_DIST, MUTED, PAPER, WIDTH, Look, blank, drawing, head
from howfar.relation.performance_curve import curve
from howfar.results.adaptation import BASELINE, F_ODS, F_OWN, Adaptation

COLUMNS = 2
TITLE = "F by distance, before and after adaptation"
BACKGROUND = "F by distance, with and without background images"
AXES: Mapping[Measure, str] = {
    "f_ods": "F at the dataset's best threshold",
    "f": "F at the model's own threshold",
}

_LINES = (
    "Lines are centred moving averages over a tenth of the images, faint dots images; F and distance of an image are means "
    "over seeds. Where a line is level, F does not go with distance. Where dots are few, it follows single images."
)
_PANELS = "Panels of curves, one for each model; the numbers are in the tables."


def _which(adaptation: Adaptation) -> str:
    """Say at which threshold the curves' F is, and why."""
    if image_measure(adaptation) == F_ODS:
        return f"F is at the threshold that is best for the dataset by that model, {AS_IN_PAPER}. {CAUTION}."
    return (
        "F is at the model's own threshold, and not at the dataset's best as in the paper: the study was written without that."
    )


def _caption(adaptation: Adaptation) -> Caption:
    return Caption(
        "F by distance, before and after",
        "One panel a dataset, distances as M sees them, scaled from 0 (its nearest image) to 1 (its farthest); figs. 4 to 6 of "
        f"the paper. {_which(adaptation)} {_LINES}",
        _PANELS,
    )


def _background_caption(adaptation: Adaptation) -> Caption:
    return Caption(
        "F by distance, with and without background",
        "The same for the model with the most images, without and with background (B); figs. 14 to 16 of the paper. "
        f"{_which(adaptation)} {_LINES}",
        _PANELS,
    )


@registered(_background_caption, shows=has_background)
def adaptation_curves_background(
    adaptation: Adaptation, *, strategy: str | None = None, limit: int = 24, measure: Measure | None = None
) -> Figure:
    """Draw the curves of the model with the most shots and of those that background images were added to."""
    return adaptation_curves(adaptation, strategy=strategy, background=True, limit=limit, measure=measure)


@registered(_caption, shows=is_scored)
def adaptation_curves(
    adaptation: Adaptation,
    *,
    strategy: str | None = None,
    background: bool = False,
    limit: int = 24,
    measure: Measure | None = None,
) -> Figure:
    """Draw F of the images that no model learnt from against their scaled I^dist, one line a model, one panel a secondary.

    After figs. 4-6 and 14-16 of Achara & Pandey, and as they do with F at the threshold that is best for the dataset
    (`measure` "f_ods"), which looks at its labels; "f" draws F at each model's own threshold, of which the gains are, and is
    the default where the study holds no other. The line is the centred moving average over a tenth of the images, faint marks
    are images. Distance is the one that M sees, scaled to 0-1 in each secondary. F and distance of an image are means over
    the seeds in which all models shown were trained. Beside M stand the models of `strategy`, by default the first that is
    not random; with `background`, the model with the most shots and those that background images were added to stand in their
    place. At most `limit` panels are drawn, the first.
    """
    shown, left_out = first(adaptation.secondaries, limit)
    chosen, shows = strategy_of(adaptation, strategy), image_measure(adaptation, measure)
    models = by_background(adaptation, chosen) if background else [BASELINE, *by_shots(adaptation, chosen)]
    title = BACKGROUND if background else TITLE
    if background and not models:
        return nothing(title, f"no model of {chosen} learnt from background images")
    seeds = seeds_of(adaptation, models)
    points = averaged(adaptation.images, models, seeds, shows)
    look_of = looks(adaptation)
    with drawing():
        columns = min(COLUMNS, len(shown))
        lines = -(-len(shown) // columns)
        figure = blank(WIDTH if columns > 1 else 5.6, 1.3 + 2.75 * lines)
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
        for axes, name in zip(panels, shown, strict=False):
            _panel(axes, name, points[points["dataset"] == name], {model: look_of[model] for model in models})
        unit_panels(panels, len(shown), columns)
        for axes in panels[max(0, len(shown) - columns) : len(shown)]:
            axes.set_xlabel(f"scaled {I_DIST}, as M sees it")
        figure.supylabel(AXES[shows], fontsize=9.5)
        _legend(figure, {model: look_of[model] for model in models})
        note = study_note(adaptation, f"; images chosen by {chosen}; {seeds_text(seeds)}. {left_out}")
        head(figure, title, note.strip())
    return figure


def averaged(images: pd.DataFrame, models: list[str], seeds: list[int], measure: Measure = "f") -> pd.DataFrame:
    """Average F and distance of each image and model over these seeds; images without F or distance are left out.

    F is the column `measure`, and has the name f in what is returned.
    """
    rows = images[images["model"].isin(models) & images["seed"].isin(seeds)].assign(**{F_OWN: lambda rows: rows[measure]})
    rows = rows[rows["f"].notna() & rows["distance"].notna()]
    return rows.groupby(["model", "dataset", "image"], sort=False)[["distance", "f"]].mean().reset_index()


def _panel(axes: Axes, name: str, points: pd.DataFrame, look_of: dict[str, Look]) -> None:
    count = points["image"].nunique()
    for position, (model, look) in enumerate(look_of.items()):
        rows = points[points["model"] == model]
        order, x, smoothed = curve(rows["distance"], [str(image) for image in rows["image"]], rows["f"])
        # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels.
        marks: dict[str, Any] = {"color": look.colour, "lw": 0, "rasterized": True, "clip_on": False, "zorder": 2.1}
        faint = float(np.clip(3.5 / max(count, 1) ** 0.5, 0.12, 0.5))
        axes.scatter(x, rows["f"].to_numpy()[order], s=9, alpha=faint, label=f"images:{model}", **marks)
        effects = [withStroke(linewidth=3.2, foreground=PAPER)]
        line: dict[str, Any] = {"color": look.colour, "lw": 1.9, "path_effects": effects, "zorder": 2.4 + 0.01 * position}
        axes.plot(x, smoothed, label=model, solid_joinstyle="round", **line)
    if not count:
        axes.text(0.5, 0.5, "no image has an F", transform=axes.transAxes, ha="center", fontsize=8, color=MUTED)
    head_panel(axes, name, f"n = {count:,}")


def _legend(figure: Figure, look_of: dict[str, Look]) -> None:
    handles = [Line2D([], [], lw=2.1, color=look.colour, label=model) for model, look in look_of.items()]
    handles.append(Line2D([], [], marker="o", ls="none", ms=4, mew=0, alpha=0.5, color=MUTED, label="an image"))
    name_legend(figure, handles, min(len(handles), 7), columnspacing=1.6)
