"""How far each secondary is from P, by the yardstick of P's own images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.figures.comparison_rows import Row, rows
from howfar.figures.style import INK, MUTED, PAPER, WIDTH, blank, drawing, head, name_rows, name_text, plain
from howfar.results import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXIS = r"O$^{\mathrm{dist}}$(S, P) / O$^{\mathrm{dist}}$(P, P)   (1: as far as P's own images from each other)"
UNDEFINED = "undefined: P's own images have no distance from each other"
SHAPES = ("s", "^", "D", "v", "P", "X")


def relative(comparison: Comparison, *, limit: int = 30) -> Figure:
    """`relative` of each secondary with its 95 % interval against the line 1, and what the trivial backbones say (hollow).

    relative = O^dist(S, P) / O^dist(P, P) in one subspace, so its values may be compared across datasets. Left of 1,
    S lies nearer to P than P's own images to each other. The axis is logarithmic where the values span more than a
    factor of 8.

    Parameters
    ----------
    comparison
        The result.
    limit
        Datasets shown at most: the farthest.

    Returns
    -------
    Figure
        One row a dataset, nearest first, its numbers at the right edge.

    Raises
    ------
    InputError
        `limit` is below 1.
    """
    with drawing():
        shown, left_out = rows(comparison, limit)
        figure = blank(WIDTH, 1.55 + 0.36 * len(shown))
        axes = figure.add_subplot()
        axes.axvline(1.0, color=MUTED, lw=1.3, ls=(0, (4, 2)), label="_one")
        for position, row in enumerate(shown):
            _estimate(axes, row, position)
        seen = _baselines(axes, comparison, [row.name for row in shown])
        _frame(axes, shown, seen)
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
    at = axes.get_yaxis_transform()
    axes.text(1.02, position, text, transform=at, va="center", ha="left", fontsize=9, color=INK)


def _baselines(axes: Axes, comparison: Comparison, names: list[str]) -> list[str]:
    """Draw the trivial backbones' values; return the backbones seen."""
    seen = list(dict.fromkeys(baseline.backbone for baseline in comparison.baselines))
    for kind, backbone in enumerate(seen):
        found = {b.dataset: b.relative for b in comparison.baselines if b.backbone == backbone}
        pairs = [(found.get(name), position) for position, name in enumerate(names)]
        at = [(value, position) for value, position in pairs if value is not None]
        if not at:
            continue
        style: dict[str, Any] = {"ms": 5, "mfc": "none", "mec": MUTED, "mew": 1, "ls": "none", "zorder": 1.8}
        axes.plot([x for x, _ in at], [y for _, y in at], marker=SHAPES[kind % len(SHAPES)], label=backbone, **style)
    return seen


def _drawn(axes: Axes) -> list[float]:
    """Every value drawn, the reference line's apart."""
    lines = [line for line in axes.get_lines() if line.get_label() != "_one"]
    return [float(x) for line in lines for x in np.asarray(line.get_xdata(), dtype=np.float64)]


def _frame(axes: Axes, shown: list[Row], seen: list[str]) -> None:
    positive = [x for x in _drawn(axes) if x > 0]
    if positive and max(positive) > 8 * min(positive):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
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
        legend = axes.figure.legend(handles=handles, loc="outside lower left", ncols=4, title="Trivial backbones")
        legend.get_title().set_fontsize(9)
        legend.set_alignment("left")
        for text in legend.get_texts():
            plain(text)
