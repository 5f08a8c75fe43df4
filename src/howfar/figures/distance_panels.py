"""Draw figs. 3 and 10 of the paper for several backbones, one panel each: how image distances are spread, and their rise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import Row, first, rows
from howfar.figures.frame import head_panel, name_legend
from howfar.figures.sorted_distances import curve, min_max
from howfar.figures.style import I_DIST, MUTED, PRIMARY, WIDTH, blank, drawing, head, name_rows, name_text
from howfar.figures.violin import half_violin
from howfar.results import Comparison
from howfar.results.distance_table import DistanceTable

COLUMNS: Final = 3
THIRDS: Final = (1 / 3, 2 / 3)


def violins(table: DistanceTable, *, limit: int = 12) -> Figure:
    """Draw how I^dist (mean form) is spread in each secondary, one panel a backbone, over the primary's own images in grey.

    After fig. 3 of Achara & Pandey. Each panel has an axis of its own, as each backbone has features of its own. Datasets stand
    in the study file's order; at most `limit` are drawn, the first.
    """
    height = 0.5 * min(len(table.secondaries), limit) + 0.75
    title = f"Distances of images from {name_text(table.primary)}; grey: its own images, leave-one-out"
    return _panels(table, title, limit, height, _violins, f"mean distance to the images of P ({I_DIST} / n)")


def sorted_thirds(table: DistanceTable, *, limit: int = 12) -> Figure:
    """Draw each secondary's images in order of I^dist, scaled from 0 to 1, against their rank share, one panel a backbone.

    After fig. 10 of Achara & Pandey, with upright lines between the thirds. At most `limit` datasets are drawn, the first.
    """
    title = f"Images in order of distance from {name_text(table.primary)}, scaled from 0 to 1 in each dataset"
    figure = _panels(table, title, limit, 2.5, _curves, "share of images, nearest first", legend=True)
    figure.supylabel(f"scaled {I_DIST}", fontsize=9.5)
    return figure


Draw = Callable[[Axes, list[Row]], None]


def _panels(
    table: DistanceTable, title: str, limit: int, height: float, draw: Draw, below: str, *, legend: bool = False
) -> Figure:
    """Lay out a panel for each backbone, at most three in a row, and let `draw` fill each."""
    shown, left_out = first(table.secondaries, limit)
    count = len(table.backbones)
    columns = min(COLUMNS, count)
    lines = -(-count // columns)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 6.2, 1.1 + height * lines + (0.5 if legend else 0.0))
        panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel().tolist()
        for axes, comparison, feature in zip(panels, table.comparison.comparisons, table.features, strict=False):
            draw(axes, in_order(comparison, shown))
            kind = "trivial" if feature.trivial else f"M of {feature.model}" if feature.model else feature.registered
            head_panel(axes, feature.label, f"{kind}, q = {feature.length:,}")
        for spare in panels[count:]:
            spare.remove()
        if not legend:
            figure.supxlabel(below, fontsize=9.5)
        else:
            for axes in panels[:count][-columns:]:
                axes.set_xlabel(below)
            name_legend(figure, panels[0], min(len(shown), 6), handlelength=3)
        head(figure, title, left_out)
    return figure


def in_order(comparison: Comparison, names: list[str]) -> list[Row]:
    """Return the named secondaries of a comparison, in that order."""
    every, _ = rows(comparison, len(comparison.datasets))
    by_name = {row.name: row for row in every}
    return [by_name[name] for name in names]


def _violins(axes: Axes, shown: list[Row]) -> None:
    for position, row in enumerate(shown):
        half_violin(axes, row.distances, position, -1, row.look.colour, row.name)
        half_violin(axes, row.own, position, +1, PRIMARY, f"own:{row.name}")
    name_rows(axes, [name_text(row.name, 20) for row in shown])
    axes.set_ylim(len(shown) - 0.45, -0.55)
    axes.tick_params(labelsize=8.5)


def _curves(axes: Axes, shown: list[Row]) -> None:
    for share in THIRDS:
        axes.axvline(share, color=MUTED, lw=0.9, ls=(0, (2, 2)), label="_third", zorder=1)
    for row in shown:
        curve(axes, min_max(row.distances), row)
    axes.grid(True, axis="y")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=8.5)
