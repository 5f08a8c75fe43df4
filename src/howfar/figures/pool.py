"""Draw a pool of models: precision against recall on every dataset, and how sure their ranks are under each wish."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar.figures.datasets import first
from howfar.figures.frame import head_numbers, head_panel, name_legend, row_number
from howfar.figures.style import INK, MARKERS, MUTED, WIDTH, blank, drawing, head, look, name_rows, name_text
from howfar.numbers import share
from howfar.results.pool import Pool

F_CURVES = (0.2, 0.4, 0.6, 0.8)
MOST_DATASETS = 8
_SHAPES = (*MARKERS, "v", "P", "X", "*")


def precision_recall_plane(result: Pool, *, limit: int = MOST_DATASETS) -> Figure:
    """Draw precision against recall of every model on every secondary dataset, without images of it and with the most.

    Both are of summed counts at each training's own threshold. Colours are models, marks are datasets,
    bars 95 % intervals over photographs and trainings; along a grey curve F is the same, and on the dashed line precision is
    equal to recall. Two panels. At most `limit` datasets are drawn, the first.
    """
    datasets, left_out = first(result.secondaries, min(limit, len(_SHAPES)))
    with drawing():
        figure = blank(WIDTH, 4.9)
        panels = figure.subplots(1, 2, sharex=True, sharey=True).ravel().tolist()
        for axes, shots in zip(panels, (0, result.most), strict=True):
            _plane(axes)
            for position, model in enumerate(result.models):
                rows = result.scores[(result.scores["model"] == model) & (result.scores["shots"] == shots)]
                for mark, dataset in enumerate(datasets):
                    _cross(axes, rows[rows["dataset"] == dataset], look(position).colour, _SHAPES[mark], f"{model}:{dataset}")
            known = name_text(result.primary, 20)
            name = f"M{shots}: {known} and {shots} of each" if shots else f"M: {known} alone"
            head_panel(axes, name, longest=44)
            axes.set_xlabel("recall")
        panels[0].set_ylabel("precision")
        lines = [Line2D([], [], color=look(k).colour, marker="o", lw=1.6, label=name) for k, name in enumerate(result.models)]
        grey: dict[str, Any] = {"color": MUTED, "ls": "none"}
        marks = [Line2D([], [], marker=_SHAPES[k], label=name, **grey) for k, name in enumerate(datasets)]
        name_legend(figure, [*lines, *marks], 6)
        head(figure, "Precision and recall", f"Bars are 95 % intervals; along a grey curve F is the same. {left_out}".strip())
    return figure


def rank_intervals(result: Pool) -> Figure:
    """Draw every model's rank under each wish, with its 95 % interval over draws, and how often it comes first.

    One panel a wish, one row a model, in the same order everywhere.
    """
    wishes = result.answered()
    columns = min(2, len(wishes))
    lines = -(-len(wishes) // columns)
    models = list(result.models)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 5.6, 0.9 + lines * (0.85 + 0.3 * len(models)))
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
        for axes, wish in zip(panels, wishes, strict=False):
            rows = result.ranking(wish).set_index("model").loc[models]
            _ranks(axes, rows)
            head_panel(axes, wish)
            head_numbers(axes, "first in")
        figure.set_layout_engine("constrained", wspace=0.08)
        name_rows(panels[0], [name_text(model, 24) for model in models])
        panels[0].set_ylim(len(models) - 0.5, -0.5)
        panels[0].set_xlim(0.6, len(models) + 0.4)
        panels[0].set_xticks(range(1, len(models) + 1))
        for spare in panels[len(wishes) :]:
            spare.remove()
        for axes in panels[max(0, len(wishes) - columns) : len(wishes)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("rank, 1 for the best")
        head(
            figure,
            "Ranks under each wish",
            f"Lines are 95 % intervals over {result.bootstrap:,} draws; right: draws in which a model is first",
        )
    return figure


def _plane(axes: Axes) -> None:
    """Draw the unit square with curves of equal F, and the diagonal on which precision is equal to recall."""
    recall = np.linspace(0.005, 1, 300)
    for f in F_CURVES:
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = f * recall / (2 * recall - f)
        inside = (precision > 0) & (precision <= 1)
        axes.plot(recall[inside], precision[inside], color=MUTED, lw=0.8, alpha=0.5, zorder=1, label="_f")
        axes.annotate(f"F {f:g}", (1, f / (2 - f)), (-2, 2), textcoords="offset points", ha="right", fontsize=7.5, color=MUTED)
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1, label="_equal")
    axes.grid(True, axis="both")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")


def _cross(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, label: str) -> None:
    for row in rows.to_dict("records"):
        recall, precision = float(row["recall"]), float(row["precision"])
        if np.isnan(recall) or np.isnan(precision):
            continue
        bars: dict[str, Any] = {"color": colour, "lw": 1.1, "alpha": 0.7, "zorder": 2.2, "label": "_interval"}
        axes.plot([row["recall_low"], row["recall_high"]], [precision] * 2, **bars)
        axes.plot([recall] * 2, [row["precision_low"], row["precision_high"]], **bars)
        axes.plot(
            [recall], [precision], marker=marker, ms=7, mfc=colour, mec="white", mew=0.7, ls="none", zorder=2.5, label=label
        )


def _ranks(axes: Axes, rows: pd.DataFrame) -> None:
    for position, (model, row) in enumerate(rows.iterrows()):
        colour = look(position).colour
        axes.plot(
            [row["rank_low"], row["rank_high"]], [position] * 2, color=colour, lw=2, solid_capstyle="round", label="_interval"
        )
        axes.plot([row["rank"]], [position], marker="o", ms=7, color=colour, ls="none", zorder=2.5, label=str(model))
        row_number(axes, position, share(float(row["first"])))
        axes.tick_params(axis="y", length=0, labelcolor=INK)
