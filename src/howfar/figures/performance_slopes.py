"""Draw the slope of F on distance of every model, a panel a segmenter: is the curve of an adapted model flat?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar.figures.adaptation_models import Measure, check_measure
from howfar.figures.datasets import first
from howfar.figures.frame import head_panel, name_legend
from howfar.figures.style import INK, MUTED, PAPER, WIDTH, blank, drawing, head, look, name_rows, name_text
from howfar.results.adaptation import ALL, BASELINE
from howfar.results.performance_by_distance import PerformanceByDistance

TITLE = "Slope of F on distance"
COLUMNS = 3


def performance_slopes(result: PerformanceByDistance, *, measure: Measure = "f_ods", limit: int = 24) -> Figure:
    """Draw the change of F from the nearest image to the farthest, one panel a segmenter, one row a model.

    Shown are M and the models without background of the strategy that the result is about. The black dot is the slope within
    the secondaries, all images alike, with its 95 % interval over photographs; hollow marks are the datasets' own slopes. The
    band is the change that counts as none. `measure` "f_ods" takes F at each dataset's best threshold, as the paper; "f" at
    each model's own. At most `limit` datasets are marked, the first.
    """
    check_measure(measure)
    shown, left_out = first(result.secondaries, limit)
    rows = result.slopes[result.slopes["measure"] == measure]
    models = [BASELINE, *(model for model in dict.fromkeys(rows["model"]) if _strategy(model) == _strategy(result.adapted))]
    columns = min(COLUMNS, len(result.segmenters))
    lines = math.ceil(len(result.segmenters) / columns)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 5.6, 1.3 + (0.75 + 0.3 * len(models)) * lines)
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
        for axes, segmenter in zip(panels, result.segmenters, strict=False):
            _panel(axes, rows[rows["segmenter"] == segmenter], models, shown, result.flat)
            head_panel(axes, segmenter)
            axes.set_xlabel("change of F, nearest to farthest")
            axes.tick_params(axis="y", length=0)
        name_rows(panels[0], [name_text(model, 24) for model in models])
        panels[0].set_ylim(len(models) - 0.5, -0.5)
        for spare in panels[len(result.segmenters) :]:
            spare.remove()
        name_legend(figure, _handles(shown), 6)
        note = f"The band is a change of ±{result.flat:g}, which counts as none; lines are 95 % intervals. {left_out}"
        head(figure, TITLE, note.strip())
    return figure


def _strategy(model: str) -> str:
    """Name the strategy of a model without background: far-7 is far's."""
    return model.rpartition("-")[0]


def _panel(axes: Axes, rows: pd.DataFrame, models: list[str], shown: list[str], flat: float) -> None:
    axes.axvspan(-flat, flat, color=MUTED, alpha=0.13, lw=0, zorder=1.2, label="_flat")
    axes.axvline(0, color=MUTED, lw=1.1, zorder=2.0, label="_nothing")
    axes.locator_params(axis="x", nbins=5)
    pooled = ALL if ALL in set(rows["dataset"]) else None
    for row in rows[rows["model"].isin(models)].to_dict("records"):
        at, dataset = models.index(str(row["model"])), str(row["dataset"])
        value, low, high = (float(row[name]) for name in ("slope", "low", "high"))
        if np.isnan(value):
            continue
        if dataset == pooled or pooled is None:
            axes.plot([low, high], [at, at], color=INK, lw=1.8, zorder=2.3, label=f"interval:{row['model']}")
            axes.plot([value], [at], "o", color=INK, ms=6.5, zorder=2.6, label=f"slope:{row['model']}")
        elif dataset in shown:
            own = look(shown.index(dataset))
            mark: dict[str, Any] = {"ls": "none", "mec": own.colour, "mfc": PAPER, "mew": 1.3, "ms": 5, "zorder": 2.7}
            axes.plot([value], [at], marker=own.marker, label=f"{dataset}:{row['model']}", **mark)


def _handles(shown: list[str]) -> list[Line2D]:
    if len(shown) < 2:
        return [Line2D([], [], marker="o", color=INK, ms=6, lw=1.8, label=name_text(shown[0]))]
    marks = [
        Line2D(
            [], [], marker=look(k).marker, mec=look(k).colour, mfc=PAPER, mew=1.3, ms=5, ls="none", label=name_text(name, 20)
        )
        for k, name in enumerate(shown)
    ]
    return [Line2D([], [], marker="o", color=INK, ms=6, lw=1.8, label="within all"), *marks]
