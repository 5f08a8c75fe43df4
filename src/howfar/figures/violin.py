"""Draw fig. 3 of the paper: how the distances of each secondary's images are spread, beside the primary dataset's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures.datasets import Row, own_name, rows
from howfar.figures.registration import Caption, registered
from howfar.figures.style import I_DIST, INK, MUTED, PAPER, PRIMARY, WIDTH, blank, drawing, head, name_rows, name_text
from howfar.numbers import format_number
from howfar.results import Comparison

HALF = 0.40
FEW = 8
GRID_POINTS = 160


def _caption(comparison: Comparison) -> Caption:
    medians = comparison.images.groupby("dataset", sort=False)["i_dist_mean"].median()
    own = comparison.primary_images.groupby("against", sort=False)["i_dist_mean"].median()
    values = [
        f"{name} {format_number(float(medians[name]))} (P's own {format_number(float(own[name]))})" for name in medians.index
    ]
    ruler = (
        " Every pair has its own subspace, so compare each coloured shape with the grey one under it, not with the others."
        if comparison.settings.projection == "pair"
        else ""
    )
    return Caption(
        "How the distances are spread",
        "Mean distance of each image to P's images (coloured), and of P's own images to the rest of P (grey). Bars span the "
        f"quartiles, white dots are medians; up to eight images are drawn one by one.{ruler}",
        f"Half-violins of image distances. Medians: {'; '.join(values)}.",
    )


@registered(_caption)
def violin(comparison: Comparison, *, limit: int = 24) -> Figure:
    """Draw how I^dist (mean form) is spread in each secondary (above its line) and in the primary dataset (grey, below it).

    Each pair may have its own subspace (projection "pair"), so a violin is read against the grey one under it. Bars mark the
    quartiles, dots the median; shapes are Gaussian kernel estimates cut at the extremes, each scaled to one height. Up to
    eight images are drawn as dots instead, equal values as one stroke. After fig. 3 of Achara & Pandey. One row a dataset,
    nearest first. At most `limit` datasets are shown, the farthest.
    """
    with drawing():
        shown, left_out = rows(comparison, limit)
        figure = blank(WIDTH, 1.25 + 0.62 * len(shown))
        axes = figure.add_subplot()
        for position, row in enumerate(shown):
            half_violin(axes, row.distances, position, -1, row.look.colour, row.name)
            half_violin(axes, row.own, position, +1, PRIMARY, f"own:{row.name}")
        name_rows(axes, [f"{name_text(row.name)}\nn = {row.summary.n:,}" for row in shown])
        axes.set_ylim(len(shown) - 0.45, -0.55)
        axes.set_xlabel(f"mean distance to the images of P ({I_DIST} / n)")
        head(figure, _title(comparison, shown), left_out)
    return figure


def _title(comparison: Comparison, shown: list[Row]) -> str:
    against = f"; grey: {own_name(comparison)}, leave-one-out" if any(len(row.own) for row in shown) else ""
    return f"Distances of images from {name_text(comparison.primary.name)}{against}"


def half_violin(axes: Axes, values: Float64Array, line: float, side: int, colour: str, label: str) -> None:
    """Draw one half-violin of ascending values on `line`: `side` −1 above it, +1 below it (the y axis points down)."""
    if not len(values):
        return
    middle = line + side * 0.13
    if values[0] == values[-1] and len(values) > 1:
        axes.vlines(values[0], line, line + side * HALF, color=colour, lw=3, label=label)
        return
    if len(values) <= FEW:
        spots: dict[str, Any] = {"color": colour, "ms": 5.5, "mec": PAPER, "mew": 0.7, "ls": "none"}
        axes.plot(values, np.full(len(values), middle), marker="o", label=label, **spots)
        return
    at, height = shape(values)
    axes.fill_between(at, line, line + side * HALF * height, color=colour, alpha=0.75, lw=0, label=label)
    low, median, high = np.percentile(values, [25, 50, 75])
    bar = MUTED if side > 0 else INK
    axes.plot([low, high], [middle, middle], color=bar, lw=2.6, solid_capstyle="butt", label=f"quartiles:{label}")
    axes.plot([median], [middle], marker="o", ms=5, color=PAPER, mec=bar, mew=1.2, label=f"median:{label}")


def shape(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Estimate the Gaussian kernel density of `values` (Scott's bandwidth) between their extremes, scaled to a peak of 1.

    `values` are finite and not all equal. Returned are positions and heights, (160,) each.
    """
    at = np.linspace(values.min(), values.max(), GRID_POINTS)
    width = values.std(ddof=1) * len(values) ** (-0.2)
    height = np.zeros(GRID_POINTS)
    for start in range(0, len(values), 4096):
        steps = (at[:, None] - values[None, start : start + 4096]) / width
        height += np.exp(-0.5 * steps * steps).sum(axis=1)
    return at, height / height.max()
