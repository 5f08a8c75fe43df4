"""Draw the performance of each dataset's near and far halves and thirds, as in tables 3-5 of the paper."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar.figures import Caption, registered, style
from howfar.results import DistancePart, Relation

TITLE = "Near and far parts"
OFFSET = 0.17
PANELS = (("halves", "Halves"), ("thirds", "Thirds"))


def _caption(relation: Relation) -> Caption:
    values = [f"{row.name} {_ends(row.halves)} by halves, {_ends(row.thirds)} by thirds" for row in relation.datasets]
    # Of a task without thresholds a part's performance is the mean of its images.
    cuts = [part for row in relation.datasets for part in (*row.halves, *row.thirds)]
    tuned = any(part.threshold is not None for part in cuts)
    pooled = ", of the counts summed over the part" if tuned else ""
    marks = (
        " Filled: at the threshold that all images share; hollow, as in the paper: re-tuned in the part, which looks at its "
        "labels and so flatters every part."
    )
    at = " at the common threshold" if tuned else ""
    return Caption(
        TITLE,
        f"Performance of each dataset's halves and thirds by distance{pooled}; arrows point from the nearest part to the "
        f"farthest.{marks if tuned else ''}",
        f"Arrows along one axis, nearest to farthest part{at}: {'; '.join(values)}.",
    )


def _ends(cut: Sequence[DistancePart]) -> str:
    near, far = (cut[0].performance_common, cut[-1].performance_common) if cut else (None, None)
    return "undefined" if near is None or far is None else f"{near:.2f} to {far:.2f}"


def _has_parts(relation: Relation) -> bool:
    return any(part.n for row in relation.datasets for part in (*row.halves, *row.thirds))


@registered(_caption, shows=_has_parts, phone=True)
def parts(relation: Relation, *, limit: int = 24) -> Figure:
    """Draw the performance of each dataset's halves and thirds, joined from nearest to farthest (tables 3-5).

    Filled: at the threshold that all images share; hollow, as in the paper: at the threshold that is best for the part, which
    looks at its labels. For a task without thresholds the two are one. An arrow head marks the farthest part and points the way
    that performance goes; the numbers are at the common threshold. At most `limit` datasets are shown, the first.
    """
    shown, left_out = style.first(relation.datasets, limit)
    look_of = style.looks(relation)
    cuts = [part for row in shown for part in (*row.halves, *row.thirds)]
    two = any(part.performance is not None and part.performance != part.performance_common for part in cuts)
    if not cuts:
        return style.nothing(TITLE, "no dataset shown has performances in its parts")
    with style.drawing():
        figure, panels = style.side_by_side(1.55 + 0.44 * len(shown), 1, 1, rows=len(shown))
        for axes, (attribute, name) in zip(panels, PANELS, strict=True):
            for position, row in enumerate(shown):
                _row(axes, getattr(row, attribute), position, look_of[row.name], two)
            axes.set_title(name)
            axes.set_xlabel("performance of the part")
            style.head_numbers(axes, "near → far")
        _frame(panels, [style.name_text(row.name) for row in shown])
        _legend(figure, two)
        style.head(figure, f"{TITLE} by distance from {style.name_text(relation.primary)}", left_out)
    return figure


def _row(axes: Axes, cut: Sequence[DistancePart], position: int, look: style.Look, two: bool) -> None:
    common = [part.performance_common for part in cut if part.performance_common is not None]
    _chain(axes, common, position - (OFFSET if two else 0), look, filled=True)
    if two:
        retuned = [part.performance for part in cut if part.performance is not None]
        _chain(axes, retuned, position + OFFSET, look, filled=False)
    style.row_number(
        axes, position - style.on_phone(OFFSET, 0), f"{common[0]:.2f} → {common[-1]:.2f}" if len(common) > 1 else "–"
    )


def _chain(axes: Axes, values: Sequence[float], height: float, look: style.Look, filled: bool) -> None:
    """Join dots by increasing distance; with several dots, the last one is an arrow head."""
    if not values:
        return
    kind, face = ("common", look.colour) if filled else ("retuned", style.PAPER)
    dots: dict[str, Any] = {"ls": "none", "mec": look.colour, "mew": 1.1, "mfc": face, "zorder": 2.5}
    axes.plot(values, [height] * len(values), color=look.colour, lw=1.5 if filled else 1.0, zorder=2.1, label=f"{kind}:line")
    earlier = values[:-1] if len(values) > 1 else values
    for position, value in enumerate(earlier):
        axes.plot([value], [height], marker="o", ms=5.5 if position == 0 else 3.2, label=f"{kind}:{position}", **dots)
    if len(values) > 1:
        head_of = ">" if values[-1] >= values[-2] else "<"
        axes.plot([values[-1]], [height], marker=head_of, ms=6.5, label=f"{kind}:far", **dots)


def _frame(panels: Sequence[Axes], names: list[str]) -> None:
    drawn = np.concatenate([np.asarray(line.get_xdata(), dtype=np.float64) for axes in panels for line in axes.get_lines()])
    low, high = float(drawn.min()), float(drawn.max())
    edge = 0.06 * (high - low) + 0.02
    for axes in panels:
        axes.set_xlim(low - edge, high + edge)
        axes.locator_params(axis="x", nbins=6)
        for line in range(1, len(names)):
            axes.axhline(line - style.on_phone(0.72, 0.5), color=style.MUTED, lw=0.4, alpha=0.35)
        axes.set_ylim(len(names) - 0.5, -0.5 - style.on_phone(0.3, 0.0))
        style.name_rows(axes, names if style.on_phone(True, axes is panels[0]) else [""] * len(names), OFFSET)


def _legend(figure: Figure, two: bool) -> None:
    dots: dict[str, Any] = {"color": style.MUTED, "mec": style.MUTED, "ls": "none"}
    handles = [
        Line2D([], [], marker="o", ms=5.5, **dots, label="nearest part"),
        Line2D([], [], marker=">", ms=6.5, **dots, label="farthest part"),
    ]
    if two:
        handles += [
            Line2D([], [], color=style.MUTED, marker="o", ms=5.5, lw=1.5, label="at the common threshold"),
            Line2D([], [], color=style.MUTED, marker="o", ms=5.5, lw=1.0, mfc=style.PAPER, label="re-tuned in the part"),
        ]
    style.name_legend(figure, handles, 4)
