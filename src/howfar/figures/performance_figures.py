"""Draw figs. 4-6 of the paper: performance against distance, one panel per dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from howfar.figures import Caption, registered
from howfar.figures.adaptation_models import panel_grid
from howfar.figures.style import (
    I_DIST,
    INK,
    MUTED,
    PAPER,
    Look,
    drawing,
    first,
    head,
    head_panel,
    looks,
    name_legend,
    name_text,
    nothing,
    unit_panels,
)
from howfar.relation.performance_by_distance import moving_average
from howfar.results import DatasetRelation, Interval, Relation
from howfar.wording import signed

COLUMNS = 3
FEW, FEWEST = 60, 10
"""Images up to which they are drawn above the line, and over which the line averages at least."""
TITLE = "Performance by distance"
VERDICTS = {
    "falls": "falls with distance",
    "rises": "rises with distance",
    "consistent": "consistent",
    "none": "no evidence either way",
}


def _caption(relation: Relation) -> Caption:
    values = []
    for dataset in relation.datasets:
        slope = slope_text(None if dataset.trend is None else dataset.trend.slope, ", slope {}{}", " (from {} to {})")
        values.append(f"{dataset.name} {VERDICTS[dataset.verdict.kind]}{slope}")
    crosses = ", crosses those listed as probable failures" if relation.images["listed"].any() else ""
    return Caption(
        TITLE,
        "One panel a dataset, its distances scaled from 0 (its nearest image) to 1 (its farthest). Faint marks are "
        f"images{crosses}; the line is the centred moving average over a tenth of them, but at least ten; the thin level is "
        f"their mean, the dashed one τ = {relation.settings.tau:g}.",
        f"Panels of points with a curve each. {'; '.join(values)}.",
    )


def is_scored(relation: Relation) -> bool:
    """Return whether any image of a relation has a performance."""
    return any(dataset.scored for dataset in relation.datasets)


@registered(_caption, shows=is_scored, phone=True)
def performance(relation: Relation, *, limit: int = 24) -> Figure:
    """Draw each image's performance against scaled I^dist with the moving average, a panel per labelled dataset.

    After figs. 4-6 of Achara & Pandey. Crosses are listed as probable failures; the line is the moving average over a tenth of
    the images, the thin level their mean, the dashed one τ, below which an image counts as failed. Distance is scaled to 0-1 in
    each dataset, so panels compare shapes, not distances.
    """
    shown, left_out = first(relation.datasets, limit)
    if not shown:
        return nothing(TITLE, "no dataset of this run has performances")
    look_of = looks(relation)
    with drawing():
        columns = 2 if len(shown) == 4 else min(COLUMNS, len(shown))
        height = 2.35 if columns > 1 else 3.2
        figure, panels, columns = panel_grid(len(shown), columns, lambda lines: 1.25 + height * lines, narrow=5.2)
        for axes, dataset in zip(panels, shown, strict=False):
            _panel(axes, dataset, relation, look_of[dataset.name])
        unit_panels(panels, len(shown), columns)
        for axes in panels[-columns:]:
            axes.set_xlabel(f"scaled {I_DIST}")
        figure.supylabel(name_text(relation.metric, 40), fontsize=9.5, parse_math=False)
        _legend(figure, relation)
        head(figure, f"{TITLE} from {name_text(relation.primary)}", left_out)
    return figure


def smoothed(curves: pd.DataFrame) -> pd.Series:
    """Smooth the performance of each dataset over a tenth of its images, at least ten; NaN for a dataset of fewer than 20."""
    averages = [pd.Series(dtype="float64")]
    for _, own in curves.dropna(subset=["performance", "distance"]).groupby("dataset", sort=False):
        if len(own) >= 2 * FEWEST:
            values = moving_average(own["performance"], max(FEWEST, len(own) // 10))
            averages.append(pd.Series(values, index=own.index))
    every: pd.Series = pd.concat(averages).reindex(curves.index)
    return every


def _panel(axes: Axes, dataset: DatasetRelation, relation: Relation, look: Look) -> None:
    curve = relation.curves[relation.curves["dataset"] == dataset.name].dropna(subset=["performance", "distance"])
    curve = curve.assign(smoothed=smoothed(curve))
    images = relation.images
    listed = images.loc[(images["dataset"] == dataset.name) & images["listed"].astype(bool), "image"]
    _marks(axes, curve, set(map(str, listed)), look)
    if len(curve):
        _line(axes, curve, look)
    else:
        axes.text(0.5, 0.25, "no image has a performance", transform=axes.transAxes, ha="center", fontsize=8, color=MUTED)
    if dataset.mean is not None:
        axes.axhline(dataset.mean, color=INK, lw=0.9, alpha=0.8, zorder=2.4, label=f"mean:{dataset.name}")
    axes.axhline(relation.settings.tau, color=MUTED, lw=1.2, ls=(0, (4, 2)), zorder=2.3, label="_tau")
    slope = None if dataset.trend is None else dataset.trend.slope
    head_panel(axes, dataset.name, VERDICTS[dataset.verdict.kind], f"{slope_text(slope)}n = {dataset.scored:,}")


def slope_text(slope: Interval | None, form: str = "slope {}{} · ", ends: str = " [{}, {}]") -> str:
    """Format a slope with its interval, by default as the start of a line; return "" if undefined."""
    if slope is None or slope.value is None:
        return ""
    interval = "" if slope.low is None or slope.high is None else ends.format(signed(slope.low), signed(slope.high))
    return form.format(signed(slope.value), interval)


def _marks(axes: Axes, curve: pd.DataFrame, listed: set[str], look: Look) -> None:
    x, y = np.asarray(curve["distance"], np.float64), np.asarray(curve["performance"], np.float64)
    on = np.array([str(image) in listed for image in curve["image"]], dtype=bool)
    # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels.
    style: dict[str, Any] = {"color": look.colour, "rasterized": True, "clip_on": False}
    area = float(np.clip(2600 / max(len(x), 1), 5, 34))
    faint = float(np.clip(9 / max(len(x), 1) ** 0.5, 0.12, 0.6))
    # Few images are drawn above the line, which would hide them; many below it, as they would hide the line.
    style["zorder"] = 2.7 if len(x) <= FEW else 2.2
    axes.scatter(x[~on], y[~on], s=area, marker=look.marker, alpha=faint, lw=0, label="images", **style)
    axes.scatter(x[on], y[on], s=max(area, 12), marker="x", alpha=0.85, lw=1, label="listed", **style)


def _line(axes: Axes, curve: pd.DataFrame, look: Look) -> None:
    effects = [withStroke(linewidth=4, foreground=PAPER)]
    style: dict[str, Any] = {"color": look.colour, "lw": 2.1, "path_effects": effects, "zorder": 2.6}
    axes.plot(curve["distance"], curve["smoothed"], label="smoothed", solid_joinstyle="round", **style)


def _legend(figure: Figure, relation: Relation) -> None:
    grey: dict[str, Any] = {"color": MUTED}
    handles = [
        Line2D([], [], marker="o", ls="none", ms=4, alpha=0.6, mew=0, **grey, label="an image"),
        Line2D([], [], marker="x", ls="none", ms=5, **grey, label="listed as probable failure"),
        Line2D([], [], lw=2.1, **grey, label="centred moving average"),
        Line2D([], [], lw=0.9, color=INK, label="mean"),
        Line2D([], [], lw=1.2, ls=(0, (4, 2)), **grey, label=f"τ = {relation.settings.tau:g}"),
    ]
    if not relation.images["listed"].any():
        del handles[1]
    name_legend(figure, handles, len(handles), columnspacing=1.4)
