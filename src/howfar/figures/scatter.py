"""Draw the first two components of each pair: the primary's images grey, the secondary's coloured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures.datasets import Row, own_name, rows
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, MUTED, PRIMARY, WIDTH, blank, drawing, head, name_text, plain
from howfar.results import Comparison

COLUMNS = 3
POINTS = 4000


def _caption(comparison: Comparison) -> Caption:
    percentages = [100 * dataset.explained_variance for dataset in comparison.datasets]
    return Caption(
        "First two components",
        "P grey, the dataset coloured. Distances are measured in all components, so what overlaps in this plane may be apart "
        "in others.",
        "One panel of points for each dataset, P's images grey. The components kept hold between "
        f"{np.min(percentages):.0f} and {np.max(percentages):.0f} % of the variance.",
    )


@registered(_caption)
def scatter(comparison: Comparison, *, limit: int = 12) -> Figure:
    """Draw the plane of the first two principal components, one panel a secondary; both axes of a panel have one unit.

    Distances are measured in all components, of which this plane is a part: what overlaps here may still be apart there. Where
    a set holds more than 4000 images, evenly spaced ones of them are drawn. Panels in rows of three, nearest first. At most
    `limit` panels are drawn, of the farthest datasets.
    """
    with drawing():
        shown, left_out = rows(comparison, limit)
        columns = min(COLUMNS, len(shown))
        lines = -(-len(shown) // columns)
        figure = blank(WIDTH if columns > 1 else 5.2, 0.75 + (2.95 if columns > 1 else 4.2) * lines)
        for position, row in enumerate(shown, start=1):
            axes = figure.add_subplot(lines, columns, position)
            _panel(axes, row, comparison.settings.projection)
        head(figure, f"First two components; grey: {own_name(comparison)}", left_out)
    return figure


def _panel(axes: Axes, row: Row, projection: str) -> None:
    own, points = _plane(row.primary), _plane(row.images)
    # A point costs about a hundred bytes as vectors: the clouds alone are drawn as pixels, the text stays text.
    axes.scatter(own[:, 0], own[:, 1], s=_size(len(own)), c=PRIMARY, alpha=0.55, lw=0, rasterized=True, label="own")
    size = 1.5 * _size(len(points))
    style: dict[str, Any] = {"c": row.look.colour, "marker": row.look.marker, "alpha": 0.8, "rasterized": True, "linewidths": 0}
    axes.scatter(points[:, 0], points[:, 1], s=size, label=row.name, **style)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(True, axis="both")
    axes.margins(0.06)
    summary = row.summary
    components = f"z = {summary.components} ({100 * summary.explained_variance:.0f} % of variance)"
    text = f"n = {summary.n:,}; {components if projection != 'none' else 'no projection'}"
    plain(axes.set_title(name_text(row.name, 24), color=INK, fontweight="bold", pad=17))
    # The line may run past the panel's edge; were it part of the layout, the panels would shrink to make room for it.
    axes.text(0, 1.025, text, transform=axes.transAxes, fontsize=8, color=MUTED).set_in_layout(False)
    axes.set_xlabel("component 1")
    axes.set_ylabel("component 2", labelpad=1)
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=5)


def _plane(frame: pd.DataFrame) -> Float64Array:
    step = -(-len(frame) // POINTS)
    points = np.asarray(frame[["pc1", "pc2"]], dtype=np.float64)[::step]
    return points[np.isfinite(points).all(axis=1)]


def _size(n: int) -> float:
    """Choose the marker area: large for a few images, small for many."""
    return float(np.clip(2200 / max(n, 1), 5, 45))
