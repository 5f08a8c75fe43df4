"""Draw how far the order of categories survives a perturbation, and the distances of their images before and after it."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures.frame import head_panel, name_legend
from howfar.figures.style import I_DIST, MUTED, PRIMARY, WIDTH, blank, drawing, head, look, name_rows, name_text
from howfar.figures.violin import half_violin
from howfar.results.robustness import UNCHANGED, Robustness

COLUMNS: Final = 2
SPREAD: Final = 0.6
"""Height that the perturbations of one backbone share on its line, of 1."""


def stability(result: Robustness) -> Figure:
    """Draw Kendall's τ and the overlap of the k closest by backbone and perturbation, with their intervals over the images."""
    names = list(result.perturbations)
    with drawing():
        figure = blank(WIDTH, 1.5 + (0.2 + 0.13 * len(names)) * len(result.backbones))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, column, title in (
            (left, "kendall", "Kendall's τ of the order before and after"),
            (right, "overlap", f"share of the {result.k} closest that stay"),
        ):
            for position, perturbation in enumerate(names):
                _marks(axes, result, column, perturbation, position)
            axes.set_xlabel(title)
            axes.axvline(1, color=MUTED, lw=0.8, zorder=1)
        name_rows(left, [name_text(name, 20) for name in result.backbones])
        right.tick_params(axis="y", length=0)
        left.set_ylim(len(result.backbones) - 0.5, -0.5)
        right.set_xlim(-0.03, 1.03)
        name_legend(figure, left, min(len(names), 6))
        head(figure, f"How far the order of categories from {name_text(result.primary)} survives", "Bars: 95 % over the images")
    return figure


def _marks(axes: Axes, result: Robustness, column: str, perturbation: str, position: int) -> None:
    """Draw one perturbation's number of every backbone, each below those of the perturbations before it."""
    rows = result.stability[result.stability["perturbation"] == perturbation].set_index("backbone")
    count, style = len(result.perturbations), look(position)
    offset = SPREAD * (position - (count - 1) / 2) / max(1, count)
    at = np.arange(len(result.backbones)) + offset
    values, low, high = (rows.loc[list(result.backbones), f"{column}{end}"].to_numpy() for end in ("", "_low", "_high"))
    axes.hlines(at, low, high, color=style.colour, lw=1.4)
    axes.plot(values, at, marker=style.marker, ms=4.5, ls="none", color=style.colour, label=perturbation)


def before_and_after(result: Robustness, backbone: str) -> Figure:
    """Draw the relative distances of the perturbed categories' images, before (above the line) and after (below it).

    One panel a perturbation, one row a category, the closest before it on top.
    """
    shown, names = result.perturbed(backbone), list(result.perturbations)
    columns = min(COLUMNS, len(names))
    lines = -(-len(names) // columns)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 5.6, 1.3 + lines * (0.6 + 0.36 * len(shown)))
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for position, (axes, name) in enumerate(zip(panels.ravel(), names, strict=False)):
            for line, category in enumerate(shown):
                before, after = (_ascending(result, backbone, which, category) for which in (UNCHANGED, name))
                half_violin(axes, before, line, -1, PRIMARY, f"before:{category}")
                half_violin(axes, after, line, +1, look(position).colour, f"after:{category}")
            axes.axhline(result.k - 0.5, color=MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1)
            axes.tick_params(axis="y", length=0)
            head_panel(axes, name, result.perturbations[name])
        for spare in panels.ravel()[len(names) :]:
            spare.remove()
        name_rows(panels[0, 0], [name_text(category, 18) for category in shown])
        panels[0, 0].set_ylim(len(shown) - 0.45, -0.55)
        figure.supxlabel(f"{I_DIST} (mean) over the distance of {name_text(result.primary)} from itself", fontsize=9.5)
        ends = f"the {result.k} closest categories, then the {result.k} farthest"
        note = f"Above each line the images as they are (grey), below it perturbed; {ends}"
        head(figure, f"Distances from {name_text(result.primary)} before and after, by {name_text(backbone)}", note)
    return figure


def _ascending(result: Robustness, backbone: str, perturbation: str, category: str) -> Float64Array:
    values = result.relative_of(backbone, perturbation, category).to_numpy(dtype=np.float64)
    return np.sort(values[np.isfinite(values)])
