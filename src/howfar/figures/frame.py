"""Draw the frame around a figure's data: legends, headings, rows of numbers, panels from 0 to 1, and sheets of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from howfar.figures.style import INK, MUTED, WIDTH, blank, drawing, head, name_text, plain


def nothing(title: str, reason: str) -> Figure:
    """Draw a figure that says why there is nothing to draw."""
    with drawing():
        figure = blank(WIDTH, 1.6)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=MUTED)
        head(figure, title)
    return figure


def name_legend(figure: Figure, handles: Axes | Sequence[Any], columns: int = 3, **style: Any) -> Legend:
    """Add a legend below the figure, of these handles or of everything labelled in a panel; names are taken literally."""
    shown = handles if isinstance(handles, Sequence) else handles.get_legend_handles_labels()[0]
    legend = figure.legend(handles=list(shown), loc="outside lower left", ncols=columns, **style)
    for text in legend.get_texts():
        plain(text)
    return legend


def head_numbers(axes: Axes, text: str) -> None:
    """Write a pale heading over the numbers that stand right of a panel's rows."""
    at = axes.annotate(text, (1.02, 1), (0, 7), xycoords="axes fraction", textcoords="offset points")
    at.set(fontsize=8.5, color=MUTED, in_layout=False)


def row_number(axes: Axes, row: float, text: str, size: float = 8.5) -> None:
    """Write a row's number at its right, outside the panel."""
    axes.text(1.02, row, text, transform=axes.get_yaxis_transform(), va="center", ha="left", fontsize=size, color=INK)


def head_panel(axes: Axes, name: str, *lines: str, longest: int = 24) -> None:
    """Write a panel's title: the dataset's name, and smaller lines under it, the last one pale, that may run past the edge."""
    plain(axes.set_title(name_text(name, longest), color=INK, fontweight="bold", pad=5 + 12 * len(lines)))
    for position, line in enumerate(reversed(lines)):
        at = axes.annotate(line, (0, 1), (0, 4 + 12 * position), xycoords="axes fraction", textcoords="offset points")
        # Were the lines part of the layout, panels would shrink to make room for a long one.
        at.set(fontsize=8, color=INK if position else MUTED, in_layout=False)
        plain(at)


def unit_panels(panels: Sequence[Axes], shown: int, columns: int) -> None:
    """Let panels in rows of `columns` run from 0 to 1 both ways, numbered if none stands below; remove those past `shown`."""
    for position, axes in enumerate(panels):
        if position >= shown:
            axes.remove()
            continue
        axes.grid(True, axis="both")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.tick_params(labelsize=8, labelbottom=position + columns >= shown)


def log_ticks(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with plain numbers at its powers of ten, their doubles and halves."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")


def without_edges(axes: Axes) -> None:
    """Take grid, ticks and edges from a panel of coloured cells."""
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def picture_sheet(across: float, height: float, left: float = 0.0, top: float = 0.0) -> tuple[Figure, Axes]:
    """Make a figure without axes for pictures of about one unit a side, the y axis pointing down."""
    figure = blank(WIDTH, WIDTH * height / across + 0.5)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(left, across - left)
    axes.set_ylim(height, top)
    axes.set_aspect("equal")
    return figure, axes
