"""Draw the distance of each secondary from the primary dataset over the primary's distance from itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import Row, rows
from howfar.figures.frame import log_ticks, name_legend, row_number
from howfar.figures.registration import Caption, registered
from howfar.figures.style import MUTED, PAPER, WIDTH, blank, drawing, head, name_rows, name_text
from howfar.numbers import times
from howfar.results import Comparison

AXIS = r"O$^{\mathrm{dist}}$(S, P) / O$^{\mathrm{dist}}$(P, P)   (1: as far as P's own images from each other)"
UNDEFINED = "undefined: P's own images have no distance from each other"
SHAPES = ("s", "^", "D", "v", "P", "X")


def _caption(comparison: Comparison) -> Caption:
    values = [
        f"{d.name} {'undefined' if d.relative is None else times(d.relative)}{_range(d.relative_ci)}"
        for d in comparison.datasets
    ]
    hollow = " Hollow marks: what the trivial backbones say of the same images." if comparison.baselines else ""
    return Caption(
        "Distance in units of P's own",
        "Each dataset's mean distance from P over the mean distance of P's own images from each other, in the same subspace, "
        f"with its 95 % bootstrap interval. The dashed line is P itself; right of it, the dataset is farther.{hollow}",
        f"Dots with intervals along one axis, the line at 1 being P itself: {'; '.join(values)}.",
    )


def _range(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (from {interval[0]:.2f} to {interval[1]:.2f})"


def _has_yardstick(comparison: Comparison) -> bool:
    return any(dataset.relative is not None for dataset in comparison.datasets)


@registered(_caption, shows=_has_yardstick)
def relative(comparison: Comparison, *, limit: int = 30) -> Figure:
    """Draw `relative` of each secondary with its 95 % interval, and what the trivial backbones say (hollow).

    relative = O^dist(S, P) / O^dist(P, P) in one subspace, so its values may be compared across datasets. Left of 1, S lies
    nearer to P than P's own images to each other. The axis is logarithmic where the values span more than a factor of 8. One
    row a dataset, nearest first, its numbers at the right edge. At most `limit` datasets are shown, the farthest.
    """
    with drawing():
        shown, left_out = rows(comparison, limit)
        figure = blank(WIDTH, 1.55 + 0.36 * len(shown))
        axes = figure.add_subplot()
        axes.axvline(1.0, color=MUTED, lw=1.3, ls=(0, (4, 2)), label="_one")
        for position, row in enumerate(shown):
            _estimate(axes, row, position)
        seen = _baselines(axes, comparison, [row.name for row in shown])
        _frame(figure, axes, shown, seen)
        head(figure, f"Distance from {name_text(comparison.primary.name)} over its self-distance [95 % interval]", left_out)
    return figure


def _estimate(axes: Axes, row: Row, position: int) -> None:
    summary = row.summary
    text = "–"
    if summary.relative is not None:
        text = f"{summary.relative:.2f}"
        if summary.relative_ci is not None:
            low, high = summary.relative_ci
            text = f"{text} [{low:.2f}, {high:.2f}]"
            axes.plot([low, high], [position] * 2, color=row.look.colour, lw=3, solid_capstyle="butt", label=f"ci:{row.name}")
        style: dict[str, Any] = {"ms": 8, "color": row.look.colour, "mec": PAPER, "mew": 1, "ls": "none"}
        axes.plot([summary.relative], [position], marker=row.look.marker, label=row.name, **style)
    row_number(axes, position, text, 9)


def _baselines(axes: Axes, comparison: Comparison, names: list[str]) -> list[str]:
    """Draw the trivial backbones' values; return the backbones seen."""
    seen = list(dict.fromkeys(baseline.backbone for baseline in comparison.baselines))
    for kind, backbone in enumerate(seen):
        by_dataset = {b.dataset: b.relative for b in comparison.baselines if b.backbone == backbone}
        pairs = [(by_dataset.get(name), position) for position, name in enumerate(names)]
        at = [(value, position) for value, position in pairs if value is not None]
        if not at:
            continue
        style: dict[str, Any] = {"ms": 5, "mfc": "none", "mec": MUTED, "mew": 1, "ls": "none", "zorder": 1.8}
        axes.plot([x for x, _ in at], [y for _, y in at], marker=SHAPES[kind % len(SHAPES)], label=backbone, **style)
    return seen


def _frame(figure: Figure, axes: Axes, shown: list[Row], seen: list[str]) -> None:
    lines = [line for line in axes.get_lines() if line.get_label() != "_one"]
    positive = [float(x) for line in lines for x in np.asarray(line.get_xdata(), dtype=np.float64) if x > 0]
    if positive and max(positive) > 8 * min(positive):
        log_ticks(axes)
    elif positive:
        edge = 0.06 * (max(*positive, 1.0) - min(*positive, 1.0)) + 0.01
        axes.set_xlim(min(*positive, 1.0) - edge, max(*positive, 1.0) + edge)
    else:
        axes.set_xlim(0.5, 1.5)
        axes.text(0.5, 0.5, UNDEFINED, transform=axes.transAxes, ha="center", va="center", bbox={"fc": PAPER, "ec": "none"})
    name_rows(axes, [name_text(row.name) for row in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel(AXIS)
    handles = [line for line in axes.get_lines() if line.get_label() in seen and line.get_markerfacecolor() == "none"]
    if handles:
        legend = name_legend(figure, handles, 4, title="Trivial backbones")
        legend.get_title().set_fontsize(9)
        legend.set_alignment("left")
