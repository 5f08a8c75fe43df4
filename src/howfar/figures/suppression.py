"""Draw what background images changed for several segmenters (appendix C): false positives, and the cost in F elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.adaptation_models import change_text
from howfar.figures.adaptation_suppression import TITLE
from howfar.figures.frame import head_numbers, row_number
from howfar.figures.style import INK, MUTED, WIDTH, Look, blank, drawing, head, look, name_rows, name_text
from howfar.results.suppression import Suppression


def suppression(result: Suppression) -> Figure:
    """Draw false positives of M, and of the models with the most shots without and with background, one row a model.

    Left: share of the pixels of background that no model learnt from, with its 95 % interval over photographs and trainings.
    Right: how mean F of the secondaries changed by adding the background, with its 95 % interval. Rows of a segmenter stand
    together, in one colour.
    """
    shares = result.shares.to_dict("records")
    changes = {(row["segmenter"], row["model"]): row for row in result.changes.to_dict("records")}
    look_of = {name: look(position) for position, name in enumerate(result.segmenters)}
    with drawing():
        figure = blank(WIDTH, 1.5 + 0.31 * len(shares))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.35, 1.0))
        for position, row in enumerate(shares):
            own = look_of[str(row["segmenter"])]
            ends = tuple(100 * float(row[name]) for name in ("share", "low", "high"))
            _dot(left, position, ends, own, f"{row['segmenter']}:{row['model']}", f"{ends[0]:.2f} %")
            change = changes.get((row["segmenter"], row["model"]))
            if change is not None:
                cost = tuple(float(change[name]) for name in ("cost", "cost_low", "cost_high"))
                _dot(right, position, cost, own, f"cost:{row['segmenter']}:{row['model']}", change_text(*cost))
            if position and row["segmenter"] != shares[position - 1]["segmenter"]:
                for axes in (left, right):
                    axes.axhline(position - 0.5, color=MUTED, lw=0.6, alpha=0.6)
        _frame(left, right, [name_text(f"{row['segmenter']} · {row['model']}", 36) for row in shares])
        images = f"{result.left} image{'' if result.left == 1 else 's'} of {name_text(result.background)}"
        head(figure, TITLE, f"on {images} that no model learnt from; lines are 95 % intervals")
    return figure


def _dot(axes: Axes, position: int, ends: tuple[float, ...], own: Look, label: str, text: str) -> None:
    value, low, high = ends
    if np.isnan(value):
        return
    line: dict[str, Any] = {"color": own.colour, "zorder": 2.4, "clip_on": False}
    axes.plot([low, high], [position, position], lw=1.8, label=f"interval:{label}", **line)
    axes.plot([value], [position], marker="o", ms=6.5, label=label, **line)
    row_number(axes, position, text)


def _frame(left: Axes, right: Axes, names: list[str]) -> None:
    name_rows(left, names)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(left=0)
    left.tick_params(axis="y", pad=8)
    left.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    left.set_title("false positives, the fewer the better")
    left.set_xlabel("share of pixels")
    head_numbers(left, "mean")
    right.axvline(0, color=MUTED, lw=1.1, label="_nothing")
    right.margins(x=0.1)
    right.locator_params(axis="x", nbins=5)
    right.tick_params(axis="y", length=0)
    right.set_title("what background cost", color=INK)
    right.set_xlabel("change of mean F on the secondaries")
    head_numbers(right, "[95 % interval]")
