"""Draw fig. 10 of the paper: the images of each secondary in order of distance."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures.datasets import Row, own_name, rows
from howfar.figures.frame import name_legend
from howfar.figures.registration import Caption, registered
from howfar.figures.style import I_DIST, MUTED, PRIMARY, WIDTH, blank, drawing, head, name_text
from howfar.results import Comparison

SHARES = np.linspace(0.0, 1.0, 201)


def _caption(comparison: Comparison) -> Caption:
    level = (
        "over P's self-distance: how much of a dataset lies beyond P itself, whose own images are the grey curve."
        if all(dataset.self_distance for dataset in comparison.datasets)
        else "mean distances as they are, as P has no self-distance to measure them by."
    )
    return Caption(
        "Images in order of distance",
        "Each dataset's images from its nearest to its farthest. Left, scaled from 0 to 1 within each dataset: a steep end is "
        f"a few outlying images, a straight line an even spread. Right, {level}",
        "Two panels of rising curves, one for each dataset and a grey one for P: image distance against rank share; the "
        "numbers are in the tables.",
    )


@registered(_caption)
def sorted_distances(comparison: Comparison, *, limit: int = 12) -> Figure:
    """Draw the images of each secondary sorted by I^dist, against their rank share; the primary dataset's own in grey.

    Left, as fig. 10 of Achara & Pandey: distances scaled to 0-1 within each dataset, which shows the shape of the rise and
    hides its level. Right: distances over the mean of P's own in the same subspace, which shows the level (1: as far as P's
    own images are from each other); left raw where P is a single image. The grey band holds P's own curves of all pairs shown.
    Two panels and a legend. At most `limit` datasets are shown, the farthest.
    """
    with drawing():
        shown, left_out = rows(comparison, limit)
        lines = -(-(len(shown) + 1) // 3)
        figure = blank(WIDTH, 3.9 + 0.22 * lines)
        scaled, level = figure.subplots(1, 2)
        for row in shown:
            curve(scaled, min_max(row.distances), row)
            curve(level, row.distances / _unit(row), row)
        own = [row.own for row in shown if len(row.own)]
        _band(scaled, [min_max(values) for values in own], own_name(comparison))
        _band(level, [row.own / _unit(row) for row in shown if len(row.own)], own_name(comparison))
        scaled.set_ylabel(f"{I_DIST}, scaled to 0–1 in each dataset")
        _finish_level(level, yardstick=all(_unit(row) != 1.0 for row in shown))
        for axes in (scaled, level):
            axes.set_xlabel("share of the dataset's images, nearest first")
            axes.set_xlim(-0.02, 1.02)
            axes.grid(True, axis="y")
        name_legend(figure, scaled, handlelength=3)
        head(figure, f"Images in order of distance from {name_text(comparison.primary.name)}", left_out)
    return figure


def min_max(values: Float64Array) -> Float64Array:
    """Scale ascending values to 0-1; equal values become 0."""
    spread = values[-1] - values[0] if len(values) else 0.0
    return (values - values[0]) / spread if spread > 0 else np.zeros(len(values))


def _unit(row: Row) -> float:
    own = row.summary.self_distance
    return own if own else 1.0


def curve(axes: Axes, values: Float64Array, row: Row) -> None:
    """Draw ascending values of a dataset's images against their rank share, in the dataset's look."""
    share = np.linspace(0.0, 1.0, len(values)) if len(values) > 1 else np.array([0.5])
    marker = row.look.marker if len(values) < 12 else "none"
    axes.plot(share, values, color=row.look.colour, ls=row.look.dash, marker=marker, ms=4.5, lw=1.7, label=name_text(row.name))


def _band(axes: Axes, curves: list[Float64Array], label: str) -> None:
    if not curves:
        return
    at = np.stack([np.interp(SHARES, np.linspace(0.0, 1.0, len(values)), values) for values in curves])
    low, high = at.min(axis=0), at.max(axis=0)
    axes.fill_between(SHARES, low, high, color=PRIMARY, alpha=0.35, lw=0)
    axes.plot(SHARES, at.mean(axis=0), color=PRIMARY, lw=2.6, label=label, zorder=1.5)


def _finish_level(axes: Axes, yardstick: bool) -> None:
    if yardstick:
        axes.axhline(1.0, color=MUTED, lw=1, ls=(0, (2, 2)), label="_one")
        axes.set_ylabel("mean distance / that of P's own images")
    else:
        axes.set_ylabel("mean distance to the images of P")
